/** Money: what is left and how long it lasts, where it went, each bill; income and expense. */
import { useMemo, useState, type JSX } from 'react';
import type { Bill, Posting } from '../../api/types';
import { AsCode } from '../../components/ascode';
import { Card, Segment, StatePill, Time } from '../../components/basics';
import { PartsBar } from '../../components/chart';
import { Empty } from '../../components/feedback';
import { Icon, type IconName } from '../../components/icons';
import { ListPage, useListView, type Filter } from '../../components/listpage';
import { Menu } from '../../components/menu';
import type { Column } from '../../components/table';
import { formatElapsed, formatMoment, formatMoney, formatPercent, formatResources, formatSpan } from '../../domain/format';
import { useFrame, useTab } from '../../frame';
import { locale, t, tValue } from '../../i18n';
import { useBalance, useCan, useMe } from '../../queries/account';
import { offsetMinutes, useBills, usePostings, useSummary, type BillPeriod } from '../../queries/money';
import { BillDialog } from './bill';
import { DayBars } from './daybars';
import { RechargeButton } from './recharge';

const SECTION_COLOURS: Record<string, string> = {
  notebook: 'var(--himalia-s3)',
  training: 'var(--himalia-s1)',
  inference: 'var(--himalia-s2)',
  annotation: 'var(--himalia-s4)',
  storage: 'var(--himalia-s5)'
};
export const sectionColour = (section: string): string => SECTION_COLOURS[section] ?? 'var(--himalia-s6)';
const ICONS: Record<string, IconName> = { notebook: 'notebook', run: 'curve', service_variant: 'pulse', inference_service: 'pulse' };

/** From the first of this month to the end of today, in the person's zone. */
export function thisMonth(now = new Date()): BillPeriod {
  const from = new Date(now.getFullYear(), now.getMonth(), 1);
  const to = new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1);
  return { from: from.toISOString(), to: to.toISOString() };
}

const FILTERS = (): Filter[] => [
  {
    id: 'section',
    label: t('bill.filter.work'),
    options: ['notebook', 'training', 'inference'].map(value => ({ value, label: tValue('section', value) }))
  },
  {
    id: 'state',
    label: t('bill.filter.state'),
    options: ['open', 'settled'].map(value => ({ value, label: tValue('bill.state', value) }))
  }
];

const billColumns = (): Column<Bill & { section?: string; name?: string; price_per_hour_micros?: number }>[] => [
  { id: 'serial', title: t('bill.serial'), width: 148, cell: one => <span className="hm-num hm-muted">{one.serial}</span> },
  { id: 'work', title: t('bill.work'), width: 160, grow: 2, sort: 'name', cell: one => <b className="hm-ell">{one.object?.name ?? one.name}</b> },
  {
    id: 'type',
    title: t('bill.type'),
    width: 120,
    above: 620,
    cell: one => (
      <span className="hm-row hm-tight">
        <Icon name={ICONS[one.kind] ?? 'bars'} /> {tValue('section', one.section ?? one.kind)}
      </span>
    )
  },
  { id: 'resources', title: t('bill.resources'), width: 140, grow: 1, above: 860, cell: one => formatResources(one.resources) },
  { id: 'started', title: t('bill.started'), width: 120, numeric: true, sort: 'started_at', cell: one => <Time at={one.started_at} /> },
  { id: 'quantity', title: t('bill.quantity'), width: 92, numeric: true, cell: one => formatElapsed(one.duration_seconds) },
  {
    id: 'unit',
    title: t('bill.perHour'),
    width: 92,
    numeric: true,
    above: 1040,
    cell: one => (one.price_per_hour_micros ? formatMoney(one.price_per_hour_micros, 4) : '–')
  },
  {
    id: 'cost',
    title: t('bill.cost'),
    width: 104,
    numeric: true,
    cell: one => (
      <span className="hm-row hm-tight hm-end" title={tValue('bill.state', one.state)}>
        {one.state === 'open' && <Icon name="arc" size={12} className="hm-busy" />} <b>{formatMoney(one.total_micros, 4)}</b>
      </span>
    )
  }
];

const postingColumns = (): Column<Posting>[] => [
  { id: 'serial', title: t('bill.serial'), width: 120, cell: one => <span className="hm-num hm-muted">{one.serial}</span> },
  { id: 'at', title: t('ledger.at'), width: 132, sort: 'at', cell: one => <Time at={one.at} /> },
  { id: 'type', title: t('bill.type'), width: 120, cell: one => tValue('ledger', one.type) },
  { id: 'note', title: t('ledger.note'), width: 160, grow: 1, cell: one => <span className="hm-ell hm-muted">{one.note || one.bill?.serial}</span> },
  { id: 'amount', title: t('ledger.amount'), width: 120, numeric: true, cell: one => <b>{formatMoney(one.amount_micros, 4)}</b> },
  { id: 'after', title: t('ledger.after'), width: 120, numeric: true, cell: one => formatMoney(one.balance_after_micros, 4) }
];

export default function BillsPanel(): JSX.Element {
  const tab = useTab();
  const ledger = tab.args['view.show'] === 'ledger';
  return ledger ? <LedgerList /> : <BillList />;
}

function ShowSwitch(): JSX.Element {
  const tab = useTab();
  const can = useCan();
  const me = useMe();
  const allowed = can('money.ledger.read') || 'money.ledger.read' in (me.data?.with_step_up ?? {});
  return (
    <Segment
      label={t('bill.show')}
      value={tab.args['view.show'] === 'ledger' ? 'ledger' : 'bills'}
      options={[
        { value: 'bills', label: t('bill.bills') },
        ...(allowed ? [{ value: 'ledger' as const, label: t('bill.ledger') }] : [])
      ]}
      onChange={value => tab.setView({ 'view.show': value === 'ledger' ? 'ledger' : null, 'view.sort': null })}
    />
  );
}

