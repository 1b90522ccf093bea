import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import type { Me } from '../../api/types';
import { Refuse, page, renderPanel, type Script } from '../../testing/render';
import AdministrationPanel from '.';
import { bodyOf, valuesOf, type Source } from './sourceform';

const campus = (changes: Partial<Source> = {}): Source => ({
  name: 'campus',
  title: 'Campus',
  kind: 'oidc',
  form: false,
  origin: 'api',
  enabled: true,
  settings: { issuer: 'https://id.test', client_id: 'himalia', userdata_from_id_token: true, login_service: '3' },
  secrets: ['client_secret'],
  mapping: {
    organisation: { claim: 'company', values: { 'River Ltd': 'river' }, default: '' },
    roles: { claim: 'groups', values: { leads: ['member', 'auditor'] }, default: ['annotator'] },
    groups: { claim: 'groups' }
  },
  auto_provision: true,
  allow_private: false,
  case_sensitive: true,
  users: 3,
  callback_url: 'https://hub.test/hub/himalia/source/campus/callback',
  version: 4,
  created_at: '2026-11-21T09:00:00Z',
  updated_at: '2026-11-21T09:00:00Z',
  ...changes
});

describe('TEN-12: the form of a source', () => {
  it('reads a source and writes the same one', () => {
    const source = campus();
    expect(bodyOf(valuesOf(source))).toEqual({
      kind: 'oidc',
      name: 'campus',
      title: 'Campus',
      enabled: true,
      allow_private: false,
      auto_provision: true,
      settings: source.settings,
      mapping: source.mapping
    });
  });

  it('sends what was changed, settings and mapping whole, and no empty secret', () => {
    const values = valuesOf(campus());
    expect(bodyOf({ ...values, title: 'Campus 2' }, { title: 'Campus 2' })).toEqual({ title: 'Campus 2' });
    const settings = { ...values.settings, issuer: '' };
    expect(bodyOf({ ...values, settings }, { settings })).toEqual({
      settings: { client_id: 'himalia', userdata_from_id_token: true, login_service: '3' }
    });
    expect(bodyOf({ ...values, secret: 'new one' }, { secret: 'new one' })).toEqual({ secrets: { client_secret: 'new one' } });
    expect(bodyOf({ ...values, kind: 'pam', secret: 'of no use' }, { secret: 'of no use' })).toEqual({});
  });
});

const ME = {
  user: { id: 1, name: 'ada', display_name: 'Ada' },
  tenant: { code: 'home', name: 'home' },
  permissions: { 'tenancy.source.manage': 'platform', 'tenancy.organisation.read': 'platform', 'tenancy.role.read': 'platform' },
  with_step_up: {},
  step_up: null
} as unknown as Me;

const role = (key: string, title: string) => ({ key, title, name: key, built_in: true, grantable: true, permissions: {} });

const script = (more: Script = {}): Script => ({
  'GET /me': () => ME,
  'GET /installation': () => ({ hub_url: 'http://hub.test', currency: { code: 'CNY', symbol: '¥', digits: 2 } }),
  'GET /sign-in-sources/kinds': () => [{ kind: 'oidc' }, { kind: 'ldap' }, { kind: 'pam' }],
  'GET /organisations': () => page([{ id: 1, code: 'river', name: 'River' }]),
  'GET /roles': () => ({ items: [role('member', 'Member'), role('annotator', 'Annotator'), role('auditor', 'Auditor')] }),
  'GET /sign-in-sources': () => [campus()],
  'GET /sign-in-sources/campus': () => campus(),
  ...more
});

const AT = { 'view.section': 'sources' };

