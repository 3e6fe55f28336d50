/** Limits requests in flight: upstream's `--max-requests-inflight` and `--max-mutating-requests-inflight`. */
import type { Exchange } from './exchange.ts';
import { isLongRunning } from './request-timeout.ts';

/** 0: no limit. */
export interface InFlightLimits {
  readonly maxRequestsInflight: number;
  readonly maxMutatingRequestsInflight: number;
}

/** Upstream's defaults. */
export const DEFAULT_IN_FLIGHT_LIMITS: InFlightLimits = {
  maxRequestsInflight: 400,
  maxMutatingRequestsInflight: 200,
};

export type RequestKind = 'readOnly' | 'mutating';

const READ_ONLY_VERBS: ReadonlySet<string> = new Set(['get', 'list', 'watch']);
const EXEMPT_GROUP = 'system:masters';
const RETRY_AFTER_SECONDS = 1;
/** A user's share of a limit, so that slow readers of one user cannot block all others. */
const USER_SHARE = 0.5;
/** Limit for the weights of a user's long-running requests. A weight of 1 is some 20 KB for as long as the request runs. */
const MAX_LONG_RUNNING = 20_000;
/** Characters of a selector per weight of 1: parsed, they take many times as much memory. */
const SELECTOR_UNIT = 256;

/** A watch of tables buffers its own copy of an object that its client does not read, 1.5 MiB and more. */
const TABLES_WEIGHT = 100;
const WANTS_TABLES = /;\s*as=table/i;

function weightOf(exchange: Exchange): number {
  const { labelSelector, fieldSelector, verb } = exchange.info;
  const tables = verb === 'watch' && WANTS_TABLES.test(exchange.header('accept') ?? '') ? TABLES_WEIGHT : 0;
  return 1 + tables + Math.floor((labelSelector.length + fieldSelector.length) / SELECTOR_UNIT);
}

/**
 * Counts the requests in flight and rejects those past the limit with 429. A request counts until its response is being sent:
 * what is served within one turn of the event loop never counts. Long-running requests have a limit per user instead.
 * Administrators are never rejected. No user takes more than a share of a limit.
 */
export class MaxInFlight {
  readonly #limits: Readonly<Record<RequestKind, number>>;
  readonly #counts: Record<RequestKind, number> = { readOnly: 0, mutating: 0 };
  /** Total weight by user; only users with long-running requests. */
  readonly #longRunning = new Map<string, number>();
  readonly #ofUsers: Readonly<Record<RequestKind, Map<string, number>>> = { readOnly: new Map(), mutating: new Map() };

  constructor({ maxRequestsInflight, maxMutatingRequestsInflight }: InFlightLimits) {
    this.#limits = {
      readOnly: maxRequestsInflight || Infinity,
      mutating: maxMutatingRequestsInflight || Infinity,
    };
  }

  /** Requests in flight by kind. */
  get counts(): Readonly<Record<RequestKind, number>> {
    return this.#counts;
  }

  /** Serves the request or responds with 429. Requires an authenticated user. */
  run(exchange: Exchange, serve: (exchange: Exchange) => void | Promise<void>): void | Promise<void> {
    const { info, user } = exchange;
    if (isLongRunning(info)) return this.#runLong(exchange, serve);
    const kind: RequestKind = READ_ONLY_VERBS.has(info.verb) ? 'readOnly' : 'mutating';
    if (this.#isFull(kind, user.name) && !user.groups.includes(EXEMPT_GROUP)) return rejectRequest(exchange);
    const done = serve(exchange) ?? exchange.underWay;
    return done && this.#count(kind, exchange, done);
  }

  async #runLong(exchange: Exchange, serve: (exchange: Exchange) => void | Promise<void>): Promise<void> {
    const { user } = exchange;
    const weight = weightOf(exchange);
    const others = this.#longRunning.get(user.name) ?? 0;
    if (others + weight > MAX_LONG_RUNNING && !user.groups.includes(EXEMPT_GROUP)) return rejectRequest(exchange);
    this.#longRunning.set(user.name, others + weight);
    try {
      await serve(exchange);
    } finally {
      const left = (this.#longRunning.get(user.name) ?? 0) - weight;
      if (left > 0) this.#longRunning.set(user.name, left);
      else this.#longRunning.delete(user.name);
    }
  }

  #isFull(kind: RequestKind, user: string): boolean {
    const limit = this.#limits[kind];
    if (this.#counts[kind] >= limit) return true;
    return (this.#ofUsers[kind].get(user) ?? 0) >= Math.max(1, limit * USER_SHARE);
  }

  async #count(kind: RequestKind, exchange: Exchange, done: Promise<void>): Promise<void> {
    const ofUsers = this.#ofUsers[kind];
    const { name } = exchange.user;
    this.#counts[kind]++;
    ofUsers.set(name, (ofUsers.get(name) ?? 0) + 1);
    try {
      await done;
      await exchange.underWay;
    } finally {
      this.#counts[kind]--;
      const left = (ofUsers.get(name) ?? 0) - 1;
      if (left > 0) ofUsers.set(name, left);
      else ofUsers.delete(name);
    }
  }
}

/** Upstream's plain-text response, which is not a Status. */
function rejectRequest(exchange: Exchange): void {
  exchange.write(429, 'text/plain; charset=utf-8', 'Too many requests, please try again later.\n', {
    'Retry-After': String(RETRY_AFTER_SECONDS),
    'X-Content-Type-Options': 'nosniff',
  });
}
