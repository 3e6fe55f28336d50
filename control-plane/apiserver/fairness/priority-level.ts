/** The seats of one priority level, and who waits for them. */
import type { PriorityLevelConfigurationSpec } from '../../../api/types/flowcontrol/v1.gen.ts';
import type { Limits } from './concurrency.ts';
import { FlowQueues, type FlowQueue, type QueueSettings, type Waiting } from './flow-queues.ts';
import { RetryAfter } from './retry-after.ts';
import { SeatDemand } from './seat-demand.ts';

/** Of the nominal seats, how many one request may take: upstream's `priorityLevelMaxSeatsPercent`. */
const MAX_SHARE_OF_REQUEST = 0.15;
/**
 * Of the seats, how many one user may take. Upstream has no such limit. Here a client that does not read a long list keeps its seats,
 * and must not be able to keep all of them.
 */
const MAX_SHARE_OF_USER = 0.5;
/** How long waiting requests are started before the event loop polls for I/O again. */
const SLICE_MS = 5;

export interface WaitingRequest extends Waiting {
  /** Starts it; its seats have been taken. Must not throw. */
  readonly start: (queue: FlowQueue<WaitingRequest>) => void;
}

function queueSettings({ limited }: PriorityLevelConfigurationSpec): QueueSettings | undefined {
  const queuing = limited?.limitResponse?.type === 'Queue' ? limited.limitResponse.queuing : undefined;
  if (!queuing) return undefined;
  const { queues = 1, handSize = 1, queueLengthLimit = 1 } = queuing;
  return { queues, handSize, queueLengthLimit };
}

export class PriorityLevel {
  readonly name: string;
  readonly demand: SeatDemand;
  readonly retryAfter = new RetryAfter();
  isExempt = false;
  limits: Limits = { nominal: 0, lower: 0, upper: 0 };
  /** How many seats one request may take. */
  maxSeats = Infinity;
  /** Whether requests may wait. */
  isQueuing = false;
  #limit = 0;
  #inUse = 0;
  #executing = 0;
  #seatsWaiting = 0;
  /** Of the users with requests that take longer than a turn of the event loop. */
  readonly #seatsOfUsers = new Map<string, number>();
  #queues: FlowQueues<WaitingRequest> | undefined;
  #isScheduled = false;

  constructor(name: string, now: number) {
    this.name = name;
    this.demand = new SeatDemand(now);
  }

  configure(spec: PriorityLevelConfigurationSpec, limits: Limits): void {
    const settings = queueSettings(spec);
    this.isExempt = spec.type === 'Exempt';
    this.limits = limits;
    this.isQueuing = settings !== undefined;
    this.maxSeats = settings ? mostSeats(limits.nominal, settings.handSize) : Infinity;
    if (!settings) return;
    if (this.#queues) this.#queues.configure(settings);
    else this.#queues = new FlowQueues(settings);
  }

  /** The seats that it has at present. */
  get limit(): number {
    return this.#limit;
  }

  set limit(seats: number) {
    this.#limit = seats;
    this.#schedule();
  }

  /** Takes seats if they are free and nobody waits for them. */
  take(user: string, seats: number): boolean {
    if (!this.isExempt) {
      if (this.#queues !== undefined && this.#queues.length > 0) return false;
      if (!this.#areFree(seats) || !this.#mayTake(user, seats)) return false;
    }
    this.#occupy(seats);
    return true;
  }

  /** Notes that a request takes longer than the present turn. */
  hold(user: string, seats: number): void {
    this.#seatsOfUsers.set(user, (this.#seatsOfUsers.get(user) ?? 0) + seats);
    this.#noteDemand();
  }

  /** Ends a `hold`. */
  letGo(user: string, seats: number): void {
    const left = (this.#seatsOfUsers.get(user) ?? 0) - seats;
    if (left > 0) this.#seatsOfUsers.set(user, left);
    else this.#seatsOfUsers.delete(user);
    this.#noteDemand();
  }

  /** Gives back the seats of a request that has ended. */
  give(seats: number): void {
    this.#inUse -= seats;
    this.#executing--;
    this.#schedule();
  }

  /** Queues a request. Returns its queue; undefined when that is full. It may have started already. */
  wait(hash: bigint, request: WaitingRequest): FlowQueue<WaitingRequest> | undefined {
    const queue = this.#queues?.add(hash, request);
    if (!queue) return undefined;
    this.#seatsWaiting += request.seats;
    this.#noteDemand();
    if (!this.#isScheduled) this.#dispatch();
    return queue;
  }

  /** Takes back a request that has not started. */
  leave(queue: FlowQueue<WaitingRequest>, request: WaitingRequest): void {
    this.#queues?.remove(queue, request);
    this.#seatsWaiting -= request.seats;
    this.#noteDemand();
    this.#schedule();
  }

  /** Charges a request that has waited for the time that it has taken. */
  charge(queue: FlowQueue<WaitingRequest>, seats: number, seconds: number): void {
    this.#queues?.finished(queue, seats, seconds);
  }

  /** Somebody who needs more seats than there are gets them when all others are free. */
  #areFree(seats: number): boolean {
    return seats > this.#limit ? this.#executing === 0 : this.#inUse + seats <= this.#limit;
  }

  #mayTake(user: string, seats: number): boolean {
    if (this.#seatsOfUsers.size === 0) return true;
    const held = this.#seatsOfUsers.get(user);
    return held === undefined || held + seats <= this.#limit * MAX_SHARE_OF_USER;
  }

  #occupy(seats: number): void {
    this.#inUse += seats;
    this.#executing++;
  }

  #noteDemand(): void {
    this.demand.set(this.#inUse + this.#seatsWaiting, performance.now());
  }

  #schedule(): void {
    if (this.#isScheduled || this.#queues === undefined || this.#queues.length === 0) return;
    this.#isScheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isScheduled = false;
    this.#dispatch();
  };

  #dispatch(): void {
    const end = performance.now() + SLICE_MS;
    while (this.#queues && this.#queues.length > 0 && this.#inUse < Math.max(1, this.#limit)) {
      const next = this.#queues.next(({ user, seats }) => this.#mayTake(user, seats));
      if (!next || !this.#areFree(next.request.seats)) return;
      const { queue, request } = next;
      this.#queues.dispatch(queue);
      this.#seatsWaiting -= request.seats;
      this.#occupy(request.seats);
      request.start(queue);
      if (performance.now() >= end) return this.#schedule();
    }
  }
}

const mostSeats = (nominal: number, handSize: number): number =>
  Math.max(1, Math.min(Math.ceil(nominal * MAX_SHARE_OF_REQUEST), Math.floor(nominal / handSize)));
