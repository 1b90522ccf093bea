/**
 * Our own translation bundle: typed keys, English and Chinese, chosen by JupyterLab's language setting.
 *
 * A message may hold `{name}` (numbers are written by locale) and `{count|one item|many items}`, which chooses by the
 * locale's plural rule and is how English agrees in number. JupyterLab reloads the page when its language changes, so
 * the language is settled once at start.
 */
import { en } from './en';
import { zh } from './zh';

export type Key = keyof typeof en;
export type Language = 'en' | 'zh';
export type Values = Record<string, string | number>;

const catalogues: Record<Language, Record<Key, string>> = { en, zh };

let current: Language = 'en';

/** Takes JupyterLab's language code (`en`, `zh_CN`, `zh-TW`, `default` …). */
export function setLanguage(code: string | null | undefined): void {
  const tag = code && code !== 'default' ? code : document.documentElement.lang || 'en';
  current = tag.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export const language = (): Language => current;

/** The tag for `Intl`, which decides how numbers, dates and money are written. */
export const locale = (): string => (current === 'zh' ? 'zh-CN' : 'en-GB');

export function t(key: Key, values: Values = {}): string {
  return fill(catalogues[current][key], values);
}

/** True when a key made from a server value (a state, a reason) has words of ours. */
export const hasKey = (key: string): key is Key => key in en;

/** Words for a value the server sent; falls back to the value in readable form when we do not know it. */
export function tValue(prefix: string, value: string | null | undefined): string {
  if (!value) {
    return '–';
  }
  const key = `${prefix}.${value}`;
  return hasKey(key) ? t(key) : value.replaceAll('_', ' ');
}

export function fill(message: string, values: Values): string {
  return message.replace(/\{(\w+)((?:\|[^{}|]*)*)\}/g, (whole, name: string, forms: string) => {
    const value = values[name];
    if (value === undefined) {
      return whole;
    }
    if (forms) {
      const choices = forms.slice(1).split('|');
      const one = new Intl.PluralRules(locale()).select(Number(value)) === 'one';
      return (one ? choices[0] : choices[choices.length - 1]) ?? '';
    }
    return typeof value === 'number' ? new Intl.NumberFormat(locale()).format(value) : value;
  });
}
