/** What is counted of resizes. */
import { isSidecar } from '../../../api/domain/pod-lifecycle.ts';
import { own } from '../../../api/machinery/own.ts';
import { compareQuantities } from '../../../api/machinery/quantity.ts';
import type { Container, Pod } from '../../../api/types/core/v1.gen.ts';

/** What a spec asks for: `memory`, `limits`, `increase`. Upstream's words. */
export interface ResizeOperation {
  readonly resource: 'cpu' | 'memory';
  readonly requirement: 'requests' | 'limits';
  readonly operation: 'add' | 'remove' | 'increase' | 'decrease';
}

/** Why a pod cannot be resized at all: a word for metrics, and a sentence. Upstream's. */
export interface ResizeProblem {
  readonly detail: string;
  readonly message: string;
}

export interface ResizeObserver {
  requested(operation: ResizeOperation): void;
  infeasible(detail: string): void;
  /** A resize that was deferred is carried out, because of this. */
  acceptedLate(trigger: string): void;
  carriedOut(milliseconds: number, isSuccess: boolean): void;
}

const containersOf = ({ spec }: Pod): readonly Container[] => [
  ...(spec?.initContainers ?? []).filter(isSidecar),
  ...(spec?.containers ?? []),
];

function operationOf(before: string | undefined, after: string | undefined): ResizeOperation['operation'] | undefined {
  const isNone = (amount: string | undefined): amount is undefined =>
    amount === undefined || compareQuantities(amount, '0') === 0;
  if (isNone(before)) return isNone(after) ? undefined : 'add';
  if (isNone(after)) return 'remove';
  const order = compareQuantities(after, before);
  return order === 0 ? undefined : order > 0 ? 'increase' : 'decrease';
}

/** How the containers of a pod are to be resized, each resource and side for itself. Pure. */
export function resizeOperations(before: Pod, after: Pod): ResizeOperation[] {
  const old = new Map(containersOf(before).map((container) => [container.name, container]));
  return containersOf(after).flatMap(({ name, resources }) =>
    (['memory', 'cpu'] as const).flatMap((resource) =>
      (['requests', 'limits'] as const).flatMap((requirement) => {
        const was = own(old.get(name)?.resources?.[requirement], resource);
        const operation = old.has(name) ? operationOf(was, own(resources?.[requirement], resource)) : undefined;
        return operation ? [{ resource, requirement, operation }] : [];
      }),
    ),
  );
}
