/**
 * The scheduling cache: every node with its pods, bound or assumed. A pod is assumed on the node that was chosen for it until the
 * API says that it is bound, so that the next pod is scheduled without waiting for the binding.
 */
import { NodeInfo, type NodeFacts } from './framework/node-info.ts';
import type { PendingPod, PodInfo } from './framework/pod-info.ts';

export class SchedulingCache {
  readonly #nodes = new Map<string, NodeInfo>();
  #list: readonly NodeInfo[] | undefined;
  /** Pods that are bound to nodes that have not been seen yet, or not any more, by uid. */
  readonly #withoutNode = new Map<string, PodInfo>();
  /** Nodes of the assumed pods, by the pods' uid. */
  readonly #assumed = new Map<string, string>();

  /** All nodes. They are live: what is not synchronous has to clone them. */
  nodes(): readonly NodeInfo[] {
    this.#list ??= [...this.#nodes.values()];
    return this.#list;
  }

  setNode(facts: NodeFacts): void {
    const known = this.#nodes.get(facts.name);
    if (known) {
      known.facts = facts;
      return;
    }
    const added = new NodeInfo(facts);
    this.#nodes.set(facts.name, added);
    this.#list = undefined;
    for (const [uid, pod] of this.#withoutNode) {
      if (pod.nodeName !== facts.name) continue;
      added.add(pod);
      this.#withoutNode.delete(uid);
    }
  }

  /** Its pods are kept: the node may come back before they are deleted. */
  removeNode(name: string): void {
    for (const pod of this.#nodes.get(name)?.pods() ?? []) this.#withoutNode.set(pod.uid, pod);
    this.#nodes.delete(name);
    this.#list = undefined;
  }

  /** Adds or updates a pod that is bound. If it was assumed on another node, that reservation is given back. */
  setPod(pod: PodInfo): void {
    if (this.#assumed.get(pod.uid) !== pod.nodeName) this.forget(pod.uid);
    this.#assumed.delete(pod.uid);
    const node = this.#nodes.get(pod.nodeName);
    if (node) node.add(pod);
    else this.#withoutNode.set(pod.uid, pod);
  }

  /** Removes a pod, bound or assumed. Returns whether that frees resources of a node. */
  removePod(pod: PodInfo): boolean {
    if (this.forget(pod.uid)) return true;
    this.#withoutNode.delete(pod.uid);
    return this.#nodes.get(pod.nodeName)?.remove(pod.uid) ?? false;
  }

  /** Reserves the pod's requests on the node until `setPod`, `removePod` or `forget`. Throws when there is no such node. */
  assume(pod: PendingPod, nodeName: string): void {
    const node = this.#nodes.get(nodeName);
    if (!node) throw new Error(`pod ${pod.namespace}/${pod.name} cannot be assumed on unknown node ${nodeName}`);
    node.add({ ...pod, nodeName, pending: undefined });
    this.#assumed.set(pod.uid, nodeName);
  }

  /** Gives an assumed pod's reservation back. Returns false when the pod is not assumed (any more). */
  forget(uid: string): boolean {
    const nodeName = this.#assumed.get(uid);
    if (nodeName === undefined) return false;
    this.#assumed.delete(uid);
    this.#withoutNode.delete(uid);
    this.#nodes.get(nodeName)?.remove(uid);
    return true;
  }

  isAssumed(uid: string): boolean {
    return this.#assumed.has(uid);
  }
}
