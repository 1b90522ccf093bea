// @vitest-environment node
import { afterEach, describe, expect, it } from 'vitest';
import { setLanguage } from '../i18n';
import { formatBytes, formatElapsed, formatMemory, formatMoney, formatResources, formatSpan, formatValue } from './format';

afterEach(() => setLanguage('en'));

describe('money is written from whole millionths', () => {
  it.each([
    [812_400_000, undefined, '¥812.40'],
    [1_597_100, 4, '¥1.5971'],
    [-500_000, undefined, '−¥0.50'],
    [1_234_567_890_000, undefined, '¥1,234,567.89'],
    [0, undefined, '¥0.00']
  ])('%s', (micros, digits, expected) => {
    expect(formatMoney(micros, digits)).toBe(expected);
  });
});

describe('sizes and times', () => {
  it.each([
    [512, '512 B'],
    [1_536, '1.5 KiB'],
    [4.6 * 1024 ** 3, '4.6 GiB'],
    [388.2 * 1024 ** 2, '388 MiB']
  ])('%s bytes', (bytes, expected) => expect(formatBytes(bytes)).toBe(expected));

  it.each([
    [42, '00:42'],
    [2_533, '42:13'],
    [11_560, '3:12:40'],
    [532_800, '6 d 4 h'],
    [-3, '00:00']
  ])('%s seconds elapsed', (seconds, expected) => expect(formatElapsed(seconds)).toBe(expected));

  it('says spans in the language', () => {
    expect(formatSpan(9 * 86_400)).toBe('9 days');
    setLanguage('zh');
    expect(formatSpan(9 * 86_400)).toBe('9 天');
    expect(formatElapsed(532_800)).toBe('6 天 4 小时');
  });

  it('writes resources as people say them', () => {
    expect(formatMemory(1.5 * 1024 ** 3)).toBe('1.5 GiB');
    expect(
      formatResources({ cpu_millis: 500, memory_bytes: 4 * 1024 ** 3, accelerators: { 'nvidia.com/gpu': 1, 'x/y': 0 } })
    ).toBe('0.5 CPU · 4 GiB · 1 GPU');
  });

  it.each([
    [0.000123456, '1.23e-4'],
    [0.87654321, '0.8765'],
    [12, '12'],
    [Number.NaN, '–']
  ])('metric %s', (value, expected) => expect(formatValue(value)).toBe(expected));
});
