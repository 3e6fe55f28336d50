/**
 * `/healthz`, `/livez` and `/readyz`, with `?verbose`, `?exclude=` and a path per check:
 * https://kubernetes.io/docs/reference/using-api/health-checks/
 */
import { EXPOSITION_TYPE } from '../../../daemon/metrics/exposition.ts';
import { HealthMetrics } from '../../../daemon/metrics/health-metrics.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { Exchange } from '../http/exchange.ts';
import type { PathHandler } from '../verbs/handlers.ts';

export interface Check {
  readonly name: string;
  /** The reason of a failure; undefined when the check passes. */
  failure(): string | undefined;
}

/** Each scrape makes the checks, as a probe would. */
const SLIS = '/metrics/slis';
const ROOTS = ['/healthz', '/livez', '/readyz'] as const;

/** @param more checks of all three */
export function healthHandler(
  registry: Registry,
  stopping: AbortSignal,
  ready: () => boolean,
  more: readonly Check[],
): PathHandler {
  const alive: Check[] = [
    { name: 'ping', failure: () => undefined },
    {
      name: 'etcd',
      failure: () => registry.lag,
    },
    ...more,
  ];
  const readiness: Check[] = [
    ...alive,
    { name: 'etcd-readiness', failure: () => registry.lag },
    { name: 'poststarthook/bootstrap', failure: () => (ready() ? undefined : 'not finished') },
    { name: 'shutdown', failure: () => (stopping.aborted ? 'process is shutting down' : undefined) },
  ];
  const metrics = new HealthMetrics();
  return (exchange) => {
    const { path } = exchange.info;
    if (path === SLIS) {
      for (const [type, checks] of [
        ['healthz', alive],
        ['livez', alive],
        ['readyz', readiness],
      ] as const)
        for (const check of checks) metrics.checked(type, check.name, check.failure() === undefined);
      exchange.write(200, EXPOSITION_TYPE, metrics.text());
      return true;
    }
    const root = ROOTS.find((known) => path === known || path.startsWith(`${known}/`));
    if (!root) return false;
    const checks = root === '/readyz' ? readiness : alive;
    if (path === root) answer(exchange, root.slice(1), checks);
    else {
      const one = checks.find(({ name }) => path === `${root}/${name}`);
      if (!one) return false;
      answer(exchange, one.name, [one]);
    }
    return true;
  };
}

function answer(exchange: Exchange, name: string, checks: readonly Check[]): void {
  const { query } = exchange.info;
  const excluded = new Set(query.getAll('exclude'));
  const lines: string[] = [];
  let failed = false;
  for (const check of checks) {
    if (excluded.delete(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`);
      continue;
    }
    const failure = check.failure();
    if (failure) failed = true;
    lines.push(failure ? `[-]${check.name} failed: ${failure}` : `[+]${check.name} ok`);
  }
  if (excluded.size > 0) {
    const names = [...excluded].map((unknown) => JSON.stringify(unknown)).join(', ');
    lines.push(`warn: some health checks cannot be excluded: no matches for ${names}`);
  }
  const type = 'text/plain; charset=utf-8';
  const headers = { 'X-Content-Type-Options': 'nosniff' };
  if (failed) exchange.write(500, type, `${lines.join('\n')}\n${name} check failed\n`, headers);
  else if (query.has('verbose')) exchange.write(200, type, `${lines.join('\n')}\n${name} check passed\n`, headers);
  else exchange.write(200, type, 'ok', headers);
}
