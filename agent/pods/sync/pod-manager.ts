/** The pods of this host: starts a worker for each, and removes orphaned ones. */
import { isPodTerminal } from '../../../api/domain/pod-lifecycle.ts';
import type { Logger } from '../../../client/logger.ts';
import type { PodLogs } from '../logs/pod-logs.ts';
import type { ApiPods } from '../sources/api-pods.ts';
import { isMirror, isMirrorOf, type MirrorPods } from '../sources/mirror-pods.ts';
import { withSourceAnnotation, type PodSource } from '../sources/pod-source.ts';
import type { StaticPods } from '../sources/static-pods.ts';
import type { Verdict } from '../status/status-input.ts';
import type { StatusManager } from '../status/status-manager.ts';
import { admission, type NodeView } from './admission.ts';
import type { HostInventory } from './host-inventory.ts';
import { LifecycleEvents, type RuntimeEvent } from './lifecycle-events.ts';
import { graceOf } from './plan.ts';
import { inOrderOfResize, resizeRefusal, type ResizeTrigger } from '../resize/resize-review.ts';
import { swapResizeProblem } from '../../resources/swap.ts';
import type { PodDependencies } from './pod-dependencies.ts';
import type { PodMetrics } from './pod-metrics.ts';
import { PodWorker } from './pod-worker.ts';
import type { PodWorkers } from './pod-workers.ts';
import { podFields } from '../log-fields.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface PodManagerOptions {
  /** Empty: the manager is the one who fills it. */
  readonly workers: PodWorkers;
  readonly apiPods: ApiPods;
  readonly mirrorPods: MirrorPods;
  /** None when absent. */
  readonly staticPods?: StaticPods;
  readonly inventory: HostInventory;
  readonly statuses: StatusManager;
  readonly logs: PodLogs;
  readonly dependencies: PodDependencies;
  readonly hostIPs: readonly string[];
  /** The node as admission sees it now. */
  readonly node: () => NodeView;
  readonly metrics?: PodMetrics;
  readonly logger: Logger;
}

const BALANCE_MS = 500;

export class PodManager {
  readonly #options: PodManagerOptions;
  readonly #signal: AbortSignal;
  readonly #lifecycle: LifecycleEvents;
  /** Removed pods whose deletion the informer may not have seen yet. */
  readonly #done = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #balancing: NodeJS.Timeout | undefined;
  #staticPods: readonly Pod[] = [];
  /** API and static pods have been read, both: all other pods that run are orphaned. */
  #sourcesReady = false;
  readonly #known = Promise.withResolvers<void>();

