/** Reads a workload's log from where it stands, and goes on while the work runs. */
import { useEffect, useRef, useState } from 'react';
import type { Client } from '../api/client';
import { LogText, type LogLine } from '../domain/log';
import { useFrame } from '../frame';

const CHUNK_BYTES = 262_144;
const POLL_MS = 1_000;

interface Chunk {
  bytes: Uint8Array;
  next: number;
  end: boolean;
}

async function readChunk(client: Client, workload: number, offset: number, replica: number, signal: AbortSignal) {
  const response = await client.send('GET', `/workloads/${workload}/log`, {
    query: { offset, limit: CHUNK_BYTES, replica },
    signal
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const next = Number(response.headers.get('Himalia-Log-Next') ?? offset + bytes.length);
  return { bytes, next, end: response.headers.get('Himalia-Log-End') === 'true' } satisfies Chunk;
}

export interface LiveLog {
  lines: readonly LogLine[];
  /** Counts appends, so that effects notice growth of the same array. */
  revision: number;
  ended: boolean;
  error: unknown;
  find: (query: string) => number[];
}

export function useLog(workload: number | null | undefined, replica = 0): LiveLog {
  const { client } = useFrame();
  const text = useRef(new LogText());
  const [state, setState] = useState({ revision: 0, ended: false, error: null as unknown });
  useEffect(() => {
    if (!workload) {
      return;
    }
    const ended = new AbortController();
    text.current = new LogText();
    setState({ revision: 0, ended: false, error: null });
    let offset = 0;
    let timer: ReturnType<typeof setTimeout>;
    const step = async () => {
      try {
        const chunk = await readChunk(client, workload, offset, replica, ended.signal);
        if (ended.signal.aborted) {
          return;
        }
        const grew = chunk.bytes.length > 0 || chunk.end;
        offset = chunk.next;
        if (grew) {
          text.current.append(chunk.bytes, chunk.end);
        }
        setState(old => ({ revision: old.revision + (grew ? 1 : 0), ended: chunk.end, error: null }));
        if (!chunk.end) {
          timer = setTimeout(() => void step(), chunk.bytes.length ? 50 : POLL_MS);
        }
      } catch (error) {
        if (!ended.signal.aborted) {
          setState(old => ({ ...old, error }));
          timer = setTimeout(() => void step(), 4 * POLL_MS);
        }
      }
    };
    void step();
    return () => {
      ended.abort();
      clearTimeout(timer);
    };
  }, [client, workload, replica]);
  return { ...state, lines: text.current.lines, find: query => text.current.find(query) };
}
