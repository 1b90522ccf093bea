/** The collections of administration and the shapes of their records, as the platform sends them. */
import type { Moment, Reference } from '../../api/types';
import type { Collection } from '../../queries/records';
import { useScope } from './scope';

export interface Organisation {
  id: number;
  code: string;
  name: string;
  description: string;
  enabled: boolean;
  valid_until: Moment | null;
  state: 'enabled' | 'disabled' | 'expired';
  members: number;
  departments: number;
  administrators: Reference[];
  created_at: Moment;
  updated_at: Moment;
  version: number;
}

export interface SignInLink {
  name: string;
  url: string;
  expires_at: Moment;
}

export interface Member {
  id: number;
  /** The sign-in name. */
  name: string;
  display_name: string;
  organisation: { code: string; name: string };
  department: Reference | null;
  roles: string[];
  groups: Reference[];
  source: string;
  guest: boolean;
  enabled: boolean;
  locked_until: Moment | null;
  password_set: boolean;
  last_sign_in_at: Moment | null;
  created_at: Moment;
  updated_at: Moment;
  version: number;
}

export interface Department {
  id: number;
  name: string;
  description: string;
  organisation: { code: string; name: string };
  enabled: boolean;
  members: number;
  administrators: Reference[];
  created_at: Moment;
  updated_at: Moment;
  version: number;
}

export interface Group {
  id: number;
  name: string;
  description: string;
  /** The group's name at sign-in sources that bring groups. */
  external_name: string;
  organisation: { code: string; name: string };
  roles: string[];
  members: number;
  created_at: Moment;
  updated_at: Moment;
  version: number;
}

export interface Role {
  id: number | null;
  /** What grants name. */
  key: string;
  name: string;
  title: string;
  description: string;
  built_in: boolean;
  scope: 'organisation' | 'platform';
  permissions: Record<string, string>;
  needs_department: boolean;
  holders: number;
  grantable: boolean;
  editable: boolean;
  version: number;
  created_at: Moment | null;
  updated_at: Moment | null;
}

export const ORGANISATIONS: Collection<Organisation> = { kind: 'organisation', path: '/organisations', key: one => one.id };

/** A collection of the organisation in scope. */
export function useScoped<T>(of: Collection<T>): Collection<T> {
  const { query } = useScope();
  return { ...of, query };
}

export const MEMBERS: Collection<Member> = { kind: 'member', path: '/members', key: one => one.id, scopeInBody: true };
export const DEPARTMENTS: Collection<Department> = { kind: 'department', path: '/departments', key: one => one.id, scopeInBody: true };
export const GROUPS: Collection<Group> = { kind: 'group', path: '/groups', key: one => one.id, scopeInBody: true };
export const ROLES: Collection<Role> = { kind: 'role', path: '/roles', key: one => one.id ?? one.key };
export const roleKey = (role: Role): string => String(role.id ?? role.key);
