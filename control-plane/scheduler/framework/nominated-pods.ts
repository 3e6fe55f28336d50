/**
 * Pods for which a node is being cleared: by preemption, or because their `status.nominatedNodeName` says so. Pods of lower
 * priority are scheduled as if they ran there already.
 */
import type { PendingPod } from './pod-info.ts';

const NONE: ReadonlyMap<string, PendingPod> = new Map();

export class NominatedPods {
  readonly #byNode = new Map<string, Map<string, PendingPod>>();
  /** By the pods' uid. */
  readonly #nodes = new Map<string, string>();

  set(pod: PendingPod, nodeName: string): void {
    this.delete(pod.uid);
    const pods = this.#byNode.get(nodeName) ?? new Map<string, PendingPod>();
    this.#byNode.set(nodeName, pods.set(pod.uid, pod));
    this.#nodes.set(pod.uid, nodeName);
  }

  delete(uid: string): void {
    const nodeName = this.#nodes.get(uid);
    if (nodeName === undefined) return;
    this.#nodes.delete(uid);
    const pods = this.#byNode.get(nodeName);
    pods?.delete(uid);
    if (pods?.size === 0) this.#byNode.delete(nodeName);
  }

  nodeOf(uid: string): string | undefined {
    return this.#nodes.get(uid);
  }

  /** The pods that the node is kept for, but for this one and those of lower priority. */
  ahead({ uid, priority }: PendingPod, nodeName: string): PendingPod[] {
    const pods = this.#byNode.get(nodeName) ?? NONE;
    return [...pods.values()].filter((other) => other.uid !== uid && other.priority >= priority);
  }

  /** The pods of lower priority that the node is kept for. */
  behind({ priority }: PendingPod, nodeName: string): PendingPod[] {
    return [...(this.#byNode.get(nodeName) ?? NONE).values()].filter((other) => other.priority < priority);
  }
}
