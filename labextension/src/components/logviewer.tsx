/** The log viewer: virtual lines, follow until one scrolls up, search with next and previous, level colours, download. */
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState, type JSX, type ReactNode } from 'react';
import { downloadText } from '../domain/download';
import { t } from '../i18n';
import { useLog } from '../queries/log';
import { IconButton } from './basics';
import { ErrorLine } from './feedback';
import { SearchBox } from './fields';
import { Icon } from './icons';

const LINE = 18;

export function LogViewer(props: { workload: number | null | undefined; name: string; replica?: number }): JSX.Element {
  const log = useLog(props.workload, props.replica);
  const scroller = useRef<HTMLDivElement>(null);
  const [following, setFollowing] = useState(true);
  const [query, setQuery] = useState('');
  const [match, setMatch] = useState(0);
  const rows = useVirtualizer({
    count: log.lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE,
    overscan: 20,
    initialRect: { width: 800, height: 400 },
    measureElement: element => element.getBoundingClientRect().height || LINE
  });
  // The array grows in place; its revision is what changes.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const matches = useMemo(() => log.find(query), [query, log.revision]);

  useEffect(() => {
    if (following && log.lines.length) {
      rows.scrollToIndex(log.lines.length - 1, { align: 'end' });
    }
  }, [following, log.revision, log.lines.length, rows]);

  const go = (step: number) => {
    if (!matches.length) {
      return;
    }
    const next = (match + step + matches.length) % matches.length;
    setMatch(next);
    setFollowing(false);
    rows.scrollToIndex(matches[next] ?? 0, { align: 'center' });
  };
  const onScroll = () => {
    const element = scroller.current;
    if (element && following && element.scrollHeight - element.scrollTop - element.clientHeight > 4 * LINE) {
      setFollowing(false);
    }
  };
  const current = matches[match];
  return (
    <section className="hm-card hm-logcard">
      <h2>
        {t('log.title')}
        <span className={log.ended ? 'hm-muted hm-sm' : following ? 'hm-run hm-sm' : 'hm-wait hm-sm'}>
          <Icon name="disc" size={12} /> {t(log.ended ? 'log.ended' : following ? 'log.following' : 'log.paused')}
        </span>
        <span className="hm-grow" />
        <SearchBox label={t('log.search')} value={query} width={148} onChange={text => (setQuery(text), setMatch(0))} />
        {query && (
          <span className="hm-muted hm-sm" role="status">
            {t('log.matches', { at: matches.length ? match + 1 : 0, total: matches.length })}
          </span>
        )}
        <IconButton icon="left" small label={t('log.previous')} disabled={!matches.length} onClick={() => go(-1)} />
        <IconButton icon="right" small label={t('log.next')} disabled={!matches.length} onClick={() => go(1)} />
        <IconButton
          icon={following ? 'pause' : 'down'}
          small
          label={t(following ? 'log.pause' : 'log.follow')}
          onClick={() => setFollowing(!following)}
        />
        <IconButton
          icon="download"
          small
          label={t('log.download')}
          onClick={() => downloadText(`${props.name}.log`, log.lines.map(line => line.text).join('\n') + '\n')}
        />
      </h2>
      <ErrorLine error={log.error} />
      <div className="hm-log" ref={scroller} tabIndex={0} role="log" aria-label={t('log.title')} aria-live="off" onScroll={onScroll}>
        {log.lines.length === 0 && <p className="hm-muted">{t('log.empty')}</p>}
        <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
          {rows.getVirtualItems().map(row => {
            const line = log.lines[row.index];
            return (
              line && (
                <div
                  key={row.index}
                  ref={rows.measureElement}
                  data-index={row.index}
                  className={`hm-line${line.level ? ` hm-level-${line.level}` : ''}`}
                  style={{ transform: `translateY(${row.start}px)` }}
                >
                  <span className="hm-ln">{line.number}</span>
                  <span>{marked(line.text, query, row.index === current)}</span>
                </div>
              )
            );
          })}
        </div>
      </div>
    </section>
  );
}

function marked(text: string, query: string, current: boolean): ReactNode {
  if (!query) {
    return text;
  }
  const parts: ReactNode[] = [];
  const [low, wanted] = [text.toLowerCase(), query.toLowerCase()];
  let from = 0;
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
    parts.push(
      text.slice(from, at),
      <mark key={at} className={current ? 'hm-on' : undefined}>
        {text.slice(at, at + query.length)}
      </mark>
    );
    from = at + query.length;
  }
  return [...parts, text.slice(from)];
}
