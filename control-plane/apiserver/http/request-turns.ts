/** Starts requests so that those of one connection do not hold up those of others. */
import type { Http2Session } from 'node:http2';
import type { Socket } from 'node:net';

export type Connection = Http2Session | Socket;
const isSocket = (connection: Connection): connection is Socket => 'pause' in connection;

/** How long requests that had to wait are started before others' packets are looked at again. */
const SLICE_MS = 5;
/** Of an HTTP/1.1 connection; more is not read from it. HTTP/2 has its own limit of streams. */
const MOST_WAITING = 32;

/**
 * A client may send hundreds of requests in one packet, all of which are read within one turn of the event loop: streams of
 * HTTP/2, and requests that it pipelines. Of each connection one is started at once; the others wait for the next turns, in which
 * the connections take turns, too.
 */
export class RequestTurns {
  /** Sessions of which a stream was started in this turn. */
  readonly #served = new Set<Http2Session>();
  readonly #waiting = new Map<Connection, (() => void)[]>();
  readonly #paused = new Set<Socket>();
  #scheduled = false;
  readonly #forget = (): void => this.#served.clear();

  /** Has a stream of the session started: now, or when it is its turn. `start` must not throw. */
  take(session: Http2Session, start: () => void): void {
    if (this.#waiting.has(session) || this.#served.has(session)) return this.wait(session, start);
    if (this.#served.size === 0) setImmediate(this.#forget);
    this.#served.add(session);
    start();
  }

  /** Has a request of the connection started when it is its turn. */
  wait(connection: Connection, start: () => void): void {
    const waiting = this.#waiting.get(connection) ?? [];
    waiting.push(start);
    this.#waiting.set(connection, waiting);
    if (waiting.length === MOST_WAITING && isSocket(connection)) this.#paused.add(connection.pause());
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
    // A connection of which more waits goes to the end of the map, and comes again in this very loop.
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
