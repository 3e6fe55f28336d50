import { parseDuration } from '../../../api/machinery/duration.ts';
import { badRequest } from '../../../api/machinery/status-error.ts';
import type { RequestInfo } from './request-info.ts';

/** Upstream's `--request-timeout`, for requests that are not long-running. */
const MAX_MS = 60_000;
const LONG_RUNNING = new Set(['exec', 'attach', 'portforward', 'proxy', 'log']);

/** Whether a request has no time limit. */
export const isLongRunning = ({ verb, subresource }: RequestInfo): boolean =>
  verb === 'watch' || LONG_RUNNING.has(subresource);

/**
 * The time limit of a request in milliseconds: its parameter `timeout` (a duration such as `32s`; 0 is ignored), up to the
 * server's own limit. Undefined for long-running requests. Throws a 400 StatusError.
 */
export function requestTimeoutMs(info: RequestInfo): number | undefined {
  if (isLongRunning(info)) return undefined;
  const { query } = info;
  const asked = query.size > 0 && query.get('timeout');
  if (!asked) return MAX_MS;
  const ms = parseDuration(asked);
  if (ms === undefined) {
    const why = `time: invalid duration ${JSON.stringify(asked)}`;
    throw badRequest(`invalid timeout specified in the request URL - ${why}`);
  }
  return ms > 0 ? Math.min(ms, MAX_MS) : MAX_MS;
}
