/** Which permission shows which section of administration; one of several is enough. Held beyond one's own things only. */
export const SECTION_PERMISSIONS = {
  checklist: ['console.checklist.read'],
  organisations: ['tenancy.organisation.read'],
  departments: ['tenancy.department.read'],
  members: ['tenancy.user.read'],
  groups: ['tenancy.group.read'],
  roles: ['tenancy.role.read'],
  quotas: ['compute.quota.manage'],
  specs: ['compute.spec.manage'],
  prices: ['money.price.manage'],
  policy: ['tenancy.policy.manage'],
  sources: ['tenancy.source.manage'],
  senders: ['tenancy.sender.manage'],
  audit: ['audit.entry.read']
} as const satisfies Record<string, readonly string[]>;

export type SectionId = keyof typeof SECTION_PERMISSIONS;
