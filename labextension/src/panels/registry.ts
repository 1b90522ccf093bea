/**
 * What a panel is to the frame: a kind, a title, an icon and a component that is loaded when first opened.
 *
 * Opening goes through one command, `himalia:open` with `{panel, …arguments}`; the arguments are JSON, name the tab, and
 * are what the workspace restores after a reload.
 */
import type { ComponentType } from 'react';
import type { IconName } from '../components/icons';
import type { Key } from '../i18n';

export type PanelArguments = Record<string, string | number | boolean | null | undefined>;

export interface PanelProps {
  args: PanelArguments;
}

export type NavigationSection = 'data' | 'develop' | 'train' | 'serve' | 'money' | 'admin';

export interface NavigationEntry {
  section: NavigationSection;
  /** Order inside the section. */
  rank: number;
  /** Shown only to those who hold this permission; the platform checks it again. */
  permission?: string;
  /** Shown only to those who hold one of these beyond their own things, be it after a step-up. */
  administers?: readonly string[];
  /** Kind whose objects are counted beside the entry, when the count is cheap: path of a list. */
  countPath?: string;
}

export interface PanelDefinition {
  panel: string;
  title: Key;
  icon: IconName;
  load: () => Promise<{ default: ComponentType<PanelProps> }>;
  /** Entry in the side panel; panels of single objects have none. */
  navigation?: NavigationEntry;
  /** A card in the launcher, ranked. */
  launcher?: { rank: number };
  /** Kinds of objects (as in search, workloads, tasks) this panel shows, opened with `{id}`. */
  opens?: readonly string[];
}

export class PanelRegistry {
  private readonly definitions = new Map<string, PanelDefinition>();
  private readonly listeners = new Set<() => void>();

  /** The panel of the tab in front, when it is one of ours. */
  current: string | null = null;

  /** For `useSyncExternalStore`. */
  readonly onCurrent = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  setCurrent(panel: string | null): void {
    if (panel !== this.current) {
      this.current = panel;
      this.listeners.forEach(listener => listener());
    }
  }

  add(definition: PanelDefinition): void {
    if (this.definitions.has(definition.panel)) {
      throw new Error(`Panel ${definition.panel} is registered twice`);
    }
    this.definitions.set(definition.panel, definition);
  }

  get(panel: string): PanelDefinition | undefined {
    return this.definitions.get(panel);
  }

  all(): PanelDefinition[] {
    return [...this.definitions.values()];
  }

  /** The panel that shows objects of a kind. */
  forKind(kind: string): PanelDefinition | undefined {
    return this.all().find(definition => definition.opens?.includes(kind));
  }
}

/** Two openings with the same panel and arguments are the same tab; what `view.` holds is how it is looked at. */
export function panelKey(panel: string, args: PanelArguments): string {
  const parts = Object.entries(args)
    .filter(([name, value]) => value !== undefined && value !== null && !name.startsWith('view.'))
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, value]) => `${name}=${value}`);
  return [panel, ...parts].join(':');
}
