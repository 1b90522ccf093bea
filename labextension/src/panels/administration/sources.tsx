/** Sign-in sources: other directories that say who somebody is, and what their words mean here (TEN-12, TEN-21). */
import { useQuery } from '@tanstack/react-query';
import { useState, type JSX } from 'react';
import { CodeBlock } from '../../components/ascode';
import { Button, Time } from '../../components/basics';
import { Dialog } from '../../components/dialog';
import { toast } from '../../components/feedback';
import { AreaField } from '../../components/fields';
import { Icon } from '../../components/icons';
import { useListView } from '../../components/listpage';
import { useLeave } from '../../components/record/guard';
import { RecordPage } from '../../components/record/page';
import type { Column } from '../../components/table';
import { formatList, formatMoment, formatNumber } from '../../domain/format';
import { useFrame } from '../../frame';
import { t, tValue } from '../../i18n';
import { useChoices, useRecord, useRecordChanges, wholeList } from '../../queries/records';
import { ORGANISATIONS } from './collections';
import { Enabled, Loaded } from './parts';
import { NEW, usePlace } from './place';
import { EditForm, NewForm, NewPage, RecordActions, RecordList } from './record';
import { useRoles } from './roles';
import { groupsOf } from './sourcefields';
import { FIRST, SOURCES, bodyOf, valuesOf, type Source, type SourceValues } from './sourceform';

const columns = (): Column<Source & { row: number }>[] => [
  { id: 'title', title: t('record.name'), width: 160, grow: 2, sort: 'title', cell: one => (
    <span className="hm-row hm-tight"><b className="hm-ell">{one.title}</b> <span className="hm-muted">{one.name}</span></span>
  ) },
  { id: 'kind', title: t('sources.kind'), width: 136, sort: 'kind', cell: one => <span className="hm-muted">{tValue('sources.kind', one.kind)}</span> },
  { id: 'state', title: t('record.state'), width: 112, cell: one => <Enabled on={one.enabled} /> },
  { id: 'users', title: t('members.title'), width: 96, numeric: true, sort: 'users', cell: one => formatNumber(one.users) },
  { id: 'updated', title: t('train.updated'), width: 128, numeric: true, above: 640, cell: one => <Time at={one.updated_at} /> }
];

export default function SourcesSection(): JSX.Element {
  const { client } = useFrame();
  const place = usePlace();
  const view = useListView([], 'title');
  const answer = useQuery({
    queryKey: [SOURCES.kind, 'list'],
    queryFn: ({ signal }) => client.get<Source[]>(SOURCES.path, undefined, signal),
    enabled: !place.record
  });
  if (place.record === NEW) {
    return <NewSource />;
  }
  if (place.record) {
    return <SourcePage name={place.record} />;
  }
  const list = wholeList(answer, view, one => `${one.title} ${one.name} ${one.kind}`, {
    title: one => one.title,
    kind: one => one.kind,
    users: one => one.users
  });
  return (
    <RecordList
      title={t('sources.title')}
      list={{ ...list, items: list.items.map((one, row) => ({ ...one, row })) }}
      view={view}
      columns={columns()}
      searchLabel={t('record.name')}
      id={one => one.row}
      name={one => one.title}
      opens={one => one.name}
      create={t('sources.new')}
      empty={{ icon: 'link', title: t('sources.empty'), hint: t('sources.emptyHint') }}
    />
  );
}

/** What the form offers: the kinds of this installation, its organisations, the roles that a source may grant. */
function useOffers() {
  const { client } = useFrame();
  const kinds = useQuery({
    queryKey: [SOURCES.kind, 'kinds'],
    queryFn: async ({ signal }) => (await client.get<{ kind: string }[]>(`${SOURCES.path}/kinds`, undefined, signal)).map(one => one.kind),
    staleTime: Infinity
  });
  const organisations = useChoices(ORGANISATIONS, { sort: 'name' });
  const roles = useRoles();
  const data =
    kinds.data && organisations.data && roles.data
      ? {
          kinds: kinds.data,
          organisations: organisations.data.map(one => ({ value: one.code, label: one.name })),
          roles: roles.data.filter(one => one.built_in).map(one => ({ value: one.key, label: one.title }))
        }
      : undefined;
  const all = [kinds, organisations, roles];
  return { data, error: all.find(one => one.error)?.error ?? null, refetch: () => all.forEach(one => void one.refetch()) };
}

function NewSource(): JSX.Element {
  const place = usePlace();
  const offers = useOffers();
  const changes = useRecordChanges(SOURCES);
  return (
    <NewPage list={t('sources.title')} title={t('sources.new')}>
      <Loaded answer={offers}>
        {offer => (
          <NewForm<SourceValues>
            first={FIRST}
            groups={groupsOf(offer)}
            save={async values => {
              const made = await changes.create(bodyOf(values));
              toast(t('record.createdNow', { name: made.title }));
              place.open(made.name);
            }}
            accept={t('sources.create')}
          />
        )}
      </Loaded>
    </NewPage>
  );
}

