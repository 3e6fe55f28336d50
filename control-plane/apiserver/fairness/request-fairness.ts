/**
 * API priority and fairness: the seats that requests take while they are served, and the queues in which they wait for them.
 * https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
 */
import type { Exposition } from '../../../daemon/metrics/exposition.ts';
import { isClosed } from '../http/back-pressure.ts';
import type { Exchange } from '../http/exchange.ts';
import { isLongRunning, requestTimeoutMs } from '../http/request-timeout.ts';
import { ADJUSTMENT_MS, FlowConfiguration, type Flow } from './configuration.ts';
import { LongRunningLimit } from './long-running.ts';
import { FlowMetrics, type FlowCounts, type RejectReason } from './metrics.ts';
import type { WaitingRequest } from './priority-level.ts';
import { hashOfFlow } from './shuffle-sharding.ts';
import { seatsOf } from './work-estimate.ts';

/** Seats of the server are the sum of the two. 0 and 0: as many as anybody wants. */
export interface InFlightLimits {
  readonly maxRequestsInflight: number;
  readonly maxMutatingRequestsInflight: number;
}

/** Upstream's defaults. */
export const DEFAULT_IN_FLIGHT_LIMITS: InFlightLimits = {
  maxRequestsInflight: 400,
  maxMutatingRequestsInflight: 200,
};
const UNLIMITED = 1_000_000;

type RequestKind = 'readOnly' | 'mutating';
type Serve = (exchange: Exchange) => void | Promise<void>;

const READ_ONLY_VERBS: ReadonlySet<string> = new Set(['get', 'list', 'watch']);
/** Of its time limit, how long a request may wait; a watch as others without a limit of their own. */
const WAIT_FRACTION = 1 / 4;
const WATCH_WAIT_MS = 15_000;
/** A client that does not read its initial events keeps the seats of its watch for no longer. */
const MAX_INITIALIZATION_MS = 15_000;

/** A request with its seats. */
interface Seated {
  readonly flow: Flow;
  readonly counts: FlowCounts;
  readonly seats: number;
}

/**
 * Serves each request when it has its seats; responds with 429 when it cannot have them. A request that is served within one turn of
 * the event loop takes them for that long, so that without load nothing is awaited. The seats of longer ones are free when the
 * response has been sent, those of watches when they have been initialized.
 */
