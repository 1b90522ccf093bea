/**
 * What all panels of a page share: the client, the query cache, the event stream and the way to open another panel.
 * Made when the first panel is shown, so that it costs nothing at start.
 */
import { QueryClient } from '@tanstack/react-query';
import { createContext, useContext, useEffect } from 'react';
import { Client } from './api/client';
import { ApiError } from './api/errors';
import { EventStream } from './api/events';
import type { ChangeEvent } from './api/types';
import type { PanelArguments, PanelRegistry } from './panels/registry';

export interface Frame {
  client: Client;
  queries: QueryClient;
  stream: EventStream;
  panels: PanelRegistry;
  open: (panel: string, args?: PanelArguments) => void;
}

const RETRIES = 4;

export function makeQueries(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        gcTime: 10 * 60_000,
        networkMode: 'always',
        refetchOnWindowFocus: false,
        retry: (count, error) => error instanceof ApiError && error.unreachable && count < RETRIES,
        retryDelay: attempt => Math.min(500 * 2 ** attempt, 8_000)
      },
      mutations: { networkMode: 'always' }
    }
  });
}

/** Query keys are `[kind, facet, id?, …]`; a change of an object touches its lists and everything about that object. */
export function touches(key: readonly unknown[], change: ChangeEvent): boolean {
  return key[0] === change.kind && (key[1] === 'list' || key[2] === undefined || key[2] === change.id);
}

const GATHER_MS = 150;

/** Feeds changes into the cache, gathered so that a burst (an import, a training log) refetches once. */
export function followChanges(queries: QueryClient, stream: EventStream): () => void {
  let waiting: ChangeEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    const changes = waiting;
    waiting = [];
    timer = undefined;
    void queries.invalidateQueries({ predicate: query => changes.some(change => touches(query.queryKey, change)) });
  };
  const stop = stream.listen(message => {
    if (message.type === 'reset') {
      void queries.invalidateQueries();
    } else if (message.type === 'change') {
      waiting.push(message.change);
      timer ??= setTimeout(flush, GATHER_MS);
    }
  });
  return () => {
    stop();
    clearTimeout(timer);
  };
}

let shared: Frame | null = null;

export function sharedFrame(panels: PanelRegistry, open: Frame['open']): Frame {
  if (!shared) {
    const client = new Client();
    const queries = makeQueries();
    const stream = new EventStream(client.settings);
    followChanges(queries, stream);
    stream.start();
    window.addEventListener('pagehide', () => stream.stop());
    shared = { client, queries, stream, panels, open };
  }
  return shared;
}

export const FrameContext = createContext<Frame | null>(null);

export function useFrame(): Frame {
  const frame = useContext(FrameContext);
  if (!frame) {
    throw new Error('useFrame needs a FrameContext around it');
  }
  return frame;
}

/** The tab a panel lives in. View state kept in `args` under `view.` survives a reload with the tab. */
export interface Tab {
  args: PanelArguments;
  setTitle(title: string): void;
  setView(changes: PanelArguments): void;
  close(): void;
}

export const TabContext = createContext<Tab | null>(null);

export function useTab(): Tab {
  const tab = useContext(TabContext);
  if (!tab) {
    throw new Error('useTab needs a TabContext around it');
  }
  return tab;
}

/** Names the tab after its object, once that is known. */
export function useTitle(title: string | undefined): void {
  const tab = useTab();
  useEffect(() => {
    if (title) {
      tab.setTitle(title);
    }
    // The tab object is new at each rendering; only another title counts.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [title]);
}
