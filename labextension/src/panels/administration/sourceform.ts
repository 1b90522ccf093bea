/** The form of a sign-in source: what it asks for each kind, and its values from and to the platform (TEN-12, TEN-21). */
import type { Moment } from '../../api/types';
import type { Collection } from '../../queries/records';
import type { Pair } from './pairs';

export interface Mapping {
  organisation?: { claim?: string; values?: Record<string, string>; default?: string };
  department?: { claim?: string; values?: Record<string, string>; default?: string };
  roles?: { claim?: string; values?: Record<string, string[]>; default?: string[] };
  groups?: { claim: string; values?: Record<string, string> };
  display_name?: { claim: string };
}

export interface Source {
  name: string;
  title: string;
  kind: string;
  /** True: name and password are typed into our form; false: the provider's own page asks. */
  form: boolean;
  /** `file`: declared in the hub's configuration and changed there. */
  origin: string;
  enabled: boolean;
  settings: Record<string, unknown>;
  /** Names of the secrets that are set; their values never come back. */
  secrets: string[];
  mapping: Mapping;
  auto_provision: boolean;
  allow_private: boolean;
  case_sensitive: boolean;
  users: number;
  callback_url: string | null;
  version: number;
  created_at: Moment;
  updated_at: Moment;
}

export const SOURCES: Collection<Source> = { kind: 'sign_in_source', path: '/sign-in-sources', key: one => one.name };

export interface Setting {
  name: string;
  input: 'text' | 'number' | 'check' | 'lines' | 'choice';
  optional?: boolean;
  choices?: readonly string[];
  placeholder?: string;
}

const OAUTH: readonly Setting[] = [{ name: 'client_id', input: 'text' }];

/** What the form asks by name; every other setting of a kind is written as a line of `more`. */
const SETTINGS: Record<string, readonly Setting[]> = {
  oidc: [
    { name: 'issuer', input: 'text', placeholder: 'https://' },
    ...OAUTH,
    { name: 'username_claim', input: 'text', optional: true, placeholder: 'preferred_username' },
    { name: 'scope', input: 'lines', optional: true }
  ],
  ldap: [
    { name: 'server_address', input: 'text', placeholder: 'ldap.example.org' },
    { name: 'server_port', input: 'number', optional: true },
    { name: 'tls_strategy', input: 'choice', choices: ['before_bind', 'on_connect', 'insecure'] },
    { name: 'bind_dn_template', input: 'lines', optional: true },
    { name: 'lookup_dn', input: 'check' },
    { name: 'user_search_base', input: 'text', optional: true },
    { name: 'user_attribute', input: 'text', optional: true, placeholder: 'uid' },
    { name: 'lookup_dn_search_user', input: 'text', optional: true },
    { name: 'lookup_dn_search_filter', input: 'text', optional: true }
  ],
  pam: [{ name: 'service', input: 'text', optional: true, placeholder: 'login' }]
};

const SECRET: Record<string, string | null> = { ldap: 'lookup_dn_search_password', pam: null };

export const settingsOf = (kind: string): readonly Setting[] => SETTINGS[kind] ?? OAUTH;

/** The one secret a kind has; null without one. */
export const secretOf = (kind: string): string | null => (kind in SECRET ? (SECRET[kind] ?? null) : 'client_secret');

export interface SourceValues {
  kind: string;
  name: string;
  title: string;
  enabled: boolean;
  settings: Record<string, unknown>;
  /** `name = value`, one a line. */
  more: string[];
  secret: string;
  allow_private: boolean;
  auto_provision: boolean;
  organisation_claim: string;
  organisation_values: Pair[];
  organisation_default: string;
  department_claim: string;
  department_values: Pair[];
  roles_claim: string;
  roles_values: Pair[];
  roles_default: string[];
  groups_claim: string;
  display_name_claim: string;
}

export const FIRST: SourceValues = {
  kind: 'oidc',
  name: '',
  title: '',
  enabled: true,
  settings: {},
  more: [],
  secret: '',
  allow_private: false,
  auto_provision: false,
  organisation_claim: '',
  organisation_values: [],
  organisation_default: '',
  department_claim: '',
  department_values: [],
  roles_claim: '',
  roles_values: [],
  roles_default: ['member'],
  groups_claim: '',
  display_name_claim: ''
};

