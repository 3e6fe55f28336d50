/** The volumes of the pods on this host, laid out below `<data dir>/pods` as the kubelet lays them out. */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_TIMER_MS } from '../../client/deadline.ts';
import type { Logger } from '../../client/logger.ts';
import { hasCode, isThere } from '../host/files.ts';
import { mountPointsBelow, readMounts, unmount } from '../host/mounts.ts';
import { run } from '../host/run.ts';
import { inOneHelper } from '../host/volume-helper/batch.ts';
import { bindSubPath } from '../host/volume-helper/sub-path.ts';
import type { AskVolumeHelper } from '../host/volume-helper/requests.ts';
import type { PodObjectSource } from './api-object-source.ts';
import { configMap } from './config-map.ts';
import { downwardApi } from './downward-api.ts';
import { emptyDir } from './empty-dir.ts';
import { hostPath } from './host-path.ts';
import { VolumeError, type ContainerMount, type PodVolumes } from './pod-volumes.ts';
import { projected } from './projected.ts';
import type { Resources } from './downward-values.ts';
import { secret } from './secret.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';
import { expandSubPath } from './sub-path-expression.ts';
import type { VolumeContext, VolumePlugin } from './volume-plugin.ts';
import type { Container, Pod, Volume, VolumeMount } from '../../api/types/core/v1.gen.ts';

export interface HostPodVolumesOptions {
  /** Absolute; `/var/lib/kedge/agent/pods`. */
  readonly podsDirectory: string;
  readonly objects: PodObjectSource;
  readonly tokens: ServiceAccountTokens;
  readonly ask: AskVolumeHelper;
  /** What the node can give to pods. */
  readonly allocatable: () => Resources;
  /** A token of the pod is due: `refresh` it. */
  readonly onStale: (podUid: string) => void;
  readonly logger: Logger;
}

const POD_DIRECTORY_MODE = 0o750;
/** Removing what pods have left: a tree of a million files takes a while. */
const REMOVE_TIMEOUT_MS = 600_000;
/** Something may be mounted over what was just unmounted; so often it is looked for again. */
const MAX_UNMOUNT_ROUNDS = 8;

const PROPAGATION = { None: 'private', HostToContainer: 'host-to-container', Bidirectional: 'bidirectional' } as const;

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const uidOf = (pod: Pod): string => pod.metadata?.uid ?? '';

interface PodState {
  /** The names of the volumes that are ready. */
  readonly ready: Set<string>;
  readonly ask: AskVolumeHelper;
  tokenTimer?: NodeJS.Timeout;
}

export class HostPodVolumes implements PodVolumes, Disposable {
  readonly #options: HostPodVolumesOptions;
  readonly #plugins: ReadonlyMap<string, VolumePlugin>;
  readonly #pods = new Map<string, PodState>();
  /** One helper for the emptyDirs of all pods: they lie on the node's own disk, which nobody has to wait for. */
  readonly #measure: AskVolumeHelper;

  constructor(options: HostPodVolumesOptions) {
    this.#options = options;
    this.#measure = inOneHelper(options.ask);
    const plugins = [emptyDir, hostPath, ...[configMap, secret, downwardApi, projected].map((make) => make(options))];
    this.#plugins = new Map(plugins.map((plugin) => [plugin.source, plugin]));
  }

