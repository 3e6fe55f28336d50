/**
 * Records Events, as client-go's `record.EventRecorder` does: repeated Events are counted in one object, floods are
 * aggregated and rate-limited per object, and recording never blocks and never throws.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeObject } from '../api/machinery/kind.ts';
import { validateSubdomainName } from '../api/machinery/names.ts';
import { StatusError, isNamespaceTerminating, isNotFound } from '../api/machinery/status-error.ts';
import { timeOf } from '../api/machinery/time.ts';
import type { ApiClient } from './api-client.ts';
import { backoffMs } from './backoff.ts';
import { ConnectionError } from './connection-error.ts';
import type { Logger } from './logger.ts';
import { Outage } from './outage.ts';
import { events } from './resources.gen.ts';
import type { Event, ObjectReference } from '../api/types/core/v1.gen.ts';

export interface EventRecorderOptions {
  readonly client: ApiClient;
  /** `kubelet`, `default-scheduler`, `replicaset-controller`, ... */
  readonly component: string;
  /** The node's name, for components that run on a node. */
  readonly host?: string;
  readonly logger: Logger;
  /** Aborts writes in flight. */
  readonly signal?: AbortSignal;
  /** Called for every Event, those that are dropped for being too many among them. It must not throw. */
  readonly recorded?: (occurrence: EventOccurrence) => void;
}

export type EventType = 'Normal' | 'Warning';

/** client-go's EventCorrelator: this many similar Events within the interval are combined into one. */
const AGGREGATE_AFTER = 10;
const AGGREGATE_INTERVAL_MS = 600_000;
/** client-go's spam filter: the burst of Events per object; after it one every five minutes. */
const BURST = 25;
const REFILL_MS = 300_000;
/** The most entries in each cache, and the most Events in the queue. */
const MEMORY = 1024;
const MAX_QUEUED = 1000;
const MAX_MESSAGE_BYTES = 1024;
const ATTEMPTS = 5;
const RETRY = { initialMs: 500, maxMs: 10_000 };

interface Sent {
  readonly namespace: string;
  readonly name: string;
  count: number;
}
/** Times are of the monotonic clock: when the other one is set, nothing is dropped or combined for it. */
interface Flood {
  readonly messages: Set<string>;
  lastAt: number;
}
interface Bucket {
  tokens: number;
  at: number;
}