function SourcePage({ name }: { name: string }): JSX.Element {
  const place = usePlace();
  const answer = useRecord(SOURCES, name);
  const offers = useOffers();
  const changes = useRecordChanges(SOURCES, ['member']);
  const leave = useLeave();
  const [testing, setTesting] = useState(false);
  return (
    <Loaded answer={answer}>
      {one => {
        const fixed = one.origin === 'file';
        return (
          <RecordPage
            list={t('sources.title')}
            onBack={place.close}
            title={one.title}
            aside={<Enabled on={one.enabled} />}
            actions={
              <>
                <Button icon="pulse" onClick={() => leave(() => setTesting(true))}>
                  {t('sources.test')}
                </Button>
                <RecordActions
                  name={one.title}
                  may={!fixed}
                  enabled={one.enabled}
                  turn={enabled => changes.update(one.name, { enabled }, one.version)}
                  disableText={t('sources.disableText', { count: one.users })}
                  remove={() => changes.remove(one.name, one.version)}
                  deleteText={t('sources.deleteText', { count: one.users })}
                />
              </>
            }
            facts={[
              { label: t('sources.name'), value: one.name },
              { label: t('sources.kind'), value: tValue('sources.kind', one.kind) },
              { label: t('members.title'), value: formatNumber(one.users) },
              { label: t('record.created'), value: formatMoment(one.created_at) }
            ]}
          >
            <Loaded answer={offers}>
              {offer => (
                <EditForm
                  record={one}
                  id={one.name}
                  changes={changes}
                  valuesOf={valuesOf}
                  bodyOf={(changed, values) => bodyOf(values, changed)}
                  nameOf={values => values.title}
                  groups={groupsOf(offer, one)}
                  may={!fixed}
                  above={
                    <>
                      {fixed && <p className="hm-notice">{t('sources.fixed')}</p>}
                      {one.callback_url && (
                        <div className="hm-field">
                          <b>{t('sources.callback')}</b>
                          <CodeBlock text={one.callback_url} />
                          <p className="hm-muted">{t('sources.callbackHint')}</p>
                        </div>
                      )}
                    </>
                  }
                />
              )}
            </Loaded>
            {testing && <TestDialog source={one} onClose={() => setTesting(false)} />}
          </RecordPage>
        );
      }}
    </Loaded>
  );
}

interface Tried {
  passed: boolean;
  steps: { name: string; passed: boolean; detail: string }[];
  mapped: { organisation: string; department: string | null; roles: string[]; groups: string[]; display_name: string } | null;
}

/** Reaches the source step by step as a sign-in would, and shows what its mapping makes of somebody's claims. */
function TestDialog({ source, onClose }: { source: Source; onClose: () => void }): JSX.Element {
  const { client } = useFrame();
  const [claims, setClaims] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [wrong, setWrong] = useState(false);
  const [tried, setTried] = useState<Tried | null>(null);
  const run = async () => {
    let given: unknown;
    try {
      given = claims.trim() ? JSON.parse(claims) : undefined;
    } catch {
      setWrong(true);
      return;
    }
    setWrong(false);
    setBusy(true);
    setError(null);
    setTried(null);
    try {
      setTried(await client.post<Tried>(`${SOURCES.path}/${source.name}/test`, given === undefined ? {} : { claims: given }));
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={t('sources.testOf', { name: source.title })} wide accept={t('sources.testNow')} busy={busy} error={error} onAccept={() => void run()} onClose={onClose}>
      <AreaField
        label={t('sources.claims')}
        optional
        rows={4}
        spellCheck={false}
        placeholder='{"groups": ["ml-users"]}'
        hint={t('sources.claimsHint')}
        error={wrong ? t('sources.claimsWrong') : undefined}
        value={claims}
        onChange={setClaims}
      />
      {tried && (
        <ul className="hm-steps" aria-label={t('sources.steps')} role="status">
          {tried.steps.map(step => (
            <li key={step.name} className={step.passed ? undefined : 'hm-fail'}>
              <Icon name={step.passed ? 'check' : 'warning'} size={14} className={step.passed ? 'hm-run' : 'hm-fail'} />
              <b>{tValue('sources.step', step.name)}</b>
              <span className={step.passed ? 'hm-muted' : undefined}>{step.detail}</span>
            </li>
          ))}
        </ul>
      )}
      {tried?.mapped && (
        <dl className="hm-mapresult">
          <dt>{t('record.organisation')}</dt>
          <dd>{tried.mapped.organisation}</dd>
          {tried.mapped.department !== null && (
            <>
              <dt>{t('sources.department')}</dt>
              <dd>{tried.mapped.department || '–'}</dd>
            </>
          )}
          <dt>{t('roles.title')}</dt>
          <dd>{formatList(tried.mapped.roles) || '–'}</dd>
          <dt>{t('groups.title')}</dt>
          <dd>{formatList(tried.mapped.groups) || '–'}</dd>
        </dl>
      )}
    </Dialog>
  );
}
