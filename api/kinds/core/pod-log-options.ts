/** The query of `pods/{name}/log` (PodLogOptions), as both the api-server and the node API parse it. */
import { forbidden, invalid, notSupported, type FieldError } from '../../machinery/field-error.ts';
import { isTrue, parseInt64, type Query } from '../../machinery/query-values.ts';
import { badRequest } from '../../machinery/status-error.ts';

export type LogStream = 'All' | 'Stdout' | 'Stderr';

export interface PodLogOptions {
  readonly container: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  readonly stream: string;
  readonly insecureSkipTLSVerifyBackend: boolean;
}

const STREAMS: readonly LogStream[] = ['All', 'Stdout', 'Stderr'];

function integer(query: Query, name: string): number | undefined {
  const text = query.get(name);
  if (!text) return undefined;
  return parseInt64(text);
}

function time(query: Query, name: string): string | undefined {
  const text = query.get(name);
  if (!text || text === 'null') return undefined;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) || Number.isNaN(Date.parse(text)))
    throw badRequest(
      `parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(text)} as "2006"`,
    );
  return text;
}

/** Throws a 400 StatusError for a malformed query. */
export function readPodLogOptions(query: Query): PodLogOptions {
  return {
    container: query.get('container') ?? '',
    follow: isTrue(query.get('follow')),
    previous: isTrue(query.get('previous')),
    timestamps: isTrue(query.get('timestamps')),
    sinceSeconds: integer(query, 'sinceSeconds'),
    sinceTime: time(query, 'sinceTime'),
    tailLines: integer(query, 'tailLines'),
    limitBytes: integer(query, 'limitBytes'),
    stream: query.get('stream') || 'All',
    insecureSkipTLSVerifyBackend: isTrue(query.get('insecureSkipTLSVerifyBackend')),
  };
}

/** Upstream's `ValidatePodLogOptions`. */
export function validatePodLogOptions(options: PodLogOptions): FieldError[] {
  const errors: FieldError[] = [];
  const { tailLines, limitBytes, sinceSeconds, sinceTime, stream } = options;
  if (tailLines !== undefined && tailLines < 0)
    errors.push(invalid('tailLines', tailLines, 'must be greater than or equal to 0'));
  if (limitBytes !== undefined && limitBytes < 1)
    errors.push(invalid('limitBytes', limitBytes, 'must be greater than 0'));
  if (sinceSeconds !== undefined && sinceTime !== undefined)
    errors.push(forbidden('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  else if (sinceSeconds !== undefined && sinceSeconds < 1)
    errors.push(invalid('sinceSeconds', sinceSeconds, 'must be greater than 0'));
  if (!STREAMS.some((known) => known === stream)) errors.push(notSupported('stream', stream, STREAMS));
  else if (stream !== 'All' && tailLines !== undefined)
    errors.push(forbidden('', '`tailLines` and specific `stream` are mutually exclusive for now'));
  return errors;
}

/** The query of the api-server's request to the node; the container is in its path. */
export function podLogQuery(options: PodLogOptions): URLSearchParams {
  const query = new URLSearchParams();
  if (options.follow) query.set('follow', 'true');
  if (options.previous) query.set('previous', 'true');
  if (options.timestamps) query.set('timestamps', 'true');
  if (options.sinceSeconds !== undefined) query.set('sinceSeconds', String(options.sinceSeconds));
  if (options.sinceTime !== undefined) query.set('sinceTime', options.sinceTime);
  if (options.tailLines !== undefined) query.set('tailLines', String(options.tailLines));
  if (options.limitBytes !== undefined) query.set('limitBytes', String(options.limitBytes));
  if (options.stream !== 'All') query.set('stream', options.stream);
  return query;
}
