/** Events expire an hour after their last write, as upstream. */
import type { Logger } from '../../../client/logger.ts';
import { ConflictError, StoreUnavailableError, type Store } from '../../store/store.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { Entry } from './cache/entry.ts';

/** Upstream's `--event-ttl`. */
export const DEFAULT_EVENT_TTL_MS = 3600_000;
/** Events are deleted in batches, so that an idle server wakes up rarely. */
const SWEEPS_PER_TTL = 60;
/** Concurrent deletions, which share flushes of the store. */
const SWEEP_SLICE = 100;

interface Written {
  readonly namespace: string;
  readonly name: string;
  readonly revision: number;
  /** Milliseconds of a monotonic clock. */
  readonly at: number;
}

export interface EventExpiryOptions {
  readonly events: ServedResource;
  readonly store: Store;
  readonly ttlMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Expires events until the signal is aborted; existing events count as written now. Has no timer while there are none. */
export function expireEvents(options: EventExpiryOptions): void {
  const { events, ttlMs, logger, signal } = options;
  /** Oldest first. An event that was written again is in it twice; the older entry is ignored. */
  let written: Written[] = [];
  let timer: NodeJS.Timeout | undefined;

  const note = ({ namespace, name, revision }: Entry): void => {
    written.push({ namespace, name, revision, at: performance.now() });
    timer ??= setTimeout(sweep, ttlMs / SWEEPS_PER_TTL).unref();
  };
  const sweep = (): void => {
    const horizon = performance.now() - ttlMs;
    const young = written.findIndex(({ at }) => at > horizon);
    const old = young < 0 ? written : written.slice(0, young);
    written = young < 0 ? [] : written.slice(young);
    removeAll(old, options)
      .catch((error: unknown) => logger.error({ err: error }, 'failed to remove expired events'))
      .finally(() => {
        timer = written.length > 0 && !signal.aborted ? setTimeout(sweep, ttlMs / SWEEPS_PER_TTL).unref() : undefined;
      })
      .catch((error: unknown) => logger.error({ err: error }, 'event expiry stopped'));
  };

  for (const entry of events.cache.entries('')) note(entry);
  events.cache.follow(({ type, entry }) => {
    if (type !== 'DELETED') note(entry);
  });
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
}

async function removeAll(old: readonly Written[], options: EventExpiryOptions): Promise<void> {
  for (let first = 0; first < old.length && !options.signal.aborted; first += SWEEP_SLICE) {
    await Promise.all(old.slice(first, first + SWEEP_SLICE).map((event) => remove(event, options)));
  }
}

async function remove(
  { namespace, name, revision }: Written,
  { events, store, logger }: EventExpiryOptions,
): Promise<void> {
  if (events.cache.get(namespace, name)?.revision !== revision) return;
  try {
    await store.delete(events.storeKey(namespace, name), { revision });
  } catch (error) {
    // Written or deleted meanwhile.
    if (error instanceof ConflictError) return;
    // A full disk rejects deletions, too; the event stays until the server is restarted.
    if (!(error instanceof StoreUnavailableError)) throw error;
    logger.warn({ err: error, event: `${namespace}/${name}` }, 'failed to remove expired event');
  }
}