export class RequestFairness implements Disposable {
  readonly configuration: FlowConfiguration;
  readonly #metrics = new FlowMetrics();
  readonly #longRunning = new LongRunningLimit();
  readonly #inFlight: Record<RequestKind, number> = { readOnly: 0, mutating: 0 };
  #adjustment: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor({ maxRequestsInflight, maxMutatingRequestsInflight }: InFlightLimits) {
    this.configuration = new FlowConfiguration(maxRequestsInflight + maxMutatingRequestsInflight || UNLIMITED);
  }

  /** Requests that are being served for longer than a turn, without long-running ones. */
  get counts(): Readonly<Record<RequestKind, number>> {
    return this.#inFlight;
  }

  readonly write = (to: Exposition): void => this.#metrics.write(to, this.configuration);

  /** Serves the request or responds with 429. Requires an authenticated user. */
  run(exchange: Exchange, serve: Serve): void | Promise<void> {
    if (isLongRunning(exchange.info)) return this.#runLong(exchange, serve);
    return this.#runShort(exchange, serve);
  }

  async #runLong(exchange: Exchange, serve: Serve): Promise<void> {
    const end = this.#longRunning.begin(exchange);
    if (!end) return tooManyRequests(exchange, 1);
    try {
      if (exchange.info.verb !== 'watch') await serve(exchange);
      else await this.#runShort(exchange, serve);
    } finally {
      end();
    }
  }

  #runShort(exchange: Exchange, serve: Serve): void | Promise<void> {
    const { info, user } = exchange;
    const flow = this.configuration.flowOf(user, info);
    exchange.flowHeaders = flow.responseHeaders;
    const { level } = flow;
    const seats = level.isExempt ? 1 : seatsOf(exchange, level.maxSeats);
    const seated = { flow, counts: this.#metrics.of(flow), seats };
    seated.counts.observe.estimated(seats);
    if (level.take(user.name, seats)) return this.#execute(seated, exchange, serve);
    if (!level.isQueuing) return this.#reject(exchange, flow, 'concurrency-limit');
    return this.#wait(seated, exchange, serve);
  }

  /** Gives the seats back when the request has ended. */
  #execute(seated: Seated, exchange: Exchange, serve: Serve, end?: () => void): void | Promise<void> {
    const { flow, counts, seats } = seated;
    counts.dispatched++;
    const { executed, watched } = counts.observe;
    const startedAt = performance.now();
    const stop = (): void => {
      const seconds = (performance.now() - startedAt) / 1000;
      if (exchange.info.verb === 'watch') watched(seconds);
      else executed(seconds);
      end?.();
    };
    let isHeld = false;
    try {
      const pending = serve(exchange) ?? exchange.underWay;
      isHeld = pending !== undefined;
      return pending && this.#hold(seated, exchange, pending, stop);
    } finally {
      if (!isHeld) {
        flow.level.give(seats);
        stop();
      }
    }
  }

  async #hold(seated: Seated, exchange: Exchange, done: Promise<void>, stop: () => void): Promise<void> {
    const { flow, counts, seats } = seated;
    const { user } = exchange;
    const { verb } = exchange.info;
    const kind = READ_ONLY_VERBS.has(verb) ? 'readOnly' : 'mutating';
    flow.level.hold(user.name, seats);
    counts.executing++;
    counts.seatsExecuting += seats;
    if (verb !== 'watch') this.#inFlight[kind]++;
    this.#scheduleAdjustment();
    const release = once(() => {
      counts.executing--;
      counts.seatsExecuting -= seats;
      if (verb !== 'watch') this.#inFlight[kind]--;
      flow.level.letGo(user.name, seats);
      flow.level.give(seats);
      stop();
    });
    exchange.initialized = release;
    const timer = verb === 'watch' ? setTimeout(release, MAX_INITIALIZATION_MS) : undefined;
    try {
      await done;
      await exchange.underWay;
    } finally {
      clearTimeout(timer);
      release();
    }
  }

  #wait(seated: Seated, exchange: Exchange, serve: Serve): Promise<void> {
    const { flow, counts, seats } = seated;
    const { level } = flow;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const since = performance.now();
    const secondsSince = (then: number): number => (performance.now() - then) / 1000;
    const stopWaiting = (execute: boolean): void => {
      clearTimeout(timer);
      exchange.awaited.end();
      exchange.response.off('close', leave);
      counts.waiting--;
      counts.seatsWaiting -= seats;
      this.#metrics.waited(flow, secondsSince(since), execute);
    };
    const request: WaitingRequest = {
      user: exchange.user.name,
      seats,
      start: (from) => {
        stopWaiting(true);
        const started = performance.now();
        const end = (): void => level.charge(from, seats, secondsSince(started));
        try {
          resolve(this.#execute(seated, exchange, serve, end));
        } catch (error) {
          // What `serve` throws is what the client gets.
          reject(error);
        }
      },
    };
    const leave = (): void => {
      stopWaiting(false);
      if (queue) level.leave(queue, request);
      resolve(this.#reject(exchange, flow, 'time-out'));
    };
    const timer = setTimeout(leave, waitLimitMs(exchange));
    exchange.response.once('close', leave);
    exchange.awaited.begin();
    counts.waiting++;
    counts.seatsWaiting += seats;
    this.#scheduleAdjustment();
    const queue = level.wait(hashOfFlow(flow.schema, distinguisherOf(flow, exchange)), request);
    if (queue) this.#metrics.queued(flow, queue.waiting.length);
    else {
      stopWaiting(false);
      resolve(this.#reject(exchange, flow, 'queue-full'));
    }
    return promise;
  }

  #reject(exchange: Exchange, flow: Flow, reason: RejectReason): void {
    this.#metrics.rejected(flow, reason);
    tooManyRequests(exchange, flow.level.retryAfter.rejected(performance.now()));
  }

  /** Seats are divided anew for as long as there are requests that take longer than a turn. */
  #scheduleAdjustment(): void {
    if (this.#adjustment || this.#isClosed) return;
    this.#adjustment = setTimeout(() => {
      this.#adjustment = undefined;
      this.configuration.adjust();
    }, ADJUSTMENT_MS).unref();
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#adjustment);
  }
}

/** What sets the flows of a FlowSchema apart. */
function distinguisherOf({ spec }: Flow, { user, info }: Exchange): string {
  switch (spec.distinguisherMethod?.type) {
    case 'ByUser':
      return user.name;
    case 'ByNamespace':
      return info.namespace;
    default:
      return '';
  }
}

function waitLimitMs({ info }: Exchange): number {
  const limit = requestTimeoutMs(info);
  return limit === undefined ? WATCH_WAIT_MS : limit * WAIT_FRACTION;
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}

/** Upstream's plain-text response, which is not a Status. */
function tooManyRequests(exchange: Exchange, retryAfterSeconds: number): void {
  if (isClosed(exchange.response)) return;
  exchange.write(429, 'text/plain; charset=utf-8', 'Too many requests, please try again later.\n', {
    'Retry-After': String(retryAfterSeconds),
    'X-Content-Type-Options': 'nosniff',
  });
}
