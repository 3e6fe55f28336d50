import type { Test } from 'tap';
import type { Store, StoreEvent } from '../../control-plane/store/store.ts';

export interface Collected {
  readonly events: StoreEvent[];
  /** The revision of the last batch. */
  revision: number;
  /** Settles as the watch does. */
  readonly ended: Promise<void>;
  readonly stop: () => void;
}

/** Collects the events of a watch until it is stopped or the test ends. */
export function collect(t: Test, store: Store, prefix: string, after: number): Collected {
  const stopping = new AbortController();
  const events: StoreEvent[] = [];
  const ended = store.watch(
    prefix,
    after,
    (batch) => {
      for (const event of batch.events) events.push(event);
      collected.revision = batch.revision;
    },
    { signal: stopping.signal },
  );
  const collected: Collected = { events, revision: after, ended, stop: () => stopping.abort() };
  t.teardown(() => stopping.abort());
  return collected;
}
