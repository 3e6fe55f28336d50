/**
 * The queues of one priority level: whose turn it is among the flows that wait for seats.
 *
 * Upstream's Fair Queuing for Server Requests, with one difference: its virtual time runs with the clock, this one is the virtual
 * start of what was dispatched last (start-time fair queueing, Goyal, Vin and Cheng 1996). The order is fair in the same way, and
 * requests that need not wait cost nothing here.
 */
import { dealHand } from './shuffle-sharding.ts';

/** How long a request is thought to take, in seconds, until it has ended: upstream's `estimatedServiceDuration`. */
const ESTIMATED_SECONDS = 0.003;

export interface QueueSettings {
  readonly queues: number;
  readonly handSize: number;
  readonly queueLengthLimit: number;
}

/** A request that waits. */
export interface Waiting {
  /** Whose it is. */
  readonly user: string;
  readonly seats: number;
}

interface Waiter<T extends Waiting> {
  readonly request: T;
  /** The virtual time at which it came. */
  readonly arrival: number;
}

export class FlowQueue<T extends Waiting> {
  readonly index: number;
  readonly waiting: Waiter<T>[] = [];
  executing = 0;
  seatsWaiting = 0;
  /** The virtual time, in seat-seconds, at which its next request starts. */
  nextStart = 0;

  constructor(index: number) {
    this.index = index;
  }

  /** It must not start before it came: a queue saves up nothing while it is not using its share. */
  bound(): void {
    const first = this.waiting[0];
    if (first && this.nextStart < first.arrival) this.nextStart = first.arrival;
  }
}

export class FlowQueues<T extends Waiting> {
  #settings: QueueSettings;
  /** Those with requests that wait or execute; the one whose turn was last is at the end. */
  readonly #active = new Map<number, FlowQueue<T>>();
  #virtualTime = 0;
  #enqueued = 0;
  #length = 0;

  constructor(settings: QueueSettings) {
    this.#settings = settings;
  }

  /** From now on; the requests that wait keep their queues. */
  configure(settings: QueueSettings): void {
    this.#settings = settings;
  }

  /** The number of requests that wait. */
  get length(): number {
    return this.#length;
  }

  /** Returns the queue that the request waits in; undefined when it is full. */
  add(hash: bigint, request: T): FlowQueue<T> | undefined {
    const queue = this.#choose(hash);
    if (queue.waiting.length >= this.#settings.queueLengthLimit) return undefined;
    if (queue.waiting.length === 0 && queue.executing === 0) queue.nextStart = this.#virtualTime;
    this.#active.set(queue.index, queue);
    queue.waiting.push({ request, arrival: this.#virtualTime });
    queue.seatsWaiting += request.seats;
    this.#length++;
    queue.bound();
    return queue;
  }

  /** The queue of the hand with the least work before it. */
  #choose(hash: bigint): FlowQueue<T> {
    const { queues, handSize } = this.#settings;
    const hand = dealHand(hash, queues, handSize);
    // The visits begin anywhere, so that flows whose hands overlap do not prefer the same queues.
    const offset = this.#enqueued++ % hand.length;
    let best: FlowQueue<T> | undefined;
    for (let at = 0; at < hand.length; at++) {
      const index = hand[(offset + at) % hand.length] ?? 0;
      const queue = this.#active.get(index);
      if (!queue) return new FlowQueue(index);
      if (!best || queue.seatsWaiting < best.seatsWaiting) best = queue;
    }
    return best ?? new FlowQueue(0);
  }

  /**
   * The queue whose first request would be done first in virtual time, among the requests that may start at all.
   * `mayStart` must not depend on the number of free seats: who needs many of them is waited for.
   */
  next(mayStart: (request: T) => boolean): { readonly queue: FlowQueue<T>; readonly request: T } | undefined {
    let found: { queue: FlowQueue<T>; request: T } | undefined;
    let earliest = Infinity;
    for (const queue of this.#active.values()) {
      const request = queue.waiting[0]?.request;
      if (!request) continue;
      const finish = queue.nextStart + request.seats * ESTIMATED_SECONDS;
      if (finish >= earliest || !mayStart(request)) continue;
      earliest = finish;
      found = { queue, request };
    }
    return found;
  }

  /** Dispatches the first request of a queue; `finished` must be called when it has ended. */
  dispatch(queue: FlowQueue<T>): void {
    const waiter = queue.waiting.shift();
    if (!waiter) return;
    this.#length--;
    queue.seatsWaiting -= waiter.request.seats;
    queue.executing++;
    this.#virtualTime = Math.max(this.#virtualTime, queue.nextStart);
    queue.nextStart += waiter.request.seats * ESTIMATED_SECONDS;
    queue.bound();
    // Of queues that are equal the others are first next time.
    this.#active.delete(queue.index);
    this.#active.set(queue.index, queue);
  }

  /** Charges what a dispatched request has really taken. */
  finished(queue: FlowQueue<T>, seats: number, seconds: number): void {
    queue.executing--;
    queue.nextStart += seats * (seconds - ESTIMATED_SECONDS);
    queue.bound();
    this.#forgetIfIdle(queue);
  }

  /** Takes back a request that waits no longer. */
  remove(queue: FlowQueue<T>, request: T): void {
    const at = queue.waiting.findIndex((waiter) => waiter.request === request);
    if (at < 0) return;
    queue.waiting.splice(at, 1);
    queue.seatsWaiting -= request.seats;
    this.#length--;
    queue.bound();
    this.#forgetIfIdle(queue);
  }

  #forgetIfIdle(queue: FlowQueue<T>): void {
    if (queue.waiting.length === 0 && queue.executing === 0 && this.#active.get(queue.index) === queue) {
      this.#active.delete(queue.index);
    }
  }
}
