/** Metrics of work queues, with client-go's names: https://kubernetes.io/docs/reference/instrumentation/metrics/ */
import type { QueueObserver, WorkQueue } from '../../../client/work-queue.ts';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import { Counter, exponential, Histogram } from '../../../daemon/metrics/series.ts';

/** Upstream's, in seconds: ten nanoseconds to a thousand seconds. */
const BOUNDS = exponential(1e-8, 10, 12);

export class QueueMetrics {
  readonly #queues = new Map<string, Pick<WorkQueue, 'size' | 'workedOnMs'>>();
  readonly #adds = new Counter('workqueue_adds_total', 'Keys added to the queue of a controller.', ['name']);
  readonly #retries = new Counter('workqueue_retries_total', 'Keys added again after a failure.', ['name']);
  readonly #waitSeconds = new Histogram('workqueue_queue_duration_seconds', 'How long keys wait.', BOUNDS, ['name']);
  readonly #workSeconds = new Histogram('workqueue_work_duration_seconds', 'How long keys are worked on.', BOUNDS, [
    'name',
  ]);

  /** What the queue of this name is to tell. */
  observer(name: string): QueueObserver {
    const waited = this.#waitSeconds.series(name);
    const worked = this.#workSeconds.series(name);
    this.#adds.add(0, name);
    this.#retries.add(0, name);
    return {
      added: () => this.#adds.increase(name),
      retried: () => this.#retries.increase(name),
      started: (waitedMs) => waited(waitedMs / 1000),
      ended: (workedMs) => worked(workedMs / 1000),
    };
  }

  /** Whose length and work in progress are read when the metrics are. */
  watch(name: string, queue: Pick<WorkQueue, 'size' | 'workedOnMs'>): void {
    this.#queues.set(name, queue);
  }

  text(): string {
    const to = new Exposition();
    for (const series of [this.#adds, this.#retries, this.#waitSeconds, this.#workSeconds]) series.write(to);
    const queues = Array.from(this.#queues, ([name, queue]) => ({ name, depth: queue.size, ms: queue.workedOnMs() }));
    const gauge = (metric: string, help: string, of: (queue: (typeof queues)[number]) => number): void => {
      to.family(metric, 'gauge', help);
      for (const queue of queues) to.sample(metric, { name: queue.name }, of(queue));
    };
    gauge('workqueue_depth', 'Keys that wait.', ({ depth }) => depth);
    gauge(
      'workqueue_unfinished_work_seconds',
      'How long the keys that are worked on have been, together: it grows when they hang.',
      ({ ms }) => ms.reduce((sum, each) => sum + each, 0) / 1000,
    );
    gauge(
      'workqueue_longest_running_processor_seconds',
      'How long the oldest of them has been.',
      ({ ms }) => Math.max(0, ...ms) / 1000,
    );
    return to.toString();
  }
}
