/** The pictures of a dataset as virtual tiles: filter, select many, label, clear, confirm, delete, all with undo. */
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useState, type JSX, type KeyboardEvent, type MouseEvent } from 'react';
import type { Dataset, Item } from '../../api/types';
import { Button, IconButton, Kbd, LabelDot, State } from '../../components/basics';
import { Empty, ErrorView, SkeletonRows, toast } from '../../components/feedback';
import { SearchBox } from '../../components/fields';
import { Icon } from '../../components/icons';
import { Menu } from '../../components/menu';
import { ItemLabels, Thumb, baseName } from '../../components/thumb';
import { formatNumber } from '../../domain/format';
import { useFrame, useTab } from '../../frame';
import { t, tValue } from '../../i18n';
import { markingOf, seen, type Marking } from '../../labelling/document';
import { useLabelling, type Labelling } from '../../labelling/session';
import { useMe, useSettled } from '../../queries/account';
import { useDeleteItems, useItems, useRestoreItems, type ItemFilter } from '../../queries/data';

const TILE = 148;
const ROW = 168;
const STATES = ['none', 'unfinished', 'automatic', 'confirmed', 'nothing_to_label'] as const;

interface Filters {
  filter: ItemFilter;
  search: string;
  setSearch: (text: string) => void;
  set: (name: 'state' | 'label', value: string) => void;
}

function useFilters(): Filters {
  const tab = useTab();
  const value = (name: string) => String(tab.args[`view.items.${name}`] ?? '');
  const [search, setSearch] = useState(value('q'));
  const settled = useSettled(search);
  return {
    filter: { state: value('state') || undefined, label: value('label') || undefined, q: settled || undefined },
    search,
    setSearch,
    set: (name, next) => tab.setView({ [`view.items.${name}`]: next || null })
  };
}

export function ItemsTab({ dataset }: { dataset: Dataset }): JSX.Element {
  const { open } = useFrame();
  const filters = useFilters();
  const list = useItems(dataset.id, filters.filter);
  const labelling = useLabelling(dataset.id);
  const me = useMe();
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const labels = dataset.label_group.labels;
  const items = list.items.map(item => seen(item, labelling.document, labels, me.data?.user.name ?? ''));
  const clear = () => setSelected(new Set());
  return (
    <>
      <div className="hm-filters hm-itemfilters">
        <FilterMenu
          label={t('items.filter.state')}
          value={filters.filter.state ?? ''}
          options={STATES.map(state => ({ value: state, label: tValue('itemState', state) }))}
          onChange={value => filters.set('state', value)}
        />
        <FilterMenu
          label={t('items.filter.label')}
          value={filters.filter.label ?? ''}
          options={labels.map(label => ({ value: String(label.id), label: label.name }))}
          onChange={value => filters.set('label', value)}
        />
        <span className="hm-grow" />
        <SearchBox label={t('items.search')} value={filters.search} onChange={filters.setSearch} width={180} />
      </div>
      {list.isLoading ? (
        <SkeletonRows />
      ) : list.error && !items.length ? (
        <ErrorView error={list.error} onRetry={list.refetch} />
      ) : items.length === 0 ? (
        <Empty icon="filter" title={t('items.empty')} />
      ) : (
        <Grid
          items={items}
          selected={selected}
          onSelect={setSelected}
          onOpen={item => open('workbench', { id: dataset.id, 'view.item': item.id })}
          onEnd={list.loadMore}
        />
      )}
      {selected.size > 0 && (
        <Bulk dataset={dataset} items={items.filter(item => selected.has(item.id))} labelling={labelling} onClear={clear} />
      )}
      <footer className="hm-pagefoot">
        <span>{t('list.count', { from: items.length ? 1 : 0, to: items.length, total: formatNumber(list.total) })}</span>
        <span className="hm-grow" />
        <span>
          <Kbd>Space</Kbd> {t('list.keys.select')}
        </span>
        <span>{t('items.openHint')}</span>
      </footer>
    </>
  );
}

