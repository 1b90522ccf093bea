/** Shares: whom an object was given to, and what may be done with one that was received (GEN-10). */
import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import type { Entity, Page, Reference } from '../api/types';
import { useFrame } from '../frame';
import { useMe } from './account';
import { useChange } from './common';
import { keys } from './keys';
import { reachOf, standingOf } from './standing';

export type SharedKind = 'dataset' | 'label_group' | 'model';
export type Access = 'view' | 'use' | 'edit';
export type ReceiverKind = 'user' | 'department' | 'organisation';

export interface Share {
  id: number;
  object: Reference & { kind: SharedKind };
  owner: Reference;
  receiver: { kind: ReceiverKind; id: number | null; name: string };
  access: Access;
  /** What of the receiver's own permissions reaches the object by this share. */
  permissions: string[];
  created_at: string;
}

export interface ShareDraft {
  receiver: { kind: ReceiverKind; id?: number; name?: string };
  access: Access;
}

function useShares(direction: 'given' | 'received', kind: SharedKind, id: number, enabled: boolean): UseQueryResult<Share[]> {
  const { client } = useFrame();
  const query = { direction, object_kind: kind, object: id, limit: 200 };
  return useQuery({
    queryKey: keys.list('share', query),
    queryFn: async ({ signal }) => (await client.get<Page<Share>>('/shares', query, signal)).items,
    enabled
  });
}

/** Whom an own object is shared with. */
export const useGiven = (kind: SharedKind, id: number): UseQueryResult<Share[]> => useShares('given', kind, id, true);

export const useGive = (kind: SharedKind, id: number) =>
  useChange<ShareDraft, Share>(['share'], (client, draft) => client.post('/shares', { object_kind: kind, object: id, ...draft }), {
    quiet: true
  });

export const useTakeBack = () => useChange<number, unknown>(['share'], (client, share) => client.delete(`/shares/${share}`), { quiet: true });

export interface Standing {
  /** True when it belongs to the person. */
  mine: boolean;
  /** Whether the person's permission reaches this object: by owning it, by its reach, or by a share. */
  may: (permission: string) => boolean;
}

/** What the person may do with one object. The platform says what a share lends; nothing is decided here. */
export function useMay(kind: SharedKind, entity: Pick<Entity, 'id' | 'owner'>): Standing {
  const me = useMe().data;
  const mine = me !== undefined && entity.owner.id === me.user.id;
  const received = useShares('received', kind, entity.id, me !== undefined && !mine && standingOf(me, 'sharing.share.read') !== 'no');
  const lent = new Set(received.data?.flatMap(share => share.permissions));
  return {
    mine,
    may: permission =>
      standingOf(me, permission) === 'now' && (mine || reachOf(me, permission) !== 'own' || lent.has(permission))
  };
}