const pairsOf = (table: Record<string, string | string[]> | undefined): Pair[] =>
  Object.entries(table ?? {}).flatMap(([from, to]) => [to].flat().map(one => ({ from, to: one })));

const filled = (pairs: readonly Pair[]): Pair[] => pairs.filter(pair => pair.from.trim() && pair.to);

const single = (pairs: readonly Pair[]): Record<string, string> => Object.fromEntries(filled(pairs).map(pair => [pair.from.trim(), pair.to]));

function several(pairs: readonly Pair[]): Record<string, string[]> {
  const table: Record<string, string[]> = {};
  for (const { from, to } of filled(pairs)) {
    (table[from.trim()] ??= []).push(to);
  }
  return table;
}

export function valuesOf(source: Source): SourceValues {
  const asked = settingsOf(source.kind).map(setting => setting.name);
  const { organisation, department, roles, groups, display_name } = source.mapping;
  const settings = Object.entries(source.settings);
  return {
    kind: source.kind,
    name: source.name,
    title: source.title,
    enabled: source.enabled,
    settings: Object.fromEntries(settings.filter(([name]) => asked.includes(name))),
    more: settings.filter(([name]) => !asked.includes(name)).map(([name, value]) => `${name} = ${written(value)}`),
    secret: '',
    allow_private: source.allow_private,
    auto_provision: source.auto_provision,
    organisation_claim: organisation?.claim ?? '',
    organisation_values: pairsOf(organisation?.values),
    organisation_default: organisation?.default ?? '',
    department_claim: department?.claim ?? '',
    department_values: pairsOf(department?.values),
    roles_claim: roles?.claim ?? '',
    roles_values: pairsOf(roles?.values),
    roles_default: roles?.default ?? [],
    groups_claim: groups?.claim ?? '',
    display_name_claim: display_name?.claim ?? ''
  };
}

/** A text that reads back as the same value: quoted only where it would be taken for something else. */
const written = (value: unknown): string => (typeof value === 'string' && read(value) === value ? value : JSON.stringify(value));

/** JSON where it is JSON, else the text itself: `true`, `3`, `["a"]`, `uid`. */
function read(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

const empty = (value: unknown): boolean => value === '' || value === null || value === undefined || (Array.isArray(value) && value.length === 0);

function settingsBody(values: SourceValues): Record<string, unknown> {
  const asked = settingsOf(values.kind).map(setting => [setting.name, values.settings[setting.name]] as const);
  const more = values.more.map(line => {
    const at = line.indexOf('=');
    return at < 0 ? ([line.trim(), ''] as const) : ([line.slice(0, at).trim(), read(line.slice(at + 1).trim())] as const);
  });
  return Object.fromEntries([...asked.filter(([, value]) => !empty(value)), ...more]);
}

function mappingBody(values: SourceValues): Mapping {
  const department = values.department_claim.trim();
  const groups = values.groups_claim.trim();
  const name = values.display_name_claim.trim();
  return {
    organisation: {
      claim: values.organisation_claim.trim(),
      values: single(values.organisation_values),
      default: values.organisation_default
    },
    ...(department ? { department: { claim: department, values: single(values.department_values) } } : {}),
    roles: { claim: values.roles_claim.trim(), values: several(values.roles_values), default: values.roles_default },
    ...(groups ? { groups: { claim: groups } } : {}),
    ...(name ? { display_name: { claim: name } } : {})
  };
}

const ABOUT = ['title', 'enabled', 'allow_private', 'auto_provision'] as const;
const SET = ['settings', 'more'] as const;

/** What to send. Settings and mapping go whole, since the platform replaces them whole; an empty secret keeps the present one. */
export function bodyOf(values: SourceValues, changed?: Partial<SourceValues>): Record<string, unknown> {
  const touched = (names: readonly string[]) => !changed || names.some(name => name in changed);
  const mapping = Object.keys(values).filter(name => /_(claim|values|default)$/.test(name));
  const secret = secretOf(values.kind);
  return {
    ...(changed ? {} : { kind: values.kind, name: values.name.trim() }),
    ...Object.fromEntries(ABOUT.filter(name => touched([name])).map(name => [name, values[name]])),
    ...(touched(SET) ? { settings: settingsBody(values) } : {}),
    ...(secret && values.secret ? { secrets: { [secret]: values.secret } } : {}),
    ...(touched(mapping) ? { mapping: mappingBody(values) } : {})
  };
}
