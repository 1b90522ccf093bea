/** Line charts on uPlot (loaded with the first chart): shared cursor, smoothing, log scale, drag zoom, PNG and CSV. */
import { useEffect, useMemo, useRef, useState, type JSX } from 'react';
import type uPlot from 'uplot';
import { formatValue } from '../domain/format';
import { downloadText } from '../domain/download';
import { locale, t } from '../i18n';
import { IconButton } from './basics';

export interface Series {
  name: string;
  /** x, y. */
  points: readonly (readonly [number, number])[];
}

export interface ChartProps {
  title: string;
  series: readonly Series[];
  /** What x counts, e.g. `epoch`. */
  xLabel?: string;
  height?: number;
  /** Charts with the same group share one cursor. */
  group?: string;
  /** Share of the previous value that is kept, 0 (none) to 0.99. */
  smoothing?: number;
  logScale?: boolean;
}

const COLOURS = 6;
// uPlot's own enumeration exists for the compiler only.
/* eslint-disable @typescript-eslint/no-unsafe-enum-assignment */
const LINEAR_SCALE = 1 as uPlot.Scale.Distr.Linear;
const LOG_SCALE = 3 as uPlot.Scale.Distr.Logarithmic;
/* eslint-enable */

/** Exponential moving average without the bias of its start; gaps stay gaps. */
export function smooth(values: readonly (number | null)[], keep: number): (number | null)[] {
  if (keep <= 0) {
    return [...values];
  }
  let average = 0;
  let weight = 0;
  return values.map(value => {
    if (value === null) {
      return null;
    }
    average = average * keep + value * (1 - keep);
    weight = weight * keep + (1 - keep);
    return average / weight;
  });
}

/** Series with different x values on one common axis: `[xs, ys, ys, …]` with null where a series has no point. */
export function align(series: readonly Series[]): [number[], ...(number | null)[][]] {
  const xs = [...new Set(series.flatMap(one => one.points.map(point => point[0])))].sort((a, b) => a - b);
  const ys = series.map(one => {
    const byX = new Map(one.points.map(([x, y]) => [x, Number.isFinite(y) ? y : null]));
    return xs.map(x => byX.get(x) ?? null);
  });
  return [xs, ...ys];
}

export function seriesCsv(series: readonly Series[], xLabel: string): string {
  const [xs, ...ys] = align(series);
  const quote = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const head = [xLabel, ...series.map(one => one.name)].map(quote).join(',');
  const rows = xs.map((x, row) => [x, ...ys.map(column => column[row] ?? '')].join(','));
  return [head, ...rows, ''].join('\n');
}

const css = (element: Element, name: string): string => getComputedStyle(element).getPropertyValue(name).trim();

function options(element: HTMLElement, props: ChartProps, onCursor: (index: number | null) => void): uPlot.Options {
  const line = css(element, '--himalia-chart-line') || '#8884';
  const text = css(element, '--himalia-chart-text') || '#888';
  const font = `11px ${css(element, '--jp-ui-font-family') || 'system-ui'}`;
  const axis = { stroke: text, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, gap: 6 };
  return {
    width: element.clientWidth || 400,
    height: props.height ?? 160,
    padding: [8, 12, 0, 0],
    cursor: {
      sync: props.group ? { key: props.group } : undefined,
      points: { size: 6 },
      drag: { x: true, y: false },
      y: false
    },
    legend: { show: false },
    scales: { x: { time: false }, y: { distr: props.logScale ? LOG_SCALE : LINEAR_SCALE } },
    axes: [
      { ...axis, size: 24, grid: { show: false } },
      { ...axis, size: 48, values: (_plot, values) => values.map(value => (value === null ? '' : formatValue(value))) }
    ],
    series: [
      {},
      ...props.series.map((one, index) => ({
        label: one.name,
        stroke: css(element, `--himalia-s${(index % COLOURS) + 1}`) || '#1565c0',
        width: 1.75,
        spanGaps: true,
        points: { show: one.points.length < 2 }
      }))
    ],
    hooks: { setCursor: [plot => onCursor(plot.cursor.idx ?? null)] }
  };
}