function FilterMenu(props: {
  label: string;
  value: string;
  options: readonly { value: string; label: string }[];
  onChange: (value: string) => void;
}): JSX.Element {
  const words = props.options.find(option => option.value === props.value)?.label;
  return (
    <span className={props.value ? 'hm-chip hm-on' : 'hm-chip'}>
      <Menu
        label={props.label}
        align="start"
        items={[{ value: '', label: t('filter.all') }, ...props.options].map(option => ({
          id: option.value,
          label: option.label,
          checked: option.value === props.value,
          onSelect: () => props.onChange(option.value)
        }))}
      >
        {words ? `${props.label}: ${words}` : props.label}
      </Menu>
    </span>
  );
}

interface GridProps {
  items: readonly Item[];
  selected: ReadonlySet<number>;
  onSelect: (selected: Set<number>) => void;
  onOpen: (item: Item) => void;
  onEnd: () => void;
}

function Grid({ items, selected, onSelect, onOpen, onEnd }: GridProps): JSX.Element {
  const scroller = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [at, setAt] = useState(0);
  const anchor = useRef(0);
  const columns = Math.max(1, Math.floor((width - 24) / TILE));
  const rows = useVirtualizer({
    count: Math.ceil(items.length / columns),
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 3,
    initialRect: { width: 800, height: 600 }
  });
  const visible = rows.getVirtualItems();
  const lastRow = visible.at(-1)?.index ?? 0;
  useEffect(() => {
    const element = scroller.current;
    if (!element) {
      return;
    }
    setWidth(element.clientWidth);
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if ((lastRow + 3) * columns >= items.length) {
      onEnd();
    }
  }, [lastRow, columns, items.length, onEnd]);

  const select = (index: number, range: boolean) => {
    const next = new Set(selected);
    if (range) {
      const [from, to] = [Math.min(anchor.current, index), Math.max(anchor.current, index)];
      items.slice(from, to + 1).forEach(item => next.add(item.id));
    } else {
      const id = items[index]?.id;
      if (id !== undefined && !next.delete(id)) {
        next.add(id);
      }
      anchor.current = index;
    }
    onSelect(next);
  };
  const move = (index: number, extend: boolean) => {
    const to = Math.max(0, Math.min(items.length - 1, index));
    setAt(to);
    rows.scrollToIndex(Math.floor(to / columns));
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-tile="${to}"]`)?.focus());
    if (extend) {
      select(to, true);
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const moves: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + columns,
      ArrowUp: at - columns,
      Home: 0,
      End: items.length - 1
    };
    const to = moves[event.key];
    const item = items[at];
    if (to !== undefined) {
      move(to, event.shiftKey);
    } else if (event.key === ' ') {
      select(at, event.shiftKey);
    } else if (event.key === 'Enter' && item) {
      onOpen(item);
    } else if (event.key === 'a' && (event.ctrlKey || event.metaKey)) {
      onSelect(new Set(items.map(one => one.id)));
    } else if (event.key === 'Escape' && selected.size) {
      onSelect(new Set());
    } else {
      return;
    }
    event.preventDefault();
  };
  const onClick = (event: MouseEvent, index: number) => {
    setAt(index);
    select(index, event.shiftKey);
  };
  return (
    <div
      className="hm-grid"
      ref={scroller}
      role="listbox"
      aria-multiselectable="true"
      aria-label={t('items.grid')}
      onKeyDown={onKeyDown}
    >
      <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
        {width > 0 &&
          visible.map(row => (
            <div
              key={row.index}
              className="hm-gridrow"
              role="presentation"
              style={{ transform: `translateY(${row.start}px)`, gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` }}
            >
              {items.slice(row.index * columns, (row.index + 1) * columns).map((item, column) => {
                const index = row.index * columns + column;
                return (
                  <Tile
                    key={item.id}
                    item={item}
                    index={index}
                    on={selected.has(item.id)}
                    focusable={index === Math.min(at, items.length - 1)}
                    onFocus={() => setAt(index)}
                    onClick={event => onClick(event, index)}
                    onOpen={() => onOpen(item)}
                  />
                );
              })}
            </div>
          ))}
      </div>
    </div>
  );
}

