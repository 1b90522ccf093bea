/** The security policy: names, passwords, sign-in and sessions, in force at once (TEN-20). */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { JSX } from 'react';
import { toast } from '../../components/feedback';
import type { FieldOf } from '../../components/record/fields';
import { RecordForm, type FieldGroup } from '../../components/record/form';
import { useFrame } from '../../frame';
import { hasKey, language, t, type Key } from '../../i18n';
import { useStepUp } from '../../queries/standing';
import { Loaded } from './parts';

export type Policy = Record<string, number | boolean | string[]>;

interface Limit {
  name: string;
  min?: number;
  max?: number;
  unit?: Key;
}

/** Grouped for reading; what the platform adds later appears under "Other" until it is placed here. */
const GROUPS: readonly { id: 'names' | 'passwords' | 'lock' | 'sessions'; limits: readonly Limit[] }[] = [
  {
    id: 'names',
    limits: [
      { name: 'user_name_minimum', min: 1, max: 64, unit: 'unit.characters' },
      { name: 'user_name_maximum', min: 1, max: 64, unit: 'unit.characters' }
    ]
  },
  {
    id: 'passwords',
    limits: [
      { name: 'password_minimum', min: 6, max: 128, unit: 'unit.characters' },
      { name: 'password_maximum', min: 8, max: 128, unit: 'unit.characters' },
      { name: 'password_kinds', min: 0, max: 3 },
      { name: 'password_needs_special' },
      { name: 'password_not_user_name' },
      { name: 'password_differs_in', min: 0, max: 8 },
      { name: 'password_history', min: 0, max: 24 },
      { name: 'password_expires_days', min: 0, max: 3650, unit: 'unit.days' },
      { name: 'password_warning_days', min: 0, max: 90, unit: 'unit.days' },
      { name: 'weak_words' }
    ]
  },
  {
    id: 'lock',
    limits: [
      { name: 'lock_failures', min: 1, max: 100 },
      { name: 'lock_window_seconds', min: 1, max: 3600, unit: 'unit.seconds' },
      { name: 'lock_seconds', min: 1, max: 86_400, unit: 'unit.seconds' },
      { name: 'address_lock_accounts', min: 1, max: 1000 },
      { name: 'address_lock_seconds', min: 1, max: 86_400, unit: 'unit.seconds' },
      { name: 'captcha_after_failure' },
      { name: 'captcha_seconds', min: 10, max: 600, unit: 'unit.seconds' }
    ]
  },
  {
    id: 'sessions',
    limits: [
      { name: 'session_idle_minutes', min: 5, max: 43_200, unit: 'unit.minutes' },
      { name: 'step_up_minutes', min: 1, max: 60, unit: 'unit.minutes' }
    ]
  }
];

const words = (name: string): string => {
  const key = `policy.${name}`;
  return hasKey(key) ? t(key) : name.replaceAll('_', ' ');
};

function fieldFor(policy: Policy, limit: Limit): FieldOf<Policy> {
  const { name } = limit;
  const key = `policy.${name}.hint`;
  const range = limit.min !== undefined && limit.max !== undefined ? t('policy.range', { min: limit.min, max: limit.max }) : undefined;
  const hint = [hasKey(key) ? t(key) : undefined, range].filter(Boolean).join(language() === 'zh' ? '' : ' ') || undefined;
  const value = policy[name];
  if (typeof value === 'boolean') {
    return { name, type: 'check', label: words(name), hint };
  }
  if (Array.isArray(value)) {
    return { name, type: 'lines', label: words(name), hint, optional: true };
  }
  return { name, type: 'number', label: words(name), hint, unit: limit.unit && t(limit.unit), min: limit.min, max: limit.max };
}

function groupsOf(policy: Policy): FieldGroup<Policy>[] {
  const placed = new Set(GROUPS.flatMap(group => group.limits.map(limit => limit.name)));
  const others = Object.keys(policy).filter(name => !placed.has(name));
  return [
    ...GROUPS.map(group => ({
      id: group.id,
      title: t(`policy.group.${group.id}`),
      twoColumns: true,
      fields: group.limits.filter(limit => limit.name in policy).map(limit => fieldFor(policy, limit))
    })),
    ...(others.length
      ? [{ id: 'others', title: t('policy.group.others'), fields: others.map(name => fieldFor(policy, { name })) }]
      : [])
  ];
}

function split({ version, ...policy }: Policy & { version: number }) {
  return { values: policy, version };
}

export default function PolicySection(): JSX.Element {
  const { client } = useFrame();
  const queries = useQueryClient();
  const stepUp = useStepUp();
  const read = () => client.get<Policy & { version: number }>('/security-policy');
  const answer = useQuery({ queryKey: ['security_policy', 'one', 1], queryFn: read });
  return (
    <div className="hm-page">
      <header className="hm-head">
        <h1>{t('policy.title')}</h1>
        <span className="hm-muted hm-ell">{t('policy.note')}</span>
      </header>
      <Loaded answer={answer}>
        {stored => (
          <RecordForm<Policy>
            stored={split(stored)}
            groups={groupsOf(split(stored).values)}
            save={async (values, _changes, version) => {
              const now = await client.put<Policy & { version: number }>('/security-policy', values, { version });
              toast(t('policy.saved'));
              queries.setQueryData(['security_policy', 'one', 1], now);
            }}
            reload={async () => split(await read())}
            accept={t('action.save')}
            stepUp={stepUp.ask}
          />
        )}
      </Loaded>
    </div>
  );
}
