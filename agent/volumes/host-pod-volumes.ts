/** The volumes of the pods on this host, laid out below `<data dir>/pods` as the kubelet lays them out. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_TIMER_MS } from '../../client/deadline.ts';
import type { Logger } from '../../client/logger.ts';
import { fileExists, namesIn } from '../host/files.ts';
import { mountPointsBelow, readMounts } from '../host/mounts.ts';
import { run } from '../host/run.ts';
import { batchRequests } from '../host/volume-helper/batch.ts';
import type { VolumeHelper } from '../host/volume-helper/requests.ts';
import { containerDevices, containerMounts, SUB_PATHS } from './container-mounts.ts';
import type { PublishRecord } from './framework/mount-records.ts';
import type { VolumeRunner } from './framework/volume-runner.ts';
import { VolumeError, type VolumeUsage } from './framework/volume-type.ts';
import { isResponding, nfsMountsAt } from './unresponsive.ts';
import type { ContainerDevice, ContainerMount, PodVolumes, VolumeImage } from './pod-volumes.ts';
import type { PodObjectSource } from './written/api-object-source.ts';
import type { ServiceAccountTokens } from './written/service-account-tokens.ts';
import type { Container, Pod, Volume } from '../../api/types/core/v1.gen.ts';

export interface HostPodVolumesOptions {
  /** Absolute; `/var/lib/kedge/agent/pods`. */
  readonly podsDirectory: string;
  /** Absolute; `/var/lib/kubelet/pods`: where drivers of CSI mount volumes of pods. */
  readonly driversPodsDirectory: string;
  readonly runner: VolumeRunner;
  readonly objects: PodObjectSource;
  readonly tokens: ServiceAccountTokens;
  readonly helper: VolumeHelper;
  /** A token of the pod is due: `refresh` it. */
  readonly onStale: (podUid: string) => void;
  readonly logger: Logger;
}

const POD_DIRECTORY_MODE = 0o750;
/** Removing what pods have left: a tree of a million files takes a while. */
const REMOVE_TIMEOUT_MS = 600_000;

const uidOf = (pod: Pod): string => pod.metadata?.uid ?? '';

interface PodState {
  /** The records of the volumes that are ready, by name. */
  readonly ready: Map<string, PublishRecord>;
  readonly helper: VolumeHelper;
  refreshTimer?: NodeJS.Timeout;
}

/** How often volumes are refreshed of which nobody says when they are out of date. The kubelet syncs a pod this often, too. */
const REFRESH_MS = 60_000;

export class HostPodVolumes implements PodVolumes, Disposable {
  readonly #options: HostPodVolumesOptions;
  readonly #pods = new Map<string, PodState>();

  constructor(options: HostPodVolumesOptions) {
    this.#options = options;
  }

