/** Records of administration: one description of a collection gives its list, one record, and its changes. */
import { useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query';
import type { QueryParameters } from '../api/client';
import { useFrame } from '../frame';
import { usePaged, type PagedList } from './common';
import { keys } from './keys';

export interface Collection<T> {
  /** The name its changes are announced by, and its first query key. */
  kind: string;
  path: string;
  key: (item: T) => string | number;
  /** Sent with every request: which organisation the collection is of. */
  query?: QueryParameters;
  /** Where making a record says that: in its body instead of the query. */
  scopeInBody?: boolean;
}

const one = (path: string, key: string | number): string => `${path}/${encodeURIComponent(String(key))}`;

export const useRecords = <T>(of: Collection<T>, query: QueryParameters = {}, enabled = true): PagedList<T> =>
  usePaged<T>(keys.list(of.kind, { ...query, ...of.query }), of.path, { ...query, ...of.query }, enabled);

export function useRecord<T>(of: Collection<T>, key: string | number, enabled = true): UseQueryResult<T> {
  const { client } = useFrame();
  return useQuery({
    queryKey: [of.kind, 'one', key, of.query ?? {}],
    queryFn: ({ signal }) => client.get<T>(one(of.path, key), of.query, signal),
    enabled
  });
}

export interface RecordChanges<T> {
  read: (key: string | number) => Promise<T>;
  create: <Made = T>(body: unknown) => Promise<Made>;
  update: (key: string | number, changes: unknown, version: number) => Promise<T>;
  remove: <Answer = undefined>(key: string | number, version?: number, query?: QueryParameters) => Promise<Answer>;
  act: <Answer = T>(key: string | number, action: string, body?: unknown, version?: number) => Promise<Answer>;
  /** Reads everything of the collection again. */
  refresh: () => Promise<void>;
}

/** The writes of a collection. Each refetches what it touched; failures are the caller's to show. */
export function useRecordChanges<T>(of: Collection<T>, touched: readonly string[] = []): RecordChanges<T> {
  const { client } = useFrame();
  const queries = useQueryClient();
  /** `gone`: the key of a record that is deleted; asking for it again would be refused, and be in the audit log. */
  const refresh = (gone?: string | number) =>
    queries.invalidateQueries({
      predicate: ({ queryKey: [kind, , key] }) => [of.kind, ...touched].includes(String(kind)) && !(gone !== undefined && kind === of.kind && key === gone)
    });
  const after = async <R>(answer: Promise<R>): Promise<R> => {
    try {
      return await answer;
    } finally {
      // A refused write too: what is shown may be old.
      void refresh();
    }
  };
  return {
    read: key => client.get<T>(one(of.path, key), of.query),
    create: <Made = T>(body: unknown) => after(
        of.scopeInBody
          ? client.post<Made>(of.path, { ...(body as object), ...of.query })
          : client.post<Made>(of.path, body, { query: of.query })
      ),
    update: (key, changes, version) => after(client.json<T>('PATCH', one(of.path, key), { body: changes, version, query: of.query })),
    remove: async <Answer = undefined>(key: string | number, version?: number, query?: QueryParameters) => {
      let gone: string | number | undefined;
      try {
        const answer = await client.json<Answer>('DELETE', one(of.path, key), { version, query: { ...of.query, ...query } });
        gone = key;
        return answer;
      } finally {
        void refresh(gone);
      }
    },
    act: <Answer = T>(key: string | number, action: string, body?: unknown, version?: number) =>
      after(client.post<Answer>(`${one(of.path, key)}/${action}`, body, { version, query: of.query })),
    refresh: () => refresh()
  };
}

/** Every entry of a short list, for choices in forms: departments, groups, organisations. */
export function useChoices<T>(of: Collection<T>, query: QueryParameters = {}, enabled = true): UseQueryResult<T[]> {
  const { client } = useFrame();
  const asked = { limit: 500, ...query, ...of.query };
  return useQuery({
    queryKey: [of.kind, 'list', undefined, asked, 'choices'],
    queryFn: async ({ signal }) => (await client.get<{ items: T[] }>(of.path, asked, signal)).items,
    enabled
  });
}

/** A list that the platform answers whole: searched and sorted here. */
export function wholeList<T>(
  answer: UseQueryResult<T[]>,
  view: { search: string; sort: string },
  words: (item: T) => string,
  sorts: Record<string, (item: T) => string | number>
): PagedList<T> {
  const wanted = view.search.trim().toLowerCase();
  const by = sorts[view.sort.replace(/^-/, '')];
  const sign = view.sort.startsWith('-') ? -1 : 1;
  const items = (answer.data ?? []).filter(item => !wanted || words(item).toLowerCase().includes(wanted));
  if (by) {
    items.sort((a, b) => sign * compare(by(a), by(b)));
  }
  return {
    items,
    total: items.length,
    totalCapped: false,
    isLoading: answer.isLoading,
    error: answer.error,
    hasMore: false,
    loadingMore: false,
    loadMore: () => undefined,
    refetch: () => void answer.refetch()
  };
}

const compare = (a: string | number, b: string | number): number =>
  typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
