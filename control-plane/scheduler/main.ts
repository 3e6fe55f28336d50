/** Puts a scheduler together from its configuration, and runs it. */
import type { ApiClient } from '../../client/api-client.ts';
import type { Logger } from '../../client/logger.ts';
import { profileFrom } from './configuration/profiles.ts';
import { defaultSchedulerSettings, type SchedulerSettings } from './configuration/settings.ts';
import { HttpExtender } from './extenders/http-extender.ts';
import { Scheduler } from './scheduler.ts';

export interface RunSchedulerOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** The defaults when undefined. */
  readonly settings: SchedulerSettings | undefined;
  /** Called with what returns the metrics of this scheduler. */
  readonly onMetrics: (metrics: () => string) => void;
}

/** Schedules until the signal is aborted. */
export async function runScheduler(options: RunSchedulerOptions): Promise<void> {
  const { client, logger, signal, settings = defaultSchedulerSettings(), onMetrics } = options;
  if (settings.withoutEffect.length > 0)
    logger.info({ fields: settings.withoutEffect }, 'fields of the scheduler configuration have no effect');
  await using stack = new AsyncDisposableStack();
  const extenders = settings.extenders.map((extender) => stack.use(new HttpExtender(extender)));
  const scheduler = new Scheduler({
    ...{ client, logger, extenders },
    profiles: settings.profiles.map(profileFrom),
    backoff: { initialMs: settings.podInitialBackoffSeconds * 1000, maxMs: settings.podMaxBackoffSeconds * 1000 },
  });
  onMetrics(() => scheduler.metrics());
  await scheduler.run(signal);
}
