/** The workbench's actions, made from what it looks at now. */
import type { RefObject } from 'react';
import type { Dataset } from '../../api/types';
import { t } from '../../i18n';
import { markingOf, toggleLabel, type LabelStep } from '../../labelling/document';
import type { WorkbenchAction } from './actions';
import type { CanvasHandle } from './canvas';
import type { Bench } from './usebench';

const ZOOM_STEP = 1.25;

interface ActionParts {
  dataset: Dataset;
  bench: Bench;
  canvas: RefObject<CanvasHandle>;
  say: (words: string) => void;
  setShowing: (what: 'keys' | 'history') => void;
}

/** Labels with the keys they answer to: their own, else their place in the list. */
export function labelKeys(labels: Dataset['label_group']['labels']): { label: Dataset['label_group']['labels'][number]; key: string | null }[] {
  const taken = new Set(labels.map(label => label.key?.toLowerCase()).filter(Boolean));
  return labels.map((label, index) => {
    const place = index < 10 ? String((index + 1) % 10) : null;
    return { label, key: label.key?.toLowerCase() ?? (place && !taken.has(place) ? place : null) };
  });
}

export function useActions({ dataset, bench, canvas, say, setShowing }: ActionParts): WorkbenchAction[] {
  const finishCurrent = (labels: readonly number[] | undefined) => {
    const { current } = bench;
    if (!current) {
      return;
    }
    const chosen = labels ?? markingOf(current).labels;
    if (!chosen.length && current.state !== 'nothing_to_label') {
      say(t('workbench.needsLabel'));
      return;
    }
    if (chosen.length) {
      bench.change(() => ({ labels: chosen, state: 'confirmed' }));
    }
    const next = bench.nextOpen(current.id);
    if (next) {
      bench.go(next);
    } else if (bench.list.hasMore) {
      bench.list.loadMore();
    } else {
      say(t('workbench.allDone'));
    }
  };
  const choose = (label: number) => {
    const { current } = bench;
    if (!current) {
      return;
    }
    if (bench.auto && !dataset.multi_label) {
      finishCurrent([label]);
    } else {
      bench.change(before => toggleLabel(before, label, dataset.multi_label));
    }
  };
  // Undo goes to the picture it changes: one sees what happened.
  const travel = (step: LabelStep | undefined) => {
    const item = step?.changes[0]?.item;
    bench.go(bench.items.find(one => one.id === item));
  };
  return [
    ...labelKeys(dataset.label_group.labels).map(({ label, key }) => ({
      id: `label-${label.id}`,
      words: 'workbench.keys.label' as const,
      keys: key ? [key] : [],
      perform: () => choose(label.id)
    })),
    { id: 'finish', words: 'workbench.keys.finish', keys: ['Enter'], perform: () => finishCurrent(undefined) },
    { id: 'previous', words: 'workbench.keys.move', keys: ['ArrowLeft', 'ArrowUp'], perform: () => bench.move(-1) },
    { id: 'next', words: 'workbench.keys.move', keys: ['ArrowRight', 'ArrowDown'], perform: () => bench.move(1) },
    {
      id: 'nothing',
      words: 'workbench.keys.nothing',
      keys: ['Shift+n'],
      perform: () => bench.change(() => ({ labels: [], state: 'nothing_to_label' }))
    },
    {
      id: 'clear',
      words: 'workbench.keys.clear',
      keys: ['Backspace', 'Delete'],
      perform: () => bench.change(() => ({ labels: [], state: 'none' }))
    },
    {
      id: 'copy',
      words: 'workbench.keys.copy',
      keys: ['Shift+c'],
      perform: () => {
        const { previous } = bench;
        if (previous?.labels.length) {
          bench.change(() => ({ labels: markingOf(previous).labels, state: 'unfinished' }));
        }
      }
    },
    { id: 'undo', words: 'workbench.keys.undo', keys: ['Ctrl+z'], perform: () => travel(bench.labelling.undo()) },
    {
      id: 'redo',
      words: 'workbench.keys.redo',
      keys: ['Ctrl+Shift+z', 'Ctrl+y'],
      perform: () => travel(bench.labelling.redo())
    },
    { id: 'zoomIn', words: 'workbench.keys.zoom', keys: ['+', '='], perform: () => canvas.current?.zoom(ZOOM_STEP) },
    { id: 'zoomOut', words: 'workbench.keys.zoom', keys: ['-'], perform: () => canvas.current?.zoom(1 / ZOOM_STEP) },
    { id: 'fit', words: 'workbench.keys.fit', keys: ['Shift+f'], perform: () => canvas.current?.fit() },
    { id: 'actual', words: 'workbench.keys.fit', keys: ['Shift+a'], perform: () => canvas.current?.actual() },
    { id: 'turn', words: 'workbench.keys.rotate', keys: ['Shift+r'], perform: () => canvas.current?.turn() },
    { id: 'history', words: 'workbench.keys.history', keys: ['Shift+h'], perform: () => setShowing('history') },
    { id: 'keys', words: 'workbench.keys.help', keys: ['?'], perform: () => setShowing('keys') }
  ];
}
