/** A small line of what was used, under its name and beside its last value. */
import type { JSX } from 'react';

const WIDTH = 120;
const HEIGHT = 18;

export function sparkPath(values: readonly number[], most: number): string {
  if (!values.length) {
    return '';
  }
  const top = Math.max(most, ...values) || 1;
  const step = WIDTH / Math.max(1, values.length - 1);
  return values
    .map((value, at) => `${at ? 'L' : 'M'}${(at * step).toFixed(1)} ${(HEIGHT - (value / top) * (HEIGHT - 2) - 1).toFixed(1)}`)
    .join('');
}

export function Spark(props: { label: string; values: readonly number[]; most: number; words: string }): JSX.Element {
  const path = sparkPath(props.values, props.most);
  return (
    <div className="hm-spark">
      <span>{props.label}</span>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {path && <path className="hm-area" d={`${path}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} />}
        {path && <path d={path} />}
      </svg>
      <span className="hm-num">{props.words}</span>
    </div>
  );
}
