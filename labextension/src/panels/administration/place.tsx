/** Where one is inside administration. Each section keeps its own list view and open record in the tab, under its name. */
import { useMemo, type JSX, type ReactNode } from 'react';
import { TabContext, useTab, type Tab } from '../../frame';
import type { PanelArguments } from '../registry';

const VIEW = 'view.';

/** The arguments of a section, seen as if it had the tab for itself. */
export function innerArguments(section: string, args: PanelArguments): PanelArguments {
  const prefix = `${VIEW}${section}.`;
  const inside = Object.entries(args)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]) => [VIEW + name.slice(prefix.length), value]);
  return Object.fromEntries(inside) as PanelArguments;
}

export function SectionTab({ section, children }: { section: string; children: ReactNode }): JSX.Element {
  const outer = useTab();
  const tab = useMemo<Tab>(
    () => ({
      args: innerArguments(section, outer.args),
      setTitle: () => undefined,
      setView: changes =>
        outer.setView(
          Object.fromEntries(
            Object.entries(changes).map(([name, value]) => [name.replace(VIEW, `${VIEW}${section}.`), value])
          )
        ),
      close: () => outer.close()
    }),
    [section, outer]
  );
  return <TabContext.Provider value={tab}>{children}</TabContext.Provider>;
}

export interface Place {
  /** Key of the open record; `new` while one is made; null in the list. */
  record: string | null;
  part: string | null;
  open: (record: string | number) => void;
  show: (part: string) => void;
  close: () => void;
}

export const NEW = 'new';

export function usePlace(): Place {
  const tab = useTab();
  const record = tab.args['view.record'];
  const part = tab.args['view.part'];
  return {
    record: record === null || record === undefined || record === '' ? null : String(record),
    part: typeof part === 'string' ? part : null,
    open: next => tab.setView({ 'view.record': String(next), 'view.part': null }),
    show: next => tab.setView({ 'view.part': next }),
    close: () => tab.setView({ 'view.record': null, 'view.part': null })
  };
}
