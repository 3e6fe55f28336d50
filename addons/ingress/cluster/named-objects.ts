/**
 * Objects that are read by name, because somebody names them: the controller may not list Secrets, so that whoever takes it over
 * cannot either. They are read when they are asked for, and again from time to time.
 */
import { isNotFound, StatusError } from '../../../api/machinery/status-error.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { ConnectionError } from '../../../client/connection-error.ts';
import { DeadlineError } from '../../../client/deadline.ts';
import { objectKey, splitKey } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import type { Resource } from '../../../client/resource.ts';
import { WorkQueue } from '../../../client/work-queue.ts';

export interface NamedObjectsOptions<T extends KubeObject> {
  readonly client: ApiClient;
  readonly resource: Resource<T>;
  readonly refreshMs: number;
  readonly logger: Logger;
  readonly onChange: () => void;
}

const CONCURRENCY = 8;
/** One that is not there yet is often made soon after the Ingress. Each time that it is not, the wait is doubled. */
const MISSING_MS = 2_000;
const JITTER = 0.2;

export class NamedObjects<T extends KubeObject> {
  readonly #options: NamedObjectsOptions<T>;
  /** Undefined: it does not exist. */
  readonly #known = new Map<string, T | undefined>();
  /** How long one that is missing waits until it is looked for again. */
  readonly #missingMs = new Map<string, number>();
  readonly #queue: WorkQueue;
  readonly #outage: Outage;
  /** Asked for since `forgetUnasked`. */
  #asked = new Set<string>();
  #waiting: { readonly keys: Set<string>; readonly done: () => void }[] = [];

  constructor(options: NamedObjectsOptions<T>) {
    this.#options = options;
    this.#outage = new Outage(options);
    this.#queue = new WorkQueue({
      concurrency: CONCURRENCY,
      initialBackoffMs: 100,
      maxBackoffMs: 10_000,
      onError: (key, error, retryMs) => {
        if (!(error instanceof StatusError || error instanceof ConnectionError || error instanceof DeadlineError))
          throw error;
        this.#outage.failed(error, { resource: options.resource.plural, key, retryMs }, 'failed to read named object');
      },
    });
  }

  /** 'unknown': it is being read. */
  get(namespace: string, name: string): T | 'unknown' | undefined {
    const key = objectKey(namespace, name);
    const isNew = !this.#asked.has(key);
    this.#asked.add(key);
    if (this.#known.has(key)) return this.#known.get(key);
    if (isNew) this.#queue.add(key);
    return 'unknown';
  }

  /** Begins a round: what is not asked for until its end is forgotten. */
  beginRound(): void {
    this.#asked = new Set();
  }

  /** What nobody has asked for since `beginRound` is not read any more. */
  endRound(): void {
    for (const kept of [this.#known, this.#missingMs])
      for (const key of kept.keys()) if (!this.#asked.has(key)) kept.delete(key);
  }

  get isSettled(): boolean {
    return [...this.#asked].every((key) => this.#known.has(key));
  }

  /** Resolves when what has been asked for has been read once. The caller limits the wait. */
  settled(): Promise<void> {
    const keys = new Set([...this.#asked].filter((key) => !this.#known.has(key)));
    if (keys.size === 0) return Promise.resolve();
    return new Promise((done) => this.#waiting.push({ keys, done }));
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#queue.run((key, stop) => this.#read(key, stop), signal);
  }

  #missed(key: string): number {
    const waitMs = Math.min(this.#missingMs.get(key) ?? MISSING_MS, this.#options.refreshMs);
    this.#missingMs.set(key, 2 * waitMs);
    return waitMs;
  }

  async #read(key: string, signal: AbortSignal): Promise<void> {
    if (!this.#asked.has(key)) return;
    const { client, resource, refreshMs, onChange } = this.#options;
    const { namespace, name } = splitKey(key);
    let object: T | undefined;
    try {
      object = await client.get<T>(resource, namespace, name, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    this.#outage.ended({ resource: resource.plural }, 'named objects are read again');
    const before = this.#known.get(key);
    const isNews = !this.#known.has(key) || before?.metadata?.resourceVersion !== object?.metadata?.resourceVersion;
    // One that has not changed stays the same object: what was made of it counts.
    if (isNews) this.#known.set(key, object);
    for (const waiting of this.#waiting) if (waiting.keys.delete(key) && waiting.keys.size === 0) waiting.done();
    this.#waiting = this.#waiting.filter(({ keys }) => keys.size > 0);
    this.#queue.addAfter(key, (object ? refreshMs : this.#missed(key)) * (1 + JITTER * Math.random()));
    if (object) this.#missingMs.delete(key);
    if (isNews) onChange();
  }
}
