/**
 * The table of every list page: sticky header, server-side sort, resizable columns, virtual rows, selection, and the
 * keyboard: arrows move, Enter opens, Space selects, Shift extends.
 */
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useState, type JSX, type KeyboardEvent, type MouseEvent, type ReactNode } from 'react';
import { t } from '../i18n';
import { classes } from './basics';
import { Icon } from './icons';

export interface Column<T> {
  id: string;
  title: ReactNode;
  /** Width in pixels; a column with `grow` takes what is left, in shares. */
  width?: number;
  grow?: number;
  numeric?: boolean;
  /** The name the server sorts by. */
  sort?: string;
  /** Left out when the table is narrower than this. */
  above?: number;
  cell: (item: T) => ReactNode;
}

export interface TableProps<T> {
  label: string;
  items: readonly T[];
  columns: readonly Column<T>[];
  id: (item: T) => number;
  name: (item: T) => string;
  sort?: string;
  onSort?: (sort: string) => void;
  selected?: ReadonlySet<number>;
  onSelect?: (selected: Set<number>) => void;
  onOpen?: (item: T) => void;
  onEnd?: () => void;
  rowHeight?: number;
  /** Replaces all cells after the name column, e.g. by progress. */
  rowClass?: (item: T) => string | undefined;
}

const SELECT_WIDTH = 44;

