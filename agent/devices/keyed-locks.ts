/** Locks by key: whoever needs several gets them all at once, in the order of the calls, so that nobody waits in a circle. */
export class KeyedLocks {
  /** The last one in line for each key. */
  readonly #tails = new Map<string, Promise<void>>();

  /** Does `work` while it holds the keys. What is before it in line must have a limit of its own. */
  async run<T>(keys: Iterable<string>, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const own = [...new Set(keys)];
    const before = own.flatMap((key) => this.#tails.get(key) ?? []);
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const key of own) this.#tails.set(key, promise);
    try {
      await Promise.all(before);
      signal.throwIfAborted();
      return await work();
    } finally {
      for (const key of own) if (this.#tails.get(key) === promise) this.#tails.delete(key);
      resolve();
    }
  }
}
