import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import type { SpawnProfile } from '../../queries/profiles';
import { Refuse, member, renderPanel, type Request, type Script } from '../../testing/render';
import NotebooksPanel from './notebooks';

const PLAIN: SpawnProfile = { slug: 'plain', name: 'Plain', description: '', default: false, options: [] };
const SHARED: SpawnProfile = {
  slug: 'shm',
  name: 'Shared memory',
  description: 'For loaders with many workers',
  default: true,
  options: [
    {
      name: 'size',
      title: 'Its size',
      choices: [
        { value: 'small', name: '1 GiB', default: true },
        { value: 'large', name: '8 GiB', default: false }
      ],
      other: { title: 'In GiB', choice: 'Other...', pattern: '^\\d+$', message: 'a number of GiB' }
    }
  ]
};
const RESOURCES = { cpu_millis: 1000, memory_bytes: 2 ** 30, accelerators: {} };
const SPEC = { id: 7, name: 'CPU 1', kind: 'basic', scenario: 'any', resources: RESOURCES, accelerator_label: null, price_per_hour_micros: 0 };
const earlier = (profile: unknown) => ({
  id: 3,
  name: 'earlier',
  version: 5,
  spec: SPEC,
  environment: 'science',
  profile,
  phase: 'stopped',
  message: '',
  url: null,
  cost_micros: 0,
  updated_at: '2026-01-01T00:00:00Z'
});

function panel(profiles: SpawnProfile[], items: unknown[] = [], more: Script = {}) {
  return renderPanel(() => <NotebooksPanel />, {
    'GET /me': () => member(['develop.notebook.read', 'develop.notebook.create', 'develop.notebook.stop']),
    'GET /installation': () => ({ currency: { code: 'EUR', symbol: '€', digits: 2 } }),
    'GET /notebook-profiles': () => profiles,
    'GET /notebooks': () => ({ items, total: items.length, total_capped: false, next_cursor: null }),
    'GET /specs': () => [SPEC],
    'GET /environments': () => [{ name: 'science', title: 'Science', state: 'ready' }],
    'POST /verdict': () => ({ verdict: 'starts_now', sentence: 'Starts now.', sentence_zh: '', levels: [], uses: {}, missing: [] }),
    ...more
  });
}
const sent = (requests: Request[], method: string, path: string) =>
  requests.filter(one => one.method === method && one.path === path).map(one => one.body);

async function form(): Promise<HTMLElement> {
  fireEvent.click((await screen.findAllByText('New notebook'))[0] as HTMLElement);
  const dialog = await screen.findByRole('dialog');
  fireEvent.change(within(dialog).getByLabelText(/Name/), { target: { value: 'mine' } });
  return dialog;
}

describe('NB-3: profiles of the configuration', () => {
  it('are offered with their description and options, the default first', async () => {
    const { requests } = panel([SHARED, PLAIN], [], { 'POST /notebooks': () => earlier(null) });
    const dialog = within(await form());
    expect(await dialog.findByLabelText('Server profile')).toHaveValue('shm');
    expect(dialog.getByText('For loaders with many workers')).toBeInTheDocument();
    expect(dialog.getByLabelText('Its size')).toHaveValue('small');
    const start = dialog.getByRole('button', { name: 'Start' });
    await waitFor(() => expect(start).toBeEnabled());
    await userEvent.selectOptions(dialog.getByLabelText('Its size'), 'Other...');
    expect(start).toBeDisabled();
    fireEvent.change(dialog.getByLabelText(/In GiB/), { target: { value: '12' } });
    await userEvent.click(start);
    await waitFor(() => expect(sent(requests, 'POST', '/notebooks')).toHaveLength(1));
    expect(sent(requests, 'POST', '/notebooks')[0]).toMatchObject({ name: 'mine', profile: 'shm', profile_options: { size: '12' } });
  });

  it('show the refusal of a choice beside it', async () => {
    panel([SHARED], [], {
      'POST /notebooks': () =>
        new Refuse(422, { code: 'invalid_input', detail: 'size: not that one.', field: 'profile_options.size', errors: [] })
    });
    const dialog = within(await form());
    const start = dialog.getByRole('button', { name: 'Start' });
    await waitFor(() => expect(start).toBeEnabled());
    await userEvent.click(start);
    await waitFor(() => expect(dialog.getByLabelText('Its size')).toHaveAccessibleDescription('size: not that one.'));
  });

  it('are nowhere where there are none', async () => {
    const { requests } = panel([], [earlier(null)], { 'POST /notebooks': () => earlier(null) });
    const dialog = within(await form());
    const start = dialog.getByRole('button', { name: 'Start' });
    await waitFor(() => expect(start).toBeEnabled());
    expect(dialog.queryByLabelText('Server profile')).toBeNull();
    expect(screen.queryByRole('button', { name: /with another profile/ })).toBeNull();
    await userEvent.click(start);
    await waitFor(() => expect(sent(requests, 'POST', '/notebooks')).toHaveLength(1));
    expect(sent(requests, 'POST', '/notebooks')[0]).not.toHaveProperty('profile');
  });

  it('are chosen anew when a start is refused because the kept one is gone', async () => {
    let starts = 0;
    const { requests } = panel([SHARED, PLAIN], [earlier({ slug: 'gone', name: 'Retired', options: {} })], {
      'POST /notebooks/3/start': () =>
        starts++ ? earlier(null) : new Refuse(409, { code: 'profile_gone', detail: 'The profile Retired is not offered any longer.' }),
      'PATCH /notebooks/3': () => earlier(null)
    });
    await userEvent.click(await screen.findByRole('button', { name: 'Start earlier' }));
    const dialog = within(await screen.findByRole('dialog'));
    expect(await dialog.findByText(/Its profile, Retired, is not offered any longer/)).toBeInTheDocument();
    await userEvent.selectOptions(dialog.getByLabelText('Server profile'), 'plain');
    await userEvent.click(dialog.getByRole('button', { name: 'Start' }));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    const [patch] = requests.filter(one => one.method === 'PATCH');
    expect([patch?.body, patch?.headers.get('If-Match')]).toEqual([{ profile: 'plain', profile_options: {} }, '"5"']);
    expect(sent(requests, 'POST', '/notebooks/3/start')).toHaveLength(2);
  });

  it('begin with what the notebook keeps', async () => {
    panel([SHARED, PLAIN], [earlier({ slug: 'shm', name: 'Shared memory', options: { size: '12' } })]);
    await userEvent.click(await screen.findByRole('button', { name: 'Start earlier with another profile' }));
    const dialog = within(await screen.findByRole('dialog'));
    expect(await dialog.findByLabelText('Server profile')).toHaveValue('shm');
    expect(dialog.getByLabelText(/In GiB/)).toHaveValue('12');
    expect(dialog.queryByText(/not offered/)).toBeNull();
  });
});
