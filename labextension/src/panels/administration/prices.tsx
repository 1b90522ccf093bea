/** Prices: for each resource one for all work and, where it differs, one per kind of work (OPS-1). */
import { useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query';
import type { JSX } from 'react';
import type { Currency, Moment } from '../../api/types';
import { ApiError, isApiError } from '../../api/errors';
import { Button, Card } from '../../components/basics';
import { Empty, toast } from '../../components/feedback';
import { ListPage, useListView } from '../../components/listpage';
import { RecordForm, type FieldGroup } from '../../components/record/form';
import { RecordPage } from '../../components/record/page';
import type { Column } from '../../components/table';
import { resourceName } from '../../components/verdict';
import { formatMoment } from '../../domain/format';
import { useFrame } from '../../frame';
import { t, tValue } from '../../i18n';
import { wholeList } from '../../queries/records';
import { useStepUp } from '../../queries/standing';
import { Loaded } from './parts';
import { NEW, usePlace } from './place';

export interface PriceEntry {
  resource: string;
  section: string | null;
  unit: string;
  price_micros_per_hour: number;
  /** Exact decimal text. */
  price_per_hour: string;
  from: Moment | null;
  set_at: Moment | null;
  set_by: string | null;
  state: 'current' | 'future' | 'past' | 'unset';
}

interface PriceList {
  currency: Currency;
  sections: string[];
  entries: PriceEntry[];
}

interface Row {
  id: number;
  resource: string;
  unit: string;
  /** By section; the one for all work under the empty name. */
  current: Record<string, PriceEntry>;
  history: PriceEntry[];
}

function usePriceList(): UseQueryResult<PriceList> {
  const { client } = useFrame();
  return useQuery({
    queryKey: ['price', 'list', undefined, { history: true }],
    queryFn: ({ signal }) => client.get<PriceList>('/prices', { history: true }, signal)
  });
}

function rowsOf(entries: readonly PriceEntry[]): Row[] {
  const rows = new Map<string, Row>();
  for (const entry of entries) {
    const row = rows.get(entry.resource) ?? { id: rows.size + 1, resource: entry.resource, unit: entry.unit, current: {}, history: [] };
    rows.set(entry.resource, row);
    if (entry.state === 'current') {
      row.current[entry.section ?? ''] = entry;
    }
    if (entry.state !== 'unset') {
      row.history.push(entry);
    }
  }
  return [...rows.values()];
}

export default function PricesSection(): JSX.Element {
  const prices = usePriceList();
  const place = usePlace();
  const view = useListView([], 'resource');
  const rows = { ...prices, data: prices.data && rowsOf(prices.data.entries) } as UseQueryResult<Row[]>;
  if (place.record) {
    return (
      <Loaded answer={prices}>
        {list => <PricePage list={list} row={rowsOf(list.entries).find(row => row.resource === place.record)} />}
      </Loaded>
    );
  }
  const sections = prices.data?.sections ?? [];
  const special = (row: Row) => sections.filter(section => row.current[section]);
  const columns: Column<Row>[] = [
    { id: 'resource', title: t('bill.resource'), width: 140, grow: 1, sort: 'resource', cell: row => <b title={row.resource}>{resourceName(row.resource)}</b> },
    { id: 'unit', title: t('prices.unit'), width: 128, cell: row => <span className="hm-muted">{t('prices.unitHour', { unit: tValue('unit', row.unit) })}</span> },
    { id: 'all', title: t('prices.all'), width: 120, numeric: true, sort: 'price', cell: row => <Price entry={row.current['']} currency={prices.data?.currency} /> },
    {
      id: 'special',
      title: t('prices.special'),
      width: 200,
      grow: 2,
      above: 560,
      cell: row => (
        <span className="hm-muted">
          {special(row)
            .map(section => `${tValue('section', section)} ${prices.data?.currency.symbol ?? ''}${row.current[section]?.price_per_hour ?? ''}`)
            .join(' · ') || '–'}
        </span>
      )
    },
    { id: 'since', title: t('price.since'), width: 128, numeric: true, above: 760, cell: row => <span className="hm-muted">{row.current['']?.from ? formatMoment(row.current[''].from) : '–'}</span> }
  ];
  const add = (
    <Button look="primary" icon="plus" onClick={() => place.open(NEW)}>
      {t('prices.new')}
    </Button>
  );
  return (
    <ListPage
      title={t('prices.title')}
      list={wholeList(rows, view, row => `${row.resource} ${resourceName(row.resource)}`, {
        resource: row => resourceName(row.resource),
        price: row => row.current['']?.price_micros_per_hour ?? 0
      })}
      view={view}
      columns={columns}
      searchLabel={t('bill.resource')}
      id={row => row.id}
      name={row => resourceName(row.resource)}
      onOpen={row => place.open(row.resource)}
      actions={add}
      empty={
        <Empty icon="wallet" title={t('prices.empty')} action={add}>
          {t('prices.emptyHint')}
        </Empty>
      }
    />
  );
}

function Price({ entry, currency }: { entry: PriceEntry | undefined; currency: Currency | undefined }): JSX.Element {
  return entry ? (
    <span>
      {currency?.symbol}
      {entry.price_per_hour}
    </span>
  ) : (
    <span className="hm-muted">{t('price.unset')}</span>
  );
}

/** The price per hour of each kind of work, as decimal text; empty is "as for all work". */
interface PriceValues extends Record<string, string | null> {
  resource: string;
  from: string | null;
  all: string;
}

function PricePage({ list, row }: { list: PriceList; row: Row | undefined }): JSX.Element {
  const { client } = useFrame();
  const queries = useQueryClient();
  const place = usePlace();
  const stepUp = useStepUp();
  const values: PriceValues = { resource: row?.resource ?? '', from: null, all: row?.current['']?.price_per_hour ?? '' };
  for (const section of list.sections) {
    values[`section.${section}`] = row?.current[section]?.price_per_hour ?? '';
  }
  const unit = row ? `${list.currency.code} / ${t('prices.unitHour', { unit: tValue('unit', row.unit) })}` : list.currency.code;
  const names = ['all', ...list.sections.map(section => `section.${section}`)];
  const groups: FieldGroup<PriceValues>[] = [
    {
      id: 'price',
      fields: [
        ...(row
          ? []
          : [{ name: 'resource', type: 'text' as const, label: t('specs.resourceName'), placeholder: 'nvidia.com/gpu', hint: t('prices.resourceHint') }]),
        { name: 'all', type: 'text', label: t('prices.all'), hint: unit },
        { name: 'from', type: 'moment', label: t('prices.from'), optional: true, hint: t('prices.fromHint') }
      ]
    },
    {
      id: 'sections',
      title: t('prices.special'),
      hint: t('prices.specialHint'),
      twoColumns: true,
      fields: list.sections.map(section => ({
        name: `section.${section}`,
        type: 'text' as const,
        label: tValue('section', section),
        optional: true,
        placeholder: t('prices.asAll')
      }))
    }
  ];
  const save = async (now: PriceValues, changed: Partial<PriceValues>) => {
    const sent = names.filter(name => changed[name] !== undefined && changed[name] !== '');
    const entries = sent.map(name => ({
      resource: now.resource,
      section: name === 'all' ? null : name.slice('section.'.length),
      price_per_hour: now[name],
      ...(now.from ? { from: now.from } : {})
    }));
    try {
      await client.put('/prices', { entries });
    } catch (error) {
      throw atFields(error, sent);
    }
    toast(t('prices.saved', { resource: resourceName(now.resource) }));
    await queries.invalidateQueries({ predicate: query => ['price', 'resource_spec'].includes(String(query.queryKey[0])) });
    place.close();
  };
  return (
    <RecordPage list={t('prices.title')} onBack={place.close} title={row ? resourceName(row.resource) : t('prices.new')} aside={row && <span className="hm-muted">{row.resource}</span>}>
      <RecordForm<PriceValues>
        key={row?.resource ?? NEW}
        stored={{ values, version: undefined }}
        groups={groups}
        save={save}
        accept={t('prices.set')}
        onCancel={place.close}
        stepUp={stepUp.ask}
        aside={row && (() => <History list={list} row={row} />)}
      />
    </RecordPage>
  );
}

/** The platform names the entry of the list it refused; here the entry is a field. */
function atFields(error: unknown, sent: readonly string[]): unknown {
  if (isApiError(error)) {
    for (const one of error.fields) {
      const found = /^entries\[(\d+)\]\.?(\w*)/.exec(one.field);
      const name = found && (found[2] === 'resource' || found[2] === 'from' ? found[2] : sent[Number(found[1])]);
      if (name) {
        return new ApiError({ ...error.problem, field: name, details: { errors: [{ ...one, field: name }] } });
      }
    }
  }
  return error;
}

function History({ list, row }: { list: PriceList; row: Row }): JSX.Element {
  const entries = [...row.history].sort((a, b) => (b.from ?? '').localeCompare(a.from ?? '')).slice(0, 30);
  return (
    <Card title={t('prices.history')} flush>
      {entries.length === 0 && <p className="hm-inset hm-muted">{t('prices.never')}</p>}
      <ul className="hm-filelist">
        {entries.map(entry => (
          <li key={`${entry.section ?? ''}-${entry.from ?? ''}`}>
            <span className="hm-grow hm-ell" title={entry.set_by ?? undefined}>
              {entry.section ? tValue('section', entry.section) : t('prices.all')}
              {entry.state === 'future' && <b> {t('prices.future')}</b>}
            </span>
            <span className="hm-muted hm-sm">{entry.from ? formatMoment(entry.from) : '–'}</span>
            <span className={`hm-num${entry.state === 'past' ? ' hm-muted' : ''}`}>
              {list.currency.symbol}
              {entry.price_per_hour}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
