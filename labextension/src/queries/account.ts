/** Who is asking, what the installation is, what is running, what is left. */
import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { ConnectionState } from '../api/events';
import type { Balance, Installation, Me, Page, Quota, SearchHit, ServerContext, Task, Workload } from '../api/types';
import { setCurrency } from '../domain/format';
import { hasEnded } from '../domain/state';
import { useFrame } from '../frame';
import { useChange, useOne } from './common';
import { keys } from './keys';

const HOUR = 3_600_000;

export function useMe(): UseQueryResult<Me> {
  const { client } = useFrame();
  return useQuery({ queryKey: keys.me, queryFn: () => client.get<Me>('/me'), staleTime: HOUR });
}

/** Whether the person holds a permission; undefined while unknown. */
export function useCan(): (permission: string | undefined) => boolean | undefined {
  const me = useMe();
  return permission => (permission === undefined ? true : me.data && permission in me.data.permissions);
}

export function useInstallation(): UseQueryResult<Installation> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.installation,
    queryFn: async () => {
      const installation = await client.get<Installation>('/installation');
      setCurrency(installation.currency);
      return installation;
    },
    staleTime: HOUR
  });
}

export function useServer(): UseQueryResult<ServerContext> {
  const { client } = useFrame();
  return useQuery({ queryKey: keys.context, queryFn: () => client.context(), staleTime: HOUR });
}

/** Nothing is asked, and nothing shown, of whoever may not see it: an annotator has no balance, an auditor no quota. */
export function useBalance(): UseQueryResult<Balance> {
  const { client } = useFrame();
  const can = useCan();
  return useQuery({
    queryKey: keys.balance,
    queryFn: () => client.get<Balance>('/balance'),
    enabled: can('money.balance.read') === true
  });
}

export function useQuota(): UseQueryResult<Quota> {
  const { client } = useFrame();
  const can = useCan();
  return useQuery({
    queryKey: keys.quota,
    queryFn: () => client.get<Quota>('/quota'),
    enabled: can('compute.quota.read') === true
  });
}

/** The person's own work that occupies resources now; what else they may see is not theirs to follow. */
export function useRunning(): UseQueryResult<Workload[]> {
  const { client } = useFrame();
  const can = useCan();
  return useQuery({
    queryKey: keys.list('workload', { active: true, mine: true }),
    queryFn: async () => (await client.get<Page<Workload>>('/workloads', { active: true, mine: true, limit: 100 })).items,
    enabled: can('compute.workload.read') === true
  });
}

const USAGE_EVERY_MS = 5_000;

/** The workload this notebook server is, with its use refreshed every few seconds. */
export function useThisServer(): UseQueryResult<Workload> {
  const { client } = useFrame();
  const can = useCan();
  const server = useServer();
  const id = server.data?.workload_id ?? 0;
  return useQuery({
    queryKey: keys.one('workload', id),
    queryFn: ({ signal }) => client.get<Workload>(`/workloads/${id}`, undefined, signal),
    enabled: id > 0 && can('compute.workload.read') === true,
    refetchInterval: USAGE_EVERY_MS
  });
}

/**
 * How long a task that ended stays in sight. A success needs a glance, and what it made is in its list anyway; a failure
 * has to be there still when somebody comes back from another tab or a coffee.
 */
const SUCCEEDED_SHOWN_MS = 8_000;
const OTHERS_SHOWN_MS = 120_000;

/** The latest tasks that run, and those that ended a moment before `now`, in whichever session they were begun. */
export function useTasks(now: number): Task[] {
  const { client } = useFrame();
  const can = useCan();
  const tasks = useQuery({
    queryKey: keys.list('task', { limit: 20 }),
    queryFn: async () => (await client.get<Page<Task>>('/tasks', { limit: 20, sort: '-created_at' })).items,
    enabled: can('compute.task.read') === true,
    refetchInterval: query => (query.state.data?.some(task => !hasEnded(task.state)) ? 2_000 : false)
  });
  return (tasks.data ?? []).filter(task => {
    if (!hasEnded(task.state) || task.ended_at === null) {
      return true;
    }
    return now - Date.parse(task.ended_at) < (task.state === 'succeeded' ? SUCCEEDED_SHOWN_MS : OTHERS_SHOWN_MS);
  });
}

export function useTask(id: number | null | undefined): UseQueryResult<Task> {
  return useOne<Task>('task', id ?? 0, `/tasks/${id}`, !!id);
}

export const useCancelTask = () =>
  useChange<number, unknown>(['task', 'dataset'], (client, id) => client.post(`/tasks/${id}/cancel`));

interface Stop {
  path: string;
  permission: string;
}

const SERVICE_STOP: Stop = { path: '/inference-services', permission: 'serve.service.stop' };

const STOP: Record<string, Stop> = {
  notebook: { path: '/notebooks', permission: 'develop.notebook.stop' },
  run: { path: '/runs', permission: 'train.job.stop' },
  inference_service: SERVICE_STOP,
  service_variant: SERVICE_STOP
};

const stopOf = (workload: Workload): Stop | undefined => STOP[workload.object?.kind ?? workload.kind];

/** Where the object behind a workload is stopped, if it can be stopped from here. */
export function stopPath(workload: Workload): string | null {
  const stop = stopOf(workload);
  return stop && workload.object ? `${stop.path}/${workload.object.id}/stop` : null;
}

/** What stopping a workload takes; undefined when it cannot be stopped from here. */
export const stopPermission = (workload: Workload): string | undefined => stopOf(workload)?.permission;

export const useStopWork = () =>
  useChange<Workload, unknown>(['workload', 'notebook', 'run', 'inference_service'], (client, workload) =>
    client.post(stopPath(workload) ?? '')
  );

export function useSearch(text: string): UseQueryResult<SearchHit[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.search(text),
    queryFn: async ({ signal }) => (await client.get<{ items: SearchHit[] }>('/search', { q: text }, signal)).items,
    enabled: text.trim().length > 0,
    placeholderData: previous => previous
  });
}

export function useConnection(): ConnectionState {
  const { stream } = useFrame();
  const [state, setState] = useState(stream.state);
  useEffect(() => {
    setState(stream.state);
    return stream.listen(message => message.type === 'state' && setState(message.state));
  }, [stream]);
  return state;
}

/** The clock, for elapsed times: renders again every `everyMs`. */
export function useNow(everyMs = 1_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** A value that follows another after it has been still for a moment: search fields. */
export function useSettled<T>(value: T, afterMs = 250): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), afterMs);
    return () => clearTimeout(timer);
  }, [value, afterMs]);
  return settled;
}
