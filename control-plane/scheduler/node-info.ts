/** A node as the scheduler sees it: what it has, what is taken, and what it asks of pods. */
import { clash, type HostPort } from '../../api/domain/host-ports.ts';
import { quantityValue } from '../../api/machinery/quantity.ts';
import type { PodInfo } from './pod-info.ts';
import { addResources, parseResources, subtractResources, type Resources } from './resources.ts';
import type { Node, Taint } from '../../api/types/core/v1.gen.ts';

/** What the scheduler's informer keeps of a Node. */
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

/** Requests that scoring assumes of a container that names none, so that such pods spread too: upstream's defaults. */
const ASSUMED_MILLI_CPU = 100;
const ASSUMED_MEMORY_BYTES = 200 * 1024 * 1024;

/** What a pod counts for in scores. */
export const scoredRequests = (requests: Resources): Resources => ({
  ...requests,
  milliCpu: requests.milliCpu || ASSUMED_MILLI_CPU,
  memory: requests.memory || ASSUMED_MEMORY_BYTES,
});

/** A node with the pods that are, or are about to be, on it. */
export class NodeInfo {
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

  /** Takes room for a pod; again with the same uid replaces it. */
  add(pod: PodInfo): void {
    this.remove(pod.uid);
    this.#pods.set(pod.uid, pod);
    this.requested = addResources(this.requested, pod.requests);
    this.scored = addResources(this.scored, scoredRequests(pod.requests));
  }

  remove(uid: string): void {
    const pod = this.#pods.get(uid);
    if (!pod) return;
    this.#pods.delete(uid);
    this.requested = subtractResources(this.requested, pod.requests);
    this.scored = subtractResources(this.scored, scoredRequests(pod.requests));
  }

  has(uid: string): boolean {
    return this.#pods.has(uid);
  }

  pods(): IterableIterator<PodInfo> {
    return this.#pods.values();
  }

  portTaken(wanted: HostPort): boolean {
    for (const { hostPorts } of this.#pods.values()) if (hostPorts.some((taken) => clash(taken, wanted))) return true;
    return false;
  }
}
