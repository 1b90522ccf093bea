/** Hooks every area uses: one object, a list read page by page, a change with its error shown. */
import {
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
  type UseMutationResult,
  type UseQueryResult
} from '@tanstack/react-query';
import { useMemo } from 'react';
import type { Client, QueryParameters } from '../api/client';
import type { Page } from '../api/types';
import { toastError } from '../components/feedback';
import { useFrame } from '../frame';
import { keys } from './keys';

/** One object at `path`; refetched when an event names it. */
export function useOne<T>(kind: string, id: number, path: string, enabled = true): UseQueryResult<T> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.one(kind, id),
    queryFn: ({ signal }) => client.get<T>(path, undefined, signal),
    enabled
  });
}

/** A part of an object: statistics, versions, history … */
export function usePart<T>(
  kind: string,
  id: number,
  part: string,
  path: string,
  query?: QueryParameters,
  enabled = true
): UseQueryResult<T> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.part(kind, id, part, query ?? {}),
    queryFn: ({ signal }) => client.get<T>(path, query, signal),
    enabled
  });
}

export interface PagedList<T> {
  items: T[];
  total: number;
  totalCapped: boolean;
  isLoading: boolean;
  error: Error | null;
  hasMore: boolean;
  loadingMore: boolean;
  loadMore: () => void;
  refetch: () => void;
}

/** A list read by cursor, page after page, as one growing array. */
export function usePaged<T>(
  queryKey: readonly unknown[],
  path: string,
  query: QueryParameters,
  enabled = true
): PagedList<T> {
  const { client } = useFrame();
  const answer = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam, signal }) =>
      client.get<Page<T>>(path, { ...query, cursor: pageParam ?? undefined }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: page => page.next_cursor,
    placeholderData: previous => previous,
    enabled
  });
  const items = useMemo(() => answer.data?.pages.flatMap(page => page.items) ?? [], [answer.data]);
  const last = answer.data?.pages.at(-1);
  return {
    items,
    total: last?.total ?? items.length,
    totalCapped: last?.total_capped ?? false,
    isLoading: answer.isLoading,
    error: answer.error,
    hasMore: answer.hasNextPage,
    loadingMore: answer.isFetchingNextPage,
    loadMore: () => {
      if (answer.hasNextPage && !answer.isFetchingNextPage) {
        void answer.fetchNextPage();
      }
    },
    refetch: () => void answer.refetch()
  };
}

/** A list page of a kind. */
export function useList<T>(kind: string, path: string, query: QueryParameters = {}, enabled = true): PagedList<T> {
  return usePaged<T>(keys.list(kind, query), path, query, enabled);
}

/**
 * A write. On success everything of the named kinds is refetched; a failure is shown as a note unless the caller shows it
 * itself (`quiet`, for forms that put it beside their fields).
 */
export function useChange<Input, Output>(
  kinds: readonly string[],
  run: (client: Client, input: Input) => Promise<Output>,
  options: { quiet?: boolean; onSuccess?: (output: Output, input: Input) => void } = {}
): UseMutationResult<Output, Error, Input> {
  const { client } = useFrame();
  const queries = useQueryClient();
  const refetch = () =>
    queries.invalidateQueries({ predicate: query => kinds.includes(String(query.queryKey[0])) });
  return useMutation({
    mutationFn: (input: Input) => run(client, input),
    onSuccess: (output, input) => {
      void refetch();
      options.onSuccess?.(output, input);
    },
    onError: error => {
      // A refused write often means that what is shown is old.
      void refetch();
      if (!options.quiet) {
        toastError(error);
      }
    }
  });
}
