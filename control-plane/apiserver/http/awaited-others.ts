/**
 * For how long a request has waited for others than this server: webhooks, authenticators and authorizers elsewhere, its seats.
 * Waits that overlap count once.
 */
export class AwaitedOthers {
  #waits = 0;
  #sinceMs = 0;
  #ms = 0;

  /** Of the waits that have ended. */
  get ms(): number {
    return this.#ms;
  }

  begin(): void {
    if (this.#waits++ === 0) this.#sinceMs = performance.now();
  }

  end(): void {
    if (--this.#waits === 0) this.#ms += performance.now() - this.#sinceMs;
  }

  /** Settles as the promise does. */
  async during<T>(waiting: Promise<T>): Promise<T> {
    this.begin();
    try {
      return await waiting;
    } finally {
      this.end();
    }
  }
}
