/** One person's labelling of one dataset in one tab: the document, its storage and its outbox as one React hook. */
import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'react';
import type { OperationAnswer, OperationResult } from '../api/types';
import { useFrame } from '../frame';
import { usePatchItems } from '../queries/data';
import { useConnection } from '../queries/account';
import {
  emptyDocument,
  operations,
  reduce,
  reversed,
  sameMarking,
  type LabelDocument,
  type LabelStep,
  type Marking
} from './document';
import { Outbox, type OutboxState } from './outbox';
import { LabelStore, type StoredOperation } from './store';

export interface Labelling {
  document: LabelDocument;
  outbox: OutboxState;
  ready: boolean;
  apply: (step: LabelStep) => void;
  undo: () => LabelStep | undefined;
  redo: () => LabelStep | undefined;
}

/** What waiting operations make of the items they touch, for showing them after a reload. */
export function replay(waiting: readonly StoredOperation[]): Map<number, Marking> {
  const touched = new Map<number, Marking>();
  for (const operation of waiting) {
    const before = touched.get(operation.item) ?? { labels: [], state: 'unfinished' as const };
    switch (operation.op) {
      case 'set_labels':
        touched.set(operation.item, {
          labels: operation.labels ?? [],
          state: before.state === 'confirmed' ? 'confirmed' : 'unfinished'
        });
        break;
      case 'clear':
        touched.set(operation.item, { labels: [], state: 'none' });
        break;
      case 'mark_nothing':
        touched.set(operation.item, { labels: [], state: 'nothing_to_label' });
        break;
      case 'reopen':
        touched.set(operation.item, { ...before, state: 'unfinished' });
        break;
      case 'confirm':
        // Without the labels of the same session we would show wrong ones: leave such an item to the server.
        if (touched.has(operation.item)) {
          touched.set(operation.item, { ...before, state: 'confirmed' });
        }
        break;
    }
  }
  return touched;
}

const NOTHING: OutboxState = { save: 'saved', waiting: 0, parked: [], error: null };

export function useLabelling(dataset: number): Labelling {
  const { client } = useFrame();
  const patchItems = usePatchItems(dataset);
  const [document, dispatch] = useReducer(reduce, emptyDocument);
  const [state, setState] = useState(NOTHING);
  const [ready, setReady] = useState(false);
  const parts = useRef<{ store: LabelStore; outbox: Outbox } | null>(null);
  const latest = useRef(document);
  latest.current = document;
  const early = useRef<(() => void)[]>([]);

  const onResults = useCallback(
    (results: readonly OperationResult[], stillWaiting: ReadonlySet<number>) => {
      const settled = new Map(results.filter(one => !stillWaiting.has(one.item)).map(one => [one.item, one]));
      patchItems(item => {
        const word = settled.get(item.id);
        return word ? { ...item, state: word.state, labels: word.labels, version: word.item_version } : item;
      });
      dispatch({ type: 'settle', items: [...settled.keys()] });
    },
    // The query client behind it is the same for the life of the page.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [dataset]
  );

  useEffect(() => {
    let gone = false;
    const start = async () => {
      const store = await LabelStore.open(client.settings.baseUrl);
      const outbox = new Outbox({
        dataset,
        client: crypto.randomUUID(),
        store,
        send: (id, list) =>
          client.post<OperationAnswer>(`/datasets/${dataset}/operations`, { client: id, operations: list }),
        onResults,
        onState: setState
      });
      if (gone) {
        store.close();
        return;
      }
      parts.current = { store, outbox };
      const [steps, waiting] = await Promise.all([store.steps(dataset), outbox.recover()]);
      dispatch({ type: 'load', ...steps, touched: replay(waiting) });
      setReady(true);
      early.current.splice(0).forEach(run => run());
    };
    void start();
    return () => {
      gone = true;
      parts.current?.outbox.close();
      parts.current = null;
      setReady(false);
    };
  }, [client, dataset, onResults]);

  const connection = useConnection();
  useEffect(() => {
    const kick = () => parts.current?.outbox.kick();
    if (connection === 'connected') {
      kick();
    }
    window.addEventListener('online', kick);
    return () => window.removeEventListener('online', kick);
  }, [connection]);

  return useMemo(() => {
    const put = (step: LabelStep) => {
      void parts.current?.outbox.put(step.changes.flatMap(operations));
    };
    const apply = (step: LabelStep): void => {
      if (!parts.current) {
        early.current.push(() => apply(step));
        return;
      }
      const real = { changes: step.changes.filter(change => !sameMarking(change.before, change.after)) };
      if (real.changes.length) {
        void parts.current.store.pushStep(dataset, latest.current.done.length, real);
        latest.current = reduce(latest.current, { type: 'apply', step: real });
        dispatch({ type: 'apply', step: real });
        put(real);
      }
    };
    const travel = (type: 'undo' | 'redo'): LabelStep | undefined => {
      const step = type === 'undo' ? latest.current.done.at(-1) : latest.current.undone.at(-1);
      if (step && parts.current) {
        const { done, undone } = latest.current;
        const after = done.length + (type === 'undo' ? -1 : 1);
        void parts.current.store.moveCursor(dataset, after, done.length + undone.length);
        latest.current = reduce(latest.current, { type });
        dispatch({ type });
        put(type === 'undo' ? reversed(step) : step);
      }
      return step;
    };
    return {
      document,
      outbox: state,
      ready,
      apply,
      undo: () => travel('undo'),
      redo: () => travel('redo')
    };
  }, [dataset, document, state, ready]);
}
