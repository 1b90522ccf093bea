/** The sections of administration: which permission shows each, and what it loads. */
import { lazy, type ComponentType, type LazyExoticComponent } from 'react';
import type { IconName } from '../../components/icons';
import type { Key } from '../../i18n';
import type { Me } from '../../api/types';
import { administers } from '../../queries/standing';
import { SECTION_PERMISSIONS, type SectionId } from './permissions';

export type SectionGroup = 'start' | 'people' | 'resources' | 'security';

export interface Section {
  id: SectionId;
  group: SectionGroup;
  title: Key;
  icon: IconName;
  Component: LazyExoticComponent<ComponentType>;
}

export const SECTIONS: readonly Section[] = [
  {
    id: 'checklist',
    group: 'start',
    title: 'checklist.title',
    icon: 'star',
    Component: lazy(() => import('./checklist'))
  },
  {
    id: 'organisations',
    group: 'people',
    title: 'organisations.title',
    icon: 'layers',
    Component: lazy(() => import('./organisations'))
  },
  {
    id: 'departments',
    group: 'people',
    title: 'departments.title',
    icon: 'folder',
    Component: lazy(() => import('./departments'))
  },
  {
    id: 'members',
    group: 'people',
    title: 'members.title',
    icon: 'person',
    Component: lazy(() => import('./members'))
  },
  {
    id: 'groups',
    group: 'people',
    title: 'groups.title',
    icon: 'people',
    Component: lazy(() => import('./groups'))
  },
  {
    id: 'roles',
    group: 'people',
    title: 'roles.title',
    icon: 'check',
    Component: lazy(() => import('./roles'))
  },
  {
    id: 'quotas',
    group: 'resources',
    title: 'quotas.title',
    icon: 'bars',
    Component: lazy(() => import('./quotas'))
  },
  {
    id: 'specs',
    group: 'resources',
    title: 'specs.title',
    icon: 'cube',
    Component: lazy(() => import('./specs'))
  },
  {
    id: 'prices',
    group: 'resources',
    title: 'prices.title',
    icon: 'wallet',
    Component: lazy(() => import('./prices'))
  },
  {
    id: 'policy',
    group: 'security',
    title: 'policy.title',
    icon: 'key',
    Component: lazy(() => import('./policy'))
  },
  {
    id: 'sources',
    group: 'security',
    title: 'sources.title',
    icon: 'link',
    Component: lazy(() => import('./sources'))
  },
  {
    id: 'senders',
    group: 'security',
    title: 'senders.title',
    icon: 'upload',
    Component: lazy(() => import('./senders'))
  },
  {
    id: 'audit',
    group: 'security',
    title: 'audit.title',
    icon: 'tasks',
    Component: lazy(() => import('./audit'))
  }
];

export const GROUPS: readonly SectionGroup[] = ['start', 'people', 'resources', 'security'];

/** Shown when one of these is held beyond one's own things; the platform checks each request again. */
export const permissionsOf = (section: Section): readonly string[] => SECTION_PERMISSIONS[section.id];

export const sectionsOf = (me: Me | undefined): Section[] =>
  SECTIONS.filter(section => permissionsOf(section).some(permission => administers(me, permission)));
