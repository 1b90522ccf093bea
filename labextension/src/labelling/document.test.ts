// @vitest-environment node
import { describe, expect, it } from 'vitest';
import type { OperationKind } from '../api/types';
import { emptyDocument, operations, reduce, reversed, toggleLabel, type LabelDocument, type Marking } from './document';

/** What the platform does with an operation, as the contract says. */
function platform(marking: Marking, op: OperationKind, labels: number[] = []): Marking {
  switch (op) {
    case 'set_labels':
      if (!labels.length) {
        return { labels, state: marking.state === 'none' ? 'none' : 'unfinished' };
      }
      return { labels, state: marking.state === 'confirmed' ? 'confirmed' : 'unfinished' };
    case 'confirm':
      return { ...marking, state: marking.state === 'nothing_to_label' ? marking.state : 'confirmed' };
    case 'reopen':
      return { ...marking, state: marking.labels.length || marking.state !== 'none' ? 'unfinished' : 'none' };
    case 'clear':
      return { labels: [], state: 'none' };
    case 'mark_nothing':
      return { labels: [], state: 'nothing_to_label' };
  }
}

const MARKINGS: Marking[] = [
  { labels: [], state: 'none' },
  { labels: [], state: 'nothing_to_label' },
  { labels: [1], state: 'unfinished' },
  { labels: [2], state: 'confirmed' },
  { labels: [1, 2], state: 'confirmed' }
];

const pairs = MARKINGS.flatMap(before => MARKINGS.map(after => [before, after] as const));

describe('operations lead from any marking to any other', () => {
  it.each(pairs)('%o to %o, and back by undo', (before, after) => {
    const change = { item: 1, before, after };
    const arrive = (from: Marking, step: typeof change) =>
      operations(step).reduce((now, wish) => platform(now, wish.op, wish.labels), from);
    const arrived = arrive(before, change);
    expect(arrived).toEqual(after);
    const [back] = reversed({ changes: [change] }).changes;
    expect(back && arrive(arrived, back)).toEqual(before);
  });
});

describe('undo without limit', () => {
  const step = (item: number, before: Marking, after: Marking) => ({ changes: [{ item, before, after }] });

  it('takes back a thousand steps and does them again', () => {
    let document: LabelDocument = emptyDocument;
    let now: Marking = { labels: [], state: 'none' };
    for (let label = 1; label <= 1_000; label += 1) {
      const after: Marking = { labels: [label], state: 'unfinished' };
      document = reduce(document, { type: 'apply', step: step(1, now, after) });
      now = after;
    }
    for (let back = 0; back < 1_000; back += 1) {
      document = reduce(document, { type: 'undo' });
    }
    expect(document.touched.get(1)).toEqual({ labels: [], state: 'none' });
    expect(reduce(document, { type: 'undo' })).toBe(document);
    for (let again = 0; again < 1_000; again += 1) {
      document = reduce(document, { type: 'redo' });
    }
    expect(document.touched.get(1)?.labels).toEqual([1_000]);
    expect(document.undone).toEqual([]);
  });

  it('forgets what was undone once something else is done', () => {
    const [a, b] = [MARKINGS[0], MARKINGS[3]] as [Marking, Marking];
    let document = reduce(emptyDocument, { type: 'apply', step: step(1, a, b) });
    document = reduce(document, { type: 'undo' });
    document = reduce(document, { type: 'apply', step: step(2, a, b) });
    expect(document.undone).toEqual([]);
    expect(document.done).toHaveLength(1);
  });
});

describe('choosing labels', () => {
  it.each([
    ['single: replaces', [1], 'unfinished', 2, false, [2], 'unfinished'],
    ['single: the same again changes nothing', [1], 'confirmed', 1, false, [1], 'confirmed'],
    ['several: the last one out', [1], 'confirmed', 1, true, [], 'unfinished'],
    ['first label', [], 'none', 1, false, [1], 'unfinished'],
    ['corrected after confirming', [1], 'confirmed', 2, false, [2], 'confirmed'],
    ['several: puts in', [1], 'unfinished', 2, true, [1, 2], 'unfinished'],
    ['several: takes out', [1, 2], 'confirmed', 1, true, [2], 'confirmed']
  ] as const)('%s', (_case, labels, state, label, many, expected, after) => {
    expect(toggleLabel({ labels: [...labels], state }, label, many)).toEqual({ labels: expected, state: after });
  });
});
