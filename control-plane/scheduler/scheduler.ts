/** Follows pods and nodes, schedules one pending pod after the other, and binds each without holding up the next. */
import { deepEqual } from '../../api/machinery/deep-equal.ts';
import { isNotFound } from '../../api/machinery/status-error.ts';
import type { Labels } from '../../api/machinery/selectors.ts';
import type { Binding, Namespace, Node, Pod } from '../../api/types/core/v1.gen.ts';
import type { PodDisruptionBudget } from '../../api/types/policy/v1.gen.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { ConnectionError } from '../../client/connection-error.ts';
import { Informer } from '../../client/informer.ts';
import type { Logger } from '../../client/logger.ts';
import { withoutManagedFields } from '../../client/managed-fields.ts';
import { logFailure } from '../../client/outage.ts';
import {
  namespaces as namespacesResource,
  nodes as nodesResource,
  podDisruptionBudgets as budgetsResource,
  pods as podsResource,
} from '../../client/resources.gen.ts';
import { SchedulingCache } from './cache.ts';
import { decide, type Decision, type Unschedulable } from './decide.ts';
import { decideWithExtenders } from './decide-with-extenders.ts';
import { Extenders, type WholeObjects } from './extenders/extenders.ts';
import { ExtenderError, type HttpExtender } from './extenders/http-extender.ts';
import { nodeUpdateEvents } from './framework/cluster-event.ts';
import type { Cycle, ObservePoint } from './framework/cycle.ts';
import { disruptionBudget, type DisruptionBudget } from './framework/disruption-budget.ts';
import { Diagnosis } from './framework/diagnosis.ts';
import { nodeFacts, type NodeFacts } from './framework/node-info.ts';
import { NodeSampling } from './framework/node-sampling.ts';
import { isPending, podInfo, type PendingPod, type PodInfo } from './framework/pod-info.ts';
import { profileOf, type Profile } from './framework/profile.ts';
import type { PluginRejection } from './framework/rejection.ts';
import { SchedulerMetrics } from './metrics.ts';
import { defaultPlugins } from './plugins/index.ts';
import { PodReporter, logFields } from './pod-reporter.ts';
import { Preemptor } from './preemptor.ts';
import { DeviceCache } from './device-cache.ts';
import { SchedulingQueue, type PodBackoff, type QueuedPod } from './queue.ts';
import { StorageCache } from './storage-cache.ts';
import { WorkloadCache } from './workload-cache.ts';

export interface SchedulerOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  /** Pods whose spec.schedulerName is of none of them are left to others; the default one when absent. */
  readonly profiles?: readonly Profile[];
  readonly backoff?: PodBackoff;
  /** Closed by whom has opened them. */
  readonly extenders?: readonly HttpExtender[];
}

/** What there is for each profile. */
interface RunningProfile {
  readonly profile: Profile;
  readonly reporter: PodReporter;
  readonly preemptor: Preemptor;
  readonly observe: ObservePoint;
}

/** Pods that are scheduled before the event loop goes on to what has arrived meanwhile. */
const BATCH = 64;

/** What the scheduler caches of a Namespace. */
interface NamespaceFacts {
  readonly name: string;
  readonly labels: Labels;
}

const namespaceFacts = ({ metadata }: Namespace): NamespaceFacts => ({
  name: metadata?.name ?? '',
  labels: metadata?.labels ?? {},
});

/** A pod that has been given a node and is not bound yet. */
interface Placement {
  readonly entry: QueuedPod;
  readonly cycle: Cycle;
  readonly node: string;
  /** `performance.now()` when the attempt began. */
  readonly start: number;
  /** Aborted when the pod is deleted, and when the scheduler stops. */
  readonly abort: AbortController;
}

/** A pod about which extenders are being asked. */
interface AskedPod {
  readonly entry: QueuedPod;
  /** Likewise. */
  readonly abort: AbortController;
  /** It is another one now than the one that they were asked about. */
  hasChanged: boolean;
}

const randomly = (candidates: number): number => Math.floor(Math.random() * candidates);

type WholeNodes = Informer<Node, Node>;

const wholeNodes = (client: ApiClient, logger: Logger): WholeNodes =>
  new Informer<Node, Node>({ client, logger, resource: nodesResource, select: withoutManagedFields });

const needsWholeNodes = ({ config }: HttpExtender): boolean =>
  !config.nodeCacheCapable && Boolean(config.filterVerb ?? config.prioritizeVerb);

