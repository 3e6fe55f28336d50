/** Forgets Events an hour after they were last counted up: upstream's --event-ttl. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Event } from '../../api/core/event.ts';
import { StatusError, isConflict, isNotFound } from '../../api/machinery/status-error.ts';
import { ConnectionError } from '../../client/connection-error.ts';
import { events } from '../../client/resources.ts';
import type { ControllerContext } from './context.ts';

const TTL_MS = 3_600_000;
/** How often it is looked; Events are not watched, since nobody here needs to know them. */
const PERIOD_MS = 300_000;
/** Deletions that are under way at once. */
const BATCH = 8;

/** When the Event was last written, as far as it says, in ms since the epoch. */
function lastSeen({ metadata, series, lastTimestamp, eventTime }: Event): number {
  const times = [series?.lastObservedTime, lastTimestamp, eventTime, metadata?.creationTimestamp];
  return Math.max(0, ...times.map((time) => Date.parse(time ?? '') || 0));
}

export const isExpired = (event: Event, now: number): boolean => now - lastSeen(event) > TTL_MS;

/** Looks every few minutes until the signal is aborted. */
export async function runEventExpiry({ client, logger, signal }: ControllerContext): Promise<void> {
  async function sweep(): Promise<void> {
    const expired: Event[] = [];
    const now = Date.now();
    // What is kept of a page are the Events to be deleted.
    await client.listPages(events, (page) => expired.push(...page.filter((event) => isExpired(event, now))), {
      signal,
    });
    for (let at = 0; at < expired.length; at += BATCH) {
      await Promise.all(expired.slice(at, at + BATCH).map(remove));
    }
  }

  async function remove({ metadata = {} }: Event): Promise<void> {
    const { namespace = '', name = '', uid, resourceVersion } = metadata;
    try {
      await client.delete(events, namespace, name, { uid, resourceVersion, signal });
    } catch (error) {
      // Counted up meanwhile, or gone.
      if (!isConflict(error) && !isNotFound(error)) throw error;
    }
  }

  for (;;) {
    await delay(PERIOD_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      await sweep();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof StatusError || error instanceof ConnectionError)) throw error;
      logger.warn({ err: error.message }, 'old events could not be cleared away');
    }
  }
}
