/** Algorithms, jobs, runs, their metrics and outputs. */
import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import type {
  AcceleratorAnswer,
  AcceleratorWish,
  Algorithm,
  Dataset,
  DatasetVersion,
  Job,
  MetricSeries,
  ModelVersion,
  Page,
  ResourceSpec,
  Run,
  RunOutput,
  RunPreview,
  Usage,
  Verdict
} from '../api/types';
import { useFrame } from '../frame';
import { useChange, useList, useOne, type PagedList } from './common';
import { keys } from './keys';

export interface JobBody {
  name: string;
  algorithm_id: number;
  dataset: { id: number; version: string };
  parameters: Record<string, unknown>;
  spec_id: number;
  accelerator_spec_id?: number;
  accelerator_wish?: AcceleratorWish;
  longest_seconds?: number;
  description?: string;
}

type Many<T> = T[] | { items: T[] };
const rows = <T>(answer: Many<T>): T[] => (Array.isArray(answer) ? answer : answer.items);

export const useJobs = (query: Record<string, string>): PagedList<Job> => useList<Job>('job', '/jobs', query);

export const useJob = (id: number): UseQueryResult<Job> => useOne<Job>('job', id, `/jobs/${id}`, id > 0);

export const useRun = (id: number): UseQueryResult<Run> => useOne<Run>('run', id, `/runs/${id}`, id > 0);

export function useRunsOfJob(job: number): UseQueryResult<Run[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.list('run', { job }),
    queryFn: async () => rows(await client.get<Many<Run>>(`/jobs/${job}/runs`, { limit: 100 })),
    enabled: job > 0
  });
}

export function useRunMetrics(id: number): UseQueryResult<MetricSeries[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.part('run_metrics', id, 'series'),
    queryFn: async () => (await client.get<{ series: MetricSeries[] }>(`/runs/${id}/metrics`)).series,
    enabled: id > 0
  });
}

export function useRunOutputs(id: number, enabled: boolean): UseQueryResult<RunOutput[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.part('run', id, 'outputs'),
    queryFn: async () => rows(await client.get<Many<RunOutput>>(`/runs/${id}/outputs`)),
    enabled: enabled && id > 0
  });
}

export function useWorkloadUsage(workload: number | undefined, live: boolean): UseQueryResult<Usage[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.part('workload', workload ?? 0, 'usage'),
    queryFn: async () => (await client.get<{ samples: Usage[] }>(`/workloads/${workload}/usage`)).samples,
    enabled: !!workload,
    refetchInterval: live ? 5_000 : false
  });
}

export function useAlgorithms(): UseQueryResult<Algorithm[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.list('algorithm'),
    queryFn: async () => rows(await client.get<Many<Algorithm>>('/algorithms', { limit: 100 }))
  });
}

export function useSpecs(scenario: string): UseQueryResult<ResourceSpec[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.list('spec', { scenario }),
    queryFn: async () =>
      rows(await client.get<Many<ResourceSpec>>('/specs')).filter(
        spec => spec.scenario === 'any' || spec.scenario === scenario
      )
  });
}

/** One of the workloads that start together: a run has one, a service one for each variant. */
export interface StartPart {
  spec_id: number;
  accelerator_spec_id?: number;
  accelerator_wish?: AcceleratorWish;
  replicas?: number;
}

/** The verdict of starting now; asked again as the choice or the quota changes. */
export function useVerdict(parts: StartPart[] | null, scenario: string): UseQueryResult<Verdict> {
  const { client } = useFrame();
  return useQuery({
    queryKey: ['quota', 'verdict', undefined, parts, scenario],
    queryFn: () => client.post<Verdict>('/verdict', { parts, scenario }),
    enabled: !!parts?.length,
    placeholderData: previous => previous,
    refetchInterval: 10_000
  });
}

/** What satisfies a wish right now, ranked; asked anew while the form is open, since others start and stop. */
export function useAcceleratorOffers(
  ask: (AcceleratorWish & { spec_id?: number; scenario: string }) | null
): UseQueryResult<AcceleratorAnswer> {
  const { client } = useFrame();
  return useQuery({
    queryKey: ['quota', 'accelerators', undefined, ask],
    queryFn: () => client.post<AcceleratorAnswer>('/accelerators/resolve', ask),
    enabled: !!ask,
    placeholderData: previous => previous,
    refetchInterval: 10_000
  });
}

export function usePublishedDatasets(): UseQueryResult<Dataset[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.list('dataset', { published: true, limit: 200 }),
    queryFn: async () =>
      (await client.get<Page<Dataset>>('/datasets', { limit: 200 })).items.filter(one => one.current_version)
  });
}

export function useVersionsOf(dataset: number | null): UseQueryResult<DatasetVersion[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.part('dataset', dataset ?? 0, 'published'),
    queryFn: async () => rows(await client.get<Many<DatasetVersion>>(`/datasets/${dataset}/versions`)),
    enabled: dataset !== null
  });
}

/** The command exactly as it will run; only asked for when the form is whole. */
export function usePreview(body: JobBody | null): UseQueryResult<RunPreview> {
  const { client } = useFrame();
  return useQuery({
    queryKey: ['quota', 'preview', undefined, body],
    queryFn: () => client.post<RunPreview>('/jobs/preview', body),
    enabled: body !== null,
    placeholderData: previous => previous,
    retry: false
  });
}

const CHANGED = ['job', 'run', 'workload', 'quota', 'balance'] as const;

export const useStartJob = (onSuccess: (job: Job) => void) =>
  useChange<JobBody, Job>(CHANGED, (client, body) => client.post('/jobs', body), { quiet: true, onSuccess });

export const useStartRun = (job: number, onSuccess: (run: Run) => void) =>
  useChange<Partial<JobBody>, Run>(CHANGED, (client, body) => client.post(`/jobs/${job}/runs`, body), {
    quiet: true,
    onSuccess
  });

export const useStopRun = () => useChange<number, unknown>(CHANGED, (client, id) => client.post(`/runs/${id}/stop`));

export const useRepeatRun = (onSuccess: (run: Run) => void) =>
  useChange<number, Run>(CHANGED, (client, id) => client.post(`/runs/${id}/repeat`), { onSuccess });

export const useDeleteJob = (onSuccess: () => void) =>
  useChange<number, unknown>(CHANGED, (client, id) => client.delete(`/jobs/${id}`), { onSuccess });

export const useSaveModel = (run: number, onSuccess: (version: ModelVersion) => void) =>
  useChange<{ model_id?: number; model_name?: string; description?: string }, ModelVersion>(
    ['model', 'model_version', 'run'],
    (client, body) => client.post(`/runs/${run}/model`, body),
    { quiet: true, onSuccess }
  );
