/** The published versions of a dataset: list, compare, make current, export, delete. */
import { useState, type JSX } from 'react';
import type { Dataset, DatasetVersion } from '../../api/types';
import { Button, Time } from '../../components/basics';
import { PartsBar } from '../../components/chart';
import { Dialog } from '../../components/dialog';
import { Empty, ErrorView, SkeletonRows, toast } from '../../components/feedback';
import { Menu } from '../../components/menu';
import { DataTable, type Column } from '../../components/table';
import { formatBytes, formatNumber } from '../../domain/format';
import { useFrame, useTab } from '../../frame';
import { t } from '../../i18n';
import type { PagedList } from '../../queries/common';
import { useDeleteVersion, useSetCurrent } from '../../queries/data';
import { CompareView, DRAFT } from './compare';

const FORMATS = ['imagefolder', 'native', 'csv'] as const;

export function VersionsTab(props: {
  dataset: Dataset;
  versions: PagedList<DatasetVersion>;
  onPublish: () => void;
}): JSX.Element {
  const { dataset, versions } = props;
  const { client } = useFrame();
  const tab = useTab();
  const setCurrent = useSetCurrent(dataset.id);
  const [deleting, setDeleting] = useState<string | null>(null);
  const from = tab.args['view.from'];
  const to = tab.args['view.to'];
  const compare = (first: string, second: string) => tab.setView({ 'view.from': first, 'view.to': second });
  if (versions.isLoading) {
    return <SkeletonRows rows={4} />;
  }
  if (versions.error && !versions.items.length) {
    return <ErrorView error={versions.error} onRetry={versions.refetch} />;
  }
  if (!versions.items.length) {
    return (
      <Empty
        icon="cube"
        title={t('versions.empty')}
        action={
          <Button icon="cube" look="primary" disabled={!dataset.items} onClick={props.onPublish}>
            {t('dataset.publish')}
          </Button>
        }
      >
        {t('versions.emptyHint')}
      </Empty>
    );
  }
  if (typeof from === 'string' && typeof to === 'string') {
    return (
      <CompareView
        dataset={dataset}
        versions={versions.items}
        from={from}
        to={to}
        onChange={compare}
        onClose={() => tab.setView({ 'view.from': null, 'view.to': null })}
      />
    );
  }
  const previous = (version: DatasetVersion) => versions.items[versions.items.indexOf(version) + 1];
  const actions = (version: DatasetVersion) => {
    const before = previous(version);
    return (
      <Menu
        label={`${t('action.more')}: ${version.version}`}
        button={{ icon: 'more', look: 'quiet', small: true }}
        items={[
          {
            id: 'compare',
            label: t('versions.compareWith'),
            icon: 'split',
            disabled: !before,
            onSelect: () => before && compare(before.version, version.version)
          },
          { id: 'draft', label: t('versions.compareDraft'), icon: 'split', onSelect: () => compare(version.version, DRAFT) },
          {
            id: 'current',
            label: t('versions.setCurrent'),
            icon: 'check',
            disabled: version.current,
            onSelect: () => setCurrent.mutate(version.version)
          },
          ...FORMATS.map(format => ({
            id: format,
            label: t(`versions.export.${format}`),
            icon: 'upload' as const,
            // A plain download: the browser streams it to disk and can go on after a pause.
            onSelect: () =>
              window.location.assign(client.url(`/datasets/${dataset.id}/versions/${version.version}/export`, { format }))
          })),
          { id: 'delete', label: t('action.delete'), icon: 'trash', danger: true, onSelect: () => setDeleting(version.version) }
        ]}
      />
    );
  };
  return (
    <>
      <DataTable
        label={t('dataset.tab.versions')}
        items={versions.items}
        columns={columns(actions)}
        id={version => version.number}
        name={version => version.version}
        rowHeight={36}
        onOpen={version => compare(previous(version)?.version ?? version.version, previous(version) ? version.version : DRAFT)}
      />
      {deleting && <DeleteVersion dataset={dataset.id} version={deleting} onClose={() => setDeleting(null)} />}
    </>
  );
}

const columns = (actions: (version: DatasetVersion) => JSX.Element): Column<DatasetVersion>[] => [
  {
    id: 'version',
    title: t('versions.column.version'),
    width: 120,
    cell: version => (
      <span className="hm-row">
        <b>{version.version}</b>
        {version.current && <span className="hm-tag">{t('versions.current')}</span>}
      </span>
    )
  },
  { id: 'items', title: t('versions.column.items'), width: 72, numeric: true, cell: version => formatNumber(version.items) },
  {
    id: 'labels',
    title: t('versions.column.labels'),
    width: 120,
    grow: 2,
    cell: version => (
      <PartsBar
        label={t('versions.column.labels')}
        parts={version.by_label.map(label => ({ label: label.name, value: label.count, colour: label.colour }))}
      />
    )
  },
  {
    id: 'splits',
    title: t('versions.column.splits'),
    width: 168,
    numeric: true,
    above: 700,
    cell: ({ splits }) =>
      splits.state === 'pending' ? (
        <span className="hm-busy">{t('versions.pending')}</span>
      ) : (
        [splits.train, splits.validation, splits.test].map(count => formatNumber(count ?? 0)).join(' / ')
      )
  },
  {
    id: 'description',
    title: t('versions.column.description'),
    width: 120,
    grow: 2,
    above: 860,
    cell: version => (
      <span title={version.description}>
        {version.description}
        {version.unconfirmed > 0 && (
          <span className="hm-wait hm-sm"> {t('versions.unconfirmed', { count: version.unconfirmed })}</span>
        )}
      </span>
    )
  },
  { id: 'size', title: t('versions.column.size'), width: 88, numeric: true, above: 960, cell: version => formatBytes(version.bytes) },
  { id: 'author', title: t('versions.column.author'), width: 104, above: 780, cell: version => version.author.name },
  { id: 'created', title: t('versions.column.created'), width: 116, numeric: true, cell: version => <Time at={version.created_at} /> },
  { id: 'actions', title: <span className="hm-sr">{t('action.more')}</span>, width: 44, cell: actions }
];

function DeleteVersion(props: { dataset: number; version: string; onClose: () => void }): JSX.Element {
  const { version } = props;
  const remove = useDeleteVersion(props.dataset, () => {
    toast(t('versions.deleted', { version }));
    props.onClose();
  });
  return (
    <Dialog
      title={t('versions.delete.title', { version })}
      accept={t('action.delete')}
      danger
      busy={remove.isPending}
      error={remove.error}
      onClose={props.onClose}
      onAccept={() => remove.mutate(version)}
    >
      <p>{t('versions.delete.text')}</p>
    </Dialog>
  );
}