function Tile(props: {
  item: Item;
  index: number;
  on: boolean;
  focusable: boolean;
  onFocus: () => void;
  onClick: (event: MouseEvent) => void;
  onOpen: () => void;
}): JSX.Element {
  const { item } = props;
  return (
    <div
      role="option"
      aria-selected={props.on}
      aria-label={`${item.name}, ${tValue('itemState', item.state)}, ${item.labels.map(label => label.name).join(', ')}`}
      tabIndex={props.focusable ? 0 : -1}
      data-tile={props.index}
      className={props.on ? 'hm-itemtile hm-on' : 'hm-itemtile'}
      onFocus={props.onFocus}
      onClick={props.onClick}
      onDoubleClick={props.onOpen}
    >
      <Thumb path={item.thumbnail} name="" />
      <span className={props.on ? 'hm-box hm-on' : 'hm-box'} aria-hidden="true">
        {props.on && <Icon name="check" size={12} />}
      </span>
      <span className="hm-itemcaption">
        <State state={item.state} words="" title={tValue('itemState', item.state)} />
        <span className="hm-ell" title={item.name}>
          {baseName(item.name)}
        </span>
      </span>
      <ItemLabels labels={item.labels} />
    </div>
  );
}

function Bulk(props: {
  dataset: Dataset;
  items: readonly Item[];
  labelling: Labelling;
  onClear: () => void;
}): JSX.Element {
  const { dataset, items, labelling, onClear } = props;
  const remove = useDeleteItems(dataset.id);
  const restore = useRestoreItems(dataset.id);
  const count = items.length;
  const apply = (after: (before: Marking) => Marking, message: string) => {
    labelling.apply({
      changes: items.map(item => {
        const before = markingOf(item);
        return { item: item.id, before, after: after(before) };
      })
    });
    toast(message, () => labelling.undo());
    onClear();
  };
  const ids = items.map(item => item.id);
  return (
    <div className="hm-bulk" role="toolbar" aria-label={t('bulk.selected', { count })}>
      <b>{t('bulk.selected', { count })}</b>
      <span className="hm-sep" />
      <Menu
        label={t('items.bulk.label')}
        align="start"
        button={{ icon: 'label', look: 'quiet' }}
        items={dataset.label_group.labels.map(label => ({
          id: String(label.id),
          label: (
            <span className="hm-row">
              <LabelDot colour={label.colour} /> {label.name}
            </span>
          ),
          onSelect: () =>
            apply(
              before => ({
                labels:
                  dataset.multi_label && !before.labels.includes(label.id) ? [...before.labels, label.id] : dataset.multi_label ? before.labels : [label.id],
                state: 'confirmed'
              }),
              t('items.labelled', { count, name: label.name })
            )
        }))}
      >
        {t('items.bulk.label')}
      </Menu>
      <Button
        icon="check"
        look="quiet"
        disabled={!items.some(item => item.labels.length > 0)}
        onClick={() =>
          apply(before => (before.labels.length ? { ...before, state: 'confirmed' } : before), t('items.confirmed', { count }))
        }
      >
        {t('items.bulk.confirm')}
      </Button>
      <Button
        icon="none"
        look="quiet"
        onClick={() => apply(() => ({ labels: [], state: 'nothing_to_label' }), t('items.nothing', { count }))}
      >
        {t('items.bulk.nothing')}
      </Button>
      <Button icon="close" look="quiet" onClick={() => apply(() => ({ labels: [], state: 'none' }), t('items.cleared', { count }))}>
        {t('items.bulk.clear')}
      </Button>
      <span className="hm-grow" />
      <Button
        icon="trash"
        look="quiet"
        className="hm-danger"
        busy={remove.isPending}
        onClick={() =>
          remove.mutate(ids, {
            onSuccess: () => {
              toast(t('items.deleted', { count }), () => restore.mutate(ids));
              onClear();
            }
          })
        }
      >
        {t('action.delete')}
      </Button>
      <IconButton icon="close" label={t('bulk.clear')} onClick={onClear} />
    </div>
  );
}
