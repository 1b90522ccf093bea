/**
 * Live changes: one stream per browser, however many tabs are open.
 *
 * The tab that holds the Web Lock reads the server-sent events and tells the others over a BroadcastChannel. When it
 * closes, the next tab gets the lock. Every new connection starts with a `reset`, because changes may have been missed.
 */
import { URLExt } from '@jupyterlab/coreutils';
import type { ServerConnection } from '@jupyterlab/services';
import type { ChangeEvent } from './types';

export type ConnectionState = 'connecting' | 'connected' | 'lost';

export type StreamMessage =
  | { type: 'change'; change: ChangeEvent }
  | { type: 'reset' }
  | { type: 'state'; state: ConnectionState }
  | { type: 'hello' };

export interface StreamParts {
  locks: Pick<LockManager, 'request'> | undefined;
  channel: Pick<BroadcastChannel, 'postMessage' | 'close'> & { onmessage: BroadcastChannel['onmessage'] };
  open: (url: string) => EventSource;
}

function browserParts(name: string): StreamParts {
  return {
    locks: navigator.locks,
    channel: new BroadcastChannel(name),
    open: url => new EventSource(withXsrf(url, document.cookie), { withCredentials: true })
  };
}

/** An EventSource sends no headers, and a server behind the hub asks every fetch for its XSRF token. */
export function withXsrf(url: string, cookies: string): string {
  const token = /(?:^|;\s*)_xsrf=([^;]+)/.exec(cookies)?.[1];
  return token ? `${url}${url.includes('?') ? '&' : '?'}_xsrf=${encodeURIComponent(token)}` : url;
}

/** `EventSource.CLOSED`: the browser has given up. */
const CLOSED = 2;
const RETRY_FIRST_MS = 1_000;
const RETRY_MOST_MS = 15_000;

export class EventStream {
  private readonly url: string;
  private readonly name: string;
  private readonly parts: StreamParts;
  private readonly listeners = new Set<(message: StreamMessage) => void>();
  private readonly ended = new AbortController();
  private source: EventSource | null = null;
  private leading = false;
  private retryMs = RETRY_FIRST_MS;
  state: ConnectionState = 'connecting';

  constructor(settings: ServerConnection.ISettings, parts?: StreamParts) {
    const token = settings.appendToken && settings.token ? `?token=${encodeURIComponent(settings.token)}` : '';
    this.url = URLExt.join(settings.baseUrl, 'himalia/events') + token;
    this.name = `himalia-events:${settings.baseUrl}`;
    this.parts = parts ?? browserParts(this.name);
  }

  listen(listener: (message: StreamMessage) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  start(): void {
    this.parts.channel.onmessage = event => this.hear(event.data as StreamMessage);
    this.parts.channel.postMessage({ type: 'hello' } satisfies StreamMessage);
    const lead = () =>
      new Promise<void>(resolve => {
        this.leading = true;
        this.ended.signal.addEventListener('abort', () => resolve());
        this.connect();
      });
    if (this.parts.locks) {
      void this.parts.locks.request(this.name, { signal: this.ended.signal }, lead).catch(() => undefined);
    } else {
      void lead();
    }
  }

  stop(): void {
    this.ended.abort();
    this.source?.close();
    this.parts.channel.close();
  }

  private hear(message: StreamMessage): void {
    if (message.type === 'hello') {
      if (this.leading) {
        this.parts.channel.postMessage({ type: 'state', state: this.state } satisfies StreamMessage);
      }
      return;
    }
    this.deliver(message);
  }

  private tell(message: StreamMessage): void {
    this.parts.channel.postMessage(message);
    this.deliver(message);
  }

  private deliver(message: StreamMessage): void {
    if (message.type === 'state') {
      this.state = message.state;
    }
    for (const listener of this.listeners) {
      listener(message);
    }
  }

  private connect(): void {
    if (this.ended.signal.aborted) {
      return;
    }
    const source = this.parts.open(this.url);
    this.source = source;
    source.onopen = () => {
      this.retryMs = RETRY_FIRST_MS;
      this.tell({ type: 'state', state: 'connected' });
      this.tell({ type: 'reset' });
    };
    source.addEventListener('change', event => {
      this.tell({ type: 'change', change: JSON.parse((event as MessageEvent<string>).data) as ChangeEvent });
    });
    source.addEventListener('reset', () => this.tell({ type: 'reset' }));
    source.onerror = () => {
      this.tell({ type: 'state', state: 'lost' });
      // The browser retries by itself unless the answer was an error status; then we do.
      if (source.readyState === CLOSED) {
        source.close();
        setTimeout(() => this.connect(), this.retryMs);
        this.retryMs = Math.min(this.retryMs * 2, RETRY_MOST_MS);
      }
    };
  }
}
