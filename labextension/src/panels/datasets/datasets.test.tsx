import 'fake-indexeddb/auto';
import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import axe from 'axe-core';
import { afterEach, describe, expect, it } from 'vitest';
import { setLanguage } from '../../i18n';
import { Refuse, member, page, renderPanel, type Script } from '../../testing/render';
import { dataset } from '../../testing/samples';
import { missingLabels } from './importing';
import Datasets from './list';
import DatasetPanel from './detail';
import NewDataset from './create';
import { balance, stateBars } from './overview';

afterEach(() => setLanguage('en'));

const three = [dataset({ id: 1, name: 'alpha' }), dataset({ id: 2, name: 'beta' }), dataset({ id: 3, name: 'gamma' })];
const list: Script = { 'GET /datasets': () => page(three) };

describe('DAT-8: the list of datasets', () => {
  it('opens by Enter, selects by Space and Shift ranges', async () => {
    const { opened } = renderPanel(Datasets, list);
    const row = (await screen.findByText('alpha')).closest('[role=row]') as HTMLElement;
    row.focus();
    await userEvent.keyboard(' ');
    expect(screen.getByText('1 selected')).toBeInTheDocument();
    await userEvent.keyboard('{Shift>}{ArrowDown}{ArrowDown}{/Shift}');
    expect(screen.getByText('3 selected')).toBeInTheDocument();
    await userEvent.keyboard('{Escape}');
    expect(screen.queryByText('3 selected')).not.toBeInTheDocument();
    await userEvent.keyboard('{Enter}');
    expect(opened).toEqual([['dataset', { id: 3 }]]);
  });

  it('asks the server for the filter that was chosen, and keeps it in the tab', async () => {
    const { requests } = renderPanel(Datasets, list);
    await screen.findByText('alpha');
    await userEvent.click(screen.getByRole('button', { name: 'State' }));
    await userEvent.click(screen.getByRole('menuitemcheckbox', { name: 'Annotated' }));
    await waitFor(() => expect(requests.at(-1)?.query.get('state')).toBe('annotated'));
    expect(screen.getByRole('button', { name: 'State: Annotated' })).toBeInTheDocument();
  });

  it('explains itself when empty and offers the first action', async () => {
    const { opened } = renderPanel(Datasets, { 'GET /datasets': () => page([]) });
    expect(await screen.findByText('No datasets yet')).toBeInTheDocument();
    await userEvent.click(screen.getAllByRole('button', { name: 'New dataset' })[0] as HTMLElement);
    expect(opened).toEqual([['new-dataset', undefined]]);
  });

  it('says what happened with the request id, and tries again', async () => {
    let broken = true;
    renderPanel(Datasets, {
      'GET /datasets': () =>
        broken ? new Refuse(500, { code: 'internal', detail: 'The database is away', request_id: 'r-77' }) : page(three)
    });
    expect(await screen.findByText('The database is away')).toBeInTheDocument();
    expect(screen.getByText('Request r-77')).toBeInTheDocument();
    broken = false;
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('alpha')).toBeInTheDocument();
  });

  it('refetches when an event names a dataset', async () => {
    let name = 'alpha';
    const { emit } = renderPanel(Datasets, { 'GET /datasets': () => page([dataset({ name })]) });
    await screen.findByText('alpha');
    name = 'renamed-elsewhere';
    act(() => emit('dataset', 1));
    expect(await screen.findByText('renamed-elsewhere')).toBeInTheDocument();
  });

  it('sends the version it saw when renaming, and shows a refusal beside the field', async () => {
    const { requests } = renderPanel(Datasets, {
      ...list,
      'PATCH /datasets/*': () => new Refuse(422, { code: 'invalid_input', detail: 'name: too long', field: 'name', rule: 'at most 50' })
    });
    await userEvent.click(within((await screen.findByText('alpha')).closest('[role=row]') as HTMLElement).getByRole('checkbox'));
    await userEvent.click(screen.getByRole('button', { name: 'Rename' }));
    await userEvent.type(screen.getByLabelText('Name'), '2');
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    expect(await screen.findByText('name: too long')).toBeInTheDocument();
    const sent = requests.find(request => request.method === 'PATCH');
    expect(sent?.headers.get('If-Match')).toBe('"3"');
    expect(sent?.headers.get('Idempotency-Key')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('GEN-9: speaks Chinese and asks the platform for Chinese', async () => {
    setLanguage('zh_CN');
    const { requests } = renderPanel(Datasets, list);
    expect(await screen.findByRole('button', { name: '新建数据集' })).toBeInTheDocument();
    expect(requests[0]?.headers.get('Accept-Language')).toBe('zh');
  });

  it('UI-1: axe finds nothing serious', async () => {
    const { container } = renderPanel(Datasets, list);
    await screen.findByText('alpha');
    const report = await axe.run(container, { rules: { 'color-contrast': { enabled: false } } });
    expect(report.violations.filter(one => one.impact === 'serious' || one.impact === 'critical')).toEqual([]);
  });
});

describe('a new dataset', () => {
  it('makes the typed labels into a group first, and that group once only', async () => {
    let refuse = true;
    const { requests, opened } = renderPanel(NewDataset, {
      'GET /label-groups': () => page([]),
      'POST /label-groups': () => ({ id: 9 }),
      'POST /datasets': () =>
        refuse ? new Refuse(409, { code: 'name_taken', detail: 'You have one of this name', field: 'name' }) : dataset({ id: 4 })
    });
    await userEvent.type(screen.getByLabelText('Name'), 'ships');
    await userEvent.type(await screen.findByLabelText('Labels'), 'tug, liner');
    await userEvent.click(screen.getByRole('button', { name: 'Create dataset' }));
    expect(await screen.findByText('You have one of this name')).toBeInTheDocument();
    const made = requests.filter(request => request.method === 'POST' && request.path === '/label-groups');
    expect(made[0]?.body).toMatchObject({ labels: [{ name: 'tug', key: '1' }, { name: 'liner', key: '2' }] });
    refuse = false;
    expect(requests.find(request => request.path === '/datasets')?.body).toMatchObject({ label_group_id: 9, multi_label: false });
    expect(opened).toEqual([]);
  });
});

describe('DAT-21: publishing', () => {
  const detail = (changes: Parameters<typeof dataset>[0]): Script => ({
    'GET /datasets/*': () => dataset(changes),
    'GET /datasets/*/statistics': () => ({ items: 10, by_state: {}, by_label: [], sizes: { width_height_buckets: [] }, bytes: 1, duplicates: 0, damaged: 0 }),
    'GET /datasets/*/versions': () => page([]),
    'POST /datasets/*/publish': () => ({ version: 'V0001', number: 1 })
  });

  it('says how many items are open instead of publishing', async () => {
    const { opened } = renderPanel(DatasetPanel, detail({ open_items: 6 }), { id: 1 });
    await userEvent.click(await screen.findByRole('button', { name: 'Publish' }));
    expect(screen.getByText(/6 of 10 items are still open/)).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: 'Label the open ones' }));
    expect(opened).toEqual([['workbench', { id: 1, 'view.open': true }]]);
  });

  it('sends shares that add up to one, and refuses others before sending', async () => {
    const { requests } = renderPanel(DatasetPanel, detail({ open_items: 0, confirmed: 10 }), { id: 1 });
    await userEvent.click(await screen.findByRole('button', { name: 'Publish' }));
    const train = screen.getByLabelText('Training');
    await userEvent.clear(train);
    await userEvent.type(train, '70');
    expect(screen.getByText(/add up to 90%/)).toBeInTheDocument();
    expect(screen.getByRole('button', { name: 'Publish V0001' })).toBeDisabled();
    await userEvent.clear(train);
    await userEvent.type(train, '80');
    await userEvent.click(screen.getByRole('button', { name: 'Publish V0001' }));
    await waitFor(() =>
      expect(requests.find(request => request.path.endsWith('/publish'))?.body).toEqual({
        description: '',
        seed: 0,
        splits: { train: 0.8, validation: 0.1, test: 0.1 }
      })
    );
  });
});

