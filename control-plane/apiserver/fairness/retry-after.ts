/** When rejected clients should try again: upstream's `DroppedRequestsTracker`. */

const MAX_SECONDS = 32;

/** Of one priority level: the longer it rejects many requests, the later. */
export class RetryAfter {
  /** Finished seconds in which requests were rejected, oldest first. */
  #history: { readonly second: number; readonly requests: number }[] = [];
  #second = 0;
  #requests = 0;
  #raisedAt = 0;
  #seconds = 1;

  /** Notes a rejected request. Returns the seconds after which its client should try again. `nowMs` is of the monotonic clock. */
  rejected(nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    if (second === this.#second) this.#requests++;
    else {
      this.#history.push({ second: this.#second, requests: this.#requests });
      const oldest = this.#second - Math.min(2 * this.#seconds, MAX_SECONDS);
      this.#history = this.#history.filter((entry) => entry.second >= oldest);
      this.#second = second;
      this.#requests = 1;
      this.#adjust(second);
    }
    return this.#seconds;
  }

  /** Doubles or lowers the time by how many requests were rejected within it. */
  #adjust(now: number): void {
    const since = now - this.#seconds;
    const rejected = this.#history.reduce((all, { second, requests }) => all + (second >= since ? requests : 0), 0);
    if (now - this.#raisedAt >= this.#seconds && rejected >= 3 * this.#seconds) {
      this.#seconds = Math.min(MAX_SECONDS, 2 * this.#seconds);
      this.#raisedAt = now;
    } else if (rejected < this.#seconds && this.#seconds > 1) this.#seconds--;
  }
}
