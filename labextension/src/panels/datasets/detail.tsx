/** A dataset: its facts, statistics, items and versions; files can be dropped anywhere on it. */
import { useState, type JSX } from 'react';
import type { Dataset } from '../../api/types';
import { AsCode } from '../../components/ascode';
import { Button, StatePill, Time } from '../../components/basics';
import { DetailPage } from '../../components/detailpage';
import { Empty, ErrorView, SkeletonPage } from '../../components/feedback';
import { Menu, type MenuItem } from '../../components/menu';
import { TaskProgress } from '../../components/progress';
import { OwnerNote, ShareButton } from '../../components/sharing';
import { formatBytes, formatNumber, formatPercent } from '../../domain/format';
import { hasEnded } from '../../domain/state';
import { useFrame, useTab, useTitle } from '../../frame';
import { t } from '../../i18n';
import { useCancelTask } from '../../queries/account';
import { useDataset, useUpdateDataset, useVersions } from '../../queries/data';
import { useMay } from '../../queries/shares';
import { useUpload } from '../../queries/uploads';
import type { PanelProps } from '../registry';
import { datasetCode } from './code';
import { DropZone, ImportButton, UploadBar, useImporting } from './importing';
import { ItemsTab } from './items';
import { DeleteDialog, RenameDialog } from './list';
import { Overview } from './overview';
import { PublishDialog } from './publish';
import { VersionsTab } from './versions';

export default function DatasetPanel({ args }: PanelProps): JSX.Element {
  const id = Number(args['id']);
  const dataset = useDataset(id);
  useTitle(dataset.data?.name);
  if (dataset.isLoading) {
    return <SkeletonPage />;
  }
  if (!dataset.data) {
    return <ErrorView error={dataset.error} onRetry={() => void dataset.refetch()} />;
  }
  return <Page dataset={dataset.data} />;
}

function Page({ dataset }: { dataset: Dataset }): JSX.Element {
  const { open } = useFrame();
  const tab = useTab();
  const importing = useImporting(dataset);
  const upload = useUpload(dataset.id);
  const cancel = useCancelTask();
  const update = useUpdateDataset();
  const versions = useVersions(dataset.id);
  const [asked, setAsked] = useState<'publish' | 'delete' | 'rename' | null>(null);
  const task = dataset.task && !hasEnded(dataset.task.state) ? dataset.task : null;
  const empty = dataset.items === 0;
  const label = !dataset.confirmed ? 'dataset.label' : dataset.open_items ? 'dataset.continue' : 'dataset.review';
  const { may } = useMay('dataset', dataset);
  const edits = may('data.dataset.edit');
  const menu: MenuItem[] = [];
  if (edits) {
    menu.push(
      { id: 'rename', label: t('datasets.rename'), icon: 'pencil', onSelect: () => setAsked('rename') },
      {
        id: 'pin',
        label: t(dataset.pinned ? 'datasets.unpin' : 'datasets.pin'),
        icon: 'star',
        onSelect: () => update.mutate({ dataset, changes: { pinned: !dataset.pinned } })
      }
    );
  }
  if (may('data.dataset.delete')) {
    menu.push({ id: 'delete', label: t('action.delete'), icon: 'trash', danger: true, onSelect: () => setAsked('delete') });
  }
  const nothing = <Nothing take={edits ? importing.take : undefined} />;
  const close = () => setAsked(null);
  return (
    <DropZone onFiles={edits ? importing.take : undefined}>
      <DetailPage
        title={dataset.name}
        aside={
          <>
            <StatePill state={dataset.state} since={dataset.updated_at} />
            <OwnerNote of={dataset} />
            <span className="hm-muted hm-ell">{dataset.description}</span>
          </>
        }
        actions={
          <>
            {edits && <ImportButton onFiles={importing.take} />}
            <AsCode forms={datasetCode(dataset, versions.items[0])} />
            <ShareButton thing={{ ...dataset, kind: 'dataset' }} />
            {may('data.dataset.publish') && (
              <Button icon="cube" disabled={empty} onClick={() => setAsked('publish')}>
                {t('dataset.publish')}
              </Button>
            )}
            {may('data.dataset.annotate') && (
              <Button icon="image" look="primary" disabled={empty} onClick={() => open('workbench', { id: dataset.id })}>
                {t(label)}
              </Button>
            )}
            {menu.length > 0 && <Menu label={t('action.more')} button={{ icon: 'more' }} items={menu} />}
          </>
        }
        facts={[
          {
            label: t('dataset.fact.labels'),
            value: (
              <button type="button" className="hm-link" onClick={() => open('label-group', { id: dataset.label_group.id })}>
                {dataset.label_group.name}
              </button>
            )
          },
          { label: t('dataset.fact.items'), value: formatNumber(dataset.items) },
          {
            label: t('dataset.fact.confirmed'),
            value: `${formatNumber(dataset.confirmed)} · ${formatPercent(dataset.progress)}`
          },
          { label: t('dataset.fact.version'), value: dataset.current_version ?? t('dataset.noVersion') },
          { label: t('dataset.fact.size'), value: formatBytes(dataset.bytes) },
          { label: t('dataset.fact.created'), value: <><Time at={dataset.created_at} /> · {dataset.owner.name}</> }
        ]}
        above={
          <>
            <UploadBar dataset={dataset.id} />
            {task && !(upload && task.kind === 'import_browser') && (
              <div className="hm-uploadbar">
                <TaskProgress task={task} onCancel={() => cancel.mutate(task.id)} />
              </div>
            )}
          </>
        }
        tabs={[
          {
            id: 'overview',
            label: t('dataset.tab.overview'),
            render: () => (empty ? nothing : <Overview dataset={dataset} />)
          },
          {
            id: 'items',
            label: t('dataset.tab.items'),
            count: formatNumber(dataset.items),
            render: () => (empty ? nothing : <ItemsTab dataset={dataset} />)
          },
          {
            id: 'versions',
            label: t('dataset.tab.versions'),
            count: versions.total,
            render: () => <VersionsTab dataset={dataset} versions={versions} onPublish={() => setAsked('publish')} />
          }
        ]}
      />
      {importing.question}
      {asked === 'publish' && <PublishDialog dataset={dataset} latest={versions.items[0]} onClose={close} />}
      {asked === 'rename' && <RenameDialog dataset={dataset} onClose={close} />}
      {asked === 'delete' && <DeleteDialog datasets={[dataset]} onClose={close} onDone={() => tab.close()} />}
    </DropZone>
  );
}

function Nothing({ take }: { take: ReturnType<typeof useImporting>['take'] | undefined }): JSX.Element {
  return (
    <Empty icon="image" title={t('dataset.empty')} action={take && <ImportButton plain onFiles={take} />}>
      {t('dataset.emptyHint')}
    </Empty>
  );
}
