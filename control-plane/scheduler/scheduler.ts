/** The driver: follows pods and nodes, decides for one waiting pod after the other, and binds without waiting in line. */
import { nodes as nodesResource, pods as podsResource } from '../../client/resources.gen.ts';
import { isNotFound } from '../../api/machinery/status-error.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { EventRecorder } from '../../client/event-recorder.ts';
import { Informer } from '../../client/informer.ts';
import type { Logger } from '../../client/logger.ts';
import { logFailure } from '../../client/outage.ts';
import { decide } from './decide.ts';
import { NodeInfo, nodeFacts, type NodeFacts } from './node-info.ts';
import type { ClusterChange, Plugin, WaitingPod } from './plugin.ts';
import { defaultPlugins } from './plugins/index.ts';
import { podInfo, type PodInfo } from './pod-info.ts';
import { SchedulingQueue, type QueuedPod } from './queue.ts';
import type { Binding, ObjectReference } from '../../api/types/core/v1.gen.ts';

export interface SchedulerOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  /** Pods whose spec.schedulerName is another are not ours. */
  readonly schedulerName?: string;
  readonly plugins?: readonly Plugin[];
}

/** Pods decided in one go before pending events are looked at again. */
const BATCH = 64;

const isWaiting = (pod: PodInfo): pod is WaitingPod => pod.pending !== undefined;

export class Scheduler {
  readonly #client: ApiClient;
  readonly #events: EventRecorder;
  readonly #logger: Logger;
  readonly #schedulerName: string;
  readonly #plugins: readonly Plugin[];
  readonly #queue: SchedulingQueue;
  readonly #nodes = new Map<string, NodeInfo>();
  /** Pods that are bound to nodes that have not been seen yet. */
  readonly #homeless = new Map<string, PodInfo>();
  /** Room taken for pods whose binding is under way: uid -> node. */
  readonly #assumed = new Map<string, string>();
  #scheduled = false;
  #synced = false;

  constructor({ client, logger, schedulerName = 'default-scheduler', plugins = defaultPlugins }: SchedulerOptions) {
    this.#client = client;
    this.#events = new EventRecorder({ client, logger, component: schedulerName });
    this.#logger = logger;
    this.#schedulerName = schedulerName;
    this.#plugins = plugins;
    this.#queue = new SchedulingQueue(plugins, () => this.#soon());
  }

