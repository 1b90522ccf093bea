import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import type { Me } from '../../api/types';
import { Refuse, page, renderPanel, type Script } from '../../testing/render';
import AdministrationPanel from '.';
import { memberCode } from './membercode';

const person = (permissions: Record<string, string>): Me =>
  ({ user: { id: 1, name: 'ada', display_name: 'Ada' }, tenant: { code: 'home', name: 'home' }, permissions, with_step_up: {}, step_up: null }) as unknown as Me;

const ACTIVATES = { 'tenancy.user.read': 'organisation', 'tenancy.user.activate': 'organisation' };

const grace = {
  id: 2,
  name: 'gracehopper',
  display_name: 'Grace',
  organisation: { code: 'home', name: 'Home' },
  department: null,
  roles: ['member'],
  groups: [],
  source: 'local',
  guest: false,
  enabled: true,
  locked_until: null,
  password_set: true,
  last_sign_in_at: null,
  created_at: '2026-11-21T09:00:00Z',
  updated_at: '2026-11-21T09:00:00Z',
  version: 3
};

const show = (permissions: Record<string, string>, factor: unknown, more: Script = {}, member = grace) =>
  renderPanel(
    () => <AdministrationPanel />,
    {
      'GET /me': () => person(permissions),
      'GET /installation': () => ({ hub_url: 'http://hub.test', currency: { code: 'CNY', symbol: '¥', digits: 2 } }),
      [`GET /members/${member.id}`]: () => member,
      [`GET /members/${member.id}/second-factor`]: () => factor,
      'GET /departments': () => page([]),
      'GET /roles': () => page([]),
      ...more
    },
    { 'view.section': 'members', 'view.members.record': String(member.id) }
  );

describe("TEN-16, TEN-19: a member's second factor", () => {
  it('is shown, and reset after a question that stays when it is refused', async () => {
    let factor = { methods: ['totp', 'email'], recovery_codes_left: 8 };
    let refused = true;
    const { requests } = show(ACTIVATES, undefined, {
      'GET /members/2/second-factor': () => factor,
      'DELETE /members/2/second-factor': () => {
        if (refused) {
          refused = false;
          return new Refuse(403, { detail: 'They hold more power than you.' });
        }
        const ended = factor.methods;
        factor = { methods: [], recovery_codes_left: 0 };
        return { methods: ended, told: ['email'] };
      }
    });
    expect(await screen.findByText('Authenticator app, E-mail · 8 recovery codes left')).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: 'More actions' }));
    await userEvent.click(screen.getByRole('menuitem', { name: 'Reset second factor' }));
    const dialog = screen.getByRole('dialog', { name: 'Reset the second factor of Grace?' });
    expect(requests.some(one => one.method === 'DELETE')).toBe(false);
    await userEvent.click(within(dialog).getByRole('button', { name: 'Reset second factor' }));
    expect(await within(dialog).findByText('They hold more power than you.')).toBeInTheDocument();
    await userEvent.click(within(dialog).getByRole('button', { name: 'Reset second factor' }));
    await waitFor(() => expect(dialog).not.toBeInTheDocument());
    expect(await screen.findByText('Not set up')).toBeInTheDocument();
    expect(screen.queryByRole('button', { name: 'More actions' })).not.toBeInTheDocument();
  });

  it('asks for the proof of presence where the platform does', async () => {
    show(ACTIVATES, { methods: ['totp'], recovery_codes_left: 1 }, {
      'DELETE /members/2/second-factor': () => new Refuse(403, { code: 'step_up_required', detail: 'Confirm first.' })
    });
    expect(await screen.findByText('Authenticator app · 1 recovery code left')).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: 'More actions' }));
    await userEvent.click(screen.getByRole('menuitem', { name: 'Reset second factor' }));
    await userEvent.click(screen.getByRole('button', { name: 'Reset second factor' }));
    expect(await screen.findByRole('button', { name: /Confirm again/ })).toBeInTheDocument();
  });

  it.each([
    ['who may only look', { 'tenancy.user.read': 'organisation' }, grace],
    ["one's own", ACTIVATES, { ...grace, id: 1 }]
  ])('is not reset: %s', async (_why, permissions, member) => {
    show(permissions, { methods: ['totp'], recovery_codes_left: 10 }, {}, member);
    expect(await screen.findByText('Authenticator app · 10 recovery codes left')).toBeInTheDocument();
    expect(screen.queryByRole('button', { name: 'More actions' })).not.toBeInTheDocument();
  });

  it('is there as code, in the organisation that is administered', () => {
    expect(memberCode(grace, null).cli).toContain('himalia members reset-second-factor gracehopper');
    const foreign = memberCode(grace, 'harbour');
    expect(foreign.cli).toContain('reset-second-factor gracehopper --organisation harbour');
    expect(foreign.http).toContain('DELETE /services/himalia/api/v1/members/2/second-factor?organisation=harbour');
    expect(foreign.python).toContain('members.get("gracehopper", organisation="harbour")');
  });
});

