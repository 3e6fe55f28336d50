/** The pods of this host: follows what is wanted, gives each pod its worker, and cleans up after those that are gone. */
import type { NodeFeatures } from '../../../api/core/node.ts';
import type { Pod } from '../../../api/core/pod.ts';
import type { PodStatus } from '../../../api/core/pod-status.ts';
import type { Service } from '../../../api/core/service.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { withDeadline } from '../../../client/deadline.ts';
import { referenceTo, type EventRecorder } from '../../../client/event-recorder.ts';
import { Informer } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { pods } from '../../../client/resources.ts';
import type { CriClient } from '../../cri/client.ts';
import type { ImageService } from '../../images/image-service.ts';
import { Semaphore } from '../../images/semaphore.ts';
import type { Pressure } from '../../node/pressure.ts';
import { PodProbes } from '../../probes/pod-probes.ts';
import type { ResourceHost } from '../../resources/compute.ts';
import type { PodCgroups } from '../../resources/pod-cgroups.ts';
import type { Resources } from '../../volumes/downward-values.ts';
import type { ObjectSource } from '../../volumes/object-source.ts';
import type { PodVolumes } from '../../volumes/pod-volumes.ts';
import { admission } from './admission.ts';
import type { ClusterDns } from '../sandbox/dns.ts';
import { ContainerLogLinks } from '../logs/container-log-links.ts';
import { HostInventory } from './host-inventory.ts';
import { LifecycleEvents, type Told } from './lifecycle-events.ts';
import { rotateLogs } from '../logs/log-rotation.ts';
import { MirrorPods, isMirror, mirrors } from '../sources/mirror-pods.ts';
import { graceOf } from './plan.ts';
import type { PodMetrics } from './pod-metrics.ts';
import { fieldPathOf, removeOrphanedLogs, removePodLogs } from '../logs/log-files.ts';
import type { PodServices } from './pod-dependencies.ts';
import { marked, type PodSource } from '../sources/pod-source.ts';
import { PodWorker } from './pod-worker.ts';
import type { PodWorkers } from './pod-workers.ts';
import { StaticPods } from '../sources/static-pods.ts';
import { StatusManager } from '../status/status-manager.ts';

export interface PodManagerOptions {
  /** Empty: the manager is the one who fills it. */
  readonly workers: PodWorkers;
  readonly cri: CriClient;
  readonly images: ImageService;
  readonly volumes: PodVolumes;
  readonly objects: ObjectSource;
  readonly client: ApiClient;
  readonly events: EventRecorder;
  /** Every service of the cluster, for environment variables. */
  readonly services: () => Iterable<Service>;
  readonly nodeName: string;
  /** Of the Node object; undefined before the node has been registered. */
  readonly nodeUid: () => string | undefined;
  readonly nodeIPs: readonly string[];
  readonly dns: ClusterDns;
  readonly cgroups: PodCgroups;
  readonly resourceHost: ResourceHost;
  /** What the node can give to pods. */
  readonly allocatable: () => Resources;
  /** What the node is short of. */
  readonly pressures: () => readonly Pressure[];
  /** What its runtime can do that not every one can. */
  readonly features: () => NodeFeatures;
  /** Static pods; none when absent. */
  readonly staticPodDirectory?: string;
  /** `/var/log/pods` */
  readonly logDirectory: string;
  /** `/var/log/containers`; no links to the logs are kept when absent. */
  readonly logLinkDirectory?: string;
  readonly resolvConf?: string;
  readonly hostsFile?: string;
  readonly metrics?: PodMetrics;
  readonly logger: Logger;
}

/** Starting a container is mostly the runtime's CPU time: more at once than this only wait for each other. */
const PARALLEL_STARTS = 8;
const BALANCE_MS = 500;
/** A disk that takes longer to remove a pod's logs goes on without anybody waiting. */
const LOG_REMOVAL_MS = 10_000;

export class PodManager {
  readonly #options: PodManagerOptions;
  readonly #services: PodServices;
  readonly #inventory: HostInventory;
  readonly #lifecycle: LifecycleEvents;
  readonly #informer: Informer<Pod>;
  readonly #mirrors: MirrorPods;
  readonly #workers: PodWorkers;
  /** Pods whose end is done here and whose object may still be seen for a moment. */
  readonly #done = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #balancing: NodeJS.Timeout | undefined;
  #staticPods: readonly Pod[] = [];
  /** The API and this host's files have been read, both: what runs beside their pods is wanted by nobody. */
  #knowsWanted = false;
  #statuses: StatusManager | undefined;
  #signal: AbortSignal | undefined;

