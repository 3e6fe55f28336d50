/**
 * How many bytes of bodies there may be, of all requests that are being worked on. A body counts until its request has been
 * answered, since what is parsed of it, several times its size, lives as long.
 */
const MAX_BYTES = 64 * 2 ** 20;

/** The memory that bodies of requests take. */
export class BodyMemory {
  #bytes = 0;

  /** Returns false when there is not so much left. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > MAX_BYTES) return false;
    this.#bytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}
