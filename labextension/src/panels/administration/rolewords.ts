/** Roles in words and as choices. Which may be granted, the platform says. */
import type { Choice } from '../../components/record/fields';
import { formatList } from '../../domain/format';
import { t } from '../../i18n';
import type { Role } from './collections';

export const roleWords = (keys: readonly string[], roles: readonly Role[]): string =>
  formatList(keys.map(key => roles.find(role => role.key === key)?.title ?? key));

/** What may be granted; what is held already stays visible, even when this person could not give it. */
export const roleChoices = (roles: readonly Role[], held: readonly string[]): Choice[] =>
  roles
    .filter(role => role.grantable || held.includes(role.key))
    .map(role => ({
      value: role.key,
      label: role.title,
      note: role.grantable ? undefined : t('roles.notGrantable'),
      disabled: !role.grantable
    }));
