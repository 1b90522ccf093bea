/**
 * The list page: title, one main action, filter chips and search kept in the tab, the table, the bulk bar, the count.
 *
 * Filters, search and sort live in the tab's view state, so that they survive a reload with the tab.
 */
import { useCallback, useEffect, useState, type JSX, type ReactNode } from 'react';
import { useTab } from '../frame';
import { formatNumber } from '../domain/format';
import { t } from '../i18n';
import { useSettled } from '../queries/account';
import type { PagedList } from '../queries/common';
import { IconButton, Kbd } from './basics';
import { ErrorView, Empty, SkeletonRows } from './feedback';
import { SearchBox } from './fields';
import { Icon } from './icons';
import { Menu } from './menu';
import { DataTable, type TableProps } from './table';

export interface Filter {
  id: string;
  label: string;
  options: readonly { value: string; label: string }[];
}

export interface ListView {
  /** What to ask the server for: q, sort and the chosen filters. */
  query: Record<string, string>;
  search: string;
  setSearch: (text: string) => void;
  sort: string;
  setSort: (sort: string) => void;
  filter: (id: string) => string;
  setFilter: (id: string, value: string) => void;
  clear: () => void;
  narrowed: boolean;
}

/** The view state of a list, kept in its tab. */
export function useListView(filters: readonly Filter[] = [], defaultSort = '-updated_at'): ListView {
  const tab = useTab();
  const value = (id: string) => String(tab.args[`view.${id}`] ?? '');
  const [search, setSearch] = useState(value('q'));
  const settled = useSettled(search);
  const stored = value('q');
  useEffect(() => {
    if (settled !== stored) {
      tab.setView({ 'view.q': settled || null });
    }
    // The tab object is new at each rendering; only a settled change of the text counts.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [settled]);
  const sort = value('sort') || defaultSort;
  const query: Record<string, string> = { sort };
  if (settled) {
    query['q'] = settled;
  }
  for (const filter of filters) {
    if (value(filter.id)) {
      query[filter.id] = value(filter.id);
    }
  }
  return {
    query,
    search,
    setSearch,
    sort,
    setSort: next => tab.setView({ 'view.sort': next }),
    filter: value,
    setFilter: (id, next) => tab.setView({ [`view.${id}`]: next || null }),
    clear: () => {
      setSearch('');
      tab.setView(Object.fromEntries(['q', ...filters.map(filter => filter.id)].map(id => [`view.${id}`, null])));
    },
    narrowed: !!settled || filters.some(filter => value(filter.id))
  };
}

/** Search and filters without the order: for exports and counts. */
export const narrowing = (view: Pick<ListView, 'query'>): Record<string, string> =>
  Object.fromEntries(Object.entries(view.query).filter(([name]) => name !== 'sort'));

export interface ListPageProps<T> extends Omit<TableProps<T>, 'items' | 'sort' | 'onSort' | 'label' | 'onEnd'> {
  title: string;
  list: PagedList<T>;
  view: ListView;
  filters?: readonly Filter[];
  searchLabel?: string;
  /** Buttons at the right of the title, the main one last. */
  actions?: ReactNode;
  /** At the right of the filters, e.g. a segment. */
  aside?: ReactNode;
  /** Between filters and table. */
  above?: ReactNode;
  /** Shown when there is nothing at all. */
  empty: JSX.Element;
  /** Actions on the selection. */
  bulk?: (clear: () => void) => ReactNode;
  /** Said beside the number of selected ones. */
  bulkNote?: ReactNode;
  footer?: ReactNode;
}

export function ListPage<T>(props: ListPageProps<T>): JSX.Element {
  const { title, list, view, filters = [], actions, empty, selected, onSelect, bulk, ...table } = props;
  const clear = () => onSelect?.(new Set());
  const { loadMore } = list;
  const onEnd = useCallback(() => loadMore(), [loadMore]);
  const nothing = !list.isLoading && !list.error && list.items.length === 0;
  return (
    <div className="hm-page">
      <header className="hm-head">
        <h1>{title}</h1>
        {!list.isLoading && !list.error && <span className="hm-muted">{count(list)}</span>}
        <span className="hm-grow" />
        {(!nothing || view.narrowed) && (
          <SearchBox label={props.searchLabel ?? t('list.search')} value={view.search} onChange={view.setSearch} />
        )}
        {actions}
      </header>
      {(filters.length > 0 || props.aside) && (!nothing || view.narrowed) && (
        <FilterRow filters={filters} view={view} aside={props.aside} />
      )}
      {props.above}
      {list.isLoading ? (
        <SkeletonRows rows={12} />
      ) : list.error && !list.items.length ? (
        <ErrorView error={list.error} onRetry={list.refetch} />
      ) : nothing ? (
        view.narrowed ? (
          <Empty
            icon="filter"
            title={t('list.nothing')}
            action={
              <button type="button" className="hm-link" onClick={view.clear}>
                {t('filter.clear')}
              </button>
            }
          >
            {t('list.nothingHint')}
          </Empty>
        ) : (
          empty
        )
      ) : (
        <DataTable
          {...table}
          label={title}
          items={list.items}
          sort={view.sort}
          onSort={view.setSort}
          selected={selected}
          onSelect={onSelect}
          onEnd={onEnd}
        />
      )}
      {bulk && !!selected?.size && (
        <div className="hm-bulk" role="toolbar" aria-label={t('bulk.selected', { count: selected.size })}>
          <b>{t('bulk.selected', { count: selected.size })}</b>
          {props.bulkNote && <span className="hm-muted">{props.bulkNote}</span>}
          {bulk(clear)}
          <IconButton icon="close" label={t('bulk.clear')} onClick={clear} />
        </div>
      )}
      {!nothing && !list.isLoading && !list.error && (
        <footer className="hm-pagefoot">
          <span>{t('list.count', { from: 1, to: list.items.length, total: count(list) })}</span>
          {props.footer}
          <span className="hm-grow" />
          {onSelect && (
            <>
              <span>
                <Kbd>Space</Kbd> {t('list.keys.select')}
              </span>
              <span>
                <Kbd>Shift ↓</Kbd> {t('list.keys.range')}
              </span>
            </>
          )}
          {props.onOpen && (
            <span>
              <Kbd>Enter</Kbd> {t('list.keys.open')}
            </span>
          )}
        </footer>
      )}
    </div>
  );
}

const count = (list: PagedList<unknown>): string => `${formatNumber(list.total)}${list.totalCapped ? '+' : ''}`;

function FilterRow(props: { filters: readonly Filter[]; view: ListView; aside?: ReactNode }): JSX.Element {
  const { filters, view } = props;
  const chosen = filters.some(filter => view.filter(filter.id));
  return (
    <div className="hm-filters" role="group" aria-label={t('filter.label')}>
      <Icon name="filter" />
      {filters.map(filter => {
        const value = view.filter(filter.id);
        const words = filter.options.find(option => option.value === value)?.label;
        return (
          <span key={filter.id} className={value ? 'hm-chip hm-on' : 'hm-chip'}>
            <Menu
              label={filter.label}
              align="start"
              items={[
                { id: '', label: t('filter.all'), checked: !value, onSelect: () => view.setFilter(filter.id, '') },
                ...filter.options.map(option => ({
                  id: option.value,
                  label: option.label,
                  checked: option.value === value,
                  onSelect: () => view.setFilter(filter.id, option.value)
                }))
              ]}
            >
              {words ? `${filter.label}: ${words}` : filter.label}
            </Menu>
          </span>
        );
      })}
      {chosen && (
        <button type="button" className="hm-link" onClick={view.clear}>
          {t('filter.clear')}
        </button>
      )}
      <span className="hm-grow" />
      {props.aside}
    </div>
  );
}
