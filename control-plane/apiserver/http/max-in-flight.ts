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
/** What one user may take of a limit: slow readers of one user must not keep all others out. */
const USER_SHARE = 0.5;
/** What the long-running requests of one user may weigh. One that weighs 1 takes some 20 KB for as long as it goes on. */
const MOST_LONG_RUNNING = 20_000;
/** So many characters of a selector weigh 1: read, they take many times as much. */
const SELECTOR_UNIT = 256;

/** Each watch of tables holds its own of the object that its client does not read, of up to 1.5 MiB and more. */
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
  /** By user, of those that have any. */
  readonly #longRunning = new Map<string, number>();
  readonly #ofUsers: Readonly<Record<RequestKind, Map<string, number>>> = { readOnly: new Map(), mutating: new Map() };

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
    if (isLongRunning(info)) return this.#runLong(exchange, serve);
    const kind: RequestKind = READ_ONLY_VERBS.has(info.verb) ? 'readOnly' : 'mutating';
    if (this.#isFull(kind, user.name) && !user.groups.includes(EXEMPT_GROUP)) return turnAway(exchange);
    const done = serve(exchange) ?? exchange.underWay;
    return done && this.#count(kind, exchange, done);
  }

  async #runLong(exchange: Exchange, serve: (exchange: Exchange) => void | Promise<void>): Promise<void> {
    const { user } = exchange;
    const weight = weightOf(exchange);
    const others = this.#longRunning.get(user.name) ?? 0;
    if (others + weight > MOST_LONG_RUNNING && !user.groups.includes(EXEMPT_GROUP)) return turnAway(exchange);
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

/** In upstream's words; it sends no Status here. */
function turnAway(exchange: Exchange): void {
  exchange.write(429, 'text/plain; charset=utf-8', 'Too many requests, please try again later.\n', {
    'Retry-After': String(RETRY_AFTER_SECONDS),
    'X-Content-Type-Options': 'nosniff',
  });
}
