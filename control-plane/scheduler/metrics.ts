/** The scheduler's metrics, with upstream's names: https://kubernetes.io/docs/reference/instrumentation/metrics/ */
import { Exposition } from '../../daemon/metrics/exposition.ts';
import { Counter, exponential, Histogram } from '../../daemon/metrics/series.ts';
import type { ObservePoint } from './framework/cycle.ts';
import type { QueuedPod, QueueName, SchedulingQueue } from './queue.ts';

/** Attempts beyond these have one label, as upstream. */
const MAX_ATTEMPTS_LABEL = 15;

export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';

/** What is measured when the metrics are read. */
export interface MetricsSources {
  readonly queue: Pick<SchedulingQueue, 'sizes' | 'unschedulableByPlugin'>;
  readonly cache: {
    readonly nodes: { readonly length: number };
    readonly podCount: number;
    readonly assumedCount: number;
  };
}

const secondsSince = (start: number): number => (performance.now() - start) / 1000;

export class SchedulerMetrics {
  readonly #attempts = new Counter('scheduler_schedule_attempts_total', 'Attempts to schedule pods, by the result.', [
    'result',
    'profile',
  ]);
  readonly #attemptSeconds = new Histogram(
    'scheduler_scheduling_attempt_duration_seconds',
    'Duration of an attempt to schedule a pod, binding included.',
    exponential(0.001, 2, 15),
    ['result', 'profile'],
  );
  readonly #algorithmSeconds = new Histogram(
    'scheduler_scheduling_algorithm_duration_seconds',
    'Duration of finding a node for a pod.',
    exponential(0.001, 2, 15),
  );
  readonly #podSeconds = new Histogram(
    'scheduler_pod_scheduling_sli_duration_seconds',
    'From the first attempt to schedule a pod until it is bound.',
    exponential(0.01, 2, 20),
    ['attempts'],
  );
  readonly #podAttempts = new Histogram(
    'scheduler_pod_scheduling_attempts',
    'Attempts until a pod was scheduled.',
    exponential(1, 2, 5),
  );
  readonly #points = new Histogram(
    'scheduler_framework_extension_point_duration_seconds',
    'Duration of all plugins of an extension point.',
    exponential(0.0001, 2, 12),
    ['extension_point', 'status', 'profile'],
  );
  readonly #incoming = new Counter(
    'scheduler_queue_incoming_pods_total',
    'Pods added to parts of the queue, by event.',
    ['queue', 'event'],
  );
  readonly #preemptions = new Counter(
    'scheduler_preemption_attempts_total',
    'Pods for which a node has been looked at for preemption.',
  );
  readonly #victims = new Histogram('scheduler_preemption_victims', 'Pods chosen for removal.', exponential(1, 2, 7));

  /** An attempt is over. @param start `performance.now()` when it began */
  attempted(result: AttemptResult, profile: string, start: number): void {
    this.#attempts.increase(result, profile);
    this.#attemptSeconds.observe(secondsSince(start), result, profile);
  }

  decided(start: number): void {
    this.#algorithmSeconds.observe(secondsSince(start));
  }

  /** The pod is bound. @param now `performance.now()` */
  bound({ attempts, firstAttempt }: QueuedPod, now: number): void {
    const made = attempts + 1;
    this.#podAttempts.observe(made);
    const label = made >= MAX_ATTEMPTS_LABEL ? `${MAX_ATTEMPTS_LABEL}+` : String(made);
    if (firstAttempt !== undefined) this.#podSeconds.observe((now - firstAttempt) / 1000, label);
  }

  preempted(victims: number): void {
    this.#preemptions.increase();
    if (victims > 0) this.#victims.observe(victims);
  }

  readonly incoming = (queue: QueueName, event: string): void => this.#incoming.increase(queue, event);

  /** Observes the extension points of a profile. */
  pointsOf(profile: string): ObservePoint {
    return (point, start, succeeded) =>
      this.#points.observe(secondsSince(start), point, succeeded ? 'Success' : 'Unschedulable', profile);
  }

  text({ queue, cache }: MetricsSources): string {
    const to = new Exposition();
    for (const series of [
      ...[this.#attempts, this.#attemptSeconds, this.#algorithmSeconds, this.#podSeconds, this.#podAttempts],
      ...[this.#points, this.#incoming, this.#preemptions, this.#victims],
    ])
      series.write(to);
    to.family('scheduler_pending_pods', 'gauge', 'Pods that wait, by the part of the queue.');
    for (const [name, count] of Object.entries(queue.sizes))
      to.sample('scheduler_pending_pods', { queue: name }, count);
    to.family('scheduler_unschedulable_pods', 'gauge', 'Pods that a plugin has rejected.');
    for (const { plugin, profile, count } of queue.unschedulableByPlugin())
      to.sample('scheduler_unschedulable_pods', { plugin, profile }, count);
    to.family('scheduler_cache_size', 'gauge', 'Nodes and pods in the cache.');
    to.sample('scheduler_cache_size', { type: 'nodes' }, cache.nodes.length);
    to.sample('scheduler_cache_size', { type: 'pods' }, cache.podCount);
    to.sample('scheduler_cache_size', { type: 'assumed_pods' }, cache.assumedCount);
    return to.toString();
  }
}
