/** The client of the container runtime: one method per call of runtime.v1, over the runtime's unix socket. */
import { Metadata, type ClientReadableStream } from '@grpc/grpc-js';
import descriptor from '../../proto/runtime-v1.json' with { type: 'json' };
import { CALL_LIMIT_MS, RuntimeChannel, type CallObserver, type CallOptions } from './channel.ts';
import { CriError } from './rpc-error.ts';
import { loadProto, type Service } from './service.ts';
import type {
  AttachRequest,
  AuthConfig,
  CgroupDriver,
  Container,
  ContainerConfig,
  ContainerStats,
  ContainerStatus,
  ExecRequest,
  ExecSyncResult,
  FilesystemUsage,
  Image,
  LinuxContainerResources,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxState,
  PodSandboxStatus,
  RuntimeCondition,
  RuntimeFeatures,
  RuntimeStatus,
  RuntimeVersion,
  StringMap,
} from './types.ts';
import { own } from '../../api/machinery/own.ts';

/** A pull that takes longer is aborted and retried: complete layers are kept. */
const PULL_LIMIT_MS = 60 * 60_000;
/** The runtime kills a command that has timed out; it has this long to report it. */
const EXEC_MARGIN_MS = 2_000;
interface ListFilter {
  readonly podUid?: string;
  readonly state?: PodSandboxState;
  readonly labelSelector?: StringMap;
}

/** The part of containerd's configuration of CRI that says how runc makes cgroups, and whether it injects CDI devices. */
interface ContainerdConfig {
  /** Before 1.7, there is no such setting. */
  readonly enableCDI?: boolean;
  readonly containerd?: {
    readonly snapshotter?: string;
    readonly defaultRuntimeName?: string;
    readonly runtimes?: Readonly<Record<string, { readonly options?: { readonly SystemdCgroup?: boolean } | null }>>;
  };
}

/** `config` is JSON. Absent settings are containerd's default, the cgroupfs driver. */
export function configuredCgroupDriver(config: string): CgroupDriver {
  const { containerd } = JSON.parse(config) as ContainerdConfig;
  const handler = own(containerd?.runtimes, containerd?.defaultRuntimeName ?? 'runc');
  return handler?.options?.SystemdCgroup === true ? 'systemd' : 'cgroupfs';
}

const CONTAINERD_WITH_CDI = 2;

/**
 * Whether the runtime puts CDI devices into containers. One that does not ignores them: a container would start without its devices.
 * `config` is containerd's, as JSON; 2.x injects them unless it is told not to. Other runtimes do not say.
 */
export function injectsCdiDevices({ runtimeName, runtimeVersion }: RuntimeVersion, config: string): boolean {
  if (runtimeName !== 'containerd') return true;
  const { enableCDI } = JSON.parse(config) as ContainerdConfig;
  return enableCDI ?? Number.parseInt(runtimeVersion.replace(/^v/, ''), 10) >= CONTAINERD_WITH_CDI;
}

/** From this containerd on, the CRI mounts images into containers. */
const CONTAINERD_WITH_IMAGE_MOUNTS = [2, 1] as const;

