/** Online services. */
import type { JSX } from 'react';
import type { InferenceService } from '../../api/types';
import { Button, StatePill, Time } from '../../components/basics';
import { Empty } from '../../components/feedback';
import { ListPage, useListView } from '../../components/listpage';
import type { Column } from '../../components/table';
import { formatMoney, formatNumber } from '../../domain/format';
import { useFrame } from '../../frame';
import { t } from '../../i18n';
import { useCan } from '../../queries/account';
import { useServices } from '../../queries/serving';

const columns = (): Column<InferenceService>[] => [
  { id: 'name', title: t('serve.name'), width: 180, grow: 2, sort: 'name', cell: one => <b>{one.name}</b> },
  { id: 'phase', title: t('train.state'), width: 128, cell: one => <StatePill state={one.phase} why={one.message} /> },
  {
    id: 'models',
    title: t('serve.models'),
    width: 180,
    grow: 1,
    above: 760,
    cell: one => (
      <span className="hm-ell">{one.variants.map(v => `${v.model.name} ${v.model.version} · ${v.weight_percent}%`).join(', ')}</span>
    )
  },
  { id: 'ready', title: t('serve.ready'), width: 72, numeric: true, cell: one => `${one.replicas_ready}/${one.replicas_total}` },
  {
    id: 'calls',
    title: t('serve.calls'),
    width: 96,
    numeric: true,
    above: 640,
    cell: one => (
      <span>
        {formatNumber(one.calls_total)}
        {one.calls_failed > 0 && <span className="hm-fail"> · {formatNumber(one.calls_failed)}</span>}
      </span>
    )
  },
  { id: 'price', title: t('serve.price'), width: 96, numeric: true, cell: one => t('money.perHour', { money: formatMoney(one.price_per_hour_micros) }) },
  { id: 'updated', title: t('train.updated'), width: 132, numeric: true, above: 900, sort: 'updated_at', cell: one => <Time at={one.updated_at} /> }
];

export default function ServicesPanel(): JSX.Element {
  const { open } = useFrame();
  const can = useCan();
  const view = useListView();
  const list = useServices(view.query);
  const create = can('serve.service.edit') && (
    <Button look="primary" icon="plus" onClick={() => open('newservice')}>
      {t('serve.new')}
    </Button>
  );
  return (
    <ListPage
      title={t('serve.title')}
      list={list}
      view={view}
      columns={columns()}
      id={one => one.id}
      name={one => one.name}
      onOpen={one => open('service', { id: one.id })}
      actions={create}
      empty={
        <Empty icon="pulse" title={t('serve.empty')} action={create}>
          {t('serve.emptyHint')}
        </Empty>
      }
    />
  );
}
