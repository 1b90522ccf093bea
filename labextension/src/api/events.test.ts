// @vitest-environment jsdom
import { describe, expect, it, vi } from 'vitest';
import { ServerConnection } from '@jupyterlab/services';
import { EventStream, type StreamMessage, type StreamParts } from './events';
import { touches } from '../frame';

class Source {
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readyState = 1;
  closed = false;
  private readonly listeners = new Map<string, (event: MessageEvent<string>) => void>();
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(type, listener);
  }
  close(): void {
    this.closed = true;
  }
  send(type: string, data: unknown): void {
    this.listeners.get(type)?.(new MessageEvent(type, { data: JSON.stringify(data) }));
  }
}

/** A browser with tabs: one lock handed on when its holder lets go, one channel that reaches the other tabs. */
class Browser {
  readonly sources: Source[] = [];
  private readonly channels: StreamParts['channel'][] = [];
  private holder: Promise<unknown> | null = null;

  tab(): { stream: EventStream; heard: StreamMessage[] } {
    const channel: StreamParts['channel'] = {
      onmessage: null,
      postMessage: (data: unknown) =>
        this.channels
          .filter(other => other !== channel)
          .forEach(other => {
            other.onmessage?.call({} as BroadcastChannel, new MessageEvent('message', { data }));
          }),
      close: () => undefined
    };
    this.channels.push(channel);
    const request = (_name: string, options: { signal: AbortSignal }, run: () => Promise<void>) => {
      const turn = (this.holder ?? Promise.resolve()).then(() => (options.signal.aborted ? undefined : run()));
      this.holder = turn;
      return turn;
    };
    const parts: StreamParts = {
      locks: { request: request as unknown as LockManager['request'] },
      channel,
      open: () => {
        const source = new Source();
        this.sources.push(source);
        return source as unknown as EventSource;
      }
    };
    const stream = new EventStream(ServerConnection.makeSettings({ baseUrl: 'http://lab.test/' }), parts);
    const heard: StreamMessage[] = [];
    stream.listen(message => heard.push(message));
    stream.start();
    return { stream, heard };
  }
}

const change = { kind: 'dataset', id: 7, op: 'updated' as const };

describe('UI-2: one stream per browser', () => {
  it('lets one tab read and tells the others, who know the connection at once', async () => {
    const browser = new Browser();
    const first = browser.tab();
    await vi.waitFor(() => expect(browser.sources).toHaveLength(1));
    browser.sources[0]?.onopen?.();
    const second = browser.tab();
    expect(second.stream.state).toBe('connected');
    browser.sources[0]?.send('change', change);
    expect(first.heard).toContainEqual({ type: 'change', change });
    expect(second.heard).toContainEqual({ type: 'change', change });
    expect(browser.sources).toHaveLength(1);
  });

  it('hands over when the reading tab closes, and refetches because something may be missed', async () => {
    const browser = new Browser();
    const first = browser.tab();
    await vi.waitFor(() => expect(browser.sources).toHaveLength(1));
    const second = browser.tab();
    first.stream.stop();
    await vi.waitFor(() => expect(browser.sources).toHaveLength(2));
    expect(browser.sources[0]?.closed).toBe(true);
    browser.sources[1]?.onopen?.();
    expect(second.heard.map(message => message.type)).toContain('reset');
  });

  it('shows a lost connection and connects again after a refusal', async () => {
    vi.useFakeTimers();
    const browser = new Browser();
    const { stream } = browser.tab();
    await vi.waitFor(() => expect(browser.sources).toHaveLength(1));
    const source = browser.sources[0] as Source;
    source.readyState = 2;
    source.onerror?.();
    expect(stream.state).toBe('lost');
    await vi.advanceTimersByTimeAsync(1_500);
    expect(browser.sources).toHaveLength(2);
    vi.useRealTimers();
  });
});

describe('what a change touches', () => {
  it.each([
    [['dataset', 'list', undefined, {}], true],
    [['dataset', 'one', 7], true],
    [['dataset', 'items', 7, {}], true],
    [['dataset', 'one', 8], false],
    [['model', 'list', undefined, {}], false]
  ])('%j: %s', (key, expected) => expect(touches(key, change)).toBe(expected));
});
