import { act, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Task, Workload } from '../api/types';
import { page, renderPanel, type Script } from '../testing/render';
import { SidePanel, tightest } from './side';

const workload = {
  id: 2,
  kind: 'run',
  name: 'harbour-det',
  object: { kind: 'run', id: 48, name: 'harbour-det #48' },
  phase: 'running',
  replicas_ready: 1,
  replicas_total: 1,
  price_per_hour_micros: 1_960_000,
  created_at: new Date(Date.now() - 2_533_000).toISOString(),
  started_at: new Date(Date.now() - 2_533_000).toISOString()
} as Workload;

const SEES_WORK = Object.fromEntries(
  ['compute.workload.read', 'compute.task.read', 'compute.quota.read', 'money.balance.read'].map(name => [name, 'own'])
);

const script: Script = {
  'GET /me': () => ({ permissions: { 'data.dataset.read': 'own', ...SEES_WORK, 'train.job.stop': 'own' } }),
  'GET /installation': () => ({ currency: { code: 'CNY', symbol: '¥', digits: 2 } }),
  'GET /balance': () => ({ available_micros: 812_400_000, burn_per_hour_micros: 1, lasts_until: new Date(Date.now() + 9 * 86_400_000).toISOString() }),
  'GET /quota': () => ({ levels: [] }),
  'GET /workloads': () => page([workload]),
  'GET /tasks': () => page([]),
  'GET /datasets': () => page([1, 2]),
  'GET /search': ({ query }) => ({ items: [{ kind: 'dataset', id: 3, name: `${query.get('q')}-dawn`, status: null }] }),
  'POST /runs/48/stop': () => ({})
};

function open(more: Script = {}) {
  const rendered = renderPanel(() => <SidePanel searchAsked={0} />, { ...script, ...more });
  const { panels } = rendered.frame;
  const load = () => Promise.reject(new Error('not opened here'));
  panels.add({
    panel: 'datasets',
    title: 'datasets.title',
    icon: 'dataset',
    load,
    navigation: { section: 'data', rank: 1, permission: 'data.dataset.read', countPath: '/datasets' }
  });
  panels.add({ panel: 'dataset', title: 'kind.dataset', icon: 'dataset', load, opens: ['dataset'] });
  panels.add({ panel: 'recharge', title: 'nav.money', icon: 'wallet', load, navigation: { section: 'money', rank: 1, permission: 'billing.recharge' } });
  return rendered;
}

describe('UI-1, UI-3: the side panel', () => {
  it('shows what runs, since when, and what it costs', async () => {
    open();
    expect(await screen.findByText('harbour-det #48')).toBeInTheDocument();
    expect(screen.getByText('¥1.96/h')).toBeInTheDocument();
    expect(screen.getByRole('heading', { name: 'Running now ¥1.96/h' })).toBeInTheDocument();
    expect(screen.getByText(/^42:1\d$/)).toBeInTheDocument();
    expect(await screen.findByText('¥812.40')).toBeInTheDocument();
    expect(screen.getByText('lasts about 9 days')).toBeInTheDocument();
  });

  it('stops the work behind a workload', async () => {
    const { requests } = open();
    await userEvent.click(await screen.findByRole('button', { name: 'Stop harbour-det #48' }));
    await waitFor(() => expect(requests.some(one => one.path === '/runs/48/stop')).toBe(true));
  });

  it('asks nothing that these roles do not permit, and offers no stop that would be refused', async () => {
    const annotator = open({ 'GET /me': () => ({ permissions: { 'data.dataset.read': 'own' } }) });
    expect(await screen.findByRole('button', { name: /Datasets/ })).toBeInTheDocument();
    expect(screen.queryByRole('alert')).not.toBeInTheDocument();
    const asked = annotator.requests.map(one => one.path);
    expect(asked.filter(path => ['/balance', '/quota', '/workloads', '/tasks'].includes(path))).toEqual([]);
    annotator.unmount();
    open({ 'GET /me': () => ({ permissions: SEES_WORK }) });
    expect(await screen.findByText('harbour-det #48')).toBeInTheDocument();
    expect(screen.queryByRole('button', { name: 'Stop harbour-det #48' })).not.toBeInTheDocument();
  });

  it('leads only where the person may go', async () => {
    const { opened } = open();
    await userEvent.click(await screen.findByRole('button', { name: /Datasets/ }));
    expect(opened).toEqual([['datasets', undefined]]);
    expect(screen.queryByText('Money')).not.toBeInTheDocument();
  });

  it('finds by typing and opens by Enter', async () => {
    const { opened } = open();
    await userEvent.type(screen.getByRole('combobox'), 'harbour');
    expect(await screen.findByText('harbour-dawn')).toBeInTheDocument();
    await userEvent.keyboard('{Enter}');
    expect(opened).toEqual([['dataset', { id: 3 }]]);
  });
});

describe('the clock of what runs now', () => {
  afterEach(() => void vi.useRealTimers());

  it('tells elapsed time each second, and lets ended tasks go: what succeeded soon, what failed later', async () => {
    // Only the clock and the ticking are ours; requests and rendering go on by themselves.
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
    const began = Date.now();
    const task = (id: number, state: string) =>
      ({ id, kind: 'import', state, object: { kind: 'dataset', id, name: `${state}-${id}` }, done: 1, total: 1, unit: 'items', ended_at: new Date(began).toISOString() }) as unknown as Task;
    open({
      'GET /workloads': () => page([{ ...workload, started_at: new Date(began - 61_000).toISOString() }]),
      'GET /tasks': () => page([task(1, 'succeeded'), task(2, 'failed')])
    });
    expect(await screen.findByText('01:01')).toBeInTheDocument();
    expect(await screen.findByText('succeeded-1')).toBeInTheDocument();
    act(() => void vi.advanceTimersByTime(1_000));
    expect(screen.getByText('01:02')).toBeInTheDocument();
    act(() => void vi.advanceTimersByTime(7_000));
    expect(screen.getByText('01:09')).toBeInTheDocument();
    expect(screen.queryByText('succeeded-1')).not.toBeInTheDocument();
    expect(screen.getByText('failed-2')).toBeInTheDocument();
    act(() => void vi.advanceTimersByTime(112_000));
    expect(screen.queryByText('failed-2')).not.toBeInTheDocument();
  });
});

it('shows for each resource the level that leaves least', () => {
  const resource = (limit: number | null, used: number) => ({ resource: 'cpu_millis', limit, used, available: limit === null ? null : limit - used });
  const levels = [
    { level: 'user' as const, name: 'ada', resources: [resource(null, 4)] },
    { level: 'department' as const, name: 'vision', resources: [resource(10, 8)] },
    { level: 'tenant' as const, name: 'lab', resources: [resource(100, 50)] }
  ];
  expect(tightest(levels)).toEqual([resource(10, 8)]);
});
