/** Cost per day as bars, one for each day of the period, with the exact amount on hover. */
import type { JSX } from 'react';
import { formatMoney } from '../../domain/format';
import { locale, t } from '../../i18n';

const DAY = 86_400_000;
const HEIGHT = 120;

export interface DayItem {
  key: string;
  amount_micros: number;
}

/** Every day of the period with its amount; days without cost are zero. */
export function daysOf(items: readonly DayItem[], from: string, to: string): { day: Date; micros: number }[] {
  const amounts = new Map(items.map(one => [one.key.slice(0, 10), one.amount_micros]));
  const days: { day: Date; micros: number }[] = [];
  for (let at = new Date(from); at.getTime() < Date.parse(to); at = new Date(at.getTime() + DAY)) {
    const pad = (value: number) => String(value).padStart(2, '0');
    const key = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
    days.push({ day: at, micros: amounts.get(key) ?? 0 });
  }
  return days;
}

export function DayBars({ items, from, to }: { items: readonly DayItem[]; from: string; to: string }): JSX.Element {
  const days = daysOf(items, from, to);
  const most = Math.max(1, ...days.map(one => one.micros));
  const name = new Intl.DateTimeFormat(locale(), { day: 'numeric', month: 'long' });
  return (
    <div className="hm-daybars" role="img" aria-label={t('bill.perDay')}>
      <span className="hm-num hm-muted hm-top">{formatMoney(most > 1 ? most : 0)}</span>
      <div style={{ height: HEIGHT }}>
        {days.map(one => (
          <i
            key={one.day.toISOString()}
            title={`${name.format(one.day)}: ${formatMoney(one.micros, 4)}`}
            style={{ height: `${(one.micros / most) * 100}%` }}
          />
        ))}
      </div>
      <div className="hm-days hm-muted">
        <span>{days[0]?.day.getDate()}</span>
        <span>{days.at(-1)?.day.getDate()}</span>
      </div>
    </div>
  );
}
