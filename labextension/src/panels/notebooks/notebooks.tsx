/** Notebooks: their state, resources, cost; open, start, stop, delete; start another one. */
import { useState, type JSX } from 'react';
import { isApiError } from '../../api/errors';
import type { Notebook } from '../../api/types';
import { Button, IconButton, StatePill, Time } from '../../components/basics';
import { Dialog } from '../../components/dialog';
import { Empty, ErrorLine } from '../../components/feedback';
import { SelectField, TextField, fieldError } from '../../components/fields';
import { ListPage, useListView } from '../../components/listpage';
import type { Column } from '../../components/table';
import { ProfileFields, useProfileChoice } from '../../components/profilefields';
import { SpecFields, useSpecChoice } from '../../components/specfields';
import { queueWords } from '../../components/queueline';
import { VerdictLine, canStart } from '../../components/verdict';
import { formatMoney, formatResources } from '../../domain/format';
import { t } from '../../i18n';
import { useCan, useNow } from '../../queries/account';
import { useCreateNotebook, useDeleteNotebook, useEnvironments, useNotebookAction, useNotebooks } from '../../queries/notebooks';
import { useProfiles } from '../../queries/profiles';
import { useSpecs, useVerdict } from '../../queries/training';
import { OtherProfile } from './otherprofile';

const resting = (one: Notebook) => ['stopped', 'failed', 'succeeded', 'timed_out'].includes(one.phase);

interface Acts {
  act: (one: Notebook, verb: 'start' | 'stop') => void;
  remove: (one: Notebook) => void;
  /** Set where the hub's configuration has profiles. */
  profile?: (one: Notebook) => void;
}

/** Its name, and while it waits for room when it probably starts. */
function NotebookName({ one }: { one: Notebook }): JSX.Element {
  const words = queueWords(one.workload, useNow(10_000));
  return (
    <span className="hm-ell" title={words || one.name}>
      <b>{one.name}</b>
      {words && <span className="hm-muted"> {words}</span>}
    </span>
  );
}

function columns({ act, remove, profile }: Acts): Column<Notebook>[] {
  return [
    { id: 'name', title: t('notebook.name'), width: 180, grow: 2, sort: 'name', cell: one => <NotebookName one={one} /> },
    { id: 'phase', title: t('train.state'), width: 128, cell: one => <StatePill state={one.phase} why={one.message} /> },
    { id: 'uses', title: t('train.uses'), width: 160, above: 700, cell: one => formatResources(one.spec.resources) },
    { id: 'environment', title: t('train.environment'), width: 120, above: 860, cell: one => (typeof one.environment === 'string' ? one.environment : one.environment.title) },
    { id: 'cost', title: t('train.cost'), width: 100, numeric: true, cell: one => formatMoney(one.cost_micros, 4) },
    { id: 'updated', title: t('train.updated'), width: 132, numeric: true, above: 760, sort: 'updated_at', cell: one => <Time at={one.updated_at} /> },
    {
      id: 'actions',
      title: '',
      width: profile ? 136 : 104,
      cell: one => (
        <span className="hm-row hm-tight">
          {one.url && (
            <IconButton small icon="right" label={t('notebook.open', { name: one.name })} onClick={() => window.open(one.url ?? '', '_blank')} />
          )}
          {resting(one) ? (
            <>
              <IconButton small icon="play" label={t('notebook.start', { name: one.name })} onClick={() => act(one, 'start')} />
              {profile && <IconButton small icon="layers" label={t('profile.change', { name: one.name })} onClick={() => profile(one)} />}
              <IconButton small icon="trash" label={t('notebook.delete', { name: one.name })} onClick={() => remove(one)} />
            </>
          ) : (
            <IconButton small icon="stop" label={t('train.stopOne', { name: one.name })} onClick={() => act(one, 'stop')} />
          )}
        </span>
      )
    }
  ];
}

export default function NotebooksPanel(): JSX.Element {
  const can = useCan();
  const view = useListView();
  const list = useNotebooks(view.query);
  const action = useNotebookAction();
  const [creating, setCreating] = useState(false);
  const [deleting, setDeleting] = useState<Notebook | null>(null);
  const [profiling, setProfiling] = useState<Notebook | null>(null);
  const profiles = useProfiles(can('develop.notebook.create'));
  const act = (one: Notebook, verb: 'start' | 'stop') =>
    action.mutate(
      { id: one.id, verb },
      { onError: error => isApiError(error) && error.code === 'profile_gone' && setProfiling(one) }
    );
  const remove = useDeleteNotebook(() => setDeleting(null));
  const create = can('develop.notebook.create') && (
    <Button look="primary" icon="plus" onClick={() => setCreating(true)}>
      {t('notebook.new')}
    </Button>
  );
  return (
    <>
      <ListPage
        title={t('notebook.title')}
        list={list}
        view={view}
        columns={columns({ act, remove: setDeleting, profile: profiles.data?.length ? setProfiling : undefined })}
        id={one => one.id}
        name={one => one.name}
        onOpen={one => one.url && window.open(one.url, '_blank')}
        actions={create}
        empty={
          <Empty icon="notebook" title={t('notebook.empty')} action={create}>
            {t('notebook.emptyHint')}
          </Empty>
        }
      />
      {creating && <NewNotebook onClose={() => setCreating(false)} />}
      {profiling && <OtherProfile notebook={profiling} onClose={() => setProfiling(null)} />}
      {deleting && (
        <Dialog
          title={t('notebook.delete', { name: deleting.name })}
          accept={t('action.delete')}
          danger
          busy={remove.isPending}
          error={remove.error}
          onAccept={() => remove.mutate(deleting.id)}
          onClose={() => setDeleting(null)}
        >
          <p>{t('notebook.deleteAsk', { name: deleting.name })}</p>
        </Dialog>
      )}
    </>
  );
}

function NewNotebook({ onClose }: { onClose: () => void }): JSX.Element {
  const specs = useSpecs('notebook');
  const environments = useEnvironments();
  const [name, setName] = useState('');
  const [environment, setEnvironment] = useState('');
  const create = useCreateNotebook(onClose);
  const profiles = useProfiles();
  const profile = useProfileChoice(profiles.data ?? []);
  const choice = useSpecChoice(specs.data, 'notebook');
  const chosen = environment || environments.data?.[0]?.name || '';
  const verdict = useVerdict(choice.body && [choice.body], 'notebook');
  return (
    <Dialog
      title={t('notebook.new')}
      accept={t('action.start')}
      busy={create.isPending}
      disabled={!name || !choice.body || !chosen || !profile.complete || !canStart(verdict.data)}
      error={create.error}
      onAccept={() => choice.body && create.mutate({ name, ...choice.body, environment: chosen, ...profile.body })}
      onClose={onClose}
    >
      <TextField label={t('notebook.name')} limit={30} autoFocus value={name} onChange={setName} error={fieldError(create.error, 'name')} />
      <SpecFields specs={specs.data ?? []} choice={choice} error={create.error} />
      <SelectField
        label={t('train.environment')}
        value={chosen}
        options={(environments.data ?? []).map(one => ({ value: one.name, label: one.title }))}
        onChange={setEnvironment}
      />
      <ProfileFields profiles={profiles.data ?? []} choice={profile} error={create.error} />
      <ErrorLine error={profiles.error} />
      {!choice.unmet && <VerdictLine verdict={verdict.data} error={verdict.error} remaining />}
    </Dialog>
  );
}