export function Chart(props: ChartProps): JSX.Element {
  const { series, smoothing = 0, xLabel = 'step' } = props;
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [cursor, setCursor] = useState<number | null>(null);
  const data = useMemo(() => {
    const [xs, ...ys] = align(series);
    return [xs, ...ys.map(values => smooth(values, smoothing))] as uPlot.AlignedData;
  }, [series, smoothing]);
  const latest = useRef({ props, data });
  latest.current = { props, data };
  const shape = `${series.map(one => one.name).join('\u0000')}|${props.logScale}|${props.height}`;
  const empty = !data[0]?.length;

  useEffect(() => {
    const element = holder.current;
    if (!element || empty) {
      return;
    }
    let gone = false;
    const observer = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: latest.current.props.height ?? 160 })
    );
    void import('uplot').then(({ default: Plot }) => {
      if (!gone) {
        plot.current = new Plot(options(element, latest.current.props, setCursor), latest.current.data, element);
        observer.observe(element);
      }
    });
    return () => {
      gone = true;
      observer.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, empty]);

  useEffect(() => {
    plot.current?.setData(data);
  }, [data]);

  const toggle = (name: string, index: number) => {
    const next = new Set(hidden);
    if (!next.delete(name)) {
      next.add(name);
    }
    setHidden(next);
    plot.current?.setSeries(index + 1, { show: !next.has(name) });
  };
  const save = () => {
    const canvas = holder.current?.querySelector('canvas');
    canvas?.toBlob(blob => blob && downloadText(`${props.title}.png`, blob));
  };
  const at = cursor ?? (data[0]?.length ?? 0) - 1;
  return (
    <section className="hm-card hm-chart" aria-label={props.title}>
      <h2>
        {props.title}
        <span className="hm-grow" />
        <span className="hm-legend">
          {!empty && (
            <span>
              {xLabel} <b>{formatValue(data[0]?.[at] ?? NaN)}</b>
            </span>
          )}
          {series.map((one, index) => (
            <button
              key={one.name}
              type="button"
              aria-pressed={!hidden.has(one.name)}
              onClick={() => toggle(one.name, index)}
            >
              <i style={{ background: `var(--himalia-s${(index % COLOURS) + 1})` }} />
              {one.name} <b>{formatValue((data[index + 1]?.[at] as number | null) ?? NaN)}</b>
            </button>
          ))}
        </span>
        <span className="hm-charttools">
          <IconButton icon="image" small label={t('chart.png')} onClick={save} />
          <IconButton
            icon="table"
            small
            label={t('chart.csv')}
            onClick={() => downloadText(`${props.title}.csv`, seriesCsv(series, xLabel))}
          />
        </span>
      </h2>
      {empty ? (
        <p className="hm-muted hm-chartempty">{t('chart.empty')}</p>
      ) : (
        <div ref={holder} className="hm-plot" title={t('chart.zoom')} style={{ height: props.height ?? 160 }} />
      )}
    </section>
  );
}

export interface Bar {
  label: string;
  value: number;
  colour?: string;
  /** Written at the end of the bar; the number by default. */
  words?: string;
}

/** Horizontal bars with exact values: counts and money. */
export function Bars({ bars, label }: { bars: readonly Bar[]; label: string }): JSX.Element {
  const most = Math.max(1, ...bars.map(bar => bar.value));
  return (
    <ul className="hm-bars" aria-label={label}>
      {bars.map(bar => (
        <li key={bar.label}>
          <span className="hm-ell" title={bar.label}>
            {bar.label}
          </span>
          <span className="hm-bartrack">
            <i style={{ width: `${(bar.value / most) * 100}%`, background: bar.colour ?? 'var(--himalia-s1)' }} />
          </span>
          <b>{bar.words ?? new Intl.NumberFormat(locale()).format(bar.value)}</b>
        </li>
      ))}
    </ul>
  );
}

/** A bar of parts that add up to the whole. */
export function PartsBar({ parts, label }: { parts: readonly Bar[]; label: string }): JSX.Element {
  const whole = parts.reduce((sum, part) => sum + part.value, 0) || 1;
  return (
    <div className="hm-parts" role="img" aria-label={`${label}: ${parts.map(p => `${p.label} ${p.words ?? p.value}`).join(', ')}`}>
      {parts
        .filter(part => part.value > 0)
        .map(part => (
          <i
            key={part.label}
            title={`${part.label}: ${part.words ?? part.value}`}
            style={{ width: `${(part.value / whole) * 100}%`, background: part.colour ?? 'var(--himalia-s1)' }}
          />
        ))}
    </div>
  );
}
