/** Whether a server answers at all, as the requests of one client show: its outage is one in the log, however many fail by it. */
import type { ConnectionError } from './connection-error.ts';
import type { Logger } from './logger.ts';
import { Outage } from './outage.ts';

export class Reachability {
  readonly #server: string;
  readonly #outage: Outage;
  readonly #now: () => number;
  #answeredAtMs = -Infinity;

  constructor(server: string, logger: Logger, now: () => number = () => performance.now()) {
    this.#server = server;
    this.#outage = new Outage({ logger, now });
    this.#now = now;
  }

  /** The time at which a request starts, for `failed`. */
  now(): number {
    return this.#now();
  }

  answered(): void {
    this.#answeredAtMs = this.#now();
    this.#outage.ended({ server: this.#server }, 'api-server reachable again');
  }

  /** Marks the error as logged, unless the server has answered since the request started: then it is that request's own. */
  failed(startedAtMs: number, error: ConnectionError): void {
    if (startedAtMs < this.#answeredAtMs) return;
    this.#outage.failed(error, { server: this.#server }, 'api-server unreachable');
    error.wasLogged = true;
  }
}