describe('statistics', () => {
  it('shares add up, empty states are left out', () => {
    const bars = stateBars({ by_state: { confirmed: 3, none: 1, automatic: 0 } });
    expect(bars.map(bar => bar.words)).toEqual(['3 · 75%', '1 · 25%']);
  });

  it.each([
    [[{ count: 30 }, { count: 10 }, { count: 0 }], 3],
    [[{ count: 5 }], null],
    [[], null]
  ])('class balance of %o', (labels, expected) => expect(balance(labels)).toBe(expected));
});

it('DAT-10: finds the labels that folders name and the group lacks', () => {
  const file = new File([''], 'a.png');
  const paths = ['set/ship/a.png', 'set/猫/b.png', 'c.png', '猫/d.png'];
  expect(missingLabels(paths.map(path => ({ path, file })), [{ name: 'ship' }])).toEqual(['猫']);
});

it('drops of files show where they go', async () => {
  renderPanel(DatasetPanel, { 'GET /datasets/*': () => dataset({ items: 0 }), 'GET /datasets/*/versions': () => page([]) }, { id: 1 });
  const title = await screen.findByText('No pictures yet');
  await screen.findByRole('button', { name: 'Share' });
  fireEvent.dragEnter(title, { dataTransfer: { types: ['Files'] } });
  expect(screen.getByText('Drop pictures, folders or an archive')).toBeInTheDocument();
});

