/** Metrics of a client's requests, with client-go's names: https://kubernetes.io/docs/reference/instrumentation/metrics/ */
import type { ObservedCall } from '../../client/api-calls.ts';
import type { Exposition } from './exposition.ts';
import { Counter, Histogram } from './series.ts';

/** Upstream's, in seconds. */
const LATENCY_BOUNDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];
/** The code of a request that was not answered. */
const NOT_ANSWERED = '<error>';

export class ClientMetrics {
  readonly #server: () => string;
  /** Of the URL that it was read from. */
  #host = { server: '', name: '' };
  readonly #requests = new Counter('rest_client_requests_total', 'Requests to the api-server, by the response code.', [
    'code',
    'method',
    'host',
  ]);
  readonly #seconds = new Histogram(
    'rest_client_request_duration_seconds',
    'Duration of requests to the api-server; of watches until they begin.',
    LATENCY_BOUNDS,
    ['verb', 'host'],
  );

  /** @param server the URL of the one that is in use */
  constructor(server: () => string) {
    this.#server = server;
  }

  get #hostInUse(): string {
    const server = this.#server();
    if (this.#host.server !== server) this.#host = { server, name: new URL(server).host };
    return this.#host.name;
  }

  readonly observe = ({ method, code, ms }: ObservedCall): void => {
    const host = this.#hostInUse;
    this.#requests.increase(code === undefined ? NOT_ANSWERED : String(code), method, host);
    this.#seconds.observe(ms / 1000, method, host);
  };

  write(to: Exposition): void {
    this.#requests.write(to);
    this.#seconds.write(to);
  }
}
