/**
 * How long a rule waits for answers, and how often it asks again. Pure. Everything throws UnsupportedError.
 * https://gateway-api.sigs.k8s.io/geps/gep-1742/, https://gateway-api.sigs.k8s.io/geps/gep-1731/
 */
import type { Limits } from '../model/routing.ts';
import { UnsupportedError } from './matches.ts';
import type { RouteRuleSpec } from './objects.ts';

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
]);
const DAY_MS = 86_400_000;
const MAX_ATTEMPTS = 10;
/** What the proxy can ask again after. */
const RETRYABLE: readonly number[] = [401, 403, 404, 408, 425, 500, 501, 502, 503, 504];

/** GEP-2257: `1h30m`, `500ms`. Milliseconds, a day at most. */
export function durationMs(text: string): number {
  if (!/^(\d{1,5}(h|m|s|ms)){1,4}$/.test(text)) throw new UnsupportedError(`${JSON.stringify(text)} is no duration`);
  let total = 0;
  for (const [, digits, unit = ''] of text.matchAll(/(\d+)(ms|h|m|s)/g))
    total += Number(digits) * (UNIT_MS.get(unit) ?? 0);
  return Math.min(total, DAY_MS);
}

type Said = Pick<RouteRuleSpec<unknown>, 'timeouts' | 'retry'>;

/**
 * All attempts together fit into `request`; one of them may last as long as `backendRequest` says, or else its share of `request`.
 */
export function readLimits({ timeouts, retry }: Said): Limits {
  const [requestMs, backendMs] = [timeouts?.request, timeouts?.backendRequest].map((text) =>
    text === undefined || text === '' ? undefined : durationMs(text),
  );
  const codes = retry && readCodes(retry.codes ?? []);
  const attempts = retry && readAttempts(retry.attempts ?? 1);
  if (requestMs === undefined && backendMs === undefined) return { answerMs: undefined, attempts, codes };
  const limits = [requestMs, backendMs].filter((limitMs) => limitMs !== undefined && limitMs > 0) as number[];
  if (limits.length === 0) return { answerMs: 0, attempts, codes };
  if (attempts === undefined || !requestMs) return { answerMs: Math.min(...limits), attempts, codes };
  const answerMs = backendMs ? Math.min(...limits) : Math.max(1, Math.floor(requestMs / (attempts + 1)));
  return { answerMs, attempts: Math.min(attempts, Math.max(0, Math.floor(requestMs / answerMs) - 1)), codes };
}

function readAttempts(attempts: number): number {
  if (!Number.isInteger(attempts) || attempts < 0) throw new UnsupportedError('attempts of a retry are no number');
  return Math.min(attempts, MAX_ATTEMPTS);
}

function readCodes(codes: readonly number[]): readonly number[] {
  const odd = codes.find((code) => !RETRYABLE.includes(code));
  if (odd !== undefined)
    throw new UnsupportedError(`retries after status ${odd} are not supported: after ${RETRYABLE.join(', ')} they are`);
  return [...new Set(codes)].sort((a, b) => a - b);
}
