/**
 * What a person did to the labels of a dataset, as a pure document with undo.
 *
 * The document holds only items touched here; everything else is as the server says. Each step knows the item before and
 * after, so that undo and redo are operations like any other and travel the same way.
 */
import type { Item, ItemLabel, ItemState, Label, OperationKind } from '../api/types';

export interface Marking {
  labels: readonly number[];
  state: ItemState;
}

export interface Change {
  item: number;
  before: Marking;
  after: Marking;
}

/** One thing the person did; a bulk action is one step with many changes. */
export interface LabelStep {
  changes: readonly Change[];
}

export interface LabelDocument {
  touched: ReadonlyMap<number, Marking>;
  done: readonly LabelStep[];
  undone: readonly LabelStep[];
}

export interface Wish {
  item: number;
  op: OperationKind;
  labels?: number[];
  /** The labels the person saw: what a colleague added meanwhile stays. */
  base?: number[];
}

export type LabelAction =
  | { type: 'apply'; step: LabelStep }
  | { type: 'undo' }
  | { type: 'redo' }
  /** The server's word for items without waiting operations of ours. */
  | { type: 'settle'; items: readonly number[] }
  | { type: 'load'; done: readonly LabelStep[]; undone: readonly LabelStep[]; touched: ReadonlyMap<number, Marking> };

export const emptyDocument: LabelDocument = { touched: new Map(), done: [], undone: [] };

export const sameMarking = (a: Marking, b: Marking): boolean =>
  a.state === b.state && a.labels.length === b.labels.length && a.labels.every((label, at) => label === b.labels[at]);

export const markingOf = (item: Pick<Item, 'labels' | 'state'>): Marking => ({
  labels: item.labels.map(label => label.label_id),
  state: item.state
});

/** An item as the person sees it: the server's, with what was done here on top. */
export function seen(item: Item, document: LabelDocument, labels: readonly Label[], by: string): Item {
  const marking = document.touched.get(item.id);
  if (!marking) {
    return item;
  }
  const shown = marking.labels.flatMap((id): ItemLabel[] => {
    const known = item.labels.find(label => label.label_id === id);
    const label = labels.find(one => one.id === id);
    if (known) {
      return [known];
    }
    return label
      ? [{ label_id: id, name: label.name, colour: label.colour, origin: 'person', by, score: null }]
      : [];
  });
  return { ...item, state: marking.state, labels: shown };
}

/**
 * The marking after choosing a label: it becomes the one label, or is put in and taken out where several may be.
 * Choosing the one label again changes nothing: a key pressed twice must not take a label away.
 */
export function toggleLabel(marking: Marking, label: number, many: boolean): Marking {
  const has = marking.labels.includes(label);
  const labels = many
    ? has
      ? marking.labels.filter(one => one !== label)
      : [...marking.labels, label]
    : [label];
  // A confirmed picture stays confirmed when its label is corrected; only one without a label is open again.
  const open = marking.state === 'none' ? 'none' : 'unfinished';
  return { labels, state: labels.length ? (marking.state === 'confirmed' ? 'confirmed' : 'unfinished') : open };
}

export const isOpen = (state: ItemState): boolean => state === 'none' || state === 'unfinished' || state === 'automatic';

/** The operations that lead from one marking to another. */
export function operations(change: Change): Wish[] {
  const { item, before, after } = change;
  if (sameMarking(before, after)) {
    return [];
  }
  if (after.state === 'nothing_to_label') {
    return [{ item, op: 'mark_nothing' }];
  }
  if (after.labels.length === 0 && after.state === 'none') {
    return [{ item, op: 'clear' }];
  }
  const wishes: Wish[] = [];
  const labelsDiffer = !sameMarking({ ...before, state: after.state }, after);
  if (labelsDiffer || before.state === 'nothing_to_label') {
    wishes.push({ item, op: 'set_labels', labels: [...after.labels], base: [...before.labels] });
  }
  if (after.state === 'confirmed') {
    wishes.push({ item, op: 'confirm' });
  } else if (before.state === 'confirmed' || !wishes.length) {
    // New labels leave a confirmed picture confirmed, and open every other one by themselves.
    wishes.push({ item, op: 'reopen' });
  }
  return wishes;
}

export const reversed = (step: LabelStep): LabelStep => ({
  changes: step.changes.map(({ item, before, after }) => ({ item, before: after, after: before }))
});

function touch(document: LabelDocument, step: LabelStep): ReadonlyMap<number, Marking> {
  const touched = new Map(document.touched);
  for (const change of step.changes) {
    touched.set(change.item, change.after);
  }
  return touched;
}

export function reduce(document: LabelDocument, action: LabelAction): LabelDocument {
  switch (action.type) {
    case 'apply':
      return { touched: touch(document, action.step), done: [...document.done, action.step], undone: [] };
    case 'undo': {
      const step = document.done.at(-1);
      return step
        ? {
            touched: touch(document, reversed(step)),
            done: document.done.slice(0, -1),
            undone: [...document.undone, step]
          }
        : document;
    }
    case 'redo': {
      const step = document.undone.at(-1);
      return step
        ? { touched: touch(document, step), done: [...document.done, step], undone: document.undone.slice(0, -1) }
        : document;
    }
    case 'settle': {
      const touched = new Map(document.touched);
      action.items.forEach(item => touched.delete(item));
      return { ...document, touched };
    }
    case 'load':
      return { touched: action.touched, done: action.done, undone: action.undone };
  }
}