  /** Schedules until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const options = { client: this.#client, logger: this.#logger };
    const nodes = new Informer({ ...options, resource: nodesResource, select: nodeFacts });
    const pods = new Informer({ ...options, resource: podsResource, select: podInfo });
    nodes.addHandlers({
      onAdd: (node) => this.#onNode(node, undefined),
      onUpdate: (old, node) => this.#onNode(node, old),
      onDelete: (node) => this.#onNodeGone(node),
    });
    pods.addHandlers({
      onAdd: (pod) => this.#onPod(pod),
      onUpdate: (_, pod) => this.#onPod(pod),
      onDelete: (pod) => this.#onPodGone(pod),
    });
    const running = [nodes.run(signal), pods.run(signal)];
    try {
      await Promise.all([nodes.hasSynced(), pods.hasSynced()]);
      this.#synced = true;
      this.#soon();
    } catch (error) {
      // Stopped before the first pictures are in.
      if (!signal.aborted) throw error;
    }
    await Promise.all(running);
    this.#queue.close();
  }

  #onNode(node: NodeFacts, old: NodeFacts | undefined): void {
    const known = this.#nodes.get(node.name);
    if (known) known.facts = node;
    else {
      const info = new NodeInfo(node);
      this.#nodes.set(node.name, info);
      for (const [uid, pod] of this.#homeless) {
        if (pod.nodeName !== node.name) continue;
        info.add(pod);
        this.#homeless.delete(uid);
      }
    }
    for (const change of nodeChanges(old, node)) this.#queue.changed(change);
  }

  #onNodeGone(node: NodeFacts): void {
    const info = this.#nodes.get(node.name);
    this.#nodes.delete(node.name);
    for (const pod of info?.pods() ?? []) this.#homeless.set(pod.uid, pod);
  }

  #onPod(pod: PodInfo): void {
    if (isWaiting(pod)) {
      const ours = pod.pending.schedulerName === this.#schedulerName && !pod.pending.gated && !pod.pending.deleting;
      if (!ours || pod.terminated) this.#queue.remove(pod.uid);
      else if (!this.#assumed.has(pod.uid)) this.#queue.put(pod);
      return;
    }
    this.#queue.remove(pod.uid);
    this.#settle(pod.uid, pod.nodeName);
    if (pod.terminated) this.#onPodGone(pod);
    else this.#place(pod);
  }

  #onPodGone(pod: PodInfo): void {
    this.#queue.remove(pod.uid);
    this.#settle(pod.uid, '');
    this.#homeless.delete(pod.uid);
    const node = this.#nodes.get(pod.nodeName);
    if (!node?.has(pod.uid)) return;
    node.remove(pod.uid);
    this.#queue.changed('pod removed');
  }

  #place(pod: PodInfo): void {
    const node = this.#nodes.get(pod.nodeName);
    if (node) node.add(pod);
    else this.#homeless.set(pod.uid, pod);
  }

  /** An assumption has come true, or not: room taken anywhere but on `nodeName` is given back. */
  #settle(uid: string, nodeName: string): void {
    const assumed = this.#assumed.get(uid);
    if (assumed === undefined) return;
    this.#assumed.delete(uid);
    if (assumed !== nodeName) this.#nodes.get(assumed)?.remove(uid);
  }

  /** Decides on the next turn, once for all that has become active by then. */
  #soon(): void {
    if (this.#scheduled || !this.#synced) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#decideBatch();
    });
  }

  #decideBatch(): void {
    const nodes = [...this.#nodes.values()];
    for (let count = 0; count < BATCH; count++) {
      const entry = this.#queue.take();
      if (!entry) return;
      const decision = decide(entry.pod, nodes, this.#plugins, (candidates) => Math.floor(Math.random() * candidates));
      if (decision.node === undefined) {
        this.#queue.refused(entry, decision.refusedBy);
        this.#report(entry.pod, decision.message);
      } else {
        this.#assumed.set(entry.pod.uid, decision.node);
        this.#nodes.get(decision.node)?.add({ ...entry.pod, nodeName: decision.node, pending: undefined });
        void this.#bind(entry, decision.node);
      }
    }
    this.#soon();
  }

  /** Never rejects: a binding that fails is logged and tried again. */
  async #bind(entry: QueuedPod, node: string): Promise<void> {
    const { namespace, name, uid } = entry.pod;
    const binding: Binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    };
    try {
      await this.#client.createSubresource(podsResource, namespace, name, 'binding', binding);
      this.#events.event(
        podReference(entry.pod),
        'Normal',
        'Scheduled',
        `Successfully assigned ${namespace}/${name} to ${node}`,
      );
    } catch (error) {
      if (!this.#assumed.has(uid)) return;
      this.#settle(uid, '');
      if (isNotFound(error)) return;
      logFailure(this.#logger, error as Error, { pod: `${namespace}/${name}`, node }, 'failed to bind pod');
      this.#queue.failed(entry);
    }
  }

  /** Tells on the pod why it waits: the PodScheduled condition and an event. */
  #report(pod: WaitingPod, message: string): void {
    this.#events.event(podReference(pod), 'Warning', 'FailedScheduling', message);
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      observedGeneration: pod.generation,
      lastProbeTime: null,
      lastTransitionTime: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    };
    this.#client
      .patch(
        podsResource,
        pod.namespace,
        pod.name,
        { metadata: { uid: pod.uid }, status: { conditions: [condition] } },
        { type: 'strategic', subresource: 'status' },
      )
      .catch((error: Error) => {
        if (!isNotFound(error))
          logFailure(this.#logger, error, { pod: `${pod.namespace}/${pod.name}` }, 'failed to update pod condition');
      });
  }
}

const podReference = ({ namespace, name, uid }: PodInfo): ObjectReference => ({
  apiVersion: 'v1',
  kind: 'Pod',
  namespace,
  name,
  uid,
});

/** What changed of a node that a pod may have waited for. */
function nodeChanges(old: NodeFacts | undefined, node: NodeFacts): ClusterChange[] {
  if (!old) return ['node added'];
  const changes: ClusterChange[] = [];
  const differ = (a: unknown, b: unknown): boolean => JSON.stringify(a) !== JSON.stringify(b);
  if (differ(old.labels, node.labels)) changes.push('node labels');
  if (differ(old.taints, node.taints) || old.unschedulable !== node.unschedulable) changes.push('node taints');
  if (differ(old.allocatable, node.allocatable) || old.maxPods !== node.maxPods) changes.push('node resources');
  return changes;
}
