export interface CompactionPolicy {
  /** Milliseconds of history to keep, within the limit of `keepRevisions`. */
  readonly keepMilliseconds?: number;
  /** The most revisions of history, however young; exceeded by up to a tenth. */
  readonly keepRevisions?: number;
}

/** kube-apiserver's `--etcd-compaction-interval`. */
const DEFAULT_KEEP_MS = 5 * 60_000;
/** With 2.7 KB per pod, at most some 800 MB of history. */
const DEFAULT_KEEP_REVISIONS = 200_000;
/** Resolution of the age of history: samples of time and revision per retention period. */
const SAMPLES_PER_PERIOD = 10;

/**
 * Decides when to compact and up to which revision. Samples the current revision periodically and compacts up to the sample
 * that is as old as the retention period. The timer runs only while there is history to compact.
 */
export class CompactionSchedule {
  readonly #keepMs: number;
  readonly #keepRevisions: number;
  readonly #compact: (revision: number) => Promise<void>;
  readonly #failed: (error: unknown) => void;
  /** Oldest first. */
  readonly #samples: { readonly at: number; readonly revision: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #requested = 0;
  #latest = 0;
  #stopped = false;

  /** `failed` is called when a compaction has failed; it is retried with the next one. */
  constructor(
    policy: CompactionPolicy,
    compact: (revision: number) => Promise<void>,
    failed: (error: unknown) => void,
  ) {
    this.#keepMs = policy.keepMilliseconds ?? DEFAULT_KEEP_MS;
    this.#keepRevisions = policy.keepRevisions ?? DEFAULT_KEEP_REVISIONS;
    this.#compact = compact;
    this.#failed = failed;
  }

  /** To be called after each commit, and after opening a store that has history. */
  wrote(revision: number, compactedRevision: number): void {
    if (this.#stopped || revision <= compactedRevision) return;
    this.#latest = revision;
    // The slack makes compaction run in batches instead of at every commit.
    if (revision - Math.max(compactedRevision, this.#requested) > this.#keepRevisions * 1.1) {
      this.#request(revision - this.#keepRevisions);
    }
    this.#timer ??= this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #arm(): NodeJS.Timeout {
    return setTimeout(() => this.#due(), this.#keepMs / SAMPLES_PER_PERIOD).unref();
  }

  #due(): void {
    const now = performance.now();
    if (this.#latest > (this.#samples.at(-1)?.revision ?? 0)) this.#samples.push({ at: now, revision: this.#latest });
    let oldEnough = 0;
    while (this.#samples[0] && now - this.#samples[0].at >= this.#keepMs)
      oldEnough = this.#samples.shift()?.revision ?? 0;
    this.#timer = this.#samples.length > 0 ? this.#arm() : undefined;
    if (oldEnough > this.#requested) this.#request(oldEnough);
  }

  #request(revision: number): void {
    this.#requested = revision;
    this.#compact(revision).catch((error: unknown) => {
      if (this.#stopped) return;
      this.#failed(error);
      this.#requested = 0;
      this.#samples.unshift({ at: performance.now() - this.#keepMs, revision });
      this.#timer ??= this.#arm();
    });
  }
}
