// @vitest-environment node
import 'fake-indexeddb/auto';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../api/errors';
import type { Operation, OperationAnswer, OperationResult } from '../api/types';
import { Outbox, type OutboxState } from './outbox';
import { LabelStore } from './store';

let name = 0;
let store: LabelStore;

beforeEach(async () => {
  name += 1;
  store = await LabelStore.open(`test-${name}`);
});

const offline = () => new ApiError({ title: '', status: 0, code: 'offline' });

const result = (operation: Operation): OperationResult => ({
  seq: operation.seq,
  item: operation.item,
  outcome: 'applied',
  reason: null,
  state: 'unfinished',
  labels: [],
  item_version: 2
});

/** A platform that remembers what it has accepted, and may lose its answer. */
class Platform {
  applied: string[] = [];
  sent: number[][] = [];
  reachable = true;
  losesAnswers = false;

  send = (client: string, list: Operation[]): Promise<OperationAnswer> => {
    if (!this.reachable) {
      return Promise.reject(offline());
    }
    this.sent.push(list.map(operation => operation.seq));
    for (const operation of list) {
      const key = `${client}:${operation.seq}`;
      if (!this.applied.includes(key)) {
        this.applied.push(key);
      }
    }
    return this.losesAnswers
      ? Promise.reject(offline())
      : Promise.resolve({ accepted_seq: list.at(-1)?.seq ?? 0, results: list.map(result) });
  };
}

function outbox(platform: Platform, client = 'tab-1', states: OutboxState[] = [], onResults = vi.fn()) {
  return new Outbox({ dataset: 1, client, store, send: platform.send, onResults, onState: state => states.push(state), retryMs: 5 });
}

const label = (item: number) => ({ item, op: 'set_labels' as const, labels: [1] });

describe('BEY-12: no label is ever lost', () => {
  it('has an operation on disk before it counts as done', async () => {
    const platform = new Platform();
    platform.reachable = false;
    const box = outbox(platform);
    await box.put([label(1)]);
    expect(await store.waiting(1)).toMatchObject([{ item: 1, seq: 1, client: 'tab-1' }]);
    box.close();
  });

  it('sends what waited when the connection comes back, in order', async () => {
    const platform = new Platform();
    platform.reachable = false;
    const states: OutboxState[] = [];
    const box = outbox(platform, 'tab-1', states);
    await box.put([label(1)]);
    await box.put([label(2), label(3)]);
    await vi.waitFor(() => expect(states.at(-1)).toMatchObject({ save: 'offline', waiting: 3 }));
    platform.reachable = true;
    await vi.waitFor(() => expect(states.at(-1)).toMatchObject({ save: 'saved', waiting: 0 }));
    expect(platform.sent).toEqual([[1, 2, 3]]);
    expect(await store.waiting(1)).toEqual([]);
  });

  it('has one effect when the answer is lost and it sends again', async () => {
    const platform = new Platform();
    platform.losesAnswers = true;
    const states: OutboxState[] = [];
    const box = outbox(platform, 'tab-1', states);
    await box.put([label(1)]);
    await vi.waitFor(() => expect(platform.sent.length).toBeGreaterThan(1));
    platform.losesAnswers = false;
    await vi.waitFor(() => expect(states.at(-1)?.save).toBe('saved'));
    expect(platform.applied).toEqual(['tab-1:1']);
  });

  it('sends what a tab left behind, under that tab’s name', async () => {
    const platform = new Platform();
    platform.reachable = false;
    const first = outbox(platform, 'tab-1');
    await first.put([label(1), label(2)]);
    first.close();
    platform.reachable = true;
    const second = outbox(platform, 'tab-2');
    expect(await second.recover()).toHaveLength(2);
    await second.put([label(3)]);
    await vi.waitFor(() => expect(platform.applied).toEqual(['tab-1:1', 'tab-1:2', 'tab-2:1']));
    await vi.waitFor(async () => expect(await store.waiting(1)).toEqual([]));
  });

  it('keeps what the platform refuses as a whole, and says why', async () => {
    const states: OutboxState[] = [];
    const platform = new Platform();
    platform.send = () => Promise.reject(new ApiError({ title: 'no', status: 403, code: 'not_permitted', detail: 'Not yours' }));
    const box = outbox(platform, 'tab-1', states);
    await box.put([label(1)]);
    await vi.waitFor(() => expect(states.at(-1)).toMatchObject({ save: 'refused', waiting: 1 }));
    expect(states.at(-1)?.error?.message).toBe('Not yours');
    expect(await store.waiting(1)).toHaveLength(1);
    box.close();
  });

  it('reports parked operations instead of dropping the word', async () => {
    const states: OutboxState[] = [];
    const platform = new Platform();
    platform.send = (_client, list) =>
      Promise.resolve({
        accepted_seq: list.at(-1)?.seq ?? 0,
        results: list.map(one => ({ ...result(one), outcome: 'parked' as const, reason: 'label deleted' }))
      });
    const box = outbox(platform, 'tab-1', states);
    await box.put([label(1)]);
    await vi.waitFor(() => expect(states.at(-1)?.parked).toMatchObject([{ reason: 'label deleted' }]));
  });

  it('tells which items still wait, so that newer work here is not overwritten', async () => {
    const platform = new Platform();
    const onResults = vi.fn();
    const box = outbox(platform, 'tab-1', [], onResults);
    await Promise.all([box.put([label(1)]), box.put([label(1), label(2)])]);
    await vi.waitFor(() => expect(box.waiting).toHaveLength(0));
    const last = onResults.mock.calls.at(-1) as [OperationResult[], ReadonlySet<number>];
    expect([...last[1]]).toEqual([]);
  });
});

describe('undo survives a reload', () => {
  const step = (item: number) => ({
    changes: [{ item, before: { labels: [], state: 'none' as const }, after: { labels: [item], state: 'unfinished' as const } }]
  });

  it('gives back done and undone steps', async () => {
    await store.pushStep(1, 0, step(1));
    await store.pushStep(1, 1, step(2));
    await store.pushStep(2, 0, step(9));
    await store.moveCursor(1, 1, 2);
    store.close();
    store = await LabelStore.open(`test-${name}`);
    expect(await store.steps(1)).toEqual({ done: [step(1)], undone: [step(2)] });
    expect(await store.steps(2)).toEqual({ done: [step(9)], undone: [] });
  });

  it('drops undone steps when something new is done', async () => {
    await store.pushStep(1, 0, step(1));
    await store.pushStep(1, 1, step(2));
    await store.moveCursor(1, 0, 2);
    await store.pushStep(1, 0, step(3));
    expect(await store.steps(1)).toEqual({ done: [step(3)], undone: [] });
  });
});
