/** Which organisation people are administered of: one's own, or for the platform the one chosen. */
import { createContext, useContext, useMemo, type JSX, type ReactNode } from 'react';
import type { QueryParameters } from '../../api/client';
import { Menu } from '../../components/menu';
import { useLeave } from '../../components/record/guard';
import { useTab } from '../../frame';
import { t } from '../../i18n';
import { useMe } from '../../queries/account';
import { useChoices } from '../../queries/records';
import { reachOf } from '../../queries/standing';
import { ORGANISATIONS } from './collections';

interface Scope {
  /** The chosen organisation's code; null is one's own. */
  organisation: string | null;
  /** As sent with requests. */
  query: QueryParameters;
  choose: (code: string | null) => void;
}

const ScopeContext = createContext<Scope>({ organisation: null, query: {}, choose: () => undefined });

export const useScope = (): Scope => useContext(ScopeContext);

export function ScopeProvider({ children }: { children: ReactNode }): JSX.Element {
  const tab = useTab();
  const chosen = tab.args['view.organisation'];
  const organisation = typeof chosen === 'string' && chosen ? chosen : null;
  const scope = useMemo<Scope>(
    () => ({
      organisation,
      query: organisation ? { organisation } : {},
      choose: code => tab.setView({ 'view.organisation': code })
    }),
    [organisation, tab]
  );
  return <ScopeContext.Provider value={scope}>{children}</ScopeContext.Provider>;
}

/** Chooses the organisation; shown to those who reach several. */
export function OrganisationPicker(): JSX.Element | null {
  const me = useMe().data;
  const scope = useScope();
  const leave = useLeave();
  const many = reachOf(me, 'tenancy.organisation.read') === 'platform';
  const organisations = useChoices(ORGANISATIONS, { sort: 'name' }, many);
  if (!me || !many) {
    return null;
  }
  const own = me.tenant.code;
  const current = scope.organisation ?? own;
  const found = organisations.data?.find(one => one.code === current);
  return (
    <Menu
      label={t('record.organisation')}
      align="end"
      items={(organisations.data ?? []).map(one => ({
        id: one.code,
        label: one.name,
        checked: one.code === current,
        onSelect: () => leave(() => scope.choose(one.code === own ? null : one.code))
      }))}
    >
      {found?.name ?? current}
    </Menu>
  );
}
