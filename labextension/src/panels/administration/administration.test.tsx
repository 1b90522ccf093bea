import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import type { Me } from '../../api/types';
import { administers, standingOf } from '../../queries/standing';
import { Refuse, page, renderPanel, type Script } from '../../testing/render';
import AdministrationPanel from '.';
import { innerArguments } from './place';
import { sectionsOf } from './sections';

const person = (permissions: Record<string, string>, after: Record<string, string> = {}): Me =>
  ({ user: { id: 1, name: 'ada', display_name: 'Ada' }, tenant: { code: 'home', name: 'home' }, permissions, with_step_up: after, step_up: null }) as unknown as Me;

const department = (id: number, name: string) => ({
  id,
  name,
  description: '',
  organisation: { code: 'home', name: 'home' },
  enabled: true,
  members: 2,
  administrators: [],
  created_at: '2026-11-21T09:00:00Z',
  updated_at: '2026-11-21T09:00:00Z',
  version: 7
});

const MANAGER = person({ 'tenancy.department.read': 'organisation', 'tenancy.department.manage': 'organisation' });

describe('UI-3: what is shown follows permissions', () => {
  it.each([
    ['a member', person({ 'data.dataset.read': 'own', 'compute.quota.read': 'own' }), []],
    ['who could after a step-up', person({}, { 'compute.quota.manage': 'department' }), ['quotas']],
    ['an auditor', person({ 'audit.entry.read': 'platform' }), ['audit']]
  ])('%s', (_who, me, sections) => {
    expect(sectionsOf(me).map(section => section.id)).toEqual(sections);
  });

  it('knows what a proof of presence adds', () => {
    const me = person({ 'tenancy.user.read': 'own' }, { 'tenancy.user.read': 'organisation' });
    expect(standingOf(me, 'tenancy.user.read')).toBe('after');
    expect(administers(me, 'tenancy.user.read')).toBe(true);
    expect(standingOf(me, 'tenancy.user.manage')).toBe('no');
  });

  it('asks for the proof before anything is read', async () => {
    const { requests } = renderPanel(() => <AdministrationPanel />, {
      'GET /me': () => person({}, { 'tenancy.department.read': 'organisation' }),
      'GET /installation': () => ({ hub_url: 'http://hub.test', currency: { code: 'CNY', symbol: '¥', digits: 2 } })
    });
    expect(await screen.findByRole('button', { name: 'Confirm identity' })).toBeInTheDocument();
    expect(requests.some(one => one.path === '/departments')).toBe(false);
  });

  it('says that a section is not open to these roles, and reads nothing of it', async () => {
    const { requests } = renderPanel(
      () => <AdministrationPanel />,
      { 'GET /me': () => MANAGER, 'GET /departments': () => page([]) },
      { 'view.section': 'policy' }
    );
    expect(await screen.findByText('Not open to your roles')).toBeInTheDocument();
    expect(screen.getByText(/Security policy: none of your roles/)).toBeInTheDocument();
    expect(requests.map(one => one.path)).not.toContain('/security-policy');
    await userEvent.click(screen.getByRole('button', { name: 'Departments' }));
    expect(await screen.findByText('No departments yet')).toBeInTheDocument();
  });

  it('says so to those who administer nothing', async () => {
    renderPanel(() => <AdministrationPanel />, { 'GET /me': () => person({ 'data.dataset.read': 'own' }) });
    expect(await screen.findByText('Nothing to administer')).toBeInTheDocument();
  });
});

describe('a section', () => {
  const script = (more: Script = {}): Script => ({
    'GET /me': () => MANAGER,
    'GET /installation': () => ({ hub_url: 'http://hub.test', currency: { code: 'CNY', symbol: '¥', digits: 2 } }),
    'GET /departments': ({ query }) => page([department(1, 'vision'), department(2, 'speech')].filter(one => one.name.includes(query.get('q') ?? ''))),
    'GET /departments/1': () => department(1, 'vision'),
    ...more
  });

  it('lists, searches at the platform, opens by keyboard, and goes back', async () => {
    const { requests } = renderPanel(() => <AdministrationPanel />, script());
    expect(await screen.findByText('speech')).toBeInTheDocument();
    await userEvent.type(screen.getByRole('searchbox'), 'vis');
    await waitFor(() => expect(screen.queryByText('speech')).not.toBeInTheDocument());
    expect(requests.some(one => one.path === '/departments' && one.query.get('q') === 'vis')).toBe(true);
    screen.getAllByRole('row')[1]?.focus();
    await userEvent.keyboard('{Enter}');
    expect(await screen.findByLabelText('Name')).toHaveValue('vision');
    const back = screen.getAllByRole('button', { name: 'Departments' }).at(-1);
    await userEvent.click(back!);
    expect(await screen.findByRole('grid')).toBeInTheDocument();
  });

  it('edits under the version that was read', async () => {
    const { requests } = renderPanel(
      () => <AdministrationPanel />,
      script({ 'PATCH /departments/1': () => ({ ...department(1, 'sight'), version: 8 }) }),
      { 'view.departments.record': '1' }
    );
    await userEvent.type(await screen.findByLabelText(/Description/), 'Sees');
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    await waitFor(() => {
      const sent = requests.find(one => one.method === 'PATCH');
      expect(sent?.body).toEqual({ description: 'Sees' });
      expect(sent?.headers.get('If-Match')).toBe('"7"');
    });
  });

  it('asks no more for what it deleted', async () => {
    const { requests } = renderPanel(() => <AdministrationPanel />, script({ 'DELETE /departments/1': () => undefined }), { 'view.departments.record': '1' });
    await userEvent.click(await screen.findByRole('button', { name: 'More actions' }));
    await userEvent.click(screen.getByRole('menuitem', { name: 'Delete' }));
    await userEvent.click(screen.getByRole('button', { name: 'Delete' }));
    expect(await screen.findByRole('grid')).toBeInTheDocument();
    const deleted = requests.findIndex(one => one.method === 'DELETE');
    expect(requests.slice(deleted + 1).map(one => one.path)).toEqual(expect.arrayContaining(['/departments']));
    expect(requests.slice(deleted + 1).map(one => one.path)).not.toContain('/departments/1');
  });

  it('keeps a refusal to delete in the question', async () => {
    renderPanel(
      () => <AdministrationPanel />,
      script({ 'DELETE /departments/1': () => new Refuse(409, { detail: 'It has 2 members.' }) }),
      { 'view.departments.record': '1' }
    );
    await userEvent.click(await screen.findByRole('button', { name: 'More actions' }));
    await userEvent.click(screen.getByRole('menuitem', { name: 'Delete' }));
    await userEvent.click(screen.getByRole('button', { name: 'Delete' }));
    expect(await screen.findByText('It has 2 members.')).toBeInTheDocument();
  });
});

it('gives each section its own part of the tab', () => {
  const args = { 'view.section': 'members', 'view.members.q': 'ada', 'view.members.record': '3', 'view.roles.q': 'x' };
  expect(innerArguments('members', args)).toEqual({ 'view.q': 'ada', 'view.record': '3' });
});