export class Scheduler {
  readonly #client: ApiClient;
  readonly #logger: Logger;
  /** By the scheduler's name. */
  readonly #profiles: ReadonlyMap<string, RunningProfile>;
  readonly #metrics = new SchedulerMetrics();
  readonly #extenders: Extenders | undefined;
  /** What is needed for the extenders only. */
  readonly #wholeNodes: WholeNodes | undefined;
  readonly #nodes: Informer<Node, NodeFacts>;
  readonly #pods: Informer<Pod, PodInfo>;
  readonly #namespaces: Informer<Namespace, NamespaceFacts>;
  readonly #budgets: Informer<PodDisruptionBudget, DisruptionBudget>;
  readonly #queue: SchedulingQueue;
  readonly #storage: StorageCache;
  readonly #workloads: WorkloadCache;
  readonly #devices: DeviceCache;
  readonly #cache: SchedulingCache;
  readonly #sampling = new NodeSampling();
  /** By the pod's uid. */
  readonly #placements = new Map<string, Placement>();
  #isWoken = false;
  #isSynced = false;
  /** The pod about which extenders are being asked: until they have answered no other is scheduled. */
  #asked: AskedPod | undefined;

  constructor({ client, logger, profiles = [profileOf(defaultPlugins)], backoff, extenders = [] }: SchedulerOptions) {
    this.#client = client;
    this.#logger = logger;
    this.#profiles = new Map(profiles.map((profile) => [profile.schedulerName, this.#running(profile)]));
    this.#wholeNodes = extenders.some(needsWholeNodes) ? wholeNodes(client, logger) : undefined;
    if (extenders.length > 0) this.#extenders = new Extenders(extenders, this.#wholeObjects(), logger);
    this.#nodes = new Informer({ client, logger, resource: nodesResource, select: nodeFacts });
    this.#pods = new Informer({ client, logger, resource: podsResource, select: podInfo });
    this.#namespaces = new Informer({
      client,
      logger,
      resource: namespacesResource,
      select: namespaceFacts,
      metadataOnly: true,
    });
    this.#budgets = new Informer({ client, logger, resource: budgetsResource, select: disruptionBudget });
    this.#queue = new SchedulingQueue({
      ...{ profiles, logger, wake: () => this.#wake() },
      ...(backoff && { backoff }),
      onIncoming: this.#metrics.incoming,
    });
    this.#storage = new StorageCache({
      ...{ client, logger },
      onEvent: (event) => this.#queue.moveAll(event),
      onSynced: () => this.#onStorageSynced(),
    });
    this.#workloads = new WorkloadCache({ client, logger });
    this.#devices = new DeviceCache({
      ...{ client, logger },
      onEvent: (event) => this.#queue.moveAll(event),
      onSynced: () => this.#onDevicesSynced(),
    });
    this.#cache = new SchedulingCache(this.#storage, this.#workloads, this.#devices);
  }

  #running(profile: Profile): RunningProfile {
    const { schedulerName } = profile;
    const options = { client: this.#client, logger: this.#logger, schedulerName };
    return {
      profile,
      reporter: new PodReporter(options),
      preemptor: new Preemptor(options),
      observe: this.#metrics.pointsOf(schedulerName),
    };
  }

  #wholeObjects(): WholeObjects {
    return {
      pod: async ({ namespace, name, uid }) => {
        const pod = await this.#client.get(podsResource, namespace, name);
        if (pod.metadata?.uid === uid) return pod;
        throw new ExtenderError(`pod ${namespace}/${name} is another one now`);
      },
      node: (name) => this.#wholeNodes?.get('', name),
    };
  }

  /** In Prometheus' text format. */
  metrics(): string {
    return this.#metrics.text({ queue: this.#queue, cache: this.#cache });
  }

  /** Of a pod that is ours. */
  #profileOf({ pending: { schedulerName } }: PendingPod): RunningProfile {
    const running = this.#profiles.get(schedulerName);
    if (!running) throw new Error(`there is no profile ${schedulerName}`);
    return running;
  }

  /** Schedules until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const [nodes, pods, namespaces, budgets] = [this.#nodes, this.#pods, this.#namespaces, this.#budgets];
    budgets.addHandlers({
      onAdd: (budget, key) => this.#cache.setBudget(key, budget),
      onUpdate: (_, budget, key) => this.#cache.setBudget(key, budget),
      onDelete: (_, key) => this.#cache.setBudget(key, undefined),
    });
    namespaces.addHandlers({
      onAdd: ({ name, labels }) => this.#onNamespace(name, labels),
      onUpdate: (_, { name, labels }) => this.#onNamespace(name, labels),
      onDelete: ({ name }) => this.#cache.setNamespace(name, undefined),
    });
    nodes.addHandlers({
      onAdd: (node) => this.#onNodeAdd(node),
      onUpdate: (old, node) => this.#onNodeUpdate(old, node),
      onDelete: (node) => this.#cache.removeNode(node.name),
    });
    pods.addHandlers({
      onAdd: (pod) => this.#onPod(pod),
      onUpdate: (_, pod) => this.#onPod(pod),
      onDelete: (pod) => this.#onPodGone(pod),
    });
    const wholeNodes = this.#wholeNodes ? [this.#wholeNodes] : [];
    const informers = [nodes, pods, namespaces, budgets, ...this.#workloads.informers, ...wholeNodes];
    const running = [...informers, this.#storage, this.#devices].map((cache) => cache.run(signal));
    const scheduling = Promise.all(informers.map((informer) => informer.hasSynced())).then(
      () => {
        this.#isSynced = true;
        this.#wake();
      },
      (error: Error) => {
        // Stopped before the first lists were in.
        if (!signal.aborted) throw error;
      },
    );
    try {
      await Promise.all([...running, scheduling]);
    } finally {
      this.#queue.close();
      for (const { abort } of this.#placements.values()) abort.abort(signal.reason);
      this.#asked?.abort.abort(signal.reason);
    }
  }

  #onNamespace(name: string, labels: Labels): void {
    if (deepEqual(this.#cache.namespaceLabels(name), labels)) return;
    this.#cache.setNamespace(name, labels);
    this.#queue.moveAll({ type: 'UpdateNamespaceLabel', namespace: name });
  }

  #onNodeAdd(node: NodeFacts): void {
    this.#cache.setNode(node);
    this.#queue.moveAll({ type: 'NodeAdd', node });
  }

  #onNodeUpdate(old: NodeFacts, node: NodeFacts): void {
    this.#cache.setNode(node);
    for (const event of nodeUpdateEvents(old, node)) this.#queue.moveAll(event);
  }

  #onPod(pod: PodInfo): void {
    if (pod.terminated) {
      this.#onPodGone(pod);
    } else if (!isPending(pod)) {
      this.#onBound(pod);
    } else if (!this.#isOurs(pod)) {
      this.#queue.delete(pod.uid);
      this.#abandon(pod, 'is being deleted');
    } else if (pod.uid === this.#asked?.entry.pod.uid) {
      this.#asked.hasChanged = true;
    } else if (!this.#cache.isAssumed(pod.uid)) {
      this.#renominate(pod);
      if (this.#hasCachesFor(pod)) this.#queue.add(pod);
    }
  }

  /** Whether what the pod's claims are about is in the cache; starts what is not. */
  #hasCachesFor({ claims, pending: { deviceClaims } }: PendingPod): boolean {
    const missing = [
      ...(claims.length > 0 && !this.#storage.isSynced ? [this.#storage] : []),
      ...(deviceClaims.length > 0 && !this.#devices.isSynced ? [this.#devices] : []),
    ];
    for (const cache of missing) cache.start();
    return missing.length === 0;
  }

  #onDevicesSynced(): void {
    for (const pod of this.#pods.values()) if (isPending(pod) && pod.pending.deviceClaims.length > 0) this.#onPod(pod);
  }

  /** Pods with claims have waited for them. */
  #onStorageSynced(): void {
    for (const pod of this.#pods.values()) if (pod.claims.length > 0 && isPending(pod)) this.#onPod(pod);
  }

  #onBound(pod: PodInfo): void {
    this.#queue.delete(pod.uid);
    this.#cache.nominated.delete(pod.uid);
    const known = this.#cache.setPod(pod);
    if (!known) this.#queue.moveAll({ type: 'AssignedPodAdd', pod });
    else if (known.deleting !== pod.deleting || !deepEqual(known.labels, pod.labels))
      this.#queue.moveAll({ type: 'UpdatePodLabel', old: known, pod });
  }

  #onPodGone(pod: PodInfo): void {
    this.#queue.delete(pod.uid);
    this.#cache.nominated.delete(pod.uid);
    this.#abandon(pod, 'was deleted');
    if (this.#cache.removePod(pod)) this.#queue.moveAll({ type: 'AssignedPodDelete', pod });
  }

  /** Ends what plugins still wait for before the pod is bound. */
  #abandon({ namespace, name, uid }: PodInfo, why: string): void {
    const placement = this.#placements.get(uid);
    const asked = this.#asked?.entry.pod.uid === uid ? this.#asked : undefined;
    if (!placement && !asked) return;
    const reason = new Error(`pod ${namespace}/${name} ${why}`);
    placement?.abort.abort(reason);
    asked?.abort.abort(reason);
  }

  /** Schedules on the next turn of the event loop, once for all that has become active by then. */
  #wake(): void {
    if (this.#isWoken || !this.#isSynced || this.#asked) return;
    this.#isWoken = true;
    setImmediate(() => {
      this.#isWoken = false;
      this.#scheduleBatch();
    });
  }

  #scheduleBatch(): void {
    for (let count = 0; count < BATCH; count++) {
      const entry = this.#queue.pop();
      if (!entry) return;
      if (this.#extenders?.isInterested(entry.pod)) {
        this.#ask(this.#extenders, entry);
        return;
      }
      const start = performance.now();
      try {
        this.#scheduleOne(entry, start);
      } catch (error) {
        this.#failed(entry, error, start);
      }
    }
    this.#wake();
  }

  /** The scheduling cycle. Throws when a plugin does; the pod is then in no queue and nothing is reserved. */
  #scheduleOne(entry: QueuedPod, start: number): void {
    const { profile, observe } = this.#profileOf(entry.pod);
    const decision = decide(entry.pod, this.#cache, profile, this.#sampling, randomly, observe);
    this.#metrics.decided(start);
    this.#carryOut(entry, decision, start);
  }

  /** The same for a pod in which extenders have a say; returns before they have answered. */
  #ask(extenders: Extenders, entry: QueuedPod): void {
    const start = performance.now();
    const abort = new AbortController();
    const asked: AskedPod = { entry, abort, hasChanged: false };
    this.#asked = asked;
    const { profile, observe } = this.#profileOf(entry.pod);
    const deciding = { cluster: this.#cache, profile, sampling: this.#sampling, tieBreak: randomly, observe };
    decideWithExtenders(entry.pod, deciding, extenders, abort.signal)
      .then((decision) => {
        this.#metrics.decided(start);
        const pod = this.#latest(entry.pod);
        // What has changed since may be what it would wait for.
        if (pod) this.#carryOut({ ...entry, pod, ...(asked.hasChanged && { eventsBefore: -1 }) }, decision, start);
      })
      .catch((error: unknown) => {
        if (!abort.signal.aborted && !isNotFound(error)) this.#failed(entry, error, start);
      })
      .finally(() => {
        this.#asked = undefined;
        this.#wake();
      });
  }

  /** Throws when a plugin does. */
  #carryOut(entry: QueuedPod, decision: Decision, start: number): void {
    const { pod } = entry;
    if (decision.node === undefined) {
      this.#metrics.attempted('unschedulable', pod.pending.schedulerName, start);
      this.#unschedulable(entry, decision);
      return;
    }
    const { node, cycle } = decision;
    const placement = { entry, cycle, node, start, abort: new AbortController() };
    this.#cache.assume(pod, node);
    this.#cache.nominated.delete(pod.uid);
    const permitted = this.#reserveAndPermit(placement);
    if (permitted && !(permitted instanceof Promise)) {
      this.#giveBack(placement);
      this.#rejected(placement, permitted);
      return;
    }
    this.#placements.set(pod.uid, placement);
    void this.#bindingCycle(placement, permitted);
  }

  #reserveAndPermit(placement: Placement): ReturnType<Cycle['permit']> {
    const { cycle, node, abort } = placement;
    try {
      return cycle.reserve(node) ?? cycle.permit(node, abort.signal);
    } catch (error) {
      this.#giveBack(placement);
      throw error;
    }
  }

  /** Never rejects: a pod that cannot be bound goes back to the queue. */
  async #bindingCycle(placement: Placement, permitted: Promise<PluginRejection | undefined> | undefined) {
    const { entry, cycle, node, abort } = placement;
    const { pod } = entry;
    try {
      const rejection = await permitted;
      if (rejection) {
        this.#undo(placement, () => this.#rejected(placement, rejection));
        return;
      }
      await cycle.preBind(node, abort.signal);
      await this.#bind(placement);
      this.#logger.debug({ ...logFields(pod), node }, 'bound pod to node');
      this.#metrics.attempted('scheduled', pod.pending.schedulerName, placement.start);
      this.#metrics.bound(entry, performance.now());
      this.#profileOf(pod).reporter.bound(pod, node);
    } catch (error) {
      this.#undo(placement, () => {
        if (!abort.signal.aborted && !isNotFound(error)) this.#failed(entry, error, placement.start);
      });
    } finally {
      this.#placements.delete(pod.uid);
    }
  }

  async #bind({ entry, node, abort }: Placement): Promise<void> {
    if (await this.#extenders?.bind(entry.pod, node, abort.signal)) return;
    const { namespace, name, uid } = entry.pod;
    const binding: Binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    };
    await this.#client.createSubresource(podsResource, namespace, name, 'binding', binding);
  }

  /** Undoes a placement that other pods were scheduled around, and requeues the pod before they are told. */
  #undo(placement: Placement, requeue: () => void): void {
    // Not assumed any more: it was deleted, or it is bound after all.
    if (!this.#giveBack(placement)) return;
    requeue();
    this.#queue.moveAll({ type: 'AssignedPodDelete', pod: placement.entry.pod });
  }

  /** Returns false when the pod was not assumed any more. */
  #giveBack({ entry, cycle, node }: Placement): boolean {
    try {
      cycle.unreserve(node);
    } catch (error) {
      this.#logger.error({ ...logFields(entry.pod), node, err: error }, 'failed to unreserve');
    }
    return this.#cache.forget(entry.pod.uid);
  }

  /** Reserve or permit has rejected the pod for the node that was chosen. */
  #rejected({ entry, node }: Placement, rejected: PluginRejection): void {
    const diagnosis = new Diagnosis(1);
    diagnosis.nodeRejected(node, rejected);
    this.#unschedulable(entry, { message: diagnosis.message(), rejectedBy: diagnosis.rejectedBy });
  }

  #unschedulable(entry: QueuedPod, { message, rejectedBy, nominatedNodeName, victims }: Unschedulable): void {
    const pod = this.#latest(entry.pod);
    if (!pod) return;
    if (nominatedNodeName !== undefined) this.#metrics.preempted(victims?.length ?? 0);
    if (nominatedNodeName === undefined) this.#renominate(pod);
    else this.#nominate(pod, nominatedNodeName);
    if (nominatedNodeName && victims) this.#preempt(victims, pod, nominatedNodeName);
    this.#queue.rejected({ ...entry, pod }, rejectedBy);
    this.#logger.debug({ ...logFields(pod), reason: message, nominatedNodeName }, 'pod is unschedulable');
    this.#profileOf(pod).reporter.failed(pod, { reason: 'Unschedulable', message, nominatedNodeName });
  }

  /** Keeps the node for the pod; '' for none. Pods of lower priority, for which it was kept, have to look for another. */
  #nominate(pod: PendingPod, nodeName: string): void {
    const { nominated } = this.#cache;
    nominated.delete(pod.uid);
    if (!nodeName) return;
    for (const other of nominated.behind(pod, nodeName)) {
      nominated.delete(other.uid);
      this.#profileOf(other).reporter.notNominated(other);
    }
    nominated.set(pod, nodeName);
  }

  /** As its status says, which may be of another scheduler, or of before a restart. */
  #renominate(pod: PendingPod): void {
    const { nominatedNodeName } = pod.pending;
    if (nominatedNodeName) this.#cache.nominated.set(pod, nominatedNodeName);
  }

  #preempt(victims: readonly PodInfo[], by: PendingPod, nodeName: string): void {
    for (const victim of victims) this.#abandon(victim, 'was preempted');
    this.#profileOf(by).preemptor.remove(victims, by, nodeName);
  }

  #failed(entry: QueuedPod, error: unknown, start: number): void {
    const pod = this.#latest(entry.pod);
    if (!pod) return;
    this.#metrics.attempted('error', pod.pending.schedulerName, start);
    this.#renominate(pod);
    this.#queue.failed({ ...entry, pod });
    const err = error instanceof Error ? error : new Error(String(error));
    logFailure(this.#logger, err, logFields(pod), 'failed to schedule pod, retrying');
    // Nobody would hear of it while the api-server is away.
    if (!(err instanceof ConnectionError))
      this.#profileOf(pod).reporter.failed(pod, { reason: 'SchedulerError', message: err.message });
  }

  /** The pod as it is now; undefined when it is not to be scheduled any more. */
  #latest({ namespace, name, uid }: PodInfo): PendingPod | undefined {
    const pod = this.#pods.get(namespace, name);
    return pod?.uid === uid && isPending(pod) && this.#isOurs(pod) ? pod : undefined;
  }

  /** Whether the pod is this scheduler's to schedule. */
  #isOurs({ terminated, deleting, pending }: PendingPod): boolean {
    return !terminated && !deleting && this.#profiles.has(pending.schedulerName);
  }
}