  /** @param signal aborted when the agent stops; containers go on running. */
  constructor(options: PodManagerOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    const { inventory, dependencies, logger } = options;
    this.#lifecycle = new LifecycleEvents({
      cri: dependencies.cri,
      inventory,
      logger,
      changed: (uid, event) => this.#changed(uid, event),
      missed: () => {
        for (const worker of options.workers) worker.wake();
      },
      measured: (seconds) => options.metrics?.relisted(seconds),
      relisted: async () => {
        if (this.#sourcesReady) await this.#cleanUp();
      },
    });
  }

  /** Whether a pod has not ended, as far as is known. */
  isActive(podUid: string): boolean {
    const worker = this.#options.workers.get(podUid);
    return !this.#sourcesReady || (worker !== undefined && !isPodTerminal(worker.status));
  }

  /** Resolves when the workers have observed what an earlier agent has started. */
  get known(): Promise<void> {
    return this.#known.promise;
  }

  /** Resolves when the agent stops. */
  async run(): Promise<void> {
    const signal = this.#signal;
    const { apiPods, mirrorPods, staticPods, logs, workers, logger } = this.#options;
    await this.#lifecycle.untilListed(signal);
    const parts = [
      this.#lifecycle.run(signal),
      apiPods.run(signal),
      mirrorPods.run(signal),
      logs.rotate((directory) => workers.logs(directory), signal),
    ];
    const filesRead = Promise.withResolvers<void>();
    const setStatic = (wanted: readonly Pod[]): void => {
      this.#setStatic(wanted);
      filesRead.resolve();
    };
    if (staticPods) parts.push(staticPods.run(setStatic, signal));
    else setStatic([]);
    apiPods.addHandlers({
      onAdd: (pod) => this.#podSeen(pod),
      onUpdate: (_old, pod) => this.#podSeen(pod),
      onDelete: (pod) => this.#podDeleted(pod),
    });
    Promise.all([apiPods.hasSynced(), filesRead.promise])
      .then(() => {
        this.#sourcesReady = true;
        this.#reviewResizes('pods_added');
        this.#known.resolve(Promise.all([...workers].map(({ observed }) => observed)).then(() => undefined));
        return this.#cleanUp();
      })
      .catch((error: unknown) => {
        if (!signal.aborted) logger.warn({ err: error }, 'failed to clean up orphaned pods');
      });
    await Promise.all(parts);
    await Promise.all(this.#running);
    clearTimeout(this.#balancing);
  }

  /** Evicts a pod with a reason in its status; does nothing when it terminates already. */
  evict(podUid: string, graceSeconds: number, message: string): void {
    this.end(podUid, graceSeconds, { reason: 'Evicted', message, disrupts: true });
  }

  /** Terminates a pod that the API keeps, for a reason that its status says; does nothing when it terminates already. */
  end(podUid: string, graceSeconds: number, verdict: Verdict): void {
    const { workers, dependencies } = this.#options;
    const worker = workers.get(podUid);
    if (!worker || worker.isEnding) return;
    dependencies.record(worker.pod, 'Warning', verdict.reason, verdict.message);
    worker.end(graceSeconds, false, verdict);
  }

  /** Whether these pods have ended, and the api-server has been told. */
  haveEnded(podUids: readonly string[]): boolean {
    const { workers, statuses } = this.#options;
    return podUids.every((uid) => {
      const worker = workers.get(uid);
      return !worker || (isPodTerminal(worker.status) && !statuses.isWriting(uid));
    });
  }

  #podSeen(seen: Pod): void {
    const uid = seen.metadata?.uid ?? '';
    if (this.#done.has(uid)) return;
    const { workers, mirrorPods, inventory } = this.#options;
    const worker = workers.get(uid);
    // A pod that runs as a pod of the API stays one, whatever annotations it gets. A mirror's own uid never runs.
    if (!worker && isMirror(seen) && !inventory.runs(uid)) {
      mirrorPods.seen(seen);
      this.#mirrorSeen(seen);
      return;
    }
    const pod = withSourceAnnotation(seen, 'api');
    if (worker) {
      const { labels, annotations } = worker.pod.metadata ?? {};
      const shown = JSON.stringify([labels, annotations]);
      worker.update(pod);
      if (shown !== JSON.stringify([pod.metadata?.labels, pod.metadata?.annotations])) worker.refreshVolumes();
      this.#endIfDeleted(worker, pod);
      this.#reviewResizes('pod_updated');
    } else {
      this.#endIfDeleted(this.#start(pod, 'api'), pod);
    }
  }

  /** The mirror has the start time of a static pod that an earlier agent started. */
  #mirrorSeen(mirror: Pod): void {
    const { workers, mirrorPods } = this.#options;
    const worker = workers.get(mirrorPods.staticUid(mirror));
    if (worker?.source !== 'file' || !isMirrorOf(mirror, worker.pod)) return;
    if (mirror.status?.startTime !== undefined) worker.startedBy(mirror.status.startTime);
    worker.wake();
  }

  #endIfDeleted(worker: PodWorker, pod: Pod): void {
    if (pod.metadata?.deletionTimestamp === undefined) return;
    worker.end(pod.metadata.deletionGracePeriodSeconds ?? graceOf(pod), true);
  }

  #podDeleted(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    this.#options.mirrorPods.gone(pod);
    this.#done.delete(uid);
    this.#options.workers.get(uid)?.end(pod.metadata?.deletionGracePeriodSeconds ?? graceOf(pod), true);
  }

  #setStatic(wanted: readonly Pod[]): void {
    const { workers, apiPods, mirrorPods } = this.#options;
    const uids = new Set(wanted.map(({ metadata }) => metadata?.uid));
    for (const worker of workers) {
      const { pod, source } = worker;
      if (source === 'file' && !uids.has(pod.metadata?.uid)) worker.end(graceOf(pod), true);
    }
    for (const pod of wanted) {
      // A pod whose file has changed starts when the one that it replaces is gone. A pod of the API with its name is no reason
      // to wait: whoever may create pods would keep a static one from running.
      const { namespace = '', name = '' } = pod.metadata ?? {};
      const isNamesake = ({ source, pod: { metadata } }: PodWorker): boolean =>
        source === 'file' && metadata?.namespace === namespace && metadata.name === name;
      if ([...workers].some(isNamesake)) continue;
      this.#start(pod, 'file');
      const mirror = apiPods.mirrorOf(pod);
      if (mirror) this.#mirrorSeen(mirror);
    }
    this.#staticPods = wanted;
    mirrorPods.want(wanted);
  }

  #start(pod: Pod, source: PodSource): PodWorker {
    const signal = this.#signal;
    const { workers, inventory, dependencies, statuses, hostIPs, metrics, logger } = this.#options;
    const isNew = !inventory.runs(pod.metadata?.uid ?? '');
    const lifecycle = this.#lifecycle;
    const worker = new PodWorker(pod, { dependencies, statuses, lifecycle, hostIPs, metrics, isNew, source });
    workers.add(worker);
    logger.debug({ ...podFields(pod), source, isNew }, 'pod added');
    this.#balanceSoon();
    if (isNew && source === 'api' && pod.spec?.containers.length) this.#admit(worker);
    if (isNew && source === 'file') this.#place(worker);
    const life = worker
      .run(signal)
      .then(() => (signal.aborted ? undefined : this.#finish(worker)))
      .catch((error: unknown) => {
        // The worker retries failed actions itself: what ends it is a bug.
        if (!signal.aborted) logger.error({ ...podFields(pod), err: error }, 'pod worker failed');
      })
      .finally(() => this.#running.delete(life));
    this.#running.add(life);
    return worker;
  }

  /** Terminates pods that the node rejects. */
  #admit(worker: PodWorker): void {
    const { node, dependencies, logger } = this.#options;
    const { pod, status } = worker;
    if (pod.metadata?.deletionTimestamp || isPodTerminal(status)) return;
    const refusal = admission(worker, this.#othersThan(worker), node()) ?? dependencies.placement?.admit(pod);
    const verdict = refusal && { ...refusal, rejects: true };
    if (!verdict) return;
    logger.info({ ...podFields(pod), reason: verdict.reason, message: verdict.message }, 'pod rejected');
    dependencies.record(pod, 'Warning', verdict.reason, verdict.message);
    worker.end(0, false, verdict);
  }

  /** Static pods run in any case: on shared CPUs where the node cannot give them their own. */
  #place({ pod }: PodWorker): void {
    const { placement, record } = this.#options.dependencies;
    const refusal = placement?.admit(pod);
    if (refusal) record(pod, 'Warning', refusal.reason, refusal.message);
  }

  /** The node's other pods that have not finished. The scheduler does not count pods that are deleted from the API, so neither does the node. */
  #othersThan(worker: PodWorker): Pod[] {
    const { workers, apiPods } = this.#options;
    const isInApi = ({ metadata: { uid = '' } = {} }: Pod) => !this.#done.has(uid) && apiPods.byUid(uid) !== undefined;
    return [...workers]
      .filter(
        (other) => other !== worker && !isPodTerminal(other.status) && (other.source === 'file' || isInApi(other.pod)),
      )
      .map((other) => other.pod);
  }

  /** Allocates to pods what they are to be resized to, as far as the node has it: after whatever may have given it room. */
  #reviewResizes(trigger: ResizeTrigger): void {
    if (!this.#sourcesReady) return;
    const { workers, node, dependencies } = this.#options;
    const pending = [...workers].flatMap((worker) => {
      const resize = worker.pendingResize;
      return resize ? [{ worker, ...resize }] : [];
    });
    for (const { worker, ...resize } of pending.sort(inOrderOfResize)) {
      const { swap } = dependencies.resourceHost;
      const problem = dependencies.placement?.resizeProblem(resize) ?? (swap && swapResizeProblem(resize, swap));
      const refusal = problem && ({ reason: 'Infeasible', ...problem } as const);
      const review = refusal ?? resizeRefusal(resize, this.#othersThan(worker), node().allocatable);
      worker.answerResize(review, trigger);
      this.#balanceSoon();
    }
  }

  #changed(uid: string, event: RuntimeEvent | undefined): void {
    const worker = this.#options.workers.get(uid);
    if (event) worker?.expect(event);
    worker?.wake();
  }

  /** Nothing of the pod runs any more: reports its last status, and deletes it from the API. */
  async #finish(worker: PodWorker): Promise<void> {
    const { workers, apiPods, statuses, dependencies, logs, metrics, logger } = this.#options;
    const { pod, source } = worker;
    logger.debug(podFields(pod), 'pod terminated');
    const uid = pod.metadata?.uid ?? '';
    // Concurrently with the last write to the API.
    const removal = logs.remove(pod);
    dependencies.images.forget(uid);
    metrics?.forgotten(uid);
    if (source === 'api' && apiPods.byUid(uid)) {
      this.#done.add(uid);
      await statuses.finish(pod);
    }
    await removal;
    statuses.forget(uid);
    workers.delete(uid);
    this.#lifecycle.forget(uid);
    this.#balanceSoon();
    this.#reviewResizes('pods_removed');
    if (source === 'file') this.#setStatic(this.#staticPods);
  }

  /** Terminates orphaned pods; removes what removed pods have left behind. */
  async #cleanUp(): Promise<void> {
    const { workers, apiPods, inventory, logs, logger } = this.#options;
    const hasWorker = (uid: string): boolean => workers.get(uid) !== undefined;
    for (const pod of inventory.orphans((uid) => hasWorker(uid) || this.#done.has(uid))) {
      logger.info(podFields(pod), 'removing orphaned pod');
      this.#start(pod, 'api').end(graceOf(pod), true);
    }
    await inventory.removeLeftovers(hasWorker, this.#signal);
    await logs.removeOrphaned((uid) => hasWorker(uid) || inventory.runs(uid) || apiPods.byUid(uid) !== undefined);
  }

  /** Updates the CPU weight of burstable pods, once for many changes. */
  #balanceSoon(): void {
    this.#balancing ??= setTimeout(() => {
      this.#balancing = undefined;
      const { workers, dependencies, logger } = this.#options;
      dependencies.cgroups.balance([...workers].map(({ pod }) => pod)).catch((error: unknown) => {
        logger.warn({ err: error }, 'failed to set CPU weight of burstable pods');
      });
    }, BALANCE_MS).unref();
  }
}
