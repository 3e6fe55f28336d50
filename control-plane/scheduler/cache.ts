/**
 * The scheduling cache: every node with its pods, bound or assumed. A pod is assumed on the node that was chosen for it until the
 * API says that it is bound, so that the next pod is scheduled without waiting for the binding.
 */
import { deepEqual } from '../../api/machinery/deep-equal.ts';
import type { Labels } from '../../api/machinery/selectors.ts';
import type { Cluster } from './framework/cluster.ts';
import type { DisruptionBudget } from './framework/disruption-budget.ts';
import { NO_DEVICES, type Devices } from './framework/devices.ts';
import { NodeInfo, type NodeFacts } from './framework/node-info.ts';
import { interleaved, zoneOf } from './framework/node-sampling.ts';
import { NominatedPods } from './framework/nominated-pods.ts';
import { PodIndex } from './framework/pod-index.ts';
import type { PendingPod, PodInfo } from './framework/pod-info.ts';
import { NO_STORAGE, type Storage } from './framework/storage.ts';
import { NO_WORKLOADS, type Workloads } from './framework/workloads.ts';

export class SchedulingCache implements Cluster {
  readonly #nodes = new Map<string, NodeInfo>();
  #list: readonly NodeInfo[] | undefined;
  readonly pods = new PodIndex(this.#nodes);
  readonly storage: Storage;
  readonly devices: Devices;
  readonly workloads: Workloads;
  readonly nominated = new NominatedPods();
  readonly #budgets = new Map<string, DisruptionBudget>();
  #budgetList: readonly DisruptionBudget[] | undefined;
  readonly #namespaces = new Map<string, Labels>();
  #namespacesVersion = 0;
  /** Pods that are bound to nodes that have not been seen yet, or not any more, by uid. */
  readonly #withoutNode = new Map<string, PodInfo>();
  /** Nodes of the assumed pods, by the pods' uid. */
  readonly #assumed = new Map<string, string>();

  /**
   * @param storage of a cluster without claims when absent
   * @param workloads likewise without Services and controllers
   * @param devices likewise without devices
   */
  constructor(storage: Storage = NO_STORAGE, workloads: Workloads = NO_WORKLOADS, devices: Devices = NO_DEVICES) {
    this.storage = storage;
    this.devices = devices;
    this.workloads = workloads;
  }

  get nodes(): readonly NodeInfo[] {
    this.#list ??= interleaved(this.#nodes.values());
    return this.#list;
  }

  get budgets(): readonly DisruptionBudget[] {
    this.#budgetList ??= [...this.#budgets.values()];
    return this.#budgetList;
  }

  /** @param key identifies it @param budget undefined when it is gone */
  setBudget(key: string, budget: DisruptionBudget | undefined): void {
    if (budget) this.#budgets.set(key, budget);
    else this.#budgets.delete(key);
    this.#budgetList = undefined;
  }

  get namespacesVersion(): number {
    return this.#namespacesVersion;
  }

  readonly namespaceLabels = (namespace: string): Labels | undefined => this.#namespaces.get(namespace);

  /** `labels` are undefined for a namespace that is gone. */
  setNamespace(name: string, labels: Labels | undefined): void {
    if (labels) this.#namespaces.set(name, labels);
    else this.#namespaces.delete(name);
    this.#namespacesVersion++;
  }

  setNode(facts: NodeFacts): void {
    const known = this.#nodes.get(facts.name);
    if (known) {
      const { labels } = known.facts;
      known.facts = facts;
      if (deepEqual(labels, facts.labels)) return;
      this.pods.nodeRelabelled(facts.name, labels, facts.labels);
      if (zoneOf(labels) !== zoneOf(facts.labels)) this.#list = undefined;
      return;
    }
    const added = new NodeInfo(facts);
    this.#nodes.set(facts.name, added);
    this.#list = undefined;
    this.pods.nodeAdded(facts);
    for (const [uid, pod] of this.#withoutNode) {
      if (pod.nodeName !== facts.name) continue;
      this.#put(added, pod);
      this.#withoutNode.delete(uid);
    }
  }

  /** Its pods are kept: the node may come back before they are deleted. */
  removeNode(name: string): void {
    const node = this.#nodes.get(name);
    if (!node) return;
    for (const pod of [...node.pods()]) {
      this.#withoutNode.set(pod.uid, pod);
      this.#take(node, pod.uid);
    }
    this.pods.nodeRemoved(node.facts);
    this.#nodes.delete(name);
    this.#list = undefined;
  }

  /**
   * Adds or updates a pod that is bound. If it was assumed on another node, that reservation is given back. Returns the pod as it was
   * known to be bound.
   */
  setPod(pod: PodInfo): PodInfo | undefined {
    if (this.#assumed.get(pod.uid) !== pod.nodeName) this.forget(pod.uid);
    const wasAssumed = this.#assumed.delete(pod.uid);
    const node = this.#nodes.get(pod.nodeName);
    const known = node ? this.#put(node, pod) : this.#withoutNode.get(pod.uid);
    if (!node) this.#withoutNode.set(pod.uid, pod);
    return wasAssumed ? undefined : known;
  }

  /** Removes a pod, bound or assumed. Returns whether that frees resources of a node. */
  removePod(pod: PodInfo): boolean {
    if (this.forget(pod.uid)) return true;
    this.#withoutNode.delete(pod.uid);
    return this.#take(this.#nodes.get(pod.nodeName), pod.uid);
  }

  /** Reserves the pod's requests on the node until `setPod`, `removePod` or `forget`. Throws when there is no such node. */
  assume(pod: PendingPod, nodeName: string): void {
    const node = this.#nodes.get(nodeName);
    if (!node) throw new Error(`pod ${pod.namespace}/${pod.name} cannot be assumed on unknown node ${nodeName}`);
    this.#put(node, { ...pod, nodeName, pending: undefined });
    this.#assumed.set(pod.uid, nodeName);
  }

  /** Gives an assumed pod's reservation back. Returns false when the pod is not assumed (any more). */
  forget(uid: string): boolean {
    const nodeName = this.#assumed.get(uid);
    if (nodeName === undefined) return false;
    this.#assumed.delete(uid);
    this.#withoutNode.delete(uid);
    this.#take(this.#nodes.get(nodeName), uid);
    return true;
  }

  /** On nodes, bound or assumed. */
  get podCount(): number {
    let count = this.#withoutNode.size;
    for (const node of this.#nodes.values()) count += node.podCount;
    return count;
  }

  get assumedCount(): number {
    return this.#assumed.size;
  }

  isAssumed(uid: string): boolean {
    return this.#assumed.has(uid);
  }

  #put(node: NodeInfo, pod: PodInfo): PodInfo | undefined {
    const replaced = node.add(pod);
    if (replaced && isCountedAlike(replaced, pod)) return replaced;
    const { name } = node.facts;
    if (replaced) this.pods.podRemoved(replaced, name);
    this.pods.podAdded(pod, name);
    return replaced;
  }

  #take(node: NodeInfo | undefined, uid: string): boolean {
    const removed = node?.remove(uid);
    if (node && removed) this.pods.podRemoved(removed, node.facts.name);
    return removed !== undefined;
  }
}

/** Whether the index counts both the same: labels and terms are shared by pods that have the same ones. */
const isCountedAlike = (one: PodInfo, other: PodInfo): boolean =>
  one.labels === other.labels && one.terms === other.terms && one.deleting === other.deleting;