function BillList(): JSX.Element {
  const { client } = useFrame();
  const view = useListView(FILTERS(), '-started_at');
  const list = useBills(view.query);
  const [shown, setShown] = useState<Bill | null>(null);
  const exportTo = (format: string) => window.open(client.url('/bills/export', { format, offset_minutes: offsetMinutes() }), '_blank');
  return (
    <>
      <ListPage
        title={t('bill.title')}
        list={list}
        view={view}
        filters={FILTERS()}
        searchLabel={t('bill.search')}
        columns={billColumns()}
        id={one => one.id}
        name={one => one.serial}
        onOpen={setShown}
        aside={<ShowSwitch />}
        above={<Cards />}
        actions={
          <>
            <AsCode
              forms={{
                magic: '%himalia cost',
                python: 'import himalia\nhimalia.bills.list()',
                cli: 'himalia bills list --json',
                http: 'GET /services/himalia/api/v1/bills'
              }}
            />
            <RechargeButton />
            <Menu
              label={t('action.export')}
              items={[
                { id: 'csv', label: 'CSV', onSelect: () => exportTo('csv') },
                { id: 'xlsx', label: 'Excel (.xlsx)', onSelect: () => exportTo('xlsx') }
              ]}
            >
              {t('action.export')}
            </Menu>
          </>
        }
        empty={
          <div>
            <Cards />
            <Empty icon="wallet" title={t('bill.empty')}>
              {t('bill.emptyHint')}
            </Empty>
          </div>
        }
      />
      {shown && <BillDialog bill={shown} onClose={() => setShown(null)} />}
    </>
  );
}

function LedgerList(): JSX.Element {
  const view = useListView([], '-at');
  const list = usePostings(view.query, true);
  return (
    <ListPage
      title={t('bill.ledger')}
      list={list}
      view={view}
      columns={postingColumns()}
      id={one => one.id}
      name={one => one.serial}
      above={
        <div className="hm-filters">
          <span className="hm-grow" />
          <ShowSwitch />
        </div>
      }
      actions={<RechargeButton />}
      empty={
        <Empty icon="wallet" title={t('ledger.empty')}>
          {t('ledger.emptyHint')}
        </Empty>
      }
    />
  );
}

function Cards(): JSX.Element {
  const period = useMemo(() => thisMonth(), []);
  return (
    <div className="hm-moneycards">
      <BalanceCard />
      <SectionCard period={period} />
      <DayCard period={period} />
    </div>
  );
}

function BalanceCard(): JSX.Element {
  const balance = useBalance();
  const data = balance.data;
  if (!data) {
    return <Card title={t('balance.title')}>–</Card>;
  }
  const left = data.lasts_until ? (Date.parse(data.lasts_until) - Date.now()) / 1000 : null;
  const short = data.available_micros <= 0;
  return (
    <Card title={t('balance.title')} aside={<StatePill state={short ? 'failed' : 'covered'} />}>
      <p className="hm-bigmoney">{formatMoney(data.balance_micros)}</p>
      <p className="hm-muted hm-row hm-tight">
        <Icon name="clock" size={12} />
        <span>
          {left === null
            ? t('balance.nothingRuns')
            : t('balance.lasts', { time: formatSpan(left), rate: t('money.perHour', { money: formatMoney(data.burn_per_hour_micros) }) })}
        </span>
      </p>
      <dl className="hm-factlist">
        {data.lasts_until && (
          <div>
            <dt>{t('balance.until')}</dt>
            <dd>{formatMoment(data.lasts_until)}</dd>
          </div>
        )}
        <div>
          <dt>{t('balance.held')}</dt>
          <dd className="hm-num">{formatMoney(data.held_micros, 4)}</dd>
        </div>
        <div>
          <dt>{t('balance.available')}</dt>
          <dd className="hm-num">{formatMoney(data.available_micros, 4)}</dd>
        </div>
      </dl>
    </Card>
  );
}

function SectionCard({ period }: { period: BillPeriod }): JSX.Element {
  const summary = useSummary('section', period);
  const total = summary.data?.total_micros ?? 0;
  const month = new Intl.DateTimeFormat(locale(), { month: 'long' }).format(new Date(period.from));
  const parts = (summary.data?.items ?? []).map(one => ({
    label: tValue('section', one.key),
    value: one.amount_micros,
    colour: sectionColour(one.key),
    words: formatMoney(one.amount_micros, 4)
  }));
  return (
    <Card title={t('bill.bySection', { month })} aside={<b className="hm-num">{formatMoney(total, 4)}</b>}>
      <PartsBar parts={parts} label={t('bill.bySection', { month })} />
      <ul className="hm-sections">
        {parts.map(one => (
          <li key={one.label}>
            <i className="hm-dot" style={{ background: one.colour }} />
            <span className="hm-grow">{one.label}</span>
            <span className="hm-num">{one.words}</span>
            <span className="hm-num hm-muted">{total ? formatPercent(one.value / total, 1) : '–'}</span>
          </li>
        ))}
        {!parts.length && <li className="hm-muted">{t('bill.nothingYet')}</li>}
      </ul>
    </Card>
  );
}

function DayCard({ period }: { period: BillPeriod }): JSX.Element {
  const summary = useSummary('day', period);
  return (
    <Card title={t('bill.perDay')}>
      <DayBars items={summary.data?.items ?? []} from={period.from} to={period.to} />
    </Card>
  );
}