describe('UI-3: what a role does not permit is not shown', () => {
  it.each([
    ['a reader', ['data.dataset.read'], [], ['Publish', 'Share', 'More actions', 'Import']],
    ['an annotator', ['data.dataset.read', 'data.dataset.annotate'], ['Continue labelling'], ['Publish', 'Share', 'More actions']]
  ])('%s', async (_who, permissions, shown, hidden) => {
    renderPanel(DatasetPanel, { 'GET /me': () => member(permissions), 'GET /datasets/1': () => dataset({ id: 1, items: 4, confirmed: 1, open_items: 3 }) }, { id: 1 });
    await screen.findByRole('heading', { level: 1 });
    for (const name of shown) {
      expect(await screen.findByRole('button', { name })).toBeInTheDocument();
    }
    for (const name of hidden) {
      expect(screen.queryByRole('button', { name })).not.toBeInTheDocument();
    }
  });
});

describe('GEN-10: sharing', () => {
  const share = (id: number, more: object = {}) => ({
    id,
    object: { kind: 'dataset', id: 1, name: 'alpha' },
    owner: { id: 1, name: 'ada' },
    receiver: { kind: 'user', id: 9, name: 'Grace' },
    access: 'view',
    permissions: ['data.dataset.read'],
    ...more
  });

  it('gives, changes and takes back, with the refusal beside the name', async () => {
    let given = [share(4)];
    let known = false;
    const { requests } = renderPanel(
      DatasetPanel,
      {
        'GET /datasets/1': () => dataset({ id: 1, name: 'alpha' }),
        'GET /shares': () => page(given),
        'POST /shares': () =>
          known ? share(5) : new Refuse(422, { code: 'invalid_input', detail: 'receiver: nobody', field: 'receiver.name', rule: 'a member' }),
        'DELETE /shares/4': () => ((given = []), undefined)
      },
      { id: 1 }
    );
    await userEvent.click(await screen.findByRole('button', { name: 'Share' }));
    const dialog = await screen.findByRole('dialog');
    await userEvent.type(within(dialog).getByLabelText('User name'), 'grace{Enter}');
    expect(await within(dialog).findByText('receiver: nobody')).toBeInTheDocument();
    known = true;
    await userEvent.selectOptions(within(dialog).getByLabelText('May'), 'edit');
    await userEvent.click(within(dialog).getByRole('button', { name: 'Share' }));
    await waitFor(() => expect(within(dialog).getByLabelText('User name')).toHaveValue(''));
    expect(requests.filter(one => one.method === 'POST').at(-1)?.body).toEqual({
      object_kind: 'dataset',
      object: 1,
      receiver: { kind: 'user', name: 'grace' },
      access: 'edit'
    });
    await userEvent.selectOptions(within(dialog).getByLabelText('What Grace may do'), 'use');
    await waitFor(() =>
      expect(requests.filter(one => one.method === 'POST').at(-1)?.body).toMatchObject({ receiver: { kind: 'user', id: 9 }, access: 'use' })
    );
    await userEvent.click(within(dialog).getByRole('button', { name: 'Take back from Grace' }));
    expect(await within(dialog).findByText('Nobody yet. It is yours alone.')).toBeInTheDocument();
  });

  it('shows of a received one what the platform says the share lends', async () => {
    renderPanel(
      DatasetPanel,
      {
        'GET /datasets/1': () => dataset({ id: 1, items: 4, open_items: 3, confirmed: 1, owner: { id: 2, name: 'Grace' } }),
        'GET /shares': () => page([share(4, { permissions: ['data.dataset.read', 'data.dataset.annotate'] })])
      },
      { id: 1 }
    );
    expect(await screen.findByRole('button', { name: 'Continue labelling' })).toBeInTheDocument();
    for (const name of ['Publish', 'Share', 'More actions']) {
      expect(screen.queryByRole('button', { name })).not.toBeInTheDocument();
    }
  });

  it('asks for what others shared, and keeps that in the tab', async () => {
    const { requests } = renderPanel(Datasets, list);
    await screen.findByText('alpha');
    await userEvent.click(screen.getByRole('button', { name: 'Shared with me' }));
    await waitFor(() => expect(requests.at(-1)?.query.get('shared')).toBe('true'));
  });
});
