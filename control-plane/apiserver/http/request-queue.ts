/** Schedules requests fairly, so that those of one connection do not delay those of others. */
import type { Http2Session } from 'node:http2';
import type { Socket } from 'node:net';

export type Connection = Http2Session | Socket;
const isSocket = (connection: Connection): connection is Socket => 'pause' in connection;

/** How long queued requests are started before the event loop polls for I/O again. */
const SLICE_MS = 5;
/** Per HTTP/1.1 connection; beyond that it is paused. HTTP/2 limits its streams itself. */
const MAX_QUEUED = 32;

/**
 * A client may send hundreds of requests in one packet, as HTTP/2 streams or pipelined, and all would be started within one
 * turn of the event loop. Here one per connection is started at once; the others are queued for the next turns and served
 * round-robin across connections.
 */
export class RequestQueue {
  /** Sessions of which a stream was started in this turn. */
  readonly #served = new Set<Http2Session>();
  readonly #waiting = new Map<Connection, (() => void)[]>();
  readonly #paused = new Set<Socket>();
  #scheduled = false;
  readonly #forget = (): void => this.#served.clear();

  /** Starts a stream of the session, now or when it is its turn. `start` must not throw. */
  take(session: Http2Session, start: () => void): void {
    if (this.#waiting.has(session) || this.#served.has(session)) return this.wait(session, start);
    if (this.#served.size === 0) setImmediate(this.#forget);
    this.#served.add(session);
    start();
  }

  /** Queues a request of the connection. */
  wait(connection: Connection, start: () => void): void {
    const waiting = this.#waiting.get(connection) ?? [];
    waiting.push(start);
    this.#waiting.set(connection, waiting);
    if (waiting.length === MAX_QUEUED && isSocket(connection)) this.#paused.add(connection.pause());
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    const end = performance.now() + SLICE_MS;
    // A connection with more requests moves to the end of the map, and is visited again by this loop.
    for (const [connection, waiting] of this.#waiting) {
      this.#waiting.delete(connection);
      const start = waiting.shift();
      if (waiting.length > 0) this.#waiting.set(connection, waiting);
      else if (isSocket(connection) && this.#paused.delete(connection)) connection.resume();
      start?.();
      if (performance.now() >= end) break;
    }
    if (this.#waiting.size > 0) this.#schedule();
  };
}
