/** Bodies from this length on take long to read: milliseconds, in which nobody else is served. */
const LONG_BYTES = 64 * 1024;

/**
 * Has long bodies read one after the other, a turn of the event loop apart: those who have come meanwhile wait for one body, not
 * for all that came at the same time.
 */
export class BodyTurns {
  #last: Promise<void> = Promise.resolve();

  /** The body, when it may be read. */
  whenItsTurn(body: Buffer): Buffer | Promise<Buffer> {
    if (body.length < LONG_BYTES) return body;
    this.#last = this.#last.then(() => new Promise((resume) => setImmediate(resume)));
    return this.#last.then(() => body);
  }
}