/** The reference of an object in an Event. List items have no kind, so the caller gives it. */
export const referenceTo = (apiVersion: string, kind: string, { metadata }: KubeObject): ObjectReference => ({
  apiVersion,
  kind,
  namespace: metadata?.namespace,
  name: metadata?.name,
  uid: metadata?.uid,
  resourceVersion: metadata?.resourceVersion,
});

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #sent = new Map<string, Sent>();
  readonly #floods = new Map<string, Flood>();
  readonly #buckets = new Map<string, Bucket>();
  #queued = 0;
  #tail: Promise<void> = Promise.resolve();
  readonly #outage: Outage;
  readonly #overflow: Outage;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#outage = new Outage(options);
    this.#overflow = new Outage(options);
  }

  /** Records an Event about the object that `regarding` identifies (kind, name and uid). Enqueues it and returns at once. */
  event(regarding: ObjectReference, type: EventType, reason: string, message: string): void {
    const { logger } = this.#options;
    const now = Date.now();
    this.#options.recorded?.({ regarding, type, reason, message, at: now });
    if (!this.#takeToken(regarding)) {
      logger.debug(
        { reason, object: `${regarding.namespace}/${regarding.name}` },
        'event dropped: too many events about this object',
      );
      return;
    }
    if (this.#queued >= MAX_QUEUED) {
      const error = new Error(`${MAX_QUEUED} events are waiting to be sent`);
      this.#overflow.failed(error, { reason }, 'event dropped: queue is full');
      return;
    }
    this.#overflow.ended({}, 'event queue recovered');
    this.#queued++;
    this.#tail = this.#tail.then(() => this.#deliver(regarding, type, reason, truncate(message), now));
  }

  /** Resolves when every Event recorded so far has been sent or dropped. */
  async flush(): Promise<void> {
    await this.#tail;
  }

  #takeToken({ kind, namespace, name, uid }: ObjectReference): boolean {
    const now = performance.now();
    const key = `${kind}/${namespace}/${name}/${uid}`;
    const bucket = this.#buckets.get(key) ?? { tokens: BURST, at: now };
    const refilled = Math.min(BURST, bucket.tokens + (now - bucket.at) / REFILL_MS);
    remember(this.#buckets, key, { tokens: refilled >= 1 ? refilled - 1 : refilled, at: now });
    return refilled >= 1;
  }

  async #deliver(
    regarding: ObjectReference,
    type: EventType,
    reason: string,
    message: string,
    at: number,
  ): Promise<void> {
    const about = [
      regarding.kind,
      regarding.namespace,
      regarding.name,
      regarding.uid,
      regarding.fieldPath,
      type,
      reason,
    ].join('\0');
    const combined = this.#isFlood(about, message);
    const text = combined ? `(combined from similar events): ${message}` : message;
    // A combined Event is one series, whatever its latest message.
    const key = combined ? about : `${about}\0${message}`;
    try {
      await this.#write(key, { regarding, type, reason, message: text, at });
      this.#outage.ended({}, 'event recording recovered');
    } catch (error) {
      const about = { reason, object: `${regarding.namespace ?? ''}/${regarding.name}` };
      // As upstream's clients: what goes with its namespace is no news.
      if (isNamespaceTerminating(error))
        this.#options.logger.debug({ ...about, err: error }, 'event not recorded, its namespace is being terminated');
      else if (error instanceof StatusError && error.code < 500)
        this.#options.logger.warn({ ...about, err: error }, 'api-server rejected event');
      else this.#outage.failed(error, about, 'failed to record event');
    } finally {
      this.#queued--;
    }
  }

  #isFlood(about: string, message: string): boolean {
    const at = performance.now();
    const known = this.#floods.get(about);
    const flood =
      known && at - known.lastAt < AGGREGATE_INTERVAL_MS ? known : { messages: new Set<string>(), lastAt: at };
    flood.lastAt = at;
    if (flood.messages.size < AGGREGATE_AFTER) flood.messages.add(message);
    remember(this.#floods, about, flood);
    return flood.messages.size >= AGGREGATE_AFTER;
  }

  async #write(key: string, occurrence: EventOccurrence): Promise<void> {
    const { client, signal } = this.#options;
    const sent = this.#sent.get(key);
    if (sent) {
      const count = sent.count + 1;
      const patch = { count, message: occurrence.message, lastTimestamp: timeOf(occurrence.at) };
      try {
        await retried(
          () => client.patch(events, sent.namespace, sent.name, patch, { type: 'strategic', signal }),
          signal,
        );
        sent.count = count;
        remember(this.#sent, key, sent);
        return;
      } catch (error) {
        // The Event has expired: create a new one below.
        if (!isNotFound(error)) throw error;
      }
    }
    const event = this.#newEvent(occurrence);
    const { namespace = '', name = '' } = event.metadata ?? {};
    await retried(() => client.create(events, event, { signal }), signal);
    remember(this.#sent, key, { namespace, name, count: 1 });
  }

  #newEvent({ regarding, type, reason, message, at }: EventOccurrence): Event {
    const { component, host } = this.#options;
    const namespace = regarding.namespace || 'default';
    // client-go names Events after the object and the time in nanoseconds.
    const unique = (BigInt(at) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n)).toString(16);
    const named = `${regarding.name}.${unique}`;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      // Names of other kinds may be longer than an Event's name, or contain invalid characters.
      metadata: { name: validateSubdomainName(named).length === 0 ? named : randomUUID(), namespace },
      involvedObject: regarding,
      reason,
      message,
      type,
      source: { component, ...(host && { host }) },
      firstTimestamp: timeOf(at),
      lastTimestamp: timeOf(at),
      count: 1,
      reportingComponent: component,
      reportingInstance: host ?? '',
    };
  }
}

export interface EventOccurrence {
  readonly regarding: ObjectReference;
  readonly type: EventType;
  readonly reason: string;
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

function truncate(message: string): string {
  const bytes = Buffer.from(message);
  return bytes.length <= MAX_MESSAGE_BYTES
    ? message
    : bytes.subarray(0, MAX_MESSAGE_BYTES - 3).toString('utf8') + '...';
}

/** The server may be restarting: retry a few times, then drop the Event. */
async function retried(attempt: () => Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  for (let failures = 1; ; failures++) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (!(error instanceof ConnectionError) || error.isOfClosedClient || failures >= ATTEMPTS) throw error;
      await delay(backoffMs(RETRY, failures), undefined, { signal });
    }
  }
}

/** Inserts the entry as the newest, and evicts the oldest when the cache is full. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MEMORY) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
