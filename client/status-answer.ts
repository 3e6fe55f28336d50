import { StatusError } from '../api/machinery/status-error.ts';
import type { Status } from '../api/types/meta/v1.gen.ts';

/** The StatusError for a response with a status code of 400 or above. */
export function toStatusError({ status, body }: { readonly status: number; readonly body: string }): StatusError {
  if (body.startsWith('{')) {
    const parsed = parseStatus(body);
    if (parsed) return new StatusError({ ...parsed, code: parsed.code ?? status });
  }
  // Not from an api-server but from a proxy or load balancer.
  return new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    reason: REASONS[status] ?? (status >= 500 ? 'InternalError' : 'Unknown'),
    message: body.trim().slice(0, 1024) || `the server answered with ${status}`,
    code: status,
  });
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Expired',
  429: 'TooManyRequests',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

function parseStatus(body: string): Status | undefined {
  try {
    const parsed = JSON.parse(body) as Status;
    return parsed.kind === 'Status' ? parsed : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
