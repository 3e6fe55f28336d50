/** Composition of graceful node shutdown: the host's logind tells of a shutdown, and it is remembered how the last one went. */
import { allowDelay, followShutdown, isShuttingDown, ShutdownLock } from '../host/logind.ts';
import type { AgentMetrics } from '../stats/agent-metrics.ts';
import { GracefulShutdown, type GracefulShutdownOptions } from './graceful-shutdown.ts';
import { shutdownPeriods, type ShutdownConfig } from './shutdown-plan.ts';
import { ShutdownRecord } from './shutdown-record.ts';

export interface ShutdownOptions extends Omit<GracefulShutdownOptions, 'logind' | 'periods' | 'record'> {
  readonly config: ShutdownConfig;
  readonly dataDir: string;
  readonly metrics: Pick<AgentMetrics, 'include'>;
}

const LOGIND: GracefulShutdownOptions['logind'] = {
  allowDelay,
  takeLock: (asking) => ShutdownLock.take(asking),
  isShuttingDown,
  follow: followShutdown,
};

export async function createShutdown({
  config,
  dataDir,
  metrics,
  ...options
}: ShutdownOptions): Promise<GracefulShutdown> {
  const record = await ShutdownRecord.open(dataDir, options.logger);
  metrics.include(record);
  return new GracefulShutdown({ ...options, logind: LOGIND, periods: shutdownPeriods(config), record });
}
