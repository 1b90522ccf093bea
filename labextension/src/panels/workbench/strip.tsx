/** The strip of pictures at the left, with their states. */
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, type JSX } from 'react';
import { State } from '../../components/basics';
import { SkeletonRows } from '../../components/feedback';
import { Icon } from '../../components/icons';
import { Thumb, baseName } from '../../components/thumb';
import { t, tValue } from '../../i18n';
import type { Bench } from './usebench';

const TILE = 92;

interface StripProps {
  bench: Bench;
  openCount: number;
  onlyOpen: boolean;
  onOnlyOpen: (only: boolean) => void;
}

export function Strip({ bench, openCount, onlyOpen, onOnlyOpen }: StripProps): JSX.Element {
  const scroller = useRef<HTMLDivElement>(null);
  const { items, at } = bench;
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => TILE,
    overscan: 6,
    initialRect: { width: 112, height: 600 }
  });
  useEffect(() => {
    if (at >= 0) {
      rows.scrollToIndex(at, { align: 'center' });
    }
    // Only another picture moves the strip; new pages do not.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [at]);
  return (
    <div className="hm-strip">
      <button
        type="button"
        className={onlyOpen ? 'hm-striphead hm-on' : 'hm-striphead'}
        aria-pressed={onlyOpen}
        title={t(onlyOpen ? 'workbench.all' : 'workbench.open')}
        onClick={() => onOnlyOpen(!onlyOpen)}
      >
        <Icon name="filter" size={12} /> {t('workbench.toDo', { count: openCount })}
      </button>
      {bench.list.isLoading && <SkeletonRows rows={6} />}
      <div className="hm-striplist" ref={scroller} role="listbox" aria-label={t('workbench.strip')} tabIndex={-1}>
        <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
          {rows.getVirtualItems().map(row => {
            const item = items[row.index];
            return (
              item && (
                <button
                  key={item.id}
                  type="button"
                  role="option"
                  tabIndex={-1}
                  data-key-through
                  aria-selected={row.index === at}
                  aria-label={`${item.name}, ${tValue('itemState', item.state)}`}
                  className={row.index === at ? 'hm-stripitem hm-on' : 'hm-stripitem'}
                  style={{ transform: `translateY(${row.start}px)` }}
                  onClick={() => bench.go(item)}
                >
                  <Thumb path={item.thumbnail} name="" />
                  <span className="hm-itemcaption">
                    <State state={item.state} words="" title={tValue('itemState', item.state)} />
                    <span className="hm-ell" title={item.name}>
                      {baseName(item.name)}
                    </span>
                  </span>
                </button>
              )
            );
          })}
        </div>
      </div>
    </div>
  );
}
