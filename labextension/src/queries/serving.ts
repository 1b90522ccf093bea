/** Online services: revisions, keys, call guide, monitoring, prediction. */
import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import type { AcceleratorWish, CallGuide, InferenceService, Monitoring, Prediction, ServiceKey } from '../api/types';
import { useFrame } from '../frame';
import { useChange, useList, useOne, type PagedList } from './common';
import { keys } from './keys';

type Many<T> = T[] | { items: T[] };
const rows = <T>(answer: Many<T>): T[] => (Array.isArray(answer) ? answer : answer.items);
const KIND = 'inference_service';
const CHANGED = [KIND, 'workload', 'quota', 'balance'] as const;

export interface VariantBody {
  name?: string;
  model_id: number;
  version: string;
  weight_percent: number;
  spec_id: number;
  accelerator_spec_id?: number;
  accelerator_wish?: AcceleratorWish;
  replicas: number;
}

export interface ServiceBody {
  name: string;
  description?: string;
  variants: VariantBody[];
}

export interface Revision {
  revision: number;
  created_at: string;
  author?: { id: number; name: string } | string | null;
  active?: boolean;
  variants: { name: string; model: { name: string; version: string }; weight_percent: number; replicas: number }[];
}

export const useServices = (query: Record<string, string>): PagedList<InferenceService> =>
  useList<InferenceService>(KIND, '/inference-services', query);

export const useService = (id: number): UseQueryResult<InferenceService> =>
  useOne<InferenceService>(KIND, id, `/inference-services/${id}`, id > 0);

function useServicePart<T>(id: number, part: string, every: number | false = false): UseQueryResult<T> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.part(KIND, id, part),
    queryFn: () => client.get<T>(`/inference-services/${id}/${part}`),
    refetchInterval: every
  });
}

export const useGuide = (id: number): UseQueryResult<CallGuide> => useServicePart<CallGuide>(id, 'guide');

export const useMonitoring = (id: number, live: boolean): UseQueryResult<Monitoring> =>
  useServicePart<Monitoring>(id, 'monitoring', live ? 5_000 : false);

export function useKeys(id: number): UseQueryResult<ServiceKey[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.part(KIND, id, 'keys'),
    queryFn: async () => rows(await client.get<Many<ServiceKey>>(`/inference-services/${id}/keys`))
  });
}

export function useRevisions(id: number): UseQueryResult<Revision[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.part(KIND, id, 'revisions'),
    queryFn: async () => rows(await client.get<Many<Revision>>(`/inference-services/${id}/revisions`))
  });
}

export const useDeploy = (onSuccess: (service: InferenceService) => void) =>
  useChange<ServiceBody, InferenceService>(CHANGED, (client, body) => client.post('/inference-services', body), {
    quiet: true,
    onSuccess
  });

export const useServiceAction = (id: number) =>
  useChange<'start' | 'stop', unknown>(CHANGED, (client, verb) => client.post(`/inference-services/${id}/${verb}`));

export const useDeleteService = (id: number, onSuccess: () => void) =>
  useChange<undefined, unknown>(CHANGED, client => client.delete(`/inference-services/${id}`), { quiet: true, onSuccess });

export const useSetWeights = (service: InferenceService) =>
  useChange<Record<string, number>, unknown>(
    CHANGED,
    (client, weights) => client.put(`/inference-services/${service.id}/weights`, { weights }, { version: service.version }),
    { quiet: true }
  );

export const useCreateKey = (id: number, onSuccess: (key: ServiceKey) => void) =>
  useChange<{ name: string; requests_per_minute?: number }, ServiceKey>(
    [KIND],
    (client, body) => client.post(`/inference-services/${id}/keys`, body),
    { quiet: true, onSuccess }
  );

export const useRevokeKey = (id: number) =>
  useChange<number, unknown>([KIND], (client, key) => client.delete(`/inference-services/${id}/keys/${key}`));

export const usePredict = (id: number) =>
  useChange<File, Prediction>(
    [],
    async (client, file) => {
      const response = await client.send('POST', `/inference-services/${id}/predict`, {
        raw: file,
        headers: { 'Content-Type': file.type || 'application/octet-stream' }
      });
      return (await response.json()) as Prediction;
    },
    { quiet: true }
  );
