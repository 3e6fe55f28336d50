/**
 * Which pods belong together without saying so: those of the same Services, and of the same controller. Constraints that a profile has
 * for all pods are about them.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/#cluster-level-default-constraints
 */
import type { Labels, Selector } from '../../../api/machinery/selectors.ts';
import type { OwnerReference } from '../../../api/types/meta/v1.gen.ts';

export type WorkloadKind = 'ReplicationController' | 'ReplicaSet' | 'StatefulSet';

/** A controller of pods, in their namespace. */
export interface WorkloadReference {
  readonly kind: WorkloadKind;
  readonly name: string;
}

/** Of a pod, what tells where it belongs. */
export interface WorkloadMember {
  readonly namespace: string;
  readonly labels: Labels;
  readonly pending: { readonly workload: WorkloadReference | undefined };
}

export interface Workloads {
  /** Of the pods that the pod belongs to; undefined when it belongs to none. */
  selectorFor(pod: WorkloadMember): Selector | undefined;
}

/** A cluster without Services and controllers. */
export const NO_WORKLOADS: Workloads = { selectorFor: () => undefined };

const KINDS: ReadonlyMap<string, WorkloadKind> = new Map([
  ['v1 ReplicationController', 'ReplicationController'],
  ['apps/v1 ReplicaSet', 'ReplicaSet'],
  ['apps/v1 StatefulSet', 'StatefulSet'],
]);

/** The controller of a pod; undefined when it has none, or one of another kind. */
export function workloadOf(owners: readonly OwnerReference[] | undefined): WorkloadReference | undefined {
  const owner = owners?.find(({ controller }) => controller);
  const kind = owner && KINDS.get(`${owner.apiVersion} ${owner.kind}`);
  return kind && { kind, name: owner.name };
}
