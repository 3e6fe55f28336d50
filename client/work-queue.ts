/**
 * A rate-limited work queue of keys, as client-go's `util/workqueue`: a key is queued once, processed by one worker at a time,
 * and requeued with backoff when its worker fails.
 */
import { backoffMs } from './backoff.ts';
import { MAX_TIMER_MS } from './deadline.ts';

export interface WorkQueueOptions {
  /** How many keys are processed at the same time. */
  readonly concurrency?: number;
  /** Backoff after the first failure of a key; doubles with each. */
  readonly initialBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** Called for each failure of a worker; the key is requeued in any case. */
  readonly onError: (key: string, error: unknown, retryMs: number) => void;
  readonly observer?: QueueObserver;
}

/** Is told what happens to keys, for metrics. */
export interface QueueObserver {
  /** A key that was not queued already. */
  added(): void;
  /** A key will be added again after a backoff. */
  retried(): void;
  started(waitedMs: number): void;
  ended(workedMs: number): void;
}

/** client-go's default rate limiter starts at 5 ms; its maximum of 1000 s would leave an object alone for too long. */
const INITIAL_BACKOFF_MS = 5;
const MAX_BACKOFF_MS = 60_000;

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  /** Queued keys, in order, with the times by the monotonic clock at which they were added; likewise below. */
  readonly #waiting = new Map<string, number>();
  readonly #working = new Map<string, number>();
  /** Keys added while they were being processed. */
  readonly #again = new Map<string, number>();
  readonly #timers = new Map<string, { at: number; timer: NodeJS.Timeout }>();
  readonly #failures = new Map<string, number>();
  #worker: ((key: string, signal: AbortSignal) => Promise<void>) | undefined;
  #signal: AbortSignal | undefined;
  #onIdle: (() => void) | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** How many keys are queued, not counting delayed ones. */
  get size(): number {
    return this.#waiting.size;
  }

  /** For how long each key that is being processed has been, in milliseconds. */
  workedOnMs(): number[] {
    const now = performance.now();
    return Array.from(this.#working.values(), (startedAt) => now - startedAt);
  }

  add(key: string): void {
    if (this.#signal?.aborted) return;
    const queued = this.#working.has(key) ? this.#again : this.#waiting;
    if (queued.has(key)) return;
    queued.set(key, performance.now());
    this.#options.observer?.added();
    if (queued === this.#waiting) this.#pump();
  }

  /** Adds the key after a delay in milliseconds; of several delayed adds the earliest wins. */
  addAfter(key: string, ms: number): void {
    if (ms <= 0) return this.add(key);
    if (this.#signal?.aborted) return;
    const at = performance.now() + ms;
    const pending = this.#timers.get(key);
    if (pending && pending.at <= at) return;
    if (pending) clearTimeout(pending.timer);
    const timer = setTimeout(
      () => {
        this.#timers.delete(key);
        if (ms > MAX_TIMER_MS) this.addAfter(key, at - performance.now());
        else this.add(key);
      },
      Math.min(ms, MAX_TIMER_MS),
    );
    this.#timers.set(key, { at, timer });
  }

  /** Adds the key after a backoff that grows with each call until `forget`; returns the backoff in milliseconds. */
  addRateLimited(key: string): number {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const { initialBackoffMs: initialMs = INITIAL_BACKOFF_MS, maxBackoffMs: maxMs = MAX_BACKOFF_MS } = this.#options;
    const wait = backoffMs({ initialMs, maxMs }, failures);
    this.#options.observer?.retried();
    this.addAfter(key, wait);
    return wait;
  }

  /** Resets the key's backoff. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The number of consecutive failures of the key. */
  failuresOf(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /**
   * Passes each key to the worker until the signal is aborted; resolves when the workers in flight have ended. A key whose
   * worker rejects is requeued with backoff.
   */
  async run(worker: (key: string, signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    if (this.#worker) throw new Error('the queue is already running');
    this.#worker = worker;
    this.#signal = signal;
    const stopped = Promise.withResolvers<void>();
    const stop = (): void => stopped.resolve();
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    this.#pump();
    await stopped.promise;
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.clear();
    if (this.#working.size > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  #pump(): void {
    if (!this.#worker || !this.#signal || this.#signal.aborted) return;
    const { concurrency = 1 } = this.#options;
    for (const [key, addedAt] of this.#waiting) {
      if (this.#working.size >= concurrency) return;
      const startedAt = performance.now();
      this.#waiting.delete(key);
      this.#working.set(key, startedAt);
      this.#options.observer?.started(startedAt - addedAt);
      void this.#work(key, this.#worker, this.#signal);
    }
  }

  async #work(
    key: string,
    worker: (key: string, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await worker(key, signal);
      this.forget(key);
    } catch (error) {
      if (!signal.aborted) this.#options.onError(key, error, this.addRateLimited(key));
    }
    this.#options.observer?.ended(performance.now() - (this.#working.get(key) ?? 0));
    this.#working.delete(key);
    const addedAt = this.#again.get(key);
    this.#again.delete(key);
    if (addedAt !== undefined && !signal.aborted) this.#waiting.set(key, addedAt);
    if (signal.aborted && this.#working.size === 0) this.#onIdle?.();
    this.#pump();
  }
}
