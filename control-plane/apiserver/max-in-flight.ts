/** How many requests are worked on at a time: upstream's `--max-requests-inflight` and `--max-mutating-requests-inflight`. */
import type { Exchange } from './exchange.ts';
import { isLongRunning } from './request-timeout.ts';

/** 0: as many as come. */
export interface InFlightLimits {
  readonly maxRequestsInflight: number;
  readonly maxMutatingRequestsInflight: number;
}

/** Upstream's. */
export const DEFAULT_IN_FLIGHT_LIMITS: InFlightLimits = {
  maxRequestsInflight: 400,
  maxMutatingRequestsInflight: 200,
};

export type RequestKind = 'readOnly' | 'mutating';

const READ_ONLY_VERBS: ReadonlySet<string> = new Set(['get', 'list', 'watch']);
const EXEMPT_GROUP = 'system:masters';
const RETRY_AFTER_SECONDS = 1;

/**
 * Counts the requests that are being worked on and turns away those that are too many. A request counts until its answer is
 * on its way: what is answered within one turn of the event loop never stands beside another. Long-running requests do not
 * count, and administrators are never turned away.
 */
export class MaxInFlight {
  readonly #limits: Readonly<Record<RequestKind, number>>;
  readonly #counts: Record<RequestKind, number> = { readOnly: 0, mutating: 0 };

  constructor({ maxRequestsInflight, maxMutatingRequestsInflight }: InFlightLimits) {
    this.#limits = {
      readOnly: maxRequestsInflight || Infinity,
      mutating: maxMutatingRequestsInflight || Infinity,
    };
  }

  /** How many requests of each kind are being worked on. */
  get counts(): Readonly<Record<RequestKind, number>> {
    return this.#counts;
  }

  /** Has the request served, or answers it with 429. For an exchange whose user is known. */
  run(exchange: Exchange, serve: (exchange: Exchange) => void | Promise<void>): void | Promise<void> {
    const { info, user } = exchange;
    if (isLongRunning(info)) return serve(exchange);
    const kind: RequestKind = READ_ONLY_VERBS.has(info.verb) ? 'readOnly' : 'mutating';
    if (this.#counts[kind] >= this.#limits[kind] && !user.groups.includes(EXEMPT_GROUP)) return turnAway(exchange);
    const done = serve(exchange) ?? exchange.underWay;
    return done && this.#count(kind, exchange, done);
  }

  async #count(kind: RequestKind, exchange: Exchange, done: Promise<void>): Promise<void> {
    this.#counts[kind]++;
    try {
      await done;
      await exchange.underWay;
    } finally {
      this.#counts[kind]--;
    }
  }
}

/** In upstream's words; it sends no Status here. */
function turnAway(exchange: Exchange): void {
  exchange.write(429, 'text/plain; charset=utf-8', 'Too many requests, please try again later.\n', {
    'Retry-After': String(RETRY_AFTER_SECONDS),
    'X-Content-Type-Options': 'nosniff',
  });
}
