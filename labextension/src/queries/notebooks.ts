/** Notebooks: named servers with resources, environment and data. */
import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import { useFrame } from '../frame';
import { useChange, useList, type PagedList } from './common';
import { keys } from './keys';
import type { Environment, Notebook } from '../api/types';
import type { ProfileBody } from './profiles';
import type { StartPart } from './training';

type Many<T> = T[] | { items: T[] };
const rows = <T>(answer: Many<T>): T[] => (Array.isArray(answer) ? answer : answer.items);
const CHANGED = ['notebook', 'workload', 'quota', 'balance'] as const;

export const useNotebooks = (query: Record<string, string>): PagedList<Notebook> =>
  useList<Notebook>('notebook', '/notebooks', query);

export function useEnvironments(): UseQueryResult<Environment[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.list('environment'),
    queryFn: async () => rows(await client.get<Many<Environment>>('/environments'))
  });
}

export const useCreateNotebook = (onSuccess: () => void) =>
  useChange<StartPart & { name: string; environment: string; description?: string } & ProfileBody, Notebook>(
    CHANGED,
    (client, body) => client.post('/notebooks', body),
    { quiet: true, onSuccess }
  );

export const useNotebookAction = () =>
  useChange<{ id: number; verb: 'start' | 'stop' }, unknown>(CHANGED, (client, { id, verb }) =>
    client.post(`/notebooks/${id}/${verb}`)
  );

export const useDeleteNotebook = (onSuccess: () => void) =>
  useChange<number, unknown>(CHANGED, (client, id) => client.delete(`/notebooks/${id}`), { quiet: true, onSuccess });
