/** What becomes of resizes of pods, under the kubelet's names: https://kubernetes.io/docs/reference/instrumenting/metrics/ */
import type { Exposition } from '../../daemon/metrics/exposition.ts';
import { Counter, Histogram } from '../../daemon/metrics/series.ts';
import type { ResizeState } from '../pods/resize/pod-sizes.ts';
import type { ResizeObserver, ResizeOperation } from '../pods/resize/resize-observer.ts';

/** Upstream's buckets, in milliseconds. */
const DURATION_BUCKETS = [
  ...[10, 50, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000],
];

export class ResizeMetrics implements ResizeObserver {
  readonly #states: () => Iterable<ResizeState>;
  readonly #requested = new Counter(
    'kubelet_container_requested_resizes_total',
    'Resizes that were asked for, of each resource of each container for itself.',
    ['resource', 'requirement', 'operation'],
  );
  readonly #infeasible = new Counter('kubelet_pod_infeasible_resizes_total', 'Resizes that cannot be, and why.', [
    'reason_detail',
  ]);
  readonly #late = new Counter(
    'kubelet_pod_deferred_accepted_resizes_total',
    'Resizes that were deferred and could be carried out later, and after what.',
    ['retry_trigger'],
  );
  readonly #durations = new Histogram(
    'kubelet_pod_resize_duration_milliseconds',
    'Milliseconds that it took to resize the containers of a pod.',
    DURATION_BUCKETS,
    ['success'],
  );

  /** @param states of the pods of this node */
  constructor(states: () => Iterable<ResizeState>) {
    this.#states = states;
  }

  requested({ resource, requirement, operation }: ResizeOperation): void {
    this.#requested.increase(resource, requirement, operation);
  }

  infeasible(detail: string): void {
    this.#infeasible.increase(detail);
  }

  acceptedLate(trigger: string): void {
    this.#late.increase(trigger);
  }

  carriedOut(milliseconds: number, isSuccess: boolean): void {
    this.#durations.observe(milliseconds, String(isSuccess));
  }

  write(to: Exposition): void {
    const states = [...this.#states()];
    const waiting = Map.groupBy(
      states.flatMap(({ pending }) => pending?.reason ?? []),
      (reason) => reason,
    );
    to.family('kubelet_pod_pending_resizes', 'gauge', 'Resizes that wait, and why.');
    for (const [reason, some] of waiting)
      to.sample('kubelet_pod_pending_resizes', { reason: reason.toLowerCase() }, some.length);
    to.single(
      ...(['kubelet_pod_in_progress_resizes', 'gauge'] as const),
      'Pods that are being resized.',
      states.filter(({ inProgress }) => inProgress).length,
    );
    for (const metric of [this.#requested, this.#infeasible, this.#late, this.#durations]) metric.write(to);
  }
}
