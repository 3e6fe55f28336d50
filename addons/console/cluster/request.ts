/** Requests to the API of the server that the page comes from, with the user's own token. */
import { withDeadline } from '../../../client/deadline.ts';
import { endSession, token } from './session.ts';

/** What an answer may take that is not a stream, and the beginning of one that is. */
const LIMIT_MS = 60_000;

export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

/** An answer that is a failure, or none; `code` is 0 when the server could not be reached. */
export class ApiError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly causes: readonly StatusCause[];
  readonly retryAfterSeconds: number;

  constructor(message: string, code: number, reason = '', causes: readonly StatusCause[] = [], retryAfterSeconds = 0) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.causes = causes;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export interface RequestOptions {
  readonly method?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly accept?: string;
  readonly contentType?: string;
  readonly body?: string;
  readonly signal?: AbortSignal;
  /** Of another session than the one that is kept. */
  readonly as?: string;
}

/** The response of a request that was successful, as a stream without a time limit. Rejects with an ApiError. */
export async function open(path: string, options: RequestOptions = {}): Promise<Response> {
  const bearer = options.as ?? token.value;
  // Browsers get indented JSON by default, which is larger.
  const query = new URLSearchParams({ ...options.query, pretty: 'false' });
  let response: Response;
  try {
    response = await withDeadline({ what: path, limitMs: LIMIT_MS }, (late) =>
      fetch(`${path}?${query.toString()}`, {
        method: options.method ?? 'GET',
        headers: {
          Authorization: `Bearer ${bearer}`,
          Accept: options.accept ?? 'application/json',
          ...(options.body !== undefined && { 'Content-Type': options.contentType ?? 'application/json' }),
        },
        // A certificate that the browser has is not what the user has logged in with.
        credentials: 'omit',
        cache: 'no-store',
        redirect: 'error',
        ...(options.body !== undefined && { body: options.body }),
        signal: options.signal ? AbortSignal.any([options.signal, late]) : late,
      }),
    );
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(messageOf(error), 0);
  }
  if (response.ok) return response;
  const failure = await failureOf(response);
  if (failure.code === 401 && options.as === undefined && bearer === token.value) endSession('expired');
  throw failure;
}

async function failureOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  const retryAfter = Number(response.headers.get('retry-after')) || 0;
  try {
    const status = JSON.parse(text) as { message?: string; reason?: string; details?: { causes?: StatusCause[] } };
    const message = status.message || `HTTP ${response.status}`;
    return new ApiError(message, response.status, status.reason, status.details?.causes, retryAfter);
  } catch {
    return new ApiError(text.slice(0, 500) || `HTTP ${response.status}`, response.status, '', [], retryAfter);
  }
}

/** The JSON of an answer. Rejects with an ApiError, also when it takes too long. */
export async function call<T>(path: string, options: RequestOptions = {}): Promise<T> {
  try {
    return await withDeadline(
      { what: path, limitMs: LIMIT_MS, ...(options.signal && { signal: options.signal }) },
      async (signal) => (await (await open(path, { ...options, signal })).json()) as T,
    );
  } catch (error) {
    if (error instanceof ApiError || options.signal?.aborted) throw error;
    throw new ApiError(messageOf(error), 0);
  }
}

export const send = <T>(method: string, path: string, body: unknown, options: RequestOptions = {}): Promise<T> =>
  call<T>(path, { ...options, method, body: JSON.stringify(body) });
