/** How the panels write numbers, sizes, durations, moments and money. The server computes; this only writes. */
import { language, locale } from '../i18n';
import type { Currency, Micros, Moment, Resources } from '../api/types';

const MICRO = 1_000_000;

let currency: Currency = { code: 'CNY', symbol: '¥', digits: 2 };

/** Set once from `GET /installation`. */
export function setCurrency(value: Currency): void {
  currency = value;
}

export function formatNumber(value: number, digits = 0): string {
  return new Intl.NumberFormat(locale(), {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits
  }).format(value);
}

/** Things in a row, parted as the language parts them; nothing where there are none. */
export const formatList = (things: readonly string[]): string => things.join(language() === 'zh' ? '、' : ', ');

/** A number with as many digits as carry meaning: metrics, parameters. */
export function formatValue(value: number): string {
  if (!Number.isFinite(value)) {
    return '–';
  }
  if (Number.isInteger(value) && Math.abs(value) < 1e9) {
    return formatNumber(value);
  }
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

/** Money with the currency's own digits, or `digits` of them (bills show four). */
export function formatMoney(micros: Micros, digits = currency.digits): string {
  const sign = micros < 0 ? '−' : '';
  return `${sign}${currency.symbol}${formatNumber(Math.abs(micros) / MICRO, digits)}`;
}

export const formatPercent = (share: number, digits = 0): string =>
  new Intl.NumberFormat(locale(), {
    style: 'percent',
    minimumFractionDigits: digits,
    maximumFractionDigits: digits
  }).format(share);

const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BINARY.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${formatNumber(value, unit === 0 || value >= 100 ? 0 : 1)} ${BINARY[unit]}`;
}

/** Bytes as GiB without a needless fraction: `4 GiB`, `1.5 GiB`. */
export function formatMemory(bytes: number): string {
  const gib = bytes / 1024 ** 3;
  return gib >= 1 || gib === 0 ? `${Number(gib.toFixed(1))} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;
}

export const formatCpu = (millis: number): string => String(Number((millis / 1000).toFixed(1)));

/** `2 CPU · 4 GiB · 1 GPU` */
export function formatResources(resources: Resources): string {
  const parts = [`${formatCpu(resources.cpu_millis)} CPU`, formatMemory(resources.memory_bytes)];
  for (const [name, count] of Object.entries(resources.accelerators)) {
    if (count > 0) {
      parts.push(`${count} ${acceleratorName(name)}`);
    }
  }
  return parts.join(' · ');
}

export function acceleratorName(resource: string): string {
  const last = resource.split('/').pop() ?? resource;
  return last.length <= 4 ? last.toUpperCase() : last;
}

/** Elapsed time as a clock: `00:42`, `3:12:40`, and in days from two days on. */
export function formatElapsed(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (value: number) => String(value).padStart(2, '0');
  const days = Math.floor(whole / 86_400);
  const hours = Math.floor(whole / 3600);
  if (days >= 2) {
    const rest = hours - days * 24;
    return language() === 'zh' ? `${days} 天 ${rest} 小时` : `${days} d ${rest} h`;
  }
  const minutes = Math.floor((whole % 3600) / 60);
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${pad(minutes)}:${pad(whole % 60)}`;
}

/** A rough length of time in words: `54 s`, `26 min`, `9 days`. */
export function formatSpan(seconds: number): string {
  const zh = language() === 'zh';
  const say = (value: number, en: string, cn: string) => `${formatNumber(value)} ${zh ? cn : en}`;
  if (seconds < 90) {
    return say(Math.max(0, Math.round(seconds)), 's', '秒');
  }
  if (seconds < 90 * 60) {
    return say(Math.round(seconds / 60), 'min', '分钟');
  }
  if (seconds < 48 * 3600) {
    return say(Math.round(seconds / 3600), 'h', '小时');
  }
  const days = Math.round(seconds / 86_400);
  return days < 730 ? say(days, 'days', '天') : say(Math.round(days / 365), 'years', '年');
}

/** A moment in the person's zone: `21 Nov 09:12`; the year only when it is another one. */
export function formatMoment(moment: Moment | null | undefined, now = new Date()): string {
  if (!moment) {
    return '–';
  }
  const date = new Date(moment);
  const year = date.getFullYear() === now.getFullYear() ? {} : ({ year: 'numeric' } as const);
  const day = new Intl.DateTimeFormat(locale(), { day: 'numeric', month: 'short', ...year }).format(date);
  return `${day} ${formatClock(moment)}`;
}

export const formatClock = (moment: Moment, seconds = false): string =>
  new Intl.DateTimeFormat(locale(), {
    hour: '2-digit',
    minute: '2-digit',
    ...(seconds ? { second: '2-digit' } : {}),
    hour12: false
  }).format(new Date(moment));

/** The whole moment with its zone, for hover. */
export const formatFull = (moment: Moment): string =>
  new Intl.DateTimeFormat(locale(), { dateStyle: 'long', timeStyle: 'long' }).format(new Date(moment));

export const secondsSince = (moment: Moment, now = Date.now()): number => (now - Date.parse(moment)) / 1000;
