/** Administration: one tab, in the side panel of those who administer something. */
import { SECTION_PERMISSIONS } from '../panels/administration/permissions';
import { areaPlugin } from './areas';

export const administrationPlugin = areaPlugin('administration', 'Organisations, people, quotas, prices and security.', [
  {
    panel: 'administration',
    title: 'administration.title',
    icon: 'key',
    load: () => import('../panels/administration'),
    navigation: { section: 'admin', rank: 10, administers: Object.values(SECTION_PERMISSIONS).flat() }
  }
]);
