/** A node as the scheduler sees it: its resources, what of them is taken by which pods, its labels and taints. */
import { hostPortsConflict, type HostPort } from '../../../api/domain/host-ports.ts';
import { quantityValue } from '../../../api/machinery/quantity.ts';
import type { PodInfo } from './pod-info.ts';
import { addResources, parseResources, subtractResources, type Resources } from './resources.ts';
import type { Node, Taint } from '../../../api/types/core/v1.gen.ts';

/** What the scheduler's informer caches of a Node. */
export interface NodeFacts {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly unschedulable: boolean;
  readonly allocatable: Resources;
  readonly maxPods: number;
  /** Bytes of each image on the node, by every name it has. */
  readonly images: ReadonlyMap<string, number>;
}

/** Projects a Node for the scheduler's informer. */
export function nodeFacts(node: Node): NodeFacts {
  const images = new Map<string, number>();
  for (const image of node.status?.images ?? [])
    for (const name of image.names ?? []) images.set(name, image.sizeBytes ?? 0);
  const allocatable = node.status?.allocatable ?? node.status?.capacity;
  return {
    name: node.metadata?.name ?? '',
    labels: node.metadata?.labels ?? {},
    taints: node.spec?.taints ?? [],
    unschedulable: node.spec?.unschedulable ?? false,
    allocatable: parseResources(allocatable),
    maxPods: allocatable?.pods === undefined ? 0 : quantityValue(allocatable.pods),
    images,
  };
}

/** Requests that scoring assumes of a pod that has none, so that such pods are spread, too: upstream's defaults. */
const ASSUMED_MILLI_CPU = 100;
const ASSUMED_MEMORY_BYTES = 200 * 1024 * 1024;

/** The requests of a pod as scores count them. */
export const scoredRequests = (requests: Resources): Resources => ({
  ...requests,
  milliCpu: requests.milliCpu || ASSUMED_MILLI_CPU,
  memory: requests.memory || ASSUMED_MEMORY_BYTES,
});

/** A node with its pods, both bound and assumed. */
export class NodeInfo {
  /** Replaced when the Node object changes. */
  facts: NodeFacts;
  readonly #pods = new Map<string, PodInfo>();
  requested: Resources = parseResources(undefined);
  scored: Resources = parseResources(undefined);

  constructor(facts: NodeFacts) {
    this.facts = facts;
  }

  get podCount(): number {
    return this.#pods.size;
  }

  /** Adds the pod's requests to what is taken. Returns the pod of the same uid that it replaces. */
  add(pod: PodInfo): PodInfo | undefined {
    const replaced = this.remove(pod.uid);
    this.#pods.set(pod.uid, pod);
    this.requested = addResources(this.requested, pod.requests);
    this.scored = addResources(this.scored, scoredRequests(pod.requests));
    return replaced;
  }

  /** Returns the pod; undefined when it is not on the node. */
  remove(uid: string): PodInfo | undefined {
    const pod = this.#pods.get(uid);
    if (!pod) return undefined;
    this.#pods.delete(uid);
    this.requested = subtractResources(this.requested, pod.requests);
    this.scored = subtractResources(this.scored, scoredRequests(pod.requests));
    return pod;
  }

  /** An independent copy, for asking what would be if a pod were added or removed. */
  clone(): NodeInfo {
    const copy = new NodeInfo(this.facts);
    for (const [uid, pod] of this.#pods) copy.#pods.set(uid, pod);
    // Amounts are replaced, never changed, so that the copy may share them.
    copy.requested = this.requested;
    copy.scored = this.scored;
    return copy;
  }

  pods(): IterableIterator<PodInfo> {
    return this.#pods.values();
  }

  /** Whether a pod on the node has a host port that excludes this one. */
  portTaken(wanted: HostPort): boolean {
    for (const { hostPorts } of this.#pods.values())
      if (hostPorts.some((taken) => hostPortsConflict(taken, wanted))) return true;
    return false;
  }
}
