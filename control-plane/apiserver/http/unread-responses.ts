/** Responses that are complete and that their clients do not read: any client may request many, even an unauthenticated one. */
import type { Request, Response } from './message.ts';
import { isClosed } from './back-pressure.ts';

/** Upstream's limit for a whole request: how long a client may take to read. */
const READING_LIMIT_MS = 60_000;
const SWEEP_INTERVAL_MS = 5_000;
/** Limit for all unread responses together. */
const MAX_BYTES = 128 * 2 ** 20;
/** Overhead of a stream or connection, without its body. */
const RESPONSE_BYTES = 16 * 1024;
/** The request target is kept raw and parsed. */
const COPIES_OF_TARGET = 2;
/** Responses that fit into the kernel's socket buffer. An HTTP/1.1 connection has one response at a time. */
const SMALL_BYTES = 16 * 1024;

interface Unread {
  readonly bytes: number;
  /** The sweep before which it was complete. */
  readonly sweep: number;
}

/**
 * Ends responses that are not read: the oldest ones when there are too many, and each once its time is over. Those who read are
 * done within moments, so that the oldest are of those who do not.
 */
export class UnreadResponses {
  /** Oldest first. */
  readonly #responses = new Map<Response, Unread>();
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;
  #sweeps = 0;

  constructor() {
    this.#timer = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS);
    this.#timer.unref();
  }

  /** To be called when nothing more will be written to the response. */
  add({ url = '' }: Pick<Request, 'url'>, response: Response): void {
    if (isClosed(response) || this.#responses.has(response)) return;
    const isStream = 'stream' in response;
    const held = COPIES_OF_TARGET * url.length + (isStream ? response.stream : response).writableLength;
    if (!isStream && held <= SMALL_BYTES) return;
    const bytes = RESPONSE_BYTES + held;
    this.#responses.set(response, { bytes, sweep: this.#sweeps });
    this.#bytes += bytes;
    response.once('close', () => this.#forget(response));
    while (this.#bytes > MAX_BYTES) this.#endOldest();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    this.#sweeps++;
    const due = this.#sweeps - READING_LIMIT_MS / SWEEP_INTERVAL_MS;
    for (const { sweep } of this.#responses.values()) {
      if (sweep >= due) return;
      this.#endOldest();
    }
  }

  #endOldest(): void {
    for (const response of this.#responses.keys()) {
      this.#forget(response);
      response.destroy();
      return;
    }
  }

  #forget(response: Response): void {
    const known = this.#responses.get(response);
    if (!known) return;
    this.#responses.delete(response);
    this.#bytes -= known.bytes;
  }
}
