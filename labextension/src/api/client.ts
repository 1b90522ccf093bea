/**
 * The one way from the panels to the platform.
 *
 * Requests go to the server extension (`<base>himalia/api/v1/…`), which forwards them with the notebook's own token;
 * no token of the platform ever reaches the browser. Writes carry an idempotency key, so that a repeated request after a
 * lost connection has no second effect.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { ApiError, problemOf } from './errors';
import { language } from '../i18n';
import type { ServerContext } from './types';

export type QueryValue = string | number | boolean | null | undefined;
export type QueryParameters = Record<string, QueryValue | readonly QueryValue[]>;

export interface RequestOptions {
  query?: QueryParameters;
  body?: unknown;
  /** A body sent as it is, with its media type in `headers`. */
  raw?: BodyInit;
  headers?: Record<string, string>;
  /** The version the person saw; sent as `If-Match`. */
  version?: number | string;
  idempotencyKey?: string;
  signal?: AbortSignal;
}

const WRITES = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

export function queryString(query: QueryParameters | undefined): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== '') {
        parts.append(name, String(one));
      }
    }
  }
  const text = parts.toString();
  return text ? `?${text}` : '';
}

export class Client {
  readonly settings: ServerConnection.ISettings;
  /** A recent proof of presence (see stepup.ts); kept in memory only, sent with every request while it lasts. */
  grant: string | null = null;

  constructor(settings: ServerConnection.ISettings = ServerConnection.makeSettings()) {
    this.settings = settings;
  }

  /** Address of a path of the API, for images and downloads that the browser fetches by itself. */
  url(path: string, query?: QueryParameters): string {
    return URLExt.join(this.settings.baseUrl, 'himalia/api/v1', path) + queryString(query);
  }

  /** Address of a picture: platform paths come as `/datasets/…` or as the full API path. */
  media(path: string, query?: QueryParameters): string {
    const inner = path.replace(/^.*\/api\/v1(?=\/)/, '');
    const [bare, present] = inner.split('?', 2);
    const merged = { ...Object.fromEntries(new URLSearchParams(present ?? '')), ...query };
    return this.url(bare ?? inner, merged);
  }

  get<T>(path: string, query?: QueryParameters, signal?: AbortSignal): Promise<T> {
    return this.json<T>('GET', path, { query, signal });
  }

  post<T>(path: string, body?: unknown, options: RequestOptions = {}): Promise<T> {
    return this.json<T>('POST', path, { ...options, body });
  }

  patch<T>(path: string, body: unknown, version: number | string): Promise<T> {
    return this.json<T>('PATCH', path, { body, version });
  }

  put<T>(path: string, body: unknown, options: RequestOptions = {}): Promise<T> {
    return this.json<T>('PUT', path, { ...options, body });
  }

  delete<T = void>(path: string, options: RequestOptions = {}): Promise<T> {
    return this.json<T>('DELETE', path, options);
  }

  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.send(method, path, options);
    if (response.status === 204) {
      return undefined as T;
    }
    const text = await response.text();
    return (text ? JSON.parse(text) : undefined) as T;
  }

  /** Sends a request and throws an {@link ApiError} for everything that is not 2xx. */
  async send(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const headers: Record<string, string> = { 'Accept-Language': language(), ...options.headers };
    let body = options.raw;
    if (options.body !== undefined) {
      headers['Content-Type'] = 'application/json';
      body = JSON.stringify(options.body);
    }
    if (WRITES.has(method)) {
      headers['Idempotency-Key'] = options.idempotencyKey ?? crypto.randomUUID();
    }
    if (options.version !== undefined) {
      headers['If-Match'] = `"${options.version}"`;
    }
    if (this.grant) {
      headers['Himalia-Step-Up'] = this.grant;
    }
    // Lab's own default would add a time stamp to the query; the platform's answers say themselves what may be kept.
    const init: RequestInit = { method, headers, body, signal: options.signal, cache: 'default' };
    return this.exchange(this.url(path, options.query), init);
  }

  /** What the server extension says of itself; answered without the platform. */
  async context(): Promise<ServerContext> {
    const response = await this.exchange(URLExt.join(this.settings.baseUrl, 'himalia/context'), { method: 'GET', cache: 'default' });
    return (await response.json()) as ServerContext;
  }

  private async exchange(url: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(url, init, this.settings);
    } catch (error) {
      if (init.signal?.aborted) {
        throw error;
      }
      throw new ApiError({ title: 'Offline', detail: '', status: 0, code: 'offline' });
    }
    if (!response.ok) {
      throw new ApiError(await problemOf(response));
    }
    return response;
  }
}