  /** Throws for a uid that is no name of a directory: it comes from the api-server or a file. */
  podDirectory(podUid: string): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(podUid)) throw new VolumeError(`invalid pod uid ${JSON.stringify(podUid)}`);
    return join(this.#options.podsDirectory, podUid);
  }

  async podsOnDisk(): Promise<string[]> {
    try {
      return await readdir(this.#options.podsDirectory);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return [];
      throw error;
    }
  }

  #stateOf(podUid: string): PodState {
    const known = this.#pods.get(podUid);
    if (known) return known;
    const state: PodState = { ready: new Set(), ask: inOneHelper(this.#options.ask) };
    this.#pods.set(podUid, state);
    return state;
  }

  #pluginOf(volume: Volume): VolumePlugin {
    const source = Object.keys(volume).find((key) => key !== 'name') ?? 'emptyDir';
    const plugin = this.#plugins.get(source);
    if (plugin) return plugin;
    throw new VolumeError(`volume "${volume.name}": ${source} volumes are not supported yet by this version`);
  }

  #directoryOf(pod: Pod, volume: Volume, plugin: VolumePlugin): string {
    return join(this.podDirectory(uidOf(pod)), 'volumes', plugin.directory, volume.name);
  }

  async setUp(pod: Pod, signal: AbortSignal): Promise<void> {
    const uid = uidOf(pod);
    const state = this.#stateOf(uid);
    this.#options.objects.follow(pod);
    const pending = (pod.spec?.volumes ?? []).filter(({ name }) => !state.ready.has(name));
    const isNew = (await mkdir(this.podDirectory(uid), { recursive: true, mode: POD_DIRECTORY_MODE })) !== undefined;
    if (pending.length === 0) return;

    // Below a directory that was made just now nothing is mounted.
    const mounted = new Set(isNew ? [] : (await readMounts()).map(({ mountPoint }) => mountPoint));
    await this.#forEach(pod, pending, state, mounted, signal, async (volume, plugin, context) => {
      await mkdir(join(context.directory, '..'), { recursive: true, mode: POD_DIRECTORY_MODE });
      await plugin.setUp(volume, context);
      state.ready.add(volume.name);
    });
    this.#awaitToken(uid, state);
  }

  async refresh(pod: Pod, signal: AbortSignal): Promise<void> {
    const uid = uidOf(pod);
    const state = this.#stateOf(uid);
    const volumes = (pod.spec?.volumes ?? []).filter(({ name }) => state.ready.has(name));
    try {
      await this.#forEach(pod, volumes, state, new Set(), signal, async (volume, plugin, context) =>
        plugin.refresh?.(volume, context),
      );
    } finally {
      this.#awaitToken(uid, state);
    }
  }

  /** Does something to several volumes at once; throws for the first (in the pod's order) that fails, after all ended. */
  async #forEach(
    pod: Pod,
    volumes: readonly Volume[],
    { ask }: PodState,
    mounted: ReadonlySet<string>,
    signal: AbortSignal,
    act: (volume: Volume, plugin: VolumePlugin, context: VolumeContext) => Promise<void>,
  ): Promise<void> {
    const outcomes = await Promise.allSettled(
      volumes.map(async (volume) => {
        const plugin = this.#pluginOf(volume);
        const directory = this.#directoryOf(pod, volume, plugin);
        const context = { pod, directory, isMounted: (path: string) => mounted.has(path), ask, signal };
        try {
          await act(volume, plugin, context);
        } catch (error) {
          throw new VolumeError(`MountVolume.SetUp failed for volume "${volume.name}" : ${reasonOf(error)}`, {
            cause: error,
          });
        }
      }),
    );
    signal.throwIfAborted();
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }

  #awaitToken(podUid: string, state: PodState): void {
    clearTimeout(state.tokenTimer);
    const due = this.#options.tokens.nextDueAt(podUid);
    if (due === undefined) return;
    // A timer counts whole milliseconds, by another clock: it may end one before the token is due.
    const wait = Math.min(Math.max(0, Math.ceil(due - Date.now())) + 1, MAX_TIMER_MS);
    state.tokenTimer = setTimeout(() => this.#options.onStale(podUid), wait).unref();
  }

  async mountsOf(
    pod: Pod,
    container: Container,
    signal: AbortSignal,
    env: Readonly<Record<string, string>> = {},
  ): Promise<ContainerMount[]> {
    const { ask } = this.#stateOf(uidOf(pod));
    return Promise.all(
      (container.volumeMounts ?? []).map(async (mount, index): Promise<ContainerMount> => {
        const volume = pod.spec?.volumes?.find(({ name }) => name === mount.name);
        if (!volume)
          throw new VolumeError(
            `container "${container.name}" mounts volume "${mount.name}", which the pod does not have`,
          );
        if (mount.recursiveReadOnly === 'Enabled')
          throw new VolumeError(
            `volume "${volume.name}": recursive read-only mounts are not supported yet by this version`,
          );
        const plugin = this.#pluginOf(volume);
        const source = plugin.hostPath(volume, this.#directoryOf(pod, volume, plugin));
        const target = join(
          this.podDirectory(uidOf(pod)),
          'volume-subpaths',
          volume.name,
          container.name,
          String(index),
        );
        return {
          containerPath: mount.mountPath,
          hostPath: await bindIfSubPath(mount, env, plugin, source, target, ask, signal),
          readonly: plugin.agentWritten || (mount.readOnly ?? false),
          propagation: PROPAGATION[mount.mountPropagation ?? 'None'],
        };
      }),
    );
  }

  /** What the pod's emptyDirs of these names hold on disk; those that are not there yet are left out. */
  async measureEmptyDirs(
    pod: Pod,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, { readonly bytes: number; readonly inodes: number }>> {
    const requests = names.map((name) => ({
      do: 'measure' as const,
      path: this.#directoryOf(pod, { name }, emptyDir),
    }));
    const answers = await this.#measure(requests, signal);
    return new Map(
      answers.flatMap(({ bytes, inodes }, index) =>
        bytes === undefined || inodes === undefined ? [] : [[names[index] ?? '', { bytes, inodes }]],
      ),
    );
  }

  async tearDown(podUid: string, signal: AbortSignal): Promise<void> {
    const { objects, tokens, logger } = this.#options;
    const directory = this.podDirectory(podUid);
    objects.unfollow(podUid);
    tokens.forget(podUid);
    clearTimeout(this.#pods.get(podUid)?.tokenTimer);
    this.#pods.delete(podUid);

    let left = mountPointsBelow(await readMounts(), directory);
    for (let round = 0; left.length > 0 && round < MAX_UNMOUNT_ROUNDS; round++) {
      for (const mountPoint of left) {
        const how = await unmount(mountPoint, signal);
        if (how === 'detached') logger.warn({ podUID: podUid, mountPoint }, 'unmounted busy volume lazily');
      }
      left = mountPointsBelow(await readMounts(), directory);
    }
    // Removing would reach into what is still mounted, which is not the pod's to lose.
    if (left.length > 0) throw new VolumeError(`failed to unmount ${left.join(', ')}`);
    // rm(1) walks by open directories, follows no link and does not leave the file system.
    if (await isThere(directory))
      await run('rm', ['-rf', '--one-file-system', '--', directory], { signal, timeoutMs: REMOVE_TIMEOUT_MS });
  }

  [Symbol.dispose](): void {
    for (const { tokenTimer } of this.#pods.values()) clearTimeout(tokenTimer);
    this.#pods.clear();
  }
}

/** The host path of a mount: the volume itself, or the subPath of it, bound to `target`. */
async function bindIfSubPath(
  mount: VolumeMount,
  env: Readonly<Record<string, string>>,
  plugin: VolumePlugin,
  source: string,
  target: string,
  ask: AskVolumeHelper,
  signal: AbortSignal,
): Promise<string> {
  try {
    const subPath = mount.subPathExpr ? expandSubPath(mount.subPathExpr, env) : mount.subPath;
    if (!subPath) return source;
    if (plugin.agentWritten) await bindSubPath(source, subPath, target, signal);
    else {
      const [answer] = await ask([{ do: 'bind-sub-path', volume: source, subPath, target }], signal);
      if (answer?.error) throw new Error(answer.error);
    }
    return target;
  } catch (error) {
    signal.throwIfAborted();
    throw new VolumeError(`failed to prepare subPath for volumeMount "${mount.name}": ${reasonOf(error)}`, {
      cause: error,
    });
  }
}