  constructor(options: PodManagerOptions) {
    this.#options = options;
    this.#workers = options.workers;
    const { cri, client, logger, nodeName, nodeUid, volumes, cgroups } = options;
    this.#informer = new Informer({
      client,
      resource: pods,
      fieldSelector: `spec.nodeName=${nodeName}`,
      logger,
      select: withoutManagedFields,
      indexes: { uid: ({ metadata }) => [metadata?.uid ?? ''] },
    });
    this.#mirrors = new MirrorPods({ client, logger, nodeName, nodeUid });
    this.#inventory = new HostInventory({ cri, volumes, cgroups, logger });
    this.#lifecycle = new LifecycleEvents({
      cri,
      inventory: this.#inventory,
      logger,
      changed: (uid, told) => this.#changed(uid, told),
      missed: () => {
        for (const worker of this.#workers) worker.wake();
      },
      relisted: async (signal) => {
        if (this.#knowsWanted) await this.#cleanUp(signal);
      },
    });
    this.#services = {
      cri,
      images: options.images,
      volumes,
      cgroups,
      environment: {
        objects: options.objects,
        services: options.services,
        allocatable: options.allocatable,
        hostIPs: options.nodeIPs,
        nodeName,
      },
      resourceHost: options.resourceHost,
      dns: options.dns,
      sandbox: { logDirectory: options.logDirectory, clusterDomain: options.dns.domain },
      ...(options.logLinkDirectory && { logLinks: new ContainerLogLinks(options.logLinkDirectory) }),
      resolvConf: options.resolvConf ?? '/etc/resolv.conf',
      hostsFile: options.hostsFile ?? '/etc/hosts',
      starts: new Semaphore(PARALLEL_STARTS),
      record: (pod, type, reason, message, container) => {
        const regarding = referenceTo('v1', 'Pod', this.#apiPod(pod) ?? pod);
        const fieldPath = container === undefined ? undefined : fieldPathOf(pod, container);
        options.events.event({ ...regarding, fieldPath }, type, reason, message);
      },
      logger,
    };
  }

  /** Resolves when the agent stops; containers go on running. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    const { client, logger, cri, staticPodDirectory, logDirectory, nodeName } = this.#options;
    this.#statuses = new StatusManager({ client, logger, current: (uid) => this.#byUid(uid) }, signal);
    await this.#lifecycle.untilListed(signal);
    const parts = [
      this.#lifecycle.run(signal),
      this.#informer.run(signal),
      this.#mirrors.run(signal),
      rotateLogs({ cri, logger, logs: () => this.#workers.logs(logDirectory) }, signal),
    ];
    const filesRead = Promise.withResolvers<void>();
    const setStatic = (wanted: readonly Pod[]): void => {
      this.#setStatic(wanted);
      filesRead.resolve();
    };
    if (staticPodDirectory !== undefined) {
      const source = new StaticPods({ directory: staticPodDirectory, nodeName, logger });
      parts.push(source.run(setStatic, signal));
    } else {
      setStatic([]);
    }
    this.#informer.addHandlers({
      onAdd: (pod) => this.#wanted(pod),
      onUpdate: (_old, pod) => this.#wanted(pod),
      onDelete: (pod) => this.#deleted(pod),
    });
    Promise.all([this.#informer.hasSynced(), filesRead.promise])
      .then(() => {
        this.#knowsWanted = true;
        return this.#cleanUp(signal);
      })
      .catch((error: unknown) => {
        if (!signal.aborted) logger.warn({ err: (error as Error).message }, 'failed to clean up orphaned pods');
      });
    await Promise.all(parts);
    await Promise.all(this.#running);
    clearTimeout(this.#balancing);
  }

  /** Ends a pod for the sake of the node and says why in its status; one that ends already is left alone. */
  evict(podUid: string, graceSeconds: number, message: string): void {
    const worker = this.#workers.get(podUid);
    if (!worker || worker.isEnding) return;
    this.#services.record(worker.pod, 'Warning', 'Evicted', message);
    worker.end(graceSeconds, false, { reason: 'Evicted', message, disrupts: true });
  }

  #byUid(uid: string): Pod | undefined {
    return this.#informer.byIndex('uid', uid)[0];
  }

  /** The object that stands for a pod in the API: its mirror when it is static. */
  #apiPod(pod: Pod): Pod | undefined {
    const { uid = '', namespace = '', name = '' } = pod.metadata ?? {};
    if (this.#workers.get(uid)?.source !== 'file') return pod;
    const mirror = this.#informer.get(namespace, name);
    return mirror && mirrors(mirror, pod) ? mirror : undefined;
  }

  #wanted(seen: Pod): void {
    const uid = seen.metadata?.uid ?? '';
    if (this.#done.has(uid)) return;
    const worker = this.#workers.get(uid);
    // What runs as a pod of the API stays one, whatever is written on it later. A mirror's own uid never runs.
    if (!worker && isMirror(seen) && !this.#inventory.runs(uid)) {
      this.#mirrors.seen(seen);
      this.#heed(seen);
      return;
    }
    const pod = marked(seen, 'api');
    if (worker) {
      const { labels, annotations } = worker.pod.metadata ?? {};
      const shown = JSON.stringify([labels, annotations]);
      worker.update(pod);
      if (shown !== JSON.stringify([pod.metadata?.labels, pod.metadata?.annotations])) worker.refreshVolumes();
      this.#endIfDeleted(worker, pod);
    } else {
      this.#endIfDeleted(this.#start(pod, 'api'), pod);
    }
  }

  /** A file has no status: when the static pod started, the mirror knows from the agent before this one. */
  #heed(mirror: Pod): void {
    const worker = this.#workers.get(this.#mirrors.staticUid(mirror));
    if (worker?.source !== 'file' || !mirrors(mirror, worker.pod)) return;
    if (mirror.status?.startTime !== undefined) worker.startedBy(mirror.status.startTime);
    worker.wake();
  }

  #endIfDeleted(worker: PodWorker, pod: Pod): void {
    if (pod.metadata?.deletionTimestamp === undefined) return;
    worker.end(pod.metadata.deletionGracePeriodSeconds ?? graceOf(pod), true);
  }

  #deleted(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    this.#mirrors.gone(pod);
    this.#done.delete(uid);
    this.#workers.get(uid)?.end(pod.metadata?.deletionGracePeriodSeconds ?? graceOf(pod), true);
  }

  #setStatic(wanted: readonly Pod[]): void {
    const uids = new Set(wanted.map(({ metadata }) => metadata?.uid));
    for (const worker of this.#workers) {
      const { pod, source } = worker;
      if (source === 'file' && !uids.has(pod.metadata?.uid)) worker.end(graceOf(pod), true);
    }
    for (const pod of wanted) {
      // A pod whose file has changed starts when the one that it replaces is gone. A pod of the API with its name is no reason
      // to wait: whoever may create pods would keep a static one from running.
      const { namespace = '', name = '' } = pod.metadata ?? {};
      const isNamesake = ({ source, pod: { metadata } }: PodWorker): boolean =>
        source === 'file' && metadata?.namespace === namespace && metadata.name === name;
      if ([...this.#workers].some(isNamesake)) continue;
      this.#start(pod, 'file');
      const mirror = this.#informer.get(namespace, name);
      if (mirror) this.#heed(mirror);
    }
    this.#staticPods = wanted;
    this.#mirrors.want(wanted);
  }

  #start(pod: Pod, source: PodSource): PodWorker {
    const uid = pod.metadata?.uid ?? '';
    const signal = this.#signal ?? AbortSignal.abort();
    const { cri, nodeIPs, metrics } = this.#options;
    const { record } = this.#services;
    const isNew = !this.#inventory.runs(uid);
    let seenAt = isNew ? Date.now() : undefined;
    const probes = new PodProbes(pod, { cri, record, metrics, hostIPs: nodeIPs, onChange: () => worker.wake() });
    const worker: PodWorker = new PodWorker(pod, {
      services: this.#services,
      probes,
      hostIPs: this.#options.nodeIPs,
      isNew,
      source,
      metrics,
      publish: (of, status) => {
        if (seenAt !== undefined && status.phase === 'Running') {
          metrics?.started((Date.now() - seenAt) / 1000);
          seenAt = undefined;
        }
        const apiPod = this.#apiPod(of);
        if (apiPod && this.#byUid(apiPod.metadata?.uid ?? '')) this.#statuses?.set(apiPod, status);
      },
      observed: (runtime) => {
        for (const told of this.#lifecycle.own(uid, runtime)) worker.expect(told);
      },
    });
    this.#workers.add(worker);
    this.#balanceSoon();
    if (isNew && source === 'api' && pod.spec?.containers.length) this.#admit(worker);
    const life = worker
      .run(signal)
      .then(() => (signal.aborted ? undefined : this.#finish(worker)))
      .catch((error: unknown) => {
        // A step that fails is tried again by the worker itself: what ends one is a defect, and is logged with where it happened.
        if (!signal.aborted) this.#options.logger.error({ pod: uid, err: error }, 'pod worker failed');
      })
      .finally(() => {
        probes[Symbol.dispose]();
        this.#running.delete(life);
      });
    this.#running.add(life);
    return worker;
  }

  /** Ends at once what this node does not take. */
  #admit(worker: PodWorker): void {
    const { pod, status } = worker;
    if (pod.metadata?.deletionTimestamp || isOver(status)) return;
    // Whoever bound the pod here does not count those that have left the API, so neither does the node.
    const isInApi = ({ metadata: { uid = '' } = {} }: Pod) => !this.#done.has(uid) && this.#byUid(uid) !== undefined;
    const others = [...this.#workers]
      .filter((other) => other !== worker && !isOver(other.status) && (other.source === 'file' || isInApi(other.pod)))
      .map((other) => other.pod);
    const { allocatable, pressures, features } = this.#options;
    const node = { allocatable: allocatable(), pressures: pressures(), features: features() };
    const verdict = admission(worker, others, node);
    if (!verdict) return;
    this.#services.record(pod, 'Warning', verdict.reason, verdict.message);
    worker.end(0, false, verdict);
  }

  #changed(uid: string, told: Told | undefined): void {
    const worker = this.#workers.get(uid);
    if (told) worker?.expect(told);
    worker?.wake();
  }

  /** Nothing of the pod runs any more: says so, and lets the API forget it. */
  async #finish(worker: PodWorker): Promise<void> {
    const { pod, source } = worker;
    const uid = pod.metadata?.uid ?? '';
    const removal = this.#removeLogs(pod);
    this.#options.images.forget(uid);
    this.#options.metrics?.forgotten(uid);
    if (source === 'api' && this.#byUid(uid)) {
      this.#done.add(uid);
      await this.#statuses?.finish(pod);
    }
    await removal;
    this.#statuses?.forget(uid);
    this.#workers.delete(uid);
    this.#lifecycle.forget(uid);
    this.#balanceSoon();
    if (source === 'file') this.#setStatic(this.#staticPods);
  }

  /** Never rejects. The API hears of the pod's end meanwhile, although its logs cannot be removed, or not soon. */
  async #removeLogs(pod: Pod): Promise<void> {
    const { logDirectory } = this.#options;
    try {
      await withDeadline({ what: 'the removal of logs', limitMs: LOG_REMOVAL_MS }, async () => {
        await removePodLogs(logDirectory, pod);
        await this.#services.logLinks?.removeDangling(pod);
      });
    } catch (error) {
      this.#logsStay(pod.metadata?.uid, error as Error);
    }
  }

  #logsStay(pod: string | undefined, { message: err }: Error): void {
    this.#options.logger.warn({ pod, err }, 'failed to remove pod logs');
  }

  /** Ends pods that run here and are wanted by nobody; removes what pods have left behind. */
  async #cleanUp(signal: AbortSignal): Promise<void> {
    for (const pod of this.#inventory.orphans((uid) => this.#workers.get(uid) !== undefined || this.#done.has(uid))) {
      this.#options.logger.info({ pod: pod.metadata?.uid, name: pod.metadata?.name }, 'removing orphaned pod');
      this.#start(pod, 'api').end(graceOf(pod), true);
    }
    await this.#inventory.removeLeftovers((uid) => this.#workers.get(uid) !== undefined, signal);
    const isKnown = (uid: string): boolean =>
      this.#workers.get(uid) !== undefined || this.#inventory.runs(uid) || this.#byUid(uid) !== undefined;
    await removeOrphanedLogs(this.#options.logDirectory, isKnown, (uid, error) => this.#logsStay(uid, error));
    await this.#services.logLinks?.removeDangling();
  }

  /** Weighs burstable pods against the others, once for many that come or go together. */
  #balanceSoon(): void {
    this.#balancing ??= setTimeout(() => {
      this.#balancing = undefined;
      const { cgroups, logger } = this.#options;
      cgroups.balance([...this.#workers].map(({ pod }) => pod)).catch((error: unknown) => {
        logger.warn({ err: (error as Error).message }, 'failed to set CPU weight of burstable pods');
      });
    }, BALANCE_MS).unref();
  }
}

/** Nobody here asks who has set which field, and it is half of a pod. */
function withoutManagedFields(pod: Pod): Pod {
  delete pod.metadata?.managedFields;
  return pod;
}

const isOver = (status: PodStatus | undefined): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';
