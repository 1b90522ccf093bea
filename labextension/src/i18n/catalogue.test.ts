import { describe, expect, it } from 'vitest';
import { fill, hasKey, setLanguage, t, tValue } from '.';
import { en } from './en';
import { zh } from './zh';

/** Names, units and notation that are the same in both languages on purpose. */
const SAME_ON_PURPOSE = [
  'app.name',
  'ascode.http',
  'ascode.python',
  'field.length',
  'log.matches',
  'quota.cpu',
  'quota.gpu',
  'quota.of',
  'side.title',
  'status.cpu',
  'status.himalia'
];

const placeholders = (message: string) => [...new Set([...message.matchAll(/\{(\w+)/g)].map(match => match[1]))].sort();

describe('GEN-9: the two languages', () => {
  it('lists every string that is equal in both', () => {
    const equal = Object.keys(en).filter(key => hasKey(key) && en[key] === zh[key]);
    expect(equal.filter(key => !SAME_ON_PURPOSE.includes(key))).toEqual([]);
  });

  it('leaves no English sentence in the Chinese catalogue', () => {
    const suspicious = Object.entries(zh).filter(
      ([key, text]) => !SAME_ON_PURPOSE.includes(key) && !/[\u4e00-\u9fff]/.test(text)
    );
    expect(suspicious).toEqual([]);
  });

  it.each(Object.keys(en))('%s uses the same values in both', key => {
    if (hasKey(key)) {
      expect(placeholders(zh[key])).toEqual(placeholders(en[key]));
    }
  });
});

describe('filling in', () => {
  it('writes numbers by locale and agrees in number', () => {
    setLanguage('en');
    expect(fill('{n} {n|item|items}', { n: 1 })).toBe('1 item');
    expect(fill('{n} {n|item|items}', { n: 12_626 })).toBe('12,626 items');
  });

  it.each([
    ['zh_CN', '取消'],
    ['zh-TW', '取消'],
    ['en', 'Cancel'],
    ['fr', 'Cancel']
  ])('takes %s from JupyterLab', (code, expected) => {
    setLanguage(code);
    expect(t('action.cancel')).toBe(expected);
    setLanguage('en');
  });

  it('shows unknown server values readably', () => {
    expect(tValue('phase', 'half_done')).toBe('half done');
    expect(tValue('phase', null)).toBe('–');
  });
});
