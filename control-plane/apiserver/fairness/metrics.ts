/** What `/metrics` says of priorities and flows, with upstream's names (`pkg/util/flowcontrol/metrics`). */
import type { Exposition } from '../../../daemon/metrics/exposition.ts';
import { Counter, Histogram } from '../../../daemon/metrics/series.ts';
import { targetSeats } from './concurrency.ts';
import type { Flow, FlowConfiguration } from './configuration.ts';

const PREFIX = 'apiserver_flowcontrol';
const LABELS = ['priority_level', 'flow_schema'] as const;
const DURATION_BUCKETS_SECONDS = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const SEAT_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 100];
const LENGTH_BUCKETS = [0, 10, 25, 50, 100, 250, 500, 1000];

export type RejectReason = 'concurrency-limit' | 'queue-full' | 'time-out';

/** The numbers of one FlowSchema: counted as fields, since most requests change some of them. */
export class FlowCounts {
  readonly observe: FlowObservers;
  dispatched = 0;
  executing = 0;
  seatsExecuting = 0;
  waiting = 0;
  seatsWaiting = 0;

  constructor(observe: FlowObservers) {
    this.observe = observe;
  }
}

/** Of one FlowSchema. */
export interface FlowObservers {
  readonly estimated: (seats: number) => void;
  readonly executed: (seconds: number) => void;
  readonly watched: (seconds: number) => void;
}

type FlowNumber = Exclude<keyof FlowCounts, 'observe'>;

const GAUGES: readonly (readonly [name: string, help: string, field: FlowNumber])[] = [
  ['current_executing_requests', 'Requests that execute.', 'executing'],
  ['current_executing_seats', 'Seats of the requests that execute.', 'seatsExecuting'],
  ['current_inqueue_requests', 'Requests that wait in queues.', 'waiting'],
  ['current_inqueue_seats', 'Seats of the requests that wait in queues.', 'seatsWaiting'],
];

export class FlowMetrics {
  readonly #counts = new Map<string, { readonly flow: Flow; readonly counts: FlowCounts }>();
  readonly #byFlow = new WeakMap<Flow, FlowCounts>();
  readonly #rejections = new Counter(`${PREFIX}_rejected_requests_total`, 'Rejected requests.', [...LABELS, 'reason']);
  readonly #waits = new Histogram(
    `${PREFIX}_request_wait_duration_seconds`,
    'How long requests have waited in queues, in seconds.',
    DURATION_BUCKETS_SECONDS,
    [...LABELS, 'execute'],
  );
  readonly #executions = new Histogram(
    `${PREFIX}_request_execution_seconds`,
    'How long requests execute, in seconds; watches until they have been initialized.',
    DURATION_BUCKETS_SECONDS,
    [...LABELS, 'type'],
  );
  readonly #estimates = new Histogram(
    `${PREFIX}_work_estimated_seats`,
    'Seats that requests are thought to need.',
    SEAT_BUCKETS,
    LABELS,
  );
  readonly #queueLengths = new Histogram(
    `${PREFIX}_request_queue_length_after_enqueue`,
    'Requests that wait in a queue, as each finds it that has joined them.',
    LENGTH_BUCKETS,
    LABELS,
  );

  of(flow: Flow): FlowCounts {
    let counts = this.#byFlow.get(flow);
    if (!counts) {
      // A FlowSchema that has changed counts on.
      const key = `${flow.level.name} ${flow.schema}`;
      counts = this.#counts.get(key)?.counts ?? this.#newCounts(flow);
      this.#counts.set(key, { flow, counts });
      this.#byFlow.set(flow, counts);
    }
    return counts;
  }

  #newCounts({ schema, level }: Flow): FlowCounts {
    const executed = (type: string) => this.#executions.series(level.name, schema, type);
    let watches: ((seconds: number) => void) | undefined;
    return new FlowCounts({
      estimated: this.#estimates.series(level.name, schema),
      executed: executed('regular'),
      watched: (seconds) => (watches ??= executed('watch'))(seconds),
    });
  }

  /** @param length of the queue with the request */
  queued({ schema, level }: Flow, length: number): void {
    this.#queueLengths.observe(length, level.name, schema);
  }

  rejected({ schema, level }: Flow, reason: RejectReason): void {
    this.#rejections.increase(level.name, schema, reason);
  }

  /** Requests that did not have to wait are not counted. */
  waited({ schema, level }: Flow, seconds: number, execute: boolean): void {
    this.#waits.observe(seconds, level.name, schema, String(execute));
  }

  write(to: Exposition, configuration: FlowConfiguration): void {
    this.#rejections.write(to);
    this.#waits.write(to);
    this.#executions.write(to);
    this.#estimates.write(to);
    this.#queueLengths.write(to);
    this.#writeCounts(to, 'dispatched_requests_total', 'counter', 'Requests that have been executed.', 'dispatched');
    for (const [name, help, field] of GAUGES) this.#writeCounts(to, name, 'gauge', help, field);
    writeLevels(to, configuration);
  }

  #writeCounts(to: Exposition, name: string, type: 'counter' | 'gauge', help: string, field: FlowNumber): void {
    to.family(`${PREFIX}_${name}`, type, help);
    for (const { flow, counts } of this.#counts.values()) {
      to.sample(`${PREFIX}_${name}`, { priority_level: flow.level.name, flow_schema: flow.schema }, counts[field]);
    }
  }
}

function writeLevels(to: Exposition, configuration: FlowConfiguration): void {
  const levels = [...configuration.levels];
  const write = (name: string, help: string, value: (level: (typeof levels)[number]) => number): void => {
    to.family(`${PREFIX}_${name}`, 'gauge', help);
    for (const level of levels) to.sample(`${PREFIX}_${name}`, { priority_level: level.name }, value(level));
  };
  write('nominal_limit_seats', 'Configured seats.', ({ limits }) => limits.nominal);
  write('lower_limit_seats', 'Seats that are not lent.', ({ limits }) => limits.lower);
  write('upper_limit_seats', 'Seats with all that may be borrowed.', ({ limits }) => limits.upper);
  write(
    'target_seats',
    'Seats that would satisfy the demand.',
    ({ isExempt, limits, demand: { highWatermark, smoothed } }) =>
      targetSeats({ isExempt, limits, highWatermark, smoothed }),
  );
  write('current_limit_seats', 'Seats at present.', ({ limit }) => limit);
  write('demand_seats_high_watermark', 'Most seats wanted in the last period.', ({ demand }) => demand.highWatermark);
  write('demand_seats_average', 'Seats wanted in the last period on average.', ({ demand }) => demand.average);
  write('demand_seats_stdev', 'Standard deviation of the seats wanted.', ({ demand }) => demand.deviation);
  write('demand_seats_smoothed', 'Seats wanted, smoothed over periods.', ({ demand }) => demand.smoothed);
  const fraction = configuration.allocation.fairFraction;
  to.single(`${PREFIX}_seat_fair_frac`, 'gauge', 'Fair fraction of the seats wanted.', fraction);
}
