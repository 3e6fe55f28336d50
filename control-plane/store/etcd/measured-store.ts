/** Measures the calls of a store, under upstream's names of its etcd client (`storage/etcd3/metrics`). */
import type { Exposition } from '../../../daemon/metrics/exposition.ts';
import { Counter, Histogram } from '../../../daemon/metrics/series.ts';
import {
  ConflictError,
  type CallOptions,
  type ListOptions,
  type ListResult,
  type Store,
  type StoredValue,
  type WatchBatch,
  type WriteOptions,
} from '../store.ts';

const BUCKETS_SECONDS = [
  ...[0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60],
];
const LABELS = ['operation', 'group', 'resource'] as const;

/** Of the calls of all stores of this process. */
export class StoreMetrics {
  readonly #seconds = new Histogram(
    'etcd_request_duration_seconds',
    'Latency of requests to etcd, by operation and resource.',
    BUCKETS_SECONDS,
    LABELS,
  );
  readonly #requests = new Counter('etcd_requests_total', 'Requests to etcd, by operation and resource.', LABELS);
  readonly #errors = new Counter(
    'etcd_request_errors_total',
    'Requests to etcd that have failed, by operation and resource.',
    LABELS,
  );

  called(
    labels: readonly [operation: string, group: string, resource: string],
    seconds: number,
    failed: boolean,
  ): void {
    this.#requests.increase(...labels);
    this.#seconds.observe(seconds, ...labels);
    if (failed) this.#errors.increase(...labels);
  }

  readonly write = (to: Exposition): void => {
    for (const metric of [this.#seconds, this.#requests, this.#errors]) metric.write(to);
  };
}

/** The resource whose objects are under a key. */
export type ResourceOfKey = (key: string) => { readonly group: string; readonly plural: string };

export class MeasuredStore implements Store {
  readonly expires: boolean;
  readonly metrics = new StoreMetrics();
  readonly #store: Store;
  readonly #resourceOf: ResourceOfKey;

  constructor(store: Store, resourceOf: ResourceOfKey) {
    this.expires = store.expires ?? false;
    this.#store = store;
    this.#resourceOf = resourceOf;
  }

  latestRevision(options?: CallOptions): number | Promise<number> {
    return this.#store.latestRevision(options);
  }

  get(key: string, options?: CallOptions): Promise<StoredValue | undefined> {
    return this.#measured('get', key, this.#store.get(key, options));
  }

  list(prefix: string, options?: ListOptions): Promise<ListResult> {
    return this.#measured('list', prefix, this.#store.list(prefix, options));
  }

  put(key: string, value: Buffer, options?: WriteOptions): Promise<number> {
    return this.#measured(options?.revision === 0 ? 'create' : 'update', key, this.#store.put(key, value, options));
  }

  delete(key: string, options?: WriteOptions): Promise<number> {
    return this.#measured('delete', key, this.#store.delete(key, options));
  }

  watch(
    prefix: string,
    afterRevision: number,
    onBatch: (batch: WatchBatch) => void,
    options?: CallOptions,
  ): Promise<void> {
    return this.#store.watch(prefix, afterRevision, onBatch, options);
  }

  requestProgress(): void {
    this.#store.requestProgress();
  }

  compact(revision: number, options?: CallOptions): Promise<void> {
    return this.#store.compact(revision, options);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #measured<T>(operation: string, key: string, call: Promise<T>): Promise<T> {
    const startedAt = performance.now();
    // A conflict is an answer.
    let failed = true;
    try {
      const result = await call;
      failed = false;
      return result;
    } catch (error) {
      failed = !(error instanceof ConflictError);
      throw error;
    } finally {
      const { group, plural } = this.#resourceOf(key);
      this.metrics.called([operation, group, plural], (performance.now() - startedAt) / 1000, failed);
    }
  }
}