const role = (key: string) => ({ key, name: key, title: key, built_in: true, grantable: true, editable: false, permissions: {}, holders: 0, description: '', scope: 'organisation' });

describe('TEN-11: roles, by who grants them and manages no accounts', () => {
  const GRANTS = { 'tenancy.user.read': 'platform', 'tenancy.group.read': 'platform', 'tenancy.role.read': 'platform', 'tenancy.role.grant': 'platform' };

  it('are given to a member; a role of one department stays its own, those through groups are not sent', async () => {
    const { requests } = show(GRANTS, { methods: [], recovery_codes_left: 0 }, {
      'GET /roles': () => page([role('member'), role('auditor'), role('department_administrator')]),
      'GET /members/2': () => ({ ...grace, roles: ['member', 'department_administrator'] }),
      'GET /members/2/roles': () => ({
        roles: [
          { role: 'department_administrator', name: '', department: 7, through: null },
          { role: 'member', name: '', department: null, through: null },
          { role: 'operator', name: '', department: null, through: 'night' }
        ],
        permissions: {}
      }),
      'PUT /members/2/roles': () => ({ roles: [], permissions: {} })
    });
    await userEvent.click(await screen.findByLabelText('auditor'));
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    await waitFor(() =>
      expect(requests.find(one => one.method === 'PUT')?.body).toEqual({
        roles: [
          { role: 'member', department: null },
          { role: 'department_administrator', department: 7 },
          { role: 'auditor', department: null }
        ]
      })
    );
    expect(requests.some(one => one.method === 'PATCH')).toBe(false);
  });

  it('are not given to oneself', async () => {
    show(GRANTS, { methods: [], recovery_codes_left: 0 }, { 'GET /roles': () => page([role('member'), role('auditor')]) }, { ...grace, id: 1 });
    expect(await screen.findByLabelText('auditor')).toBeDisabled();
    expect(screen.queryByRole('button', { name: 'Save' })).not.toBeInTheDocument();
  });

  it('are given to a group', async () => {
    const night = { id: 4, name: 'night', description: '', organisation: { code: 'home', name: 'Home' }, external_name: '', roles: ['member'], members: 0, created_at: '2026-11-21T09:00:00Z', updated_at: '2026-11-21T09:00:00Z', version: 2 };
    const { requests } = renderPanel(
      () => <AdministrationPanel />,
      {
        'GET /me': () => person(GRANTS),
        'GET /roles': () => page([role('member'), role('auditor')]),
        'GET /groups/4': () => night,
        'GET /groups/4/roles': () => ({ roles: ['member'] }),
        'PUT /groups/4/roles': () => ({ roles: ['member', 'auditor'] })
      },
      { 'view.section': 'groups', 'view.groups.record': '4' }
    );
    await userEvent.click(await screen.findByLabelText('auditor'));
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    await waitFor(() => expect(requests.find(one => one.method === 'PUT')?.body).toEqual({ roles: ['member', 'auditor'] }));
  });
});

describe('SEC-1: the audit log', () => {
  it('says what was done in words, with the name beside', async () => {
    const entry = {
      id: 9,
      at: '2026-11-21T09:00:00Z',
      category: 'security',
      organisation: { code: 'home', name: 'Home' },
      actor: 'ada',
      actor_organisation: { code: 'home', name: 'Home' },
      by_platform: false,
      roles: [],
      address: '10.0.0.1',
      session: '',
      action: 'members.disable_member',
      action_words: 'Disable a member',
      object_kind: 'member',
      object_words: 'member',
      object: '2',
      outcome: 'done',
      detail: {},
      request_id: 'r1',
      position: 9,
      digest: 'd'
    };
    const { requests } = renderPanel(
      () => <AdministrationPanel />,
      {
        'GET /me': () => person({ 'audit.entry.read': 'organisation' }),
        'GET /audit-entries': () => page([entry]),
        'GET /audit-entries/9': () => entry
      },
      { 'view.section': 'audit' }
    );
    expect(await screen.findByText('Disable a member')).toHaveAttribute('title', 'members.disable_member');
    expect(screen.getByText('member 2')).toBeInTheDocument();
    await userEvent.type(screen.getByRole('searchbox'), 'members.disable');
    await waitFor(() => expect(requests.at(-1)?.query.get('q')).toBe('members.disable'));
    await userEvent.click(await screen.findByText('Disable a member'));
    expect(await screen.findByRole('heading', { level: 1, name: 'Disable a member' })).toBeInTheDocument();
    expect(screen.getByText('members.disable_member')).toBeInTheDocument();
  });
});
