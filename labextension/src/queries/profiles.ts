/** Profiles of the hub's configuration that a notebook of this person can start with. */
import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import type { Notebook } from '../api/types';
import { useFrame } from '../frame';
import { useChange } from './common';
import { keys } from './keys';

export interface ProfileOption {
  name: string;
  title: string;
  choices: { value: string; name: string; default: boolean }[];
  /** Set where a value of one's own is taken too. */
  other: { title: string; choice: string; pattern: string | null; message: string } | null;
}

export interface SpawnProfile {
  slug: string;
  name: string;
  description: string;
  default: boolean;
  options: ProfileOption[];
}

/** The fields of a request that starts a notebook; none without profiles. */
export interface ProfileBody {
  profile?: string;
  profile_options?: Record<string, string>;
}

/** What is offered, the default first; empty where the configuration has none. */
export function useProfiles(enabled = true): UseQueryResult<SpawnProfile[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.list('spawn-profile'),
    queryFn: () => client.get<SpawnProfile[]>('/notebook-profiles'),
    enabled
  });
}

/** Starts a stopped notebook with another profile, which it then keeps. */
export const useStartWithProfile = (onSuccess: () => void) =>
  useChange<{ notebook: Notebook; body: ProfileBody }, unknown>(
    ['notebook', 'workload', 'quota', 'balance'],
    async (client, { notebook, body }) => {
      await client.patch(`/notebooks/${notebook.id}`, body, notebook.version);
      return client.post(`/notebooks/${notebook.id}/start`);
    },
    { quiet: true, onSuccess }
  );
