export interface CompactionPolicy {
  /** History younger than this is kept, unless there is too much of it. */
  readonly keepMilliseconds?: number;
  /** At most about this many revisions of history are kept, however young. */
  readonly keepRevisions?: number;
}

/** Upstream's api-server has its store compacted every five minutes. */
const DEFAULT_KEEP_MS = 5 * 60_000;
/** 2.7 KB a pod: some 800 MB of history at most. */
const DEFAULT_KEEP_REVISIONS = 200_000;
/** How finely the age of history is known: one note of time and revision in so many parts of the time kept. */
const NOTES = 10;

/**
 * Decides when history is compacted, and up to where. Notes now and then which revision it is; what was the latest when the
 * time to keep began is what may go. The timer runs only while there is history that will have to go.
 */
export class CompactionSchedule {
  readonly #keepMs: number;
  readonly #keepRevisions: number;
  readonly #compact: (revision: number) => Promise<void>;
  readonly #failed: (error: unknown) => void;
  /** Oldest first. */
  readonly #notes: { readonly at: number; readonly revision: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #requested = 0;
  #latest = 0;
  #stopped = false;

  /** `failed` is told of a compaction that failed; it is tried again with the next one that is due. */
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

  /** Tells of a commit, and of the history there was when the store was opened. */
  wrote(revision: number, compactedRevision: number): void {
    if (this.#stopped || revision <= compactedRevision) return;
    this.#latest = revision;
    // A tenth more than is kept, so that it is done in runs and not at each commit.
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
    return setTimeout(() => this.#due(), this.#keepMs / NOTES).unref();
  }

  #due(): void {
    const now = performance.now();
    if (this.#latest > (this.#notes.at(-1)?.revision ?? 0)) this.#notes.push({ at: now, revision: this.#latest });
    let oldEnough = 0;
    while (this.#notes[0] && now - this.#notes[0].at >= this.#keepMs) oldEnough = this.#notes.shift()?.revision ?? 0;
    this.#timer = this.#notes.length > 0 ? this.#arm() : undefined;
    if (oldEnough > this.#requested) this.#request(oldEnough);
  }

  #request(revision: number): void {
    this.#requested = revision;
    this.#compact(revision).catch((error: unknown) => {
      if (this.#stopped) return;
      this.#failed(error);
      this.#requested = 0;
      this.#notes.unshift({ at: performance.now() - this.#keepMs, revision });
      this.#timer ??= this.#arm();
    });
  }
}
