/** Renders a panel as its tab would, against a scripted API: a table of `METHOD /path` to an answer. */
import { ServerConnection } from '@jupyterlab/services';
import { render, type RenderResult } from '@testing-library/react';
import { useState, type JSX, type ReactNode } from 'react';
import { vi } from 'vitest';
import { Client } from '../api/client';
import { EventStream } from '../api/events';
import { FrameContext, TabContext, followChanges, makeQueries, type Frame, type Tab } from '../frame';
import { QueryClientProvider } from '@tanstack/react-query';
import { PanelRegistry, type PanelArguments } from '../panels/registry';

export interface Request {
  method: string;
  path: string;
  query: URLSearchParams;
  body: unknown;
  headers: Headers;
}

export type Answer = unknown;
export type Script = Record<string, (request: Request) => Answer>;

/** An answer that is not 200. */
export class Refuse {
  constructor(
    readonly status: number,
    readonly problem: Record<string, unknown> = {}
  ) {}
}

const BASE = 'http://lab.test/user/ada/';
const API = `${BASE}himalia/api/v1`;

function route(script: Script, request: Request): Answer {
  for (const [pattern, answer] of Object.entries(script)) {
    const [method, path] = pattern.split(' ', 2);
    const expression = new RegExp(`^${path?.replaceAll('*', '[^/]+')}$`);
    if (method === request.method && expression.test(request.path)) {
      return answer(request);
    }
  }
  return new Refuse(404, { title: 'Not found', code: 'not_found', detail: `${request.method} ${request.path}` });
}

/** A member, for panels whose test is not about who looks at them. */
export const member = (permissions: readonly string[] = MEMBERS): unknown => ({
  user: { id: 1, name: 'ada', display_name: 'Ada' },
  tenant: { code: 'home', name: 'Home' },
  department: null,
  roles: ['member'],
  permissions: Object.fromEntries(permissions.map(name => [name, 'own'])),
  with_step_up: {},
  step_up: null
});

const MEMBERS = [
  ...['read', 'create', 'edit', 'annotate', 'publish', 'export', 'delete'].map(action => `data.dataset.${action}`),
  ...['read', 'edit'].map(action => `data.label_group.${action}`),
  ...['read', 'edit', 'delete'].map(action => `model.model.${action}`),
  ...['workload', 'task', 'quota'].map(kind => `compute.${kind}.read`),
  'money.balance.read',
  'sharing.share.read',
  'sharing.share.manage',
  'serve.service.edit'
];

export interface Scripted {
  frame: Frame;
  requests: Request[];
  opened: [string, PanelArguments | undefined][];
  /** Delivers an event as the platform would. */
  emit: (kind: string, id: number) => void;
}

export function scriptedFrame(given: Script): Scripted {
  const script: Script = { 'GET /me': () => member(), ...given };
  const requests: Request[] = [];
  const opened: Scripted['opened'] = [];
  const answer = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const sent = new Request(input, init);
    const url = new URL(sent.url);
    const type = sent.headers.get('Content-Type') ?? '';
    const request: Request = {
      method: sent.method,
      path: url.pathname.replace(new URL(API).pathname, ''),
      query: url.searchParams,
      body: type.includes('json') ? await sent.json() : sent.body && (await sent.arrayBuffer()),
      headers: sent.headers
    };
    requests.push(request);
    const found = route(script, request);
    if (found instanceof Response) {
      return found;
    }
    if (found instanceof Refuse) {
      return Response.json({ status: found.status, title: '', code: 'x', ...found.problem }, { status: found.status });
    }
    return found === undefined ? new Response(null, { status: 204 }) : Response.json(found);
  };
  const settings = ServerConnection.makeSettings({ baseUrl: BASE, fetch: answer, token: '' });
  const client = new Client(settings);
  const stream = new EventStream(settings, {
    locks: undefined,
    channel: { postMessage: vi.fn(), close: vi.fn(), onmessage: null },
    open: () => ({ addEventListener: vi.fn(), close: vi.fn() }) as unknown as EventSource
  });
  const queries = makeQueries();
  queries.setDefaultOptions({ queries: { ...queries.getDefaultOptions().queries, retry: false } });
  followChanges(queries, stream);
  const frame: Frame = {
    client,
    queries,
    stream,
    panels: new PanelRegistry(),
    open: (panel, args) => opened.push([panel, args])
  };
  const emit = (kind: string, id: number) =>
    stream['deliver']({ type: 'change', change: { kind, id, op: 'updated' } });
  return { frame, requests, opened, emit };
}

function Holder(props: { scripted: Scripted; args: PanelArguments; children: (args: PanelArguments) => ReactNode }): JSX.Element {
  const [args, setArgs] = useState(props.args);
  const tab: Tab = {
    args,
    setTitle: vi.fn(),
    setView: changes => setArgs(old => ({ ...old, ...changes })),
    close: vi.fn()
  };
  return (
    <FrameContext.Provider value={props.scripted.frame}>
      <QueryClientProvider client={props.scripted.frame.queries}>
        <TabContext.Provider value={tab}>
          <div className="hm">{props.children(args)}</div>
        </TabContext.Provider>
      </QueryClientProvider>
    </FrameContext.Provider>
  );
}

export function renderPanel(
  Panel: (props: { args: PanelArguments }) => ReactNode,
  script: Script,
  args: PanelArguments = {}
): Scripted & RenderResult {
  const scripted = scriptedFrame(script);
  const result = render(<Holder scripted={scripted} args={args}>{now => <Panel args={now} />}</Holder>);
  return { ...scripted, ...result };
}

/** A list answer. */
export const page = <T,>(items: T[]) => ({ items, next_cursor: null, total: items.length, total_capped: false });