  /** Throws for a uid that is not the name of a directory: it comes from the api-server or a file. */
  podDirectory(podUid: string): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(podUid)) throw new VolumeError(`invalid pod uid ${JSON.stringify(podUid)}`);
    return join(this.#options.podsDirectory, podUid);
  }

  podsOnDisk(): Promise<string[]> {
    return namesIn(this.#options.podsDirectory);
  }

  #stateOf(podUid: string): PodState {
    const known = this.#pods.get(podUid);
    if (known) return known;
    const state: PodState = { ready: new Map(), helper: batchRequests(this.#options.helper) };
    this.#pods.set(podUid, state);
    return state;
  }

  async setUp(pod: Pod, signal: AbortSignal): Promise<void> {
    const { objects, runner } = this.#options;
    const uid = uidOf(pod);
    const state = this.#stateOf(uid);
    const { ready, helper } = state;
    objects.follow(pod);
    const pending = (pod.spec?.volumes ?? []).filter(({ name }) => !ready.has(name));
    const isNew = (await mkdir(this.podDirectory(uid), { recursive: true, mode: POD_DIRECTORY_MODE })) !== undefined;
    if (pending.length === 0) return;

    // Below a directory that was made just now nothing is mounted, and there are no records.
    const mounted = new Set(isNew ? [] : (await readMounts()).map(({ mountPoint }) => mountPoint));
    const records = isNew ? new Map<string, never>() : await runner.published(uid);
    await forEach(pending, signal, async (volume) => {
      const at = { helper, mounted, signal };
      ready.set(volume.name, await runner.publish(pod, volume, records.get(volume.name), at));
    });
    this.#awaitRefresh(uid, state);
  }

  async refresh(pod: Pod, signal: AbortSignal): Promise<void> {
    const uid = uidOf(pod);
    const state = this.#stateOf(uid);
    const { ready, helper } = state;
    try {
      await forEach(pod.spec?.volumes ?? [], signal, async (volume) => {
        const record = ready.get(volume.name);
        const at = { helper, mounted: new Set<string>(), signal };
        if (record) ready.set(volume.name, await this.#options.runner.refresh(pod, volume, record, at));
      });
    } finally {
      this.#awaitRefresh(uid, state);
    }
  }

  #awaitRefresh(podUid: string, state: PodState): void {
    clearTimeout(state.refreshTimer);
    const token = this.#options.tokens.nextDueAt(podUid);
    const { runner } = this.#options;
    const isRefreshed = [...state.ready.values()].some((record) => runner.isRefreshed(record));
    const due = Math.min(token ?? Infinity, isRefreshed ? performance.now() + REFRESH_MS : Infinity);
    if (due === Infinity) return;
    // A timer counts whole milliseconds: it may end one before the token is due.
    const wait = Math.min(Math.max(0, Math.ceil(due - performance.now())) + 1, MAX_TIMER_MS);
    state.refreshTimer = setTimeout(() => this.#options.onStale(podUid), wait).unref();
  }

  async mountsOf(
    pod: Pod,
    container: Container,
    signal: AbortSignal,
    env: Readonly<Record<string, string>> = {},
    images: ReadonlyMap<string, VolumeImage> = new Map(),
  ): Promise<ContainerMount[]> {
    const { helper, ready } = this.#stateOf(uidOf(pod));
    const { runner } = this.#options;
    await this.#checkServers(pod, container, ready, signal);
    return containerMounts(pod, container, {
      runner,
      ready,
      podDirectory: this.podDirectory(uidOf(pod)),
      ...{ env, images, helper, signal },
    });
  }

  /** The runtime looks at what it mounts. Where a server is away, it would do so forever, and hold what it has begun. */
  async #checkServers(
    { metadata }: Pod,
    { volumeMounts = [] }: Container,
    ready: ReadonlyMap<string, PublishRecord>,
    signal: AbortSignal,
  ): Promise<void> {
    const { runner, helper } = this.#options;
    const records = volumeMounts.flatMap(({ name }) => ready.get(name) ?? []);
    const mountPoints = records.flatMap((record) => runner.mountPoint(metadata?.uid ?? '', record) ?? []);
    for (const [mountPoint, source] of await nfsMountsAt(mountPoints))
      if (!(await isResponding(mountPoint, helper, signal)))
        throw new VolumeError(`the NFS server of ${source} does not respond`);
  }

  async abortStuckRequests(podUid: string, signal: AbortSignal): Promise<string[]> {
    const { runner, helper } = this.#options;
    const aborted: string[] = [];
    for (const [mountPoint, source] of await nfsMountsAt(await runner.mountPoints(podUid))) {
      if (await isResponding(mountPoint, helper, signal)) continue;
      const [response] = await helper([{ do: 'abort-requests', path: mountPoint }], signal);
      if (response?.error) throw new VolumeError(`failed to abort requests to ${source}: ${response.error}`);
      aborted.push(source);
    }
    return aborted;
  }

  devicesOf(pod: Pod, container: Container): ContainerDevice[] {
    const { ready } = this.#stateOf(uidOf(pod));
    return containerDevices(pod, container, { runner: this.#options.runner, ready });
  }

  /**
   * The usage of the pod's volumes of these names; those that are not published yet, or cannot be measured, are left out: a server that does
   * not answer, or a pod that has written millions of files, is no reason to let others exceed their limits.
   */
  async usage(pod: Pod, names: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, VolumeUsage>> {
    const { logger, runner } = this.#options;
    const { ready, helper } = this.#pods.get(uidOf(pod)) ?? {};
    const found = new Map<string, VolumeUsage>();
    const volumes = (pod.spec?.volumes ?? []).filter(({ name }) => names.includes(name));
    await forEach(volumes, signal, async (volume) => {
      const record = ready?.get(volume.name);
      if (!helper || !record) return;
      try {
        const usage = await runner.stats(volume, record, { helper, mounted: new Set<string>(), signal });
        if (usage) found.set(volume.name, usage);
      } catch (error) {
        signal.throwIfAborted();
        logger.warn({ podUID: uidOf(pod), volume: volume.name, err: error }, 'failed to measure volume of pod');
      }
    });
    return found;
  }

  async tearDown(podUid: string, signal: AbortSignal): Promise<void> {
    const { objects, tokens, runner } = this.#options;
    const directory = this.podDirectory(podUid);
    const { helper } = this.#stateOf(podUid);
    objects.unfollow(podUid);
    tokens.forget(podUid);
    clearTimeout(this.#pods.get(podUid)?.refreshTimer);
    this.#pods.delete(podUid);

    // Bound subPaths keep their volumes busy.
    const mounts = await readMounts();
    const subPaths = join(directory, SUB_PATHS);
    if (mountPointsBelow(mounts, subPaths).length > 0) await runner.unmountBelow(subPaths, signal);
    const mounted = new Set(mounts.map(({ mountPoint }) => mountPoint));
    await runner.unpublish(podUid, { helper, mounted, signal });
    // Mounts without a record, and those over volumes. Removing the directory would reach into them.
    // The pod's own directory goes last: by it an agent after this one finds the pod.
    for (const left of [join(this.#options.driversPodsDirectory, podUid), directory]) {
      await runner.unmountBelow(left, signal);
      // rm(1) walks by open directories, follows no link and does not leave the file system.
      if (await fileExists(left))
        await run('rm', ['-rf', '--one-file-system', '--', left], { signal, timeoutMs: REMOVE_TIMEOUT_MS });
    }
  }

  unstageUnused(signal: AbortSignal): Promise<void> {
    return this.#options.runner.unstageUnused(this.#options.helper, signal);
  }

  [Symbol.dispose](): void {
    for (const { refreshTimer } of this.#pods.values()) clearTimeout(refreshTimer);
    this.#pods.clear();
  }
}

/** Does something to several volumes at once; throws for the first (in the pod's order) that fails, after all ended. */
async function forEach(
  volumes: readonly Volume[],
  signal: AbortSignal,
  act: (volume: Volume) => Promise<void>,
): Promise<void> {
  const outcomes = await Promise.allSettled(volumes.map(act));
  signal.throwIfAborted();
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}
