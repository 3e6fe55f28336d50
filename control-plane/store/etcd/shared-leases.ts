/**
 * Leases that many values share, as upstream's: one per kind of time to live and minute, so that etcd has few of them. A value
 * therefore lives up to a minute (a twentieth of a short time) longer than asked.
 */

/** Upstream's `--lease-reuse-duration-seconds`. */
const REUSE_MS = 60_000;
const REUSE_SHARE = 0.05;
/** Upstream's limit: etcd deletes all values of a lease in one step. */
const MAX_VALUES = 1_000;

interface Lease {
  readonly id: Promise<string>;
  readonly until: number;
  values: number;
}

export class SharedLeases {
  readonly #grant: (seconds: number) => Promise<string>;
  readonly #now: () => number;
  /** The latest lease of each time to live. */
  readonly #byTtl = new Map<number, Lease>();

  /** @param grant makes a lease of so many seconds @param now a monotonic clock, in milliseconds */
  constructor(grant: (seconds: number) => Promise<string>, now: () => number = () => performance.now()) {
    this.#grant = grant;
    this.#now = now;
  }

  /** The ID of a lease that lasts for at least `ttlMs` from now. Throws as `grant` does. */
  async of(ttlMs: number): Promise<string> {
    const now = this.#now();
    let lease = this.#byTtl.get(ttlMs);
    if (!lease || now >= lease.until || lease.values >= MAX_VALUES) {
      const reuseMs = Math.min(REUSE_MS, ttlMs * REUSE_SHARE);
      const granted = { id: this.#grant(Math.ceil((ttlMs + reuseMs) / 1000)), until: now + reuseMs, values: 0 };
      lease = granted;
      this.#byTtl.set(ttlMs, lease);
    }
    lease.values++;
    try {
      return await lease.id;
    } catch (error) {
      if (this.#byTtl.get(ttlMs) === lease) this.#byTtl.delete(ttlMs);
      throw error;
    }
  }

  /** etcd does not know the lease any more. */
  forget(): void {
    this.#byTtl.clear();
  }
}
