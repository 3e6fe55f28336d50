/**
 * Compacts the history of etcd periodically, as kube-apiserver does and together with it: servers agree by the key
 * `compact_rev_key`, whose version only one of them increases per interval, so that more servers do not compact more often.
 */
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';

export interface CompactionClock {
  /** How often `compact_rev_key` has been written. */
  readonly version: string;
  readonly revision: number;
}

export interface CompactorOptions {
  /** Milliseconds between compactions: so much history is kept at least, and at most twice as much. */
  readonly intervalMs: number;
  /**
   * Writes the revision to compact to next into the key if its version is `expected.version`; returns the clock as it is then,
   * and whether it was written.
   */
  readonly advance: (expected: CompactionClock) => Promise<{ readonly won: boolean; readonly clock: CompactionClock }>;
  readonly compact: (revision: number) => Promise<void>;
  readonly logger: Logger | undefined;
}

export class Compactor implements Disposable {
  readonly #options: CompactorOptions;
  readonly #outage: Outage | undefined;
  readonly #timer: NodeJS.Timeout;
  #clock: CompactionClock = { version: '0', revision: 0 };
  #isBusy = false;

  constructor(options: CompactorOptions) {
    this.#options = options;
    this.#outage = options.logger && new Outage({ logger: options.logger });
    this.#timer = setInterval(() => void this.tick(), options.intervalMs).unref();
  }

  /** One interval is over. Never rejects. */
  async tick(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    const { advance, compact } = this.#options;
    const before = this.#clock;
    try {
      const { won, clock } = await advance(before);
      this.#clock = clock;
      // Who has lost knows when the winner began, and who wins next has seen that one interval long.
      if (won && before.revision > 0) await compact(before.revision);
      this.#outage?.ended({}, 'compaction of etcd works again');
    } catch (error) {
      this.#outage?.failed(error, {}, 'failed to compact etcd, retrying at the next interval');
    } finally {
      this.#isBusy = false;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
