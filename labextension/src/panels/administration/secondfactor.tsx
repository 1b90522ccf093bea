/** A member's second factor: what is set up, and taking it away from who lost it (TEN-16, TEN-19). */
import { useQuery } from '@tanstack/react-query';
import type { JSX } from 'react';
import { toast } from '../../components/feedback';
import { formatList } from '../../domain/format';
import { useFrame } from '../../frame';
import { t, tValue } from '../../i18n';
import { useRecordChanges } from '../../queries/records';
import { MEMBERS, useScoped, type Member } from './collections';
import { Ask } from './parts';
import { memberName } from './people';
import { useScope } from './scope';

export interface SecondFactor {
  methods: string[];
  recovery_codes_left: number;
}

const pathOf = (member: number): string => `${MEMBERS.path}/${member}/second-factor`;
const words = (methods: readonly string[]): string => formatList(methods.map(method => tValue('factor', method)));

export function useSecondFactor(member: number): SecondFactor | undefined {
  const { client } = useFrame();
  const { query } = useScope();
  return useQuery({
    queryKey: [MEMBERS.kind, 'second-factor', member, query],
    queryFn: ({ signal }) => client.get<SecondFactor>(pathOf(member), query, signal)
  }).data;
}

export function factorWords(factor: SecondFactor | undefined): string {
  if (!factor) {
    return '–';
  }
  if (!factor.methods.length) {
    return t('factor.none');
  }
  return `${words(factor.methods)} · ${t('factor.codes', { count: factor.recovery_codes_left })}`;
}

export function ResetFactor({ member, factor, onClose }: { member: Member; factor: SecondFactor; onClose: () => void }): JSX.Element {
  const { client } = useFrame();
  const { query } = useScope();
  const { refresh } = useRecordChanges(useScoped(MEMBERS));
  const name = memberName(member);
  const reset = async () => {
    const done = await client.json<{ told: string[] }>('DELETE', pathOf(member.id), { query });
    void refresh();
    toast(done.told.length ? t('factor.resetTold', { name, channels: words(done.told) }) : t('factor.resetUntold', { name }));
  };
  return (
    <Ask title={t('factor.resetTitle', { name })} accept={t('factor.reset')} danger run={reset} onClose={onClose}>
      <p>{t('factor.resetText', { name, methods: words(factor.methods) })}</p>
      <p className="hm-muted">{t('factor.resetSure')}</p>
    </Ask>
  );
}
