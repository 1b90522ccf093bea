/** The list of datasets. */
import { useState, type JSX } from 'react';
import type { Dataset } from '../../api/types';
import { AsCode } from '../../components/ascode';
import { Button, Meter, State, Time } from '../../components/basics';
import { Dialog } from '../../components/dialog';
import { Empty, toast } from '../../components/feedback';
import { TextField, fieldError } from '../../components/fields';
import { Icon } from '../../components/icons';
import { ListPage, useListView, type Filter } from '../../components/listpage';
import { progressWords, taskProgress, taskShare } from '../../components/progress';
import type { Column } from '../../components/table';
import { Thumb } from '../../components/thumb';
import { formatBytes, formatNumber, formatPercent } from '../../domain/format';
import { hasEnded } from '../../domain/state';
import { uploadEnded } from '../../domain/uploads';
import { useFrame } from '../../frame';
import { t, tValue } from '../../i18n';
import { OwnerNote, SHARED, ShareDialog, SharedSegment } from '../../components/sharing';
import { useCan, useCancelTask, useMe } from '../../queries/account';
import { useChange } from '../../queries/common';
import { useDatasets, useDeleteDatasets, useUpdateDataset } from '../../queries/data';
import { useUpload } from '../../queries/uploads';
import { datasetsCode } from './code';
import { UploadBar } from './importing';

const STATES = ['not_annotated', 'annotating', 'auto_annotation_done', 'annotated', 'importing', 'import_failed'] as const;

export const datasetType = (dataset: Pick<Dataset, 'multi_label'>): string =>
  t(dataset.multi_label ? 'datasets.type.multi' : 'datasets.type.classification');

function filters(): Filter[] {
  return [
    {
      id: 'state',
      label: t('datasets.filter.state'),
      options: STATES.map(value => ({ value, label: tValue('datasetState', value) }))
    },
    {
      id: 'pinned',
      label: t('datasets.filter.pinned'),
      options: [{ value: 'true', label: t('datasets.filter.pinnedOnly') }]
    }
  ];
}

/** The state cell: an import or another task of the dataset shows its progress instead. */
function StateCell({ dataset }: { dataset: Dataset }): JSX.Element {
  const upload = useUpload(dataset.id);
  const cancel = useCancelTask();
  const task = dataset.task;
  if (upload && !uploadEnded(upload)) {
    return <UploadBar dataset={dataset.id} row />;
  }
  if (task && !hasEnded(task.state)) {
    return (
      <div className="hm-upload">
        <div className="hm-row">
          <State state={dataset.state} />
          <span className="hm-muted hm-ell hm-grow">{progressWords(taskProgress(task))}</span>
          <Button small look="quiet" onClick={() => cancel.mutate(task.id)}>
            {t('action.cancel')}
          </Button>
        </div>
        <Meter share={taskShare(task)} label={tValue('task', task.kind)} />
      </div>
    );
  }
  return <State state={dataset.state} />;
}

const columns = (): Column<Dataset>[] => [
  { id: 'cover', title: <span className="hm-sr">{t('items.grid')}</span>, width: 52, cell: one => <Thumb path={one.cover} name="" className="hm-tile" /> },
  {
    id: 'name',
    title: t('datasets.column.name'),
    sort: 'name',
    width: 110,
    grow: 3,
    cell: one => (
      <span className="hm-row">
        <span className="hm-nm hm-ell" title={one.name}>
          {one.name}
        </span>
        {one.pinned && <Icon name="star" size={12} className="hm-busy" />}
        <OwnerNote of={one} />
      </span>
    )
  },
  { id: 'type', title: t('datasets.column.type'), width: 168, above: 1000, cell: one => datasetType(one) },
  { id: 'items', title: t('datasets.column.items'), width: 72, numeric: true, cell: one => formatNumber(one.items) },
  {
    id: 'annotated',
    title: t('datasets.column.annotated'),
    width: 104,
    cell: one =>
      one.items ? (
        <span className="hm-share">
          <Meter share={one.progress} label={t('datasets.column.annotated')} />
          {formatPercent(one.progress)}
        </span>
      ) : (
        <span className="hm-muted">–</span>
      )
  },
  { id: 'version', title: t('datasets.column.version'), width: 72, cell: one => one.current_version ?? <span className="hm-muted">–</span> },
  { id: 'state', title: t('datasets.column.state'), width: 130, grow: 2, cell: one => <StateCell dataset={one} /> },
  {
    id: 'size',
    title: t('datasets.column.size'),
    width: 84,
    numeric: true,
    above: 820,
    cell: one => (one.bytes ? formatBytes(one.bytes) : <span className="hm-muted">–</span>)
  },
  {
    id: 'updated',
    title: t('datasets.column.modified'),
    sort: 'updated_at',
    width: 116,
    numeric: true,
    above: 720,
    cell: one => <Time at={one.updated_at} />
  }
];

