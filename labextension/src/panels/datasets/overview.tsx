/** Statistics of a dataset: states, labels, picture sizes, files. */
import type { JSX } from 'react';
import type { Dataset, DatasetStatistics, ItemState } from '../../api/types';
import { Card } from '../../components/basics';
import { Bars, PartsBar, type Bar } from '../../components/chart';
import { ErrorView, SkeletonRows } from '../../components/feedback';
import { formatBytes, formatNumber, formatPercent } from '../../domain/format';
import { stateLook } from '../../domain/state';
import { t, tValue } from '../../i18n';
import { useStatistics } from '../../queries/data';

const STATES: readonly ItemState[] = ['confirmed', 'automatic', 'unfinished', 'none', 'nothing_to_label'];
const MOST_SIZES = 8;

const COLOUR: Partial<Record<ItemState, string>> = {
  none: 'color-mix(in srgb, var(--himalia-rest) 45%, transparent)',
  nothing_to_label: 'var(--himalia-s4)'
};

export function stateBars(statistics: Pick<DatasetStatistics, 'by_state'>): Bar[] {
  const counts = STATES.map(state => ({ state, count: statistics.by_state[state] ?? 0 }));
  const whole = counts.reduce((sum, one) => sum + one.count, 0) || 1;
  return counts
    .filter(one => one.count > 0)
    .map(({ state, count }) => ({
      label: tValue('itemState', state),
      value: count,
      colour: COLOUR[state] ?? `var(--himalia-${stateLook(state).tone})`,
      words: `${formatNumber(count)} · ${formatPercent(count / whole)}`
    }));
}

/** Largest label to smallest that is used at all: how uneven the classes are. */
export function balance(labels: readonly { count: number }[]): number | null {
  const used = labels.map(label => label.count).filter(count => count > 0);
  return used.length > 1 ? Math.max(...used) / Math.min(...used) : null;
}

export function Overview({ dataset }: { dataset: Dataset }): JSX.Element {
  const statistics = useStatistics(dataset.id);
  if (statistics.isLoading) {
    return <SkeletonRows rows={6} />;
  }
  if (!statistics.data) {
    return <ErrorView error={statistics.error} onRetry={() => void statistics.refetch()} />;
  }
  const { data } = statistics;
  const states = stateBars(data);
  const ratio = balance(data.by_label);
  const labelled = data.by_label.some(label => label.count > 0);
  return (
    <div className="hm-board">
      <Card title={t('stats.byState')} className="hm-w6">
        <PartsBar parts={states} label={t('stats.byState')} />
        <ul className="hm-partlegend">
          {states.map(state => (
            <li key={state.label}>
              <i className="hm-dot" style={{ background: state.colour }} />
              <span className="hm-grow">{state.label}</span>
              <span>{state.words}</span>
            </li>
          ))}
        </ul>
      </Card>
      <Card title={t('stats.facts')} className="hm-w6">
        <dl className="hm-pairs">
          <dt>{t('stats.items')}</dt>
          <dd>{formatNumber(dataset.items)}</dd>
          <dt>{t('stats.bytes')}</dt>
          <dd>{formatBytes(data.bytes)}</dd>
          <dt>{t('stats.duplicates')}</dt>
          <dd>{formatNumber(data.duplicates)}</dd>
          <dt>{t('stats.damaged')}</dt>
          <dd>{formatNumber(data.damaged)}</dd>
        </dl>
      </Card>
      <Card
        title={t('stats.byLabel')}
        aside={
          ratio && <span className="hm-muted hm-sm">{t('stats.balance', { ratio: formatNumber(ratio, ratio < 10 ? 1 : 0) })}</span>
        }
        className="hm-w6"
      >
        {labelled ? (
          <Bars
            label={t('stats.byLabel')}
            bars={data.by_label.map(label => ({ label: label.name, value: label.count, colour: label.colour }))}
          />
        ) : (
          <p className="hm-muted">{t('stats.noLabels')}</p>
        )}
      </Card>
      <Card title={t('stats.sizes')} className="hm-w6">
        <Bars
          label={t('stats.sizes')}
          bars={[...data.sizes.width_height_buckets]
            .sort((a, b) => b.count - a.count)
            .slice(0, MOST_SIZES)
            .map(size => ({ label: `${size.width} × ${size.height}`, value: size.count }))}
        />
      </Card>
    </div>
  );
}
