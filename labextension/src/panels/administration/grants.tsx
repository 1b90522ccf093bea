/**
 * The roles of a member or a group, for who grants roles and manages neither: where duties are separated, accounts are
 * the system administrator's and what they may do the security administrator's (TEN-11).
 */
import type { JSX } from 'react';
import { toast } from '../../components/feedback';
import { RecordForm } from '../../components/record/form';
import { useFrame } from '../../frame';
import { t } from '../../i18n';
import { useRecordChanges, type Collection } from '../../queries/records';
import { useStepUp } from '../../queries/standing';
import type { Role } from './collections';
import { usePlace } from './place';
import { roleChoices } from './rolewords';
import { useScope } from './scope';

export const GRANT = 'tenancy.role.grant';

interface Holder {
  id: number;
  version: number;
  roles: string[];
}

export interface GrantsFormProps<T extends Holder> {
  of: Collection<T>;
  holder: T;
  name: string;
  roles: readonly Role[];
  hint: string;
  /** What to send for these roles, given what the platform says is held now. */
  bodyOf: (keys: readonly string[], held: unknown) => unknown;
}

export function GrantsForm<T extends Holder>({ of, holder, name, roles, hint, bodyOf }: GrantsFormProps<T>): JSX.Element {
  const { client } = useFrame();
  const { query } = useScope();
  const place = usePlace();
  const stepUp = useStepUp();
  const changes = useRecordChanges(of, ['member', 'group', 'role']);
  const path = `${of.path}/${holder.id}/roles`;
  return (
    <RecordForm<{ roles: string[] }>
      key={holder.id}
      stored={{ values: { roles: holder.roles }, version: holder.version }}
      groups={[{ id: 'facts', fields: [{ name: 'roles', type: 'many', label: t('roles.title'), options: roleChoices(roles, holder.roles), hint }] }]}
      save={async values => {
        const held = await client.get<{ roles: unknown }>(path, query);
        await client.put(path, { roles: bodyOf(values.roles, held.roles) }, { query });
        void changes.refresh();
        toast(t('record.saved', { name }));
      }}
      reload={async () => {
        const now = await changes.read(holder.id);
        return { values: { roles: now.roles }, version: now.version };
      }}
      accept={t('action.save')}
      onCancel={place.close}
      stepUp={stepUp.ask}
    />
  );
}

/** A member's grants: a role of one department stays that department's. */
export const memberGrants = (keys: readonly string[], held: unknown): { role: string; department: number | null }[] => {
  const own = (held as { role: string; department: number | null; through: string | null }[]).filter(one => one.through === null);
  return keys.map(role => ({ role, department: own.find(one => one.role === role)?.department ?? null }));
};
