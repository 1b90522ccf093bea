/**
 * Sends waiting operations, in order and at most once each.
 *
 * An operation counts as done by the person when it is in IndexedDB, and as saved when the platform has accepted it.
 * Sending repeats until that is so; the platform recognises client and sequence number, so repeating has no second effect.
 * Operations left behind by a tab that is gone are sent by the next one.
 */
import { ApiError } from '../api/errors';
import type { Operation, OperationAnswer, OperationResult } from '../api/types';
import type { Wish } from './document';
import type { LabelStore, StoredOperation } from './store';

export type SaveState = 'saved' | 'saving' | 'offline' | 'refused';

export interface OutboxState {
  save: SaveState;
  waiting: number;
  /** Operations the platform set aside or refused since the last look. */
  parked: readonly OperationResult[];
  /** Why the platform does not take what waits, when it answered at all. */
  error: ApiError | null;
}

export interface OutboxParts {
  dataset: number;
  client: string;
  store: LabelStore;
  send: (client: string, operations: Operation[]) => Promise<OperationAnswer>;
  /** Called with the platform's word on items, and the items that still wait. */
  onResults: (results: readonly OperationResult[], stillWaiting: ReadonlySet<number>) => void;
  onState: (state: OutboxState) => void;
  now?: () => Date;
  retryMs?: number;
}

const BATCH = 200;
const RETRY_MOST_MS = 15_000;

export class Outbox {
  private seq = 0;
  private queue: StoredOperation[] = [];
  private sending: Promise<void> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private retryMs: number;
  private closed = false;
  private state: OutboxState = { save: 'saved', waiting: 0, parked: [], error: null };

  constructor(private readonly parts: OutboxParts) {
    this.retryMs = parts.retryMs ?? 1_000;
  }

  /** Takes over what earlier tabs left; returns it, so that the document can show it. */
  async recover(): Promise<StoredOperation[]> {
    this.queue = await this.parts.store.waiting(this.parts.dataset);
    this.report(this.queue.length ? 'saving' : 'saved');
    this.kick();
    return [...this.queue];
  }

  /** Stores operations and starts sending. Resolves when they are safe in the browser. */
  async put(wishes: readonly Wish[]): Promise<void> {
    const at = (this.parts.now?.() ?? new Date()).toISOString();
    const operations = wishes.map(wish => {
      this.seq += 1;
      return { ...wish, seq: this.seq, at, dataset: this.parts.dataset, client: this.parts.client };
    });
    // Queued before stored: a send that is under way must not overtake, and the count shows at once.
    this.queue.push(...operations);
    this.report(this.state.save === 'offline' ? 'offline' : 'saving');
    await this.parts.store.add(operations);
    this.kick();
  }

  /** Tries at once, e.g. when the connection is back. */
  kick(): void {
    clearTimeout(this.timer);
    if (!this.sending && !this.closed && this.queue.length) {
      this.sending = this.run().finally(() => {
        this.sending = null;
      });
    }
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  get waiting(): readonly StoredOperation[] {
    return this.queue;
  }

  private async run(): Promise<void> {
    while (this.queue.length && !this.closed) {
      const first = this.queue[0];
      if (!first) {
        return;
      }
      const batch = this.queue.filter(operation => operation.client === first.client).slice(0, BATCH);
      const plain = batch.map(({ seq, item, op, labels, base, at }) => ({
        seq,
        item,
        op,
        ...(labels && { labels }),
        ...(base && { base }),
        at
      }));
      let answer: OperationAnswer;
      try {
        answer = await this.parts.send(first.client, plain);
      } catch (error) {
        if (error instanceof ApiError && !error.unreachable && error.status !== 401 && error.status !== 429) {
          this.report('refused', error);
        } else {
          this.report('offline');
        }
        this.later();
        return;
      }
      this.retryMs = this.parts.retryMs ?? 1_000;
      if (!(await this.accept(batch, answer))) {
        return;
      }
    }
  }

  private async accept(batch: readonly StoredOperation[], answer: OperationAnswer): Promise<boolean> {
    const gone = batch.filter(operation => operation.seq <= answer.accepted_seq);
    if (!gone.length) {
      // The platform answered without taking anything: do not spin.
      this.report('refused');
      this.later();
      return false;
    }
    await this.parts.store.remove(gone);
    const taken = new Set(gone);
    this.queue = this.queue.filter(operation => !taken.has(operation));
    const parked = answer.results.filter(result => result.outcome !== 'applied');
    this.state = { ...this.state, parked: [...this.state.parked, ...parked] };
    this.parts.onResults(answer.results, new Set(this.queue.map(operation => operation.item)));
    this.report(this.queue.length ? 'saving' : 'saved');
    return true;
  }

  private later(): void {
    if (!this.closed) {
      this.timer = setTimeout(() => this.kick(), this.retryMs);
      this.retryMs = Math.min(this.retryMs * 2, RETRY_MOST_MS);
    }
  }

  private report(save: SaveState, error: ApiError | null = null): void {
    this.state = { ...this.state, save, error, waiting: this.queue.length };
    this.parts.onState(this.state);
  }
}
