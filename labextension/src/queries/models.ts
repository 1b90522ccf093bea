/** Registered models and their versions. */
import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import type { Model, ModelVersion } from '../api/types';
import { useFrame } from '../frame';
import { useChange, useList, useOne, type PagedList } from './common';
import { keys } from './keys';

type Many<T> = T[] | { items: T[] };
const rows = <T>(answer: Many<T>): T[] => (Array.isArray(answer) ? answer : answer.items);
const CHANGED = ['model', 'model_version'] as const;

export const useModels = (query: Record<string, string>): PagedList<Model> => useList<Model>('model', '/models', query);

export const useModel = (id: number): UseQueryResult<Model> => useOne<Model>('model', id, `/models/${id}`, id > 0);

export function useModelVersions(id: number): UseQueryResult<ModelVersion[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.part('model', id, 'versions'),
    queryFn: async () => rows(await client.get<Many<ModelVersion>>(`/models/${id}/versions`)),
    enabled: id > 0
  });
}

export const useDeleteModel = (onSuccess: () => void) =>
  useChange<number, unknown>(CHANGED, (client, id) => client.delete(`/models/${id}`), { quiet: true, onSuccess });

export const useDeleteVersion = (model: number, onSuccess: () => void) =>
  useChange<string, unknown>(CHANGED, (client, version) => client.delete(`/models/${model}/versions/${version}`), {
    quiet: true,
    onSuccess
  });

export const useSetAlias = (model: number) =>
  useChange<{ alias: string; version: string }, unknown>(CHANGED, (client, input) =>
    client.put(`/models/${model}/aliases/${encodeURIComponent(input.alias)}`, { version: input.version })
  );
