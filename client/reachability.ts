/** Tracks whether a server responds at all, from the requests of one client: an outage is logged once, not once per request. */
import type { ConnectionError } from './connection-error.ts';
import type { Logger } from './logger.ts';
import { Outage } from './outage.ts';

export class Reachability {
  readonly #server: () => string;
  readonly #outage: Outage;
  readonly #now: () => number;
  #answeredAtMs = -Infinity;

  constructor(server: () => string, logger: Logger, now: () => number = () => performance.now()) {
    this.#server = server;
    this.#outage = new Outage({ logger, now });
    this.#now = now;
  }

  /** The start time of a request, to pass to `failed`. */
  now(): number {
    return this.#now();
  }

  answered(): void {
    this.#answeredAtMs = this.#now();
    this.#outage.ended({ server: this.#server() }, 'api-server reachable again');
  }

  /** Marks the error as logged, unless the server has responded since the request started: then only that request failed. */
  failed(startedAtMs: number, error: ConnectionError): void {
    if (startedAtMs < this.#answeredAtMs) return;
    this.#outage.failed(error, { server: this.#server() }, 'api-server unreachable');
    error.wasLogged = true;
  }
}
