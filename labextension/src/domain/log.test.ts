// @vitest-environment node
import { describe, expect, it } from 'vitest';
import { LogText, cleanLine, levelOf } from './log';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('a log read in pieces', () => {
  it('joins a line and a character cut by the piece border', () => {
    const log = new LogText();
    const all = bytes('first 训练\nsecond\n');
    log.append(all.slice(0, 8), false);
    log.append(all.slice(8), false);
    expect(log.lines.map(line => line.text)).toEqual(['first 训练', 'second']);
    expect(log.lines.map(line => line.number)).toEqual([1, 2]);
  });

  it('shows the unfinished last line and lets it grow', () => {
    const log = new LogText();
    log.append(bytes('epoch 1'), false);
    expect(log.lines.map(line => line.text)).toEqual(['epoch 1']);
    log.append(bytes('0 done\n'), false);
    expect(log.lines.map(line => line.text)).toEqual(['epoch 10 done']);
  });

  it('shows progress bars as their last state, without colour codes', () => {
    expect(cleanLine('\u001b[32m 10%\r 50%\r100%\u001b[0m')).toBe('100%');
    expect(cleanLine('windows\r')).toBe('windows');
  });

  it.each([
    ['Traceback (most recent call last):', 'error'],
    ['2026 WARNING low', 'warn'],
    ['plain', null]
  ])('%s', (text, level) => expect(levelOf(text)).toBe(level));

  it('finds without regard to case', () => {
    const log = new LogText();
    log.append(bytes('mAP50 0.1\nloss\nMAP50 0.2\n'), true);
    expect(log.find('map')).toEqual([0, 2]);
    expect(log.find('')).toEqual([]);
  });
});
