/** Registered models. */
import type { JSX } from 'react';
import type { Model } from '../../api/types';
import { Button, Time } from '../../components/basics';
import { Empty } from '../../components/feedback';
import { ListPage, useListView } from '../../components/listpage';
import { OwnerNote, SHARED, SharedSegment } from '../../components/sharing';
import type { Column } from '../../components/table';
import { formatNumber } from '../../domain/format';
import { useFrame } from '../../frame';
import { t } from '../../i18n';
import { useModels } from '../../queries/models';

const Name = ({ model }: { model: Model }): JSX.Element => (
  <span className="hm-row">
    <b className="hm-ell" title={model.name}>
      {model.name}
    </b>
    <OwnerNote of={model} />
  </span>
);

const columns = (): Column<Model>[] => [
  { id: 'name', title: t('model.name'), width: 200, grow: 2, sort: 'name', cell: model => <Name model={model} /> },
  { id: 'latest', title: t('model.latest'), width: 96, cell: model => model.latest ?? '–' },
  { id: 'versions', title: t('model.versions'), width: 96, numeric: true, cell: model => formatNumber(model.versions) },
  { id: 'format', title: t('model.format'), width: 120, cell: model => model.format },
  {
    id: 'description',
    title: t('model.description'),
    width: 160,
    grow: 1,
    above: 820,
    cell: model => <span className="hm-muted hm-ell">{model.description}</span>
  },
  {
    id: 'updated',
    title: t('train.updated'),
    width: 132,
    numeric: true,
    above: 640,
    sort: 'updated_at',
    cell: model => <Time at={model.updated_at} />
  }
];

export default function ModelsPanel(): JSX.Element {
  const { open } = useFrame();
  const view = useListView([SHARED]);
  const list = useModels(view.query);
  return (
    <ListPage
      title={t('model.title')}
      list={list}
      view={view}
      aside={<SharedSegment view={view} />}
      columns={columns()}
      id={model => model.id}
      name={model => model.name}
      onOpen={model => open('model', { id: model.id })}
      empty={
        <Empty
          icon="cube"
          title={t('model.empty')}
          action={
            <Button look="primary" onClick={() => open('jobs')}>
              {t('train.jobs')}
            </Button>
          }
        >
          {t('model.emptyHint')}
        </Empty>
      }
    />
  );
}