export function DataTable<T>(props: TableProps<T>): JSX.Element {
  const { items, columns, selected, onSelect, rowHeight = 32, onEnd } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState(0);
  const anchor = useRef(0);
  const [widths, setWidths] = useState<Record<string, number>>({});
  const [room, setRoom] = useState(Infinity);
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
    initialRect: { width: 800, height: 800 }
  });
  const visible = rows.getVirtualItems();
  const last = visible.at(-1)?.index ?? 0;
  useEffect(() => {
    if (items.length && last >= items.length - 10) {
      onEnd?.();
    }
  }, [last, items.length, onEnd]);
  useEffect(() => {
    const element = scroller.current;
    if (!element || typeof ResizeObserver === 'undefined') {
      return;
    }
    const observer = new ResizeObserver(() => setRoom(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const shown = columns.filter(column => !column.above || room >= column.above);
  const template = [
    onSelect ? `${SELECT_WIDTH}px` : '8px',
    ...shown.map(column => {
      const width = widths[column.id] ?? column.width;
      return column.grow && widths[column.id] === undefined ? `minmax(${width ?? 80}px, ${column.grow}fr)` : `${width}px`;
    }),
    '8px'
  ].join(' ');

  const select = (index: number, range: boolean) => {
    if (!onSelect || !selected) {
      return;
    }
    const next = new Set(selected);
    if (range) {
      const [from, to] = [Math.min(anchor.current, index), Math.max(anchor.current, index)];
      items.slice(from, to + 1).forEach(item => next.add(props.id(item)));
    } else {
      const item = items[index];
      if (item === undefined) {
        return;
      }
      const id = props.id(item);
      if (!next.delete(id)) {
        next.add(id);
      }
      anchor.current = index;
    }
    onSelect(next);
  };

  const move = (index: number, extend: boolean) => {
    const to = Math.max(0, Math.min(items.length - 1, index));
    setAt(to);
    rows.scrollToIndex(to);
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-row="${to}"]`)?.focus());
    if (extend) {
      select(to, true);
    }
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if ((event.target as HTMLElement).closest('button, input, a, select') && event.key !== 'Escape') {
      return;
    }
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 320) / rowHeight) - 2);
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: items.length - 1
    };
    const to = moves[event.key];
    const item = items[at];
    if (to !== undefined) {
      move(to, event.shiftKey && !!onSelect);
    } else if (event.key === 'Enter' && item !== undefined) {
      props.onOpen?.(item);
    } else if (event.key === ' ') {
      select(at, event.shiftKey);
    } else if (event.key === 'Escape' && selected?.size) {
      onSelect?.(new Set());
    } else if (event.key === 'a' && (event.ctrlKey || event.metaKey) && onSelect) {
      onSelect(new Set(items.map(props.id)));
    } else {
      return;
    }
    event.preventDefault();
  };

  const allSelected = items.length > 0 && selected?.size === items.length;
  return (
    <div
      className="hm-table"
      role="grid"
      aria-label={props.label}
      aria-rowcount={items.length + 1}
      aria-multiselectable={!!onSelect}
      ref={scroller}
      onKeyDown={onKeyDown}
    >
      <div className="hm-thead" role="row" style={{ gridTemplateColumns: template }}>
        <span role="columnheader" className="hm-cellselect">
          {onSelect ? (
            <CheckBox
              on={allSelected}
              half={!allSelected && !!selected?.size}
              label={t('list.selectAll')}
              onClick={() => onSelect(allSelected ? new Set() : new Set(items.map(props.id)))}
            />
          ) : (
            <span className="hm-sr">#</span>
          )}
        </span>
        {shown.map(column => (
          <Header
            key={column.id}
            column={column}
            sort={props.sort}
            onSort={props.onSort}
            onWidth={width => setWidths(all => ({ ...all, [column.id]: width }))}
          />
        ))}
        <span role="presentation" />
      </div>
      <div role="rowgroup" className="hm-tbody" style={{ height: rows.getTotalSize() }}>
        {visible.map(row => {
          const item = items[row.index];
          if (item === undefined) {
            return null;
          }
          const on = !!selected?.has(props.id(item));
          return (
            <div
              key={props.id(item)}
              role="row"
              data-row={row.index}
              aria-rowindex={row.index + 2}
              aria-selected={onSelect ? on : undefined}
              tabIndex={row.index === Math.min(at, items.length - 1) ? 0 : -1}
              className={classes('hm-tr', on && 'hm-on', props.onOpen && 'hm-opens', props.rowClass?.(item))}
              style={{ gridTemplateColumns: template, height: rowHeight, transform: `translateY(${row.start}px)` }}
              onFocus={() => setAt(row.index)}
              onClick={event => openOnClick(event, () => props.onOpen?.(item))}
            >
              <span role="gridcell" className="hm-cellselect">
                {onSelect && (
                  <CheckBox
                    on={on}
                    label={t('list.select', { name: props.name(item) })}
                    onClick={event => select(row.index, event.shiftKey)}
                  />
                )}
              </span>
              {shown.map(column => (
                <span key={column.id} role="gridcell" className={column.numeric ? 'hm-num' : undefined}>
                  {column.cell(item)}
                </span>
              ))}
              <span role="presentation" />
            </div>
          );
        })}
      </div>
    </div>
  );
}

function openOnClick(event: MouseEvent, open: () => void): void {
  const selecting = window.getSelection()?.toString();
  if (!(event.target as HTMLElement).closest('button, input, a, select, .hm-cellselect') && !selecting) {
    open();
  }
}

export function CheckBox(props: {
  on: boolean;
  half?: boolean;
  label: string;
  onClick: (event: MouseEvent) => void;
}): JSX.Element {
  return (
    <button
      type="button"
      role="checkbox"
      aria-checked={props.half ? 'mixed' : props.on}
      aria-label={props.label}
      className={classes('hm-box', (props.on || props.half) && 'hm-on')}
      onClick={props.onClick}
    >
      {props.half ? <Icon name="minus" size={12} /> : props.on && <Icon name="check" size={12} />}
    </button>
  );
}

function Header<T>(props: {
  column: Column<T>;
  sort: string | undefined;
  onSort: ((sort: string) => void) | undefined;
  onWidth: (width: number) => void;
}): JSX.Element {
  const { column, sort, onSort } = props;
  const cell = useRef<HTMLSpanElement>(null);
  const direction = sort === column.sort ? 'ascending' : sort === `-${column.sort}` ? 'descending' : undefined;
  const resize = (event: React.PointerEvent<HTMLElement>) => {
    const from = event.clientX;
    const width = cell.current?.offsetWidth ?? 0;
    const handle = event.currentTarget;
    handle.setPointerCapture(event.pointerId);
    const onMove = (moved: PointerEvent) => props.onWidth(Math.max(48, width + moved.clientX - from));
    handle.addEventListener('pointermove', onMove);
    handle.addEventListener('lostpointercapture', () => handle.removeEventListener('pointermove', onMove), {
      once: true
    });
    event.preventDefault();
  };
  return (
    <span
      ref={cell}
      role="columnheader"
      aria-sort={column.sort ? (direction ?? 'none') : undefined}
      className={column.numeric ? 'hm-num' : undefined}
    >
      {column.sort && onSort ? (
        <button type="button" onClick={() => onSort(direction === 'ascending' ? `-${column.sort}` : `${column.sort}`)}>
          {column.title}
          {direction && <Icon name={direction === 'ascending' ? 'up' : 'down'} size={12} />}
        </button>
      ) : (
        column.title
      )}
      <i className="hm-resize" onPointerDown={resize} aria-hidden="true" />
    </span>
  );
}
