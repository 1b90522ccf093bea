import 'fake-indexeddb/auto';
import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import axe from 'axe-core';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Operation } from '../../api/types';
import { Refuse, page, renderPanel, type Script } from '../../testing/render';
import { dataset, item } from '../../testing/samples';
import Workbench from '.';
import { keyWords, pressed } from './actions';

const ITEMS = [item(1), item(2), item(3)];

let counter = 0;
let reachable = true;
let received: Operation[] = [];

beforeEach(() => {
  reachable = true;
  received = [];
  counter += 1;
});

/** Each test labels a dataset of its own, so that what waits in the browser's database stays apart. */
const script = (): Script => ({
  'GET /me': () => ({ user: { id: 1, name: 'ada', display_name: 'Ada' }, permissions: {} }),
  'GET /datasets/*': () => dataset({ id: counter, items: 3, open_items: 3 }),
  'GET /datasets/*/statistics': () => ({ items: 3, by_state: { none: 3 }, by_label: [], sizes: { width_height_buckets: [] }, bytes: 1, duplicates: 0, damaged: 0 }),
  'GET /datasets/*/items': () => page(ITEMS),
  'GET /datasets/*/items/*/history': () => ({ items: [] }),
  'POST /datasets/*/operations': ({ body }) => {
    if (!reachable) {
      return new Refuse(503, { code: 'platform_unavailable' });
    }
    const { operations } = body as { operations: Operation[] };
    received.push(...operations);
    return {
      accepted_seq: operations.at(-1)?.seq,
      results: operations.map(one => ({
        seq: one.seq,
        item: one.item,
        outcome: 'applied',
        reason: null,
        state: one.op === 'confirm' ? 'confirmed' : 'unfinished',
        labels: (one.labels ?? [1]).map(id => ({ label_id: id, name: `label-${id}`, colour: '#112233', origin: 'person', by: 'ada', score: null })),
        item_version: 2
      }))
    };
  }
});

async function open() {
  const rendered = renderPanel(Workbench, script(), { id: counter });
  await screen.findByText('1 of 3');
  const bench = rendered.container.querySelector('.hm-workbench') as HTMLElement;
  const press = (key: string, more: object = {}) => act(() => Promise.resolve(fireEvent.keyDown(bench, { key, ...more })));
  // The browser's database opens in the background.
  await waitFor(() => expect(bench).toHaveAttribute('data-ready', 'true'));
  return { ...rendered, press };
}

const radio = (name: string) => screen.getByRole('radio', { name: new RegExp(name) });

describe('DAT-13: the classification workbench by keyboard alone', () => {
  it('labels by number key, finishes with Enter and opens the next open picture', async () => {
    const { press } = await open();
    await press('2');
    expect(radio('tug')).toHaveAttribute('aria-checked', 'true');
    await press('Enter');
    expect(screen.getByText('2 of 3')).toBeInTheDocument();
    await waitFor(() => expect(received.map(one => [one.item, one.op])).toEqual([[1, 'set_labels'], [1, 'confirm']]));
    expect(received[0]?.labels).toEqual([2]);
  });

  it('does not finish a picture without a label, and says so', async () => {
    const { press } = await open();
    await press('Enter');
    expect(screen.getByText('1 of 3')).toBeInTheDocument();
    expect(screen.getByText(/Choose a label first/)).toBeInTheDocument();
    expect(received).toEqual([]);
  });

  it('undoes and redoes without limit, at the picture it happened', async () => {
    const { press } = await open();
    await press('1');
    await press('2');
    await press('ArrowRight');
    expect(screen.getByText('2 of 3')).toBeInTheDocument();
    await press('z', { ctrlKey: true });
    expect(screen.getByText('1 of 3')).toBeInTheDocument();
    expect(radio('ship')).toHaveAttribute('aria-checked', 'true');
    await press('z', { ctrlKey: true });
    expect(radio('ship')).toHaveAttribute('aria-checked', 'false');
    await press('Z', { ctrlKey: true, shiftKey: true });
    expect(radio('ship')).toHaveAttribute('aria-checked', 'true');
  });

  it('marks nothing to label, clears, and copies from the previous picture', async () => {
    const { press } = await open();
    await press('1');
    await press('ArrowRight');
    await press('C', { shiftKey: true });
    expect(radio('ship')).toHaveAttribute('aria-checked', 'true');
    await press('N', { shiftKey: true });
    expect(screen.getByRole('button', { name: 'Nothing to label' })).toHaveAttribute('aria-pressed', 'true');
    await press('Backspace');
    await waitFor(() => expect(received.map(one => one.op)).toEqual(['set_labels', 'set_labels', 'mark_nothing', 'clear']));
  });

  it('shows all its keys', async () => {
    const { press } = await open();
    await press('?');
    const dialog = screen.getByRole('dialog');
    expect(within(dialog).getByText('Ctrl Shift Z')).toBeInTheDocument();
  });
});

describe('BEY-12: offline', () => {
  it('says how much waits, and sends it when the platform is back', async () => {
    const { press } = await open();
    reachable = false;
    await press('1');
    await waitFor(() => expect(screen.getByText('1 waiting – offline')).toBeInTheDocument());
    reachable = true;
    act(() => void window.dispatchEvent(new Event('online')));
    await waitFor(() => expect(screen.getByText('Saved')).toBeInTheDocument());
    expect(received).toHaveLength(1);
  });

  it('shows and sends after a reload what had waited, and can still undo it', async () => {
    const first = await open();
    reachable = false;
    await first.press('2');
    await waitFor(() => expect(screen.getByText('1 waiting – offline')).toBeInTheDocument());
    first.unmount();
    reachable = true;
    const second = await open();
    await waitFor(() => expect(received.map(one => one.labels)).toEqual([[2]]));
    await second.press('z', { ctrlKey: true });
    await waitFor(() => expect(received.map(one => one.op)).toEqual(['set_labels', 'clear']));
  });
});

describe('keys', () => {
  it.each([
    [{ key: 'Z', ctrlKey: true, shiftKey: true }, 'Ctrl+Shift+z'],
    [{ key: 'z', metaKey: true }, 'Ctrl+z'],
    [{ key: '?', shiftKey: true }, '?'],
    [{ key: 'ArrowLeft' }, 'ArrowLeft']
  ])('%o', (event, expected) => {
    expect(pressed({ ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...event })).toBe(expected);
  });

  it('are written as on keyboards', () => {
    expect(keyWords('Ctrl+Shift+z')).toBe('Ctrl Shift Z');
    expect(keyWords('+')).toBe('+');
  });
});

it('UI-1: axe finds nothing serious in the workbench', async () => {
  const { container } = await open();
  const report = await axe.run(container, { rules: { 'color-contrast': { enabled: false } } });
  expect(report.violations.filter(one => one.impact === 'serious' || one.impact === 'critical')).toEqual([]);
});
