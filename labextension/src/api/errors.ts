/** Typed errors of the API. Panels branch on `code`, never on text. */
import type { FieldProblem, Problem } from './types';

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail || problem.title);
    this.name = 'ApiError';
    this.status = problem.status;
    this.code = problem.code;
    this.problem = problem;
  }

  get requestId(): string | null {
    return this.problem.request_id ?? null;
  }

  get hint(): string | null {
    return this.problem.hint ?? null;
  }

  /** The refusals that belong to single form fields. */
  get fields(): FieldProblem[] {
    const several = this.problem.details?.errors;
    if (several?.length) {
      return several;
    }
    if (this.problem.field) {
      return [
        {
          field: this.problem.field,
          rule: this.problem.rule ?? '',
          value: this.problem.value,
          message: this.message
        }
      ];
    }
    return [];
  }

  /** True when nothing reached the platform, so that sending the same again later is right. */
  get unreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

export const isApiError = (error: unknown): error is ApiError => error instanceof ApiError;

/** Reads an error answer; bodies that are not problem details (a proxy's page, say) still become a typed error. */
export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text().catch(() => '');
  let body: unknown = null;
  try {
    body = JSON.parse(text);
  } catch {
    body = null;
  }
  const record = (body && typeof body === 'object' ? body : {}) as Partial<Problem> & { message?: string };
  return {
    ...record,
    title: record.title ?? (response.statusText || `HTTP ${response.status}`),
    detail: record.detail ?? record.message ?? null,
    status: response.status,
    code: record.code ?? `http_${response.status}`,
    request_id: record.request_id ?? response.headers.get('X-Request-Id')
  };
}