export default function Datasets(): JSX.Element {
  const { open } = useFrame();
  const choices = filters();
  const view = useListView([...choices, SHARED]);
  const can = useCan();
  const me = useMe().data;
  const list = useDatasets(view.query);
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const [deleting, setDeleting] = useState<readonly Dataset[] | null>(null);
  const [renaming, setRenaming] = useState<Dataset | null>(null);
  const [sharing, setSharing] = useState<Dataset | null>(null);
  const update = useUpdateDataset();
  const chosen = list.items.filter(one => selected.has(one.id));
  const create = can('data.dataset.create') && (
    <Button icon="plus" look="primary" onClick={() => open('new-dataset')}>
      {t('datasets.new')}
    </Button>
  );
  const only = chosen.length === 1 ? chosen[0] : undefined;
  const edits = can('data.dataset.edit');
  return (
    <>
      <ListPage
        title={t('datasets.title')}
        list={list}
        view={view}
        filters={choices}
        aside={<SharedSegment view={view} />}
        columns={columns()}
        id={one => one.id}
        name={one => one.name}
        selected={selected}
        onSelect={setSelected}
        onOpen={one => open('dataset', { id: one.id })}
        actions={
          <>
            <AsCode forms={datasetsCode()} />
            {create}
          </>
        }
        bulkNote={t('datasets.selectedNote', {
          items: chosen.reduce((sum, one) => sum + one.items, 0),
          bytes: formatBytes(chosen.reduce((sum, one) => sum + one.bytes, 0))
        })}
        bulk={() => (
          <>
            {only && (
              <>
                <span className="hm-sep" />
                {can('data.dataset.annotate') && (
                  <Button icon="image" look="quiet" disabled={!only.items} onClick={() => open('workbench', { id: only.id })}>
                    {t('dataset.label')}
                  </Button>
                )}
                {edits && (
                  <>
                    <Button icon="pencil" look="quiet" onClick={() => setRenaming(only)}>
                      {t('datasets.rename')}
                    </Button>
                    <Button
                      icon="star"
                      look="quiet"
                      onClick={() => update.mutate({ dataset: only, changes: { pinned: !only.pinned } })}
                    >
                      {t(only.pinned ? 'datasets.unpin' : 'datasets.pin')}
                    </Button>
                  </>
                )}
                {can('sharing.share.manage') && only.owner.id === me?.user.id && (
                  <Button icon="share" look="quiet" onClick={() => setSharing(only)}>
                    {t('share.action')}
                  </Button>
                )}
              </>
            )}
            <span className="hm-grow" />
            {can('data.dataset.delete') && (
              <Button icon="trash" look="quiet" className="hm-danger" onClick={() => setDeleting(chosen)}>
                {t('action.delete')}
              </Button>
            )}
          </>
        )}
        empty={
          <Empty icon="dataset" title={t('datasets.empty')} action={create}>
            {t('datasets.emptyHint')}
          </Empty>
        }
      />
      {deleting && (
        <DeleteDialog
          datasets={deleting}
          onClose={() => setDeleting(null)}
          onDone={() => {
            setDeleting(null);
            setSelected(new Set());
          }}
        />
      )}
      {sharing && <ShareDialog thing={{ ...sharing, kind: 'dataset' }} onClose={() => setSharing(null)} />}
      {renaming && <RenameDialog dataset={renaming} onClose={() => setRenaming(null)} />}
    </>
  );
}

export function DeleteDialog(props: { datasets: readonly Dataset[]; onClose: () => void; onDone: () => void }): JSX.Element {
  const count = props.datasets.length;
  const remove = useDeleteDatasets(() => {
    toast(t('datasets.deleted', { count }));
    props.onDone();
  });
  return (
    <Dialog
      title={t('datasets.delete.title', { count })}
      accept={t('action.delete')}
      danger
      busy={remove.isPending}
      onClose={props.onClose}
      onAccept={() => remove.mutate(props.datasets)}
    >
      <p className="hm-clamp">
        <b>{props.datasets.map(one => one.name).join(', ')}</b>
      </p>
      <p>{t('datasets.delete.text')}</p>
    </Dialog>
  );
}

export function RenameDialog({ dataset, onClose }: { dataset: Dataset; onClose: () => void }): JSX.Element {
  const [name, setName] = useState(dataset.name);
  const rename = useChange<string, Dataset>(
    ['dataset'],
    (client, next) => client.patch(`/datasets/${dataset.id}`, { name: next }, dataset.version),
    {
      quiet: true,
      onSuccess: renamed => {
        toast(t('datasets.renamed', { name: renamed.name }));
        onClose();
      }
    }
  );
  return (
    <Dialog
      title={t('datasets.rename')}
      accept={t('action.save')}
      busy={rename.isPending}
      disabled={!name || name === dataset.name}
      error={fieldError(rename.error, 'name') ? null : rename.error}
      onClose={onClose}
      onAccept={() => rename.mutate(name)}
    >
      <TextField
        label={t('dataset.field.name')}
        value={name}
        limit={50}
        autoFocus
        hint={t('dataset.field.nameHint')}
        error={fieldError(rename.error, 'name')}
        onChange={setName}
      />
    </Dialog>
  );
}
