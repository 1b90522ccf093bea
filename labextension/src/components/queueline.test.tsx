import { act, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Step, Verdict } from '../api/types';
import { setLanguage } from '../i18n';
import { renderPanel } from '../testing/render';
import { queueWords, type Queued } from './queueline';
import { StartTree } from './starttree';
import { VerdictLine } from './verdict';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const after = (minutes: number) => new Date(NOW + minutes * 60_000).toISOString();
const queued = (half: number | null, latest: number | null): Queued => ({
  phase: 'queued',
  queue_position: 3,
  expected_start_at: half === null ? null : after(half),
  expected_start_latest_at: latest === null ? null : after(latest)
});
const steps: Step[] = [
  { name: 'admitted', state: 'active', detail: 'place 3 in the queue', started_at: after(-1), ended_at: null }
];

afterEach(() => setLanguage('en'));

describe('BEY-3: when work in the queue probably starts', () => {
  it('says place, half of the cases and nine of ten, in both languages', () => {
    expect(queueWords(queued(12, 40), NOW)).toBe('place 3 · likely in 12 min, within 40 min in nine of ten cases');
    setLanguage('zh');
    expect(queueWords(queued(12, 40), NOW)).toBe('排在第 3 位 · 预计 12 分钟后启动，十次中有九次在 40 分钟内');
  });

  it('says no more than is known', () => {
    expect(queueWords(queued(null, null), NOW)).toBe('place 3');
    expect(queueWords(queued(null, 40), NOW)).toBe('place 3 · within 40 min at the latest');
    expect(queueWords(queued(12, null), NOW)).toBe('place 3 · likely in 12 min');
    expect(queueWords(queued(-1, 40), NOW)).toBe('place 3 · likely any moment, within 40 min in nine of ten cases');
    expect(queueWords({ ...queued(12, 40), phase: 'running' }, NOW)).toBe('');
    expect(queueWords(null, NOW)).toBe('');
  });
});

describe('BEY-3: the start-up tree', () => {
  beforeEach(() => void vi.useFakeTimers({ now: NOW, toFake: ['Date', 'setInterval', 'clearInterval'] }));
  afterEach(() => void vi.useRealTimers());

  it('counts down while it waits for room', async () => {
    renderPanel(() => <StartTree steps={steps} work={queued(12, 40)} />, {});
    await screen.findByText('place 3 · likely in 12 min, within 40 min in nine of ten cases');
    await act(() => vi.advanceTimersByTimeAsync(120_000));
    expect(screen.getByText('place 3 · likely in 10 min, within 38 min in nine of ten cases')).toBeTruthy();
  });

  it('keeps the detail of steps of other work', async () => {
    renderPanel(() => <StartTree steps={steps} work={{ ...queued(12, 40), phase: 'starting' }} />, {});
    await screen.findByText('place 3 in the queue');
  });
});

describe('BEY-3: the verdict of a form', () => {
  it('shows the sentence of the platform alone, which says when', async () => {
    const sentence = 'This waits for CPU in place 1 of the queue: likely in 12 min, within 40 min in nine of ten cases.';
    const verdict = {
      verdict: 'waits', sentence, sentence_zh: '', uses: {}, levels: [], price_per_hour_micros: 0,
      expected_start_at: after(12), expected_start_latest_at: after(40)
    } as unknown as Verdict;
    renderPanel(() => <VerdictLine verdict={verdict} />, {});
    expect((await screen.findByText(sentence)).textContent).toBe(sentence);
  });
});
