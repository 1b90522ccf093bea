/**
 * Where operations wait in the browser until the platform has them (BEY-12), and where undo survives a reload.
 *
 * One IndexedDB database per notebook server and person. Operations are keyed by client and sequence number; a client is
 * one tab. Steps of undo are kept per dataset, one record each, so that a long session stays cheap to store.
 */
import type { Operation } from '../api/types';
import type { LabelStep } from './document';

export interface StoredOperation extends Operation {
  dataset: number;
  client: string;
}

interface StoredStep {
  dataset: number;
  at: number;
  step: LabelStep;
}

interface StoredCursor {
  dataset: number;
  /** Steps below are done, from here on undone. */
  done: number;
  total: number;
}

const finished = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB refused'));
  });

const committed = (transaction: IDBTransaction): Promise<void> =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB aborted'));
  });

const datasetRange = (dataset: number, from = 0) => IDBKeyRange.bound([dataset, from], [dataset, Infinity]);

export class LabelStore {
  private constructor(private readonly database: IDBDatabase) {}

  static async open(name: string): Promise<LabelStore> {
    const request = indexedDB.open(`himalia-labels:${name}`, 1);
    request.onupgradeneeded = () => {
      const database = request.result;
      database.createObjectStore('operations', { keyPath: ['client', 'seq'] }).createIndex('dataset', 'dataset');
      database.createObjectStore('steps', { keyPath: ['dataset', 'at'] });
      database.createObjectStore('cursors', { keyPath: 'dataset' });
    };
    return new LabelStore(await finished(request));
  }

  close(): void {
    this.database.close();
  }

  /** Resolves when the operations are on disk. */
  async add(operations: readonly StoredOperation[]): Promise<void> {
    const transaction = this.database.transaction('operations', 'readwrite', { durability: 'strict' });
    const store = transaction.objectStore('operations');
    operations.forEach(operation => store.put(operation));
    await committed(transaction);
  }

  /** All waiting operations of a dataset, of every client, in the order they were made. */
  async waiting(dataset: number): Promise<StoredOperation[]> {
    const index = this.database.transaction('operations').objectStore('operations').index('dataset');
    const found = (await finished(index.getAll(dataset))) as StoredOperation[];
    return found.sort((a, b) => a.at.localeCompare(b.at) || a.seq - b.seq);
  }

  async remove(operations: readonly StoredOperation[]): Promise<void> {
    const transaction = this.database.transaction('operations', 'readwrite');
    const store = transaction.objectStore('operations');
    operations.forEach(({ client, seq }) => store.delete([client, seq]));
    await committed(transaction);
  }

  /** Puts a new step after the done ones; what had been undone is gone with that. */
  async pushStep(dataset: number, done: number, step: LabelStep): Promise<void> {
    const transaction = this.database.transaction(['steps', 'cursors'], 'readwrite');
    const steps = transaction.objectStore('steps');
    steps.delete(datasetRange(dataset, done));
    steps.put({ dataset, at: done, step } satisfies StoredStep);
    const cursor: StoredCursor = { dataset, done: done + 1, total: done + 1 };
    transaction.objectStore('cursors').put(cursor);
    await committed(transaction);
  }

  async moveCursor(dataset: number, done: number, total: number): Promise<void> {
    const transaction = this.database.transaction('cursors', 'readwrite');
    transaction.objectStore('cursors').put({ dataset, done, total } satisfies StoredCursor);
    await committed(transaction);
  }

  async steps(dataset: number): Promise<{ done: LabelStep[]; undone: LabelStep[] }> {
    const transaction = this.database.transaction(['steps', 'cursors']);
    const [records, cursor] = await Promise.all([
      finished(transaction.objectStore('steps').getAll(datasetRange(dataset))) as Promise<StoredStep[]>,
      finished(transaction.objectStore('cursors').get(dataset)) as Promise<StoredCursor | undefined>
    ]);
    const steps = records.sort((a, b) => a.at - b.at).map(record => record.step);
    const done = cursor?.done ?? steps.length;
    return { done: steps.slice(0, done), undone: steps.slice(done).reverse() };
  }
}
