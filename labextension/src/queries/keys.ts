/**
 * Query keys, all in one place. The form `[kind, facet, id?, …]` is what lets a change event of `{kind, id}` find what it
 * touches (see `touches` in frame.ts): lists have the facet `list`; everything about one object has its id third.
 */
import type { QueryParameters } from '../api/client';

export const keys = {
  list: (kind: string, query: QueryParameters = {}) => [kind, 'list', undefined, query] as const,
  one: (kind: string, id: number) => [kind, 'one', id] as const,
  part: (kind: string, id: number, part: string, ...rest: unknown[]) => [kind, part, id, ...rest] as const,
  me: ['account', 'me'] as const,
  installation: ['account', 'installation'] as const,
  context: ['account', 'context'] as const,
  quota: ['quota', 'list'] as const,
  balance: ['balance', 'list'] as const,
  search: (text: string) => ['search', 'hits', undefined, text] as const
};