/** Whether the runtime mounts images into containers. One that does not ignores them: the mount would have no source. */
export function mountsImages({ runtimeName, runtimeVersion }: RuntimeVersion): boolean {
  if (runtimeName !== 'containerd') return true;
  const [major = 0, minor = 0] = runtimeVersion
    .replace(/^v/, '')
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  const [wantedMajor, wantedMinor] = CONTAINERD_WITH_IMAGE_MOUNTS;
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** The kubelet's label for a pod's uid, by which its containers are found. */
export const POD_UID_LABEL = 'io.kubernetes.pod.uid';

export class CriClient {
  readonly #channel: RuntimeChannel;
  readonly #runtime: Service;
  readonly #image: Service;

  /** Connects on the first call, and again whenever the runtime has been away. */
  constructor(socket: string, called?: CallObserver) {
    this.#channel = new RuntimeChannel(socket, { called });
    const proto = loadProto(descriptor);
    this.#runtime = proto.service('runtime.v1.RuntimeService');
    this.#image = proto.service('runtime.v1.ImageService');
  }

  get socket(): string {
    return this.#channel.socket;
  }

  /** For the runtime's other services on the same socket. */
  get channel(): RuntimeChannel {
    return this.#channel;
  }

  close(): void {
    this.#channel.close();
  }

  version(options?: CallOptions): Promise<RuntimeVersion> {
    return this.#channel.call(this.#runtime, 'Version', { version: '0.1.0' }, options);
  }

  /** RuntimeReady and NetworkReady with the runtime's reasons, and what it can do. */
  async status(options?: CallOptions): Promise<RuntimeStatus> {
    const response = await this.#channel.call<{
      status: { conditions: RuntimeCondition[] } | null;
      features: RuntimeFeatures | null;
    }>(this.#runtime, 'Status', { verbose: false }, options);
    const { supplementalGroupsPolicy = false } = response.features ?? {};
    return { conditions: response.status?.conditions ?? [], features: { supplementalGroupsPolicy } };
  }

  /**
   * The runtime's cgroup driver, which the agent must use, too. Before containerd 2.0 it is not a call of its
   * own but a part of the configuration that the verbose status carries.
   */
  async cgroupDriver(options?: CallOptions): Promise<CgroupDriver> {
    try {
      const response = await this.#channel.call<{ linux: { cgroupDriver: 'SYSTEMD' | 'CGROUPFS' } | null }>(
        this.#runtime,
        'RuntimeConfig',
        {},
        options,
      );
      if (response.linux) return response.linux.cgroupDriver === 'SYSTEMD' ? 'systemd' : 'cgroupfs';
    } catch (error) {
      if (!(error instanceof CriError) || !error.unimplemented) throw error;
    }
    return configuredCgroupDriver(await this.#config(options));
  }

  /** Whether the runtime puts CDI devices into containers. It may have been restarted with another configuration. */
  async injectsCdiDevices(options?: CallOptions): Promise<boolean> {
    return injectsCdiDevices(await this.version(options), await this.#config(options));
  }

  /** Whether the runtime mounts images into containers. It may have been restarted as another version. */
  async mountsImages(options?: CallOptions): Promise<boolean> {
    return mountsImages(await this.version(options));
  }

  /** containerd's snapshotter for images and containers. */
  async snapshotter(options?: CallOptions): Promise<string> {
    return (JSON.parse(await this.#config(options)) as ContainerdConfig).containerd?.snapshotter || 'overlayfs';
  }

  /** containerd's configuration of CRI, as JSON. */
  async #config(options?: CallOptions): Promise<string> {
    const { info } = await this.#channel.call<{ info: StringMap }>(this.#runtime, 'Status', { verbose: true }, options);
    return info['config'] ?? '{}';
  }

  /** Passes the node's podCIDR to runtimes that write their own CNI config. */
  async updateRuntimeConfig(podCidr: string, options?: CallOptions): Promise<void> {
    await this.#channel.call(
      this.#runtime,
      'UpdateRuntimeConfig',
      { runtimeConfig: { networkConfig: { podCidr } } },
      options,
    );
  }

  /** Creates and starts a sandbox, with its network; returns its id. */
  async runPodSandbox(config: PodSandboxConfig, runtimeHandler: string, options?: CallOptions): Promise<string> {
    const response = await this.#channel.call<{ podSandboxId: string }>(
      this.#runtime,
      'RunPodSandbox',
      { config, runtimeHandler },
      options,
    );
    return response.podSandboxId;
  }

  /** Ends what runs in the sandbox and tears down its network; idempotent. */
  async stopPodSandbox(podSandboxId: string, options?: CallOptions): Promise<void> {
    await this.#channel.call(this.#runtime, 'StopPodSandbox', { podSandboxId }, options);
  }

  /** Removes the sandbox and its containers; idempotent. */
  async removePodSandbox(podSandboxId: string, options?: CallOptions): Promise<void> {
    await this.#channel.call(this.#runtime, 'RemovePodSandbox', { podSandboxId }, options);
  }

  async podSandboxStatus(podSandboxId: string, options?: CallOptions): Promise<PodSandboxStatus> {
    const response = await this.#channel.call<{ status: PodSandboxStatus }>(
      this.#runtime,
      'PodSandboxStatus',
      { podSandboxId },
      options,
    );
    return response.status;
  }

  /** The process that holds the sandbox' namespaces; undefined when the runtime does not say, or it has ended. */
  async sandboxPid(podSandboxId: string, options?: CallOptions): Promise<number | undefined> {
    const { info } = await this.#channel.call<{ info: StringMap }>(
      this.#runtime,
      'PodSandboxStatus',
      { podSandboxId, verbose: true },
      options,
    );
    const { pid } = JSON.parse(info['info'] ?? '{}') as { readonly pid?: number };
    return pid ? pid : undefined;
  }

  async listPodSandboxes(filter: ListFilter = {}, options?: CallOptions): Promise<PodSandbox[]> {
    const response = await this.#channel.call<{ items: PodSandbox[] }>(
      this.#runtime,
      'ListPodSandbox',
      { filter: { labelSelector: labelsOf(filter), ...(filter.state && { state: { state: filter.state } }) } },
      options,
    );
    return response.items;
  }

  async createContainer(
    podSandboxId: string,
    config: ContainerConfig,
    sandboxConfig: PodSandboxConfig,
    options?: CallOptions,
  ): Promise<string> {
    const response = await this.#channel.call<{ containerId: string }>(
      this.#runtime,
      'CreateContainer',
      { podSandboxId, config, sandboxConfig },
      options,
    );
    return response.containerId;
  }

  async startContainer(containerId: string, options?: CallOptions): Promise<void> {
    await this.#channel.call(this.#runtime, 'StartContainer', { containerId }, options);
  }

  /** SIGTERM (or the container's stop signal), then SIGKILL after `graceSeconds`. Resolves when it has ended. */
  async stopContainer(containerId: string, graceSeconds: number, options: CallOptions = {}): Promise<void> {
    await this.#channel.call(
      this.#runtime,
      'StopContainer',
      { containerId, timeout: graceSeconds },
      { limitMs: CALL_LIMIT_MS + graceSeconds * 1000, ...options },
    );
  }

  async removeContainer(containerId: string, options?: CallOptions): Promise<void> {
    await this.#channel.call(this.#runtime, 'RemoveContainer', { containerId }, options);
  }

  async listContainers(filter: Omit<ListFilter, 'state'> = {}, options?: CallOptions): Promise<Container[]> {
    const response = await this.#channel.call<{ containers: Container[] }>(
      this.#runtime,
      'ListContainers',
      { filter: { labelSelector: labelsOf(filter) } },
      options,
    );
    return response.containers;
  }

  async containerStatus(containerId: string, options?: CallOptions): Promise<ContainerStatus> {
    const response = await this.#channel.call<{ status: ContainerStatus }>(
      this.#runtime,
      'ContainerStatus',
      { containerId },
      options,
    );
    return response.status;
  }

  async updateContainerResources(
    containerId: string,
    linux: LinuxContainerResources,
    options?: CallOptions,
  ): Promise<void> {
    await this.#channel.call(this.#runtime, 'UpdateContainerResources', { containerId, linux }, options);
  }

  /** To be called after the log file was moved away. */
  async reopenContainerLog(containerId: string, options?: CallOptions): Promise<void> {
    await this.#channel.call(this.#runtime, 'ReopenContainerLog', { containerId }, options);
  }

  /** Runs a command until it exits; after the limit it is killed and DEADLINE_EXCEEDED is thrown. */
  execSync(
    containerId: string,
    cmd: readonly string[],
    timeoutSeconds: number,
    options: CallOptions = {},
  ): Promise<ExecSyncResult> {
    // The runtime knows limits in whole seconds, and 0 as none.
    const timeout = Math.max(1, Math.ceil(timeoutSeconds));
    const limitMs = timeout * 1000 + EXEC_MARGIN_MS;
    return this.#channel.call(this.#runtime, 'ExecSync', { containerId, cmd, timeout }, { limitMs, ...options });
  }

  /** Prepares a streaming exec; returns the URL of the runtime's streaming server. */
  async exec(request: ExecRequest, options?: CallOptions): Promise<string> {
    return (await this.#channel.call<{ url: string }>(this.#runtime, 'Exec', request, options)).url;
  }

  async attach(request: AttachRequest, options?: CallOptions): Promise<string> {
    return (await this.#channel.call<{ url: string }>(this.#runtime, 'Attach', request, options)).url;
  }

  async portForward(podSandboxId: string, port: readonly number[], options?: CallOptions): Promise<string> {
    return (await this.#channel.call<{ url: string }>(this.#runtime, 'PortForward', { podSandboxId, port }, options))
      .url;
  }

  async containerStats(containerId: string, options?: CallOptions): Promise<ContainerStats> {
    return (
      await this.#channel.call<{ stats: ContainerStats }>(this.#runtime, 'ContainerStats', { containerId }, options)
    ).stats;
  }

  async listContainerStats(options?: CallOptions): Promise<ContainerStats[]> {
    return (
      await this.#channel.call<{ stats: ContainerStats[] }>(
        this.#runtime,
        'ListContainerStats',
        { filter: {} },
        options,
      )
    ).stats;
  }

  async listImages(options?: CallOptions): Promise<Image[]> {
    return (await this.#channel.call<{ images: Image[] }>(this.#image, 'ListImages', {}, options)).images;
  }

  /** Undefined when the image is not on this host. */
  async imageStatus(image: string, options?: CallOptions): Promise<Image | undefined> {
    const response = await this.#channel.call<{ image: Image | null }>(
      this.#image,
      'ImageStatus',
      { image: { image } },
      options,
    );
    return response.image ?? undefined;
  }

  /** The name of the snapshot that containerd has unpacked an image to. Throws when the image is not on this host. */
  async chainIdOf(image: string, options?: CallOptions): Promise<string> {
    const { info } = await this.#channel.call<{ info: StringMap }>(
      this.#image,
      'ImageStatus',
      { image: { image }, verbose: true },
      options,
    );
    const { chainID } = JSON.parse(info['info'] ?? '{}') as { readonly chainID?: string };
    if (!chainID) throw new Error(`the container runtime does not say where image ${image} is unpacked`);
    return chainID;
  }

  /** Pulls; returns the reference to create containers with. */
  async pullImage(
    image: string,
    auth: AuthConfig | undefined,
    sandboxConfig: PodSandboxConfig | undefined,
    options: CallOptions = {},
  ): Promise<string> {
    const response = await this.#channel.call<{ imageRef: string }>(
      this.#image,
      'PullImage',
      { image: { image }, auth, sandboxConfig },
      { limitMs: PULL_LIMIT_MS, ...options },
    );
    return response.imageRef;
  }

  async removeImage(image: string, options?: CallOptions): Promise<void> {
    await this.#channel.call(this.#image, 'RemoveImage', { image: { image } }, options);
  }

  /** The file systems that hold images; `usedBytes` is what images take there. */
  async imageFilesystems(options?: CallOptions): Promise<FilesystemUsage[]> {
    return (await this.#channel.call<{ imageFilesystems: FilesystemUsage[] }>(this.#image, 'ImageFsInfo', {}, options))
      .imageFilesystems;
  }

  /** The CRI's event stream, for runtimes that are not containerd. */
  containerEvents(): ClientReadableStream<unknown> {
    return this.#channel.stream(this.#runtime, 'GetContainerEvents', {});
  }

  /** A call of another service of containerd's on the same socket, in one of its namespaces. */
  callContainerd<T>(
    service: Service,
    name: string,
    request: object,
    namespace: string,
    options: CallOptions = {},
  ): Promise<T> {
    const metadata = new Metadata();
    metadata.set('containerd-namespace', namespace);
    return this.#channel.call(service, name, request, options, metadata);
  }
}

const labelsOf = (filter: ListFilter): StringMap => ({
  ...filter.labelSelector,
  ...(filter.podUid !== undefined && { [POD_UID_LABEL]: filter.podUid }),
});