describe('the panel of sources', () => {
  it('asks for each kind what that kind needs, and says refusals beside the fields', async () => {
    const { requests } = renderPanel(
      () => <AdministrationPanel />,
      script({
        'POST /sign-in-sources': () =>
          new Refuse(422, { code: 'invalid_input', field: 'settings.server_address', detail: 'settings.server_address: is needed.' })
      }),
      { ...AT, 'view.sources.record': 'new' }
    );
    expect(await screen.findByLabelText('Issuer')).toBeInTheDocument();
    await userEvent.selectOptions(screen.getByLabelText('Kind'), 'ldap');
    expect(screen.queryByLabelText('Issuer')).not.toBeInTheDocument();
    expect(screen.queryByLabelText(/Client secret/)).not.toBeInTheDocument();
    await userEvent.type(screen.getByLabelText('Code'), 'staff');
    await userEvent.type(screen.getByLabelText('Name'), 'Staff');
    await userEvent.type(screen.getByLabelText(/Password of the look-up account/), 'hush');
    await userEvent.type(screen.getAllByLabelText(/^Claim( optional)?$/).at(-1)!, 'title');
    const roles = screen.getByRole('group', { name: 'Roles by value' });
    await userEvent.click(within(roles).getByRole('button', { name: 'Add a value' }));
    await userEvent.type(within(roles).getByLabelText('Value of the source 1'), 'boss');
    await userEvent.selectOptions(within(roles).getByLabelText('Here 1'), 'Auditor');
    await userEvent.click(screen.getByRole('button', { name: 'Create source' }));
    await waitFor(() =>
      expect(requests.find(one => one.method === 'POST')?.body).toMatchObject({
        kind: 'ldap',
        name: 'staff',
        secrets: { lookup_dn_search_password: 'hush' },
        mapping: { roles: { claim: 'title', values: { boss: ['auditor'] }, default: ['member'] } }
      })
    );
    expect(await screen.findByText('settings.server_address: is needed.')).toBeInTheDocument();
  });

  it('tries the source and shows each step and what the mapping makes of claims', async () => {
    const { requests } = renderPanel(
      () => <AdministrationPanel />,
      script({
        'POST /sign-in-sources/campus/test': () => ({
          passed: false,
          steps: [
            { name: 'endpoints', passed: false, detail: 'no answer in time' },
            { name: 'mapping', passed: true, detail: '' }
          ],
          mapped: { organisation: 'river', department: null, roles: ['member'], groups: [], display_name: 'Mei' }
        })
      }),
      { ...AT, 'view.sources.record': 'campus' }
    );
    expect(await screen.findByText(campus().callback_url ?? '')).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: 'Test' }));
    const claims = screen.getByLabelText(/Somebody's claims/);
    await userEvent.type(claims, 'groups');
    await userEvent.click(screen.getByRole('button', { name: 'Test now' }));
    expect(await screen.findByText('This is not JSON.')).toBeInTheDocument();
    await userEvent.clear(claims);
    await userEvent.type(claims, '{{"company": "River Ltd"}');
    await userEvent.click(screen.getByRole('button', { name: 'Test now' }));
    expect(await screen.findByText('no answer in time')).toBeInTheDocument();
    expect(screen.getByText('river')).toBeInTheDocument();
    expect(requests.find(one => one.path.endsWith('/test'))?.body).toEqual({ claims: { company: 'River Ltd' } });
  });

  it('disables under the version that was read, after asking', async () => {
    const { requests } = renderPanel(
      () => <AdministrationPanel />,
      script({ 'PATCH /sign-in-sources/campus': () => campus({ enabled: false, version: 5 }) }),
      { ...AT, 'view.sources.record': 'campus' }
    );
    await userEvent.click(await screen.findByRole('button', { name: 'Disable' }));
    const dialog = screen.getByRole('dialog', { hidden: true });
    expect(dialog).toHaveTextContent('The sessions of its 3 members end at once.');
    await userEvent.click(within(dialog).getByRole('button', { name: 'Disable', hidden: true }));
    await waitFor(() => {
      const sent = requests.find(one => one.method === 'PATCH');
      expect(sent?.body).toEqual({ enabled: false });
      expect(sent?.headers.get('If-Match')).toBe('"4"');
    });
  });

  it('shows a source of the configuration file without offering to change it', async () => {
    renderPanel(() => <AdministrationPanel />, script({ 'GET /sign-in-sources/campus': () => campus({ origin: 'file' }) }), { ...AT, 'view.sources.record': 'campus' });
    expect(await screen.findByText(/configuration file/)).toBeInTheDocument();
    expect(screen.getByRole('button', { name: 'Test' })).toBeInTheDocument();
    expect(screen.queryByRole('button', { name: 'Disable' })).not.toBeInTheDocument();
    expect(screen.queryByRole('button', { name: 'Save' })).not.toBeInTheDocument();
  });
});
