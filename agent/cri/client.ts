/** The client of the container runtime: one method per call of runtime.v1, over the runtime's unix socket. */
import { Client, credentials, Metadata, status, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import descriptor from '../../proto/runtime-v1.json' with { type: 'json' };
import { DeadlineError, withDeadline } from '../../client/deadline.ts';
import { rpcErrorText } from './rpc-error.ts';
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

/** kubelet's `--runtime-request-timeout`. */
const CALL_LIMIT_MS = 2 * 60_000;
/** A pull that takes longer is aborted and retried: complete layers are kept. */
const PULL_LIMIT_MS = 60 * 60_000;
/** The runtime kills a command that has timed out; it has this long to report it. */
const EXEC_MARGIN_MS = 2_000;
/** containerd returns long lists of containers; this is the kubelet's limit for a CRI message. */
const MESSAGE_LIMIT_BYTES = 16 * 1024 * 1024;
/** The longest back-off between attempts to reconnect. */
const RECONNECT_LIMIT_MS = 2_000;

/** A failed call. The message is the runtime's own; `code` is gRPC's status code. */
export class CriError extends Error {
  override readonly name = 'CriError';
  readonly code: status;
  constructor(call: string, code: status, message: string) {
    super(message);
    this.code = code;
    this.call = call;
  }
  readonly call: string;
  get notFound(): boolean {
    return this.code === status.NOT_FOUND;
  }
  /** As Go prints the failure of a call: what people search for. */
  get rpcText(): string {
    return rpcErrorText(this.code, this.message);
  }
  get unimplemented(): boolean {
    return this.code === status.UNIMPLEMENTED;
  }
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Every call has a limit, whatever the runtime does. */
  readonly limitMs?: number;
}

interface ListFilter {
  readonly podUid?: string;
  readonly state?: PodSandboxState;
  readonly labelSelector?: StringMap;
}

/** Called at the end of every call, for metrics. */
export type CallObserver = (call: string, seconds: number, failed: boolean) => void;

/** The part of containerd's configuration of CRI that says how runc makes cgroups. */
interface ContainerdConfig {
  readonly containerd?: {
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

const POD_UID_LABEL = 'io.kubernetes.pod.uid';

export class CriClient {
  readonly socket: string;
  readonly #client: Client;
  readonly #runtime: Service;
  readonly #image: Service;
  readonly #called: CallObserver | undefined;

  /** Connects on the first call, and again whenever the runtime has been away. */
  constructor(socket: string, called?: CallObserver) {
    this.socket = socket;
    this.#called = called;
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': MESSAGE_LIMIT_BYTES,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': RECONNECT_LIMIT_MS,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_channelz': 0,
    });
    const proto = loadProto(descriptor);
    this.#runtime = proto.service('runtime.v1.RuntimeService');
    this.#image = proto.service('runtime.v1.ImageService');
  }

  /** The channel, for the runtime's other services on the same socket. */
  get channel(): Client {
    return this.#client;
  }

  close(): void {
    this.#client.close();
  }

  version(options?: CallOptions): Promise<RuntimeVersion> {
    return this.#call(this.#runtime, 'Version', { version: '0.1.0' }, options);
  }

  /** RuntimeReady and NetworkReady with the runtime's reasons, and what it can do. */
  async status(options?: CallOptions): Promise<RuntimeStatus> {
    const response = await this.#call<{
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
      const response = await this.#call<{ linux: { cgroupDriver: 'SYSTEMD' | 'CGROUPFS' } | null }>(
        this.#runtime,
        'RuntimeConfig',
        {},
        options,
      );
      if (response.linux) return response.linux.cgroupDriver === 'SYSTEMD' ? 'systemd' : 'cgroupfs';
    } catch (error) {
      if (!(error instanceof CriError) || !error.unimplemented) throw error;
    }
    const { info } = await this.#call<{ info: StringMap }>(this.#runtime, 'Status', { verbose: true }, options);
    return configuredCgroupDriver(info['config'] ?? '{}');
  }

  /** Passes the node's podCIDR to runtimes that write their own CNI config. */
  async updateRuntimeConfig(podCidr: string, options?: CallOptions): Promise<void> {
    await this.#call(this.#runtime, 'UpdateRuntimeConfig', { runtimeConfig: { networkConfig: { podCidr } } }, options);
  }

  /** Creates and starts a sandbox, with its network; returns its id. */
  async runPodSandbox(config: PodSandboxConfig, runtimeHandler: string, options?: CallOptions): Promise<string> {
    const response = await this.#call<{ podSandboxId: string }>(
      this.#runtime,
      'RunPodSandbox',
      { config, runtimeHandler },
      options,
    );
    return response.podSandboxId;
  }

  /** Ends what runs in the sandbox and tears down its network; idempotent. */
  async stopPodSandbox(podSandboxId: string, options?: CallOptions): Promise<void> {
    await this.#call(this.#runtime, 'StopPodSandbox', { podSandboxId }, options);
  }

  /** Removes the sandbox and its containers; idempotent. */
  async removePodSandbox(podSandboxId: string, options?: CallOptions): Promise<void> {
    await this.#call(this.#runtime, 'RemovePodSandbox', { podSandboxId }, options);
  }

  async podSandboxStatus(podSandboxId: string, options?: CallOptions): Promise<PodSandboxStatus> {
    const response = await this.#call<{ status: PodSandboxStatus }>(
      this.#runtime,
      'PodSandboxStatus',
      { podSandboxId },
      options,
    );
    return response.status;
  }

  async listPodSandboxes(filter: ListFilter = {}, options?: CallOptions): Promise<PodSandbox[]> {
    const response = await this.#call<{ items: PodSandbox[] }>(
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
    const response = await this.#call<{ containerId: string }>(
      this.#runtime,
      'CreateContainer',
      { podSandboxId, config, sandboxConfig },
      options,
    );
    return response.containerId;
  }

  async startContainer(containerId: string, options?: CallOptions): Promise<void> {
    await this.#call(this.#runtime, 'StartContainer', { containerId }, options);
  }

  /** SIGTERM (or the container's stop signal), then SIGKILL after `graceSeconds`. Resolves when it has ended. */
  async stopContainer(containerId: string, graceSeconds: number, options: CallOptions = {}): Promise<void> {
    await this.#call(
      this.#runtime,
      'StopContainer',
      { containerId, timeout: graceSeconds },
      { limitMs: CALL_LIMIT_MS + graceSeconds * 1000, ...options },
    );
  }

  async removeContainer(containerId: string, options?: CallOptions): Promise<void> {
    await this.#call(this.#runtime, 'RemoveContainer', { containerId }, options);
  }

  async listContainers(filter: Omit<ListFilter, 'state'> = {}, options?: CallOptions): Promise<Container[]> {
    const response = await this.#call<{ containers: Container[] }>(
      this.#runtime,
      'ListContainers',
      { filter: { labelSelector: labelsOf(filter) } },
      options,
    );
    return response.containers;
  }

  async containerStatus(containerId: string, options?: CallOptions): Promise<ContainerStatus> {
    const response = await this.#call<{ status: ContainerStatus }>(
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
    await this.#call(this.#runtime, 'UpdateContainerResources', { containerId, linux }, options);
  }

  /** To be called after the log file was moved away. */
  async reopenContainerLog(containerId: string, options?: CallOptions): Promise<void> {
    await this.#call(this.#runtime, 'ReopenContainerLog', { containerId }, options);
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
    return this.#call(this.#runtime, 'ExecSync', { containerId, cmd, timeout }, { limitMs, ...options });
  }

  /** Prepares a streaming exec; returns the URL of the runtime's streaming server. */
  async exec(request: ExecRequest, options?: CallOptions): Promise<string> {
    return (await this.#call<{ url: string }>(this.#runtime, 'Exec', request, options)).url;
  }

  async attach(request: AttachRequest, options?: CallOptions): Promise<string> {
    return (await this.#call<{ url: string }>(this.#runtime, 'Attach', request, options)).url;
  }

  async portForward(podSandboxId: string, port: readonly number[], options?: CallOptions): Promise<string> {
    return (await this.#call<{ url: string }>(this.#runtime, 'PortForward', { podSandboxId, port }, options)).url;
  }

  async containerStats(containerId: string, options?: CallOptions): Promise<ContainerStats> {
    return (await this.#call<{ stats: ContainerStats }>(this.#runtime, 'ContainerStats', { containerId }, options))
      .stats;
  }

  async listContainerStats(options?: CallOptions): Promise<ContainerStats[]> {
    return (await this.#call<{ stats: ContainerStats[] }>(this.#runtime, 'ListContainerStats', { filter: {} }, options))
      .stats;
  }

  async listImages(options?: CallOptions): Promise<Image[]> {
    return (await this.#call<{ images: Image[] }>(this.#image, 'ListImages', {}, options)).images;
  }

  /** Undefined when the image is not on this host. */
  async imageStatus(image: string, options?: CallOptions): Promise<Image | undefined> {
    const response = await this.#call<{ image: Image | null }>(
      this.#image,
      'ImageStatus',
      { image: { image } },
      options,
    );
    return response.image ?? undefined;
  }

  /** Pulls; returns the reference to create containers with. */
  async pullImage(
    image: string,
    auth: AuthConfig | undefined,
    sandboxConfig: PodSandboxConfig | undefined,
    options: CallOptions = {},
  ): Promise<string> {
    const response = await this.#call<{ imageRef: string }>(
      this.#image,
      'PullImage',
      { image: { image }, auth, sandboxConfig },
      { limitMs: PULL_LIMIT_MS, ...options },
    );
    return response.imageRef;
  }

  async removeImage(image: string, options?: CallOptions): Promise<void> {
    await this.#call(this.#image, 'RemoveImage', { image: { image } }, options);
  }

  /** The file systems that hold images; `usedBytes` is what images take there. */
  async imageFilesystems(options?: CallOptions): Promise<FilesystemUsage[]> {
    return (await this.#call<{ imageFilesystems: FilesystemUsage[] }>(this.#image, 'ImageFsInfo', {}, options))
      .imageFilesystems;
  }

  /** The CRI's event stream, for runtimes that are not containerd. */
  containerEvents(): ClientReadableStream<unknown> {
    const method = this.#runtime.method('GetContainerEvents');
    return this.#client.makeServerStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, {});
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
    return this.#call(service, name, request, options, metadata);
  }

  async #call<T>(
    service: Service,
    name: string,
    request: object,
    { signal, limitMs = CALL_LIMIT_MS }: CallOptions = {},
    metadata = new Metadata(),
  ): Promise<T> {
    const method = service.method(name);
    const startedAt = process.uptime();
    let failed = true;
    try {
      const response = await withDeadline({ what: name, limitMs, signal }, (within) =>
        this.#unary(method, request, metadata, limitMs, within),
      );
      failed = false;
      return response as T;
    } catch (error) {
      if (error instanceof DeadlineError) throw new CriError(name, status.DEADLINE_EXCEEDED, error.message);
      if (signal?.aborted) throw new CriError(name, status.CANCELLED, `${name}: ${String(signal.reason)}`);
      throw this.#errorOf(name, error as ServiceError);
    } finally {
      this.#called?.(name, process.uptime() - startedAt, failed);
    }
  }

  /** The limit also travels with the call, so that the runtime aborts calls that have timed out. */
  #unary(
    method: MethodDefinition<object, object>,
    request: object,
    metadata: Metadata,
    limitMs: number,
    signal: AbortSignal,
  ): Promise<object | undefined> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest<object, object>(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata,
        { deadline: Date.now() + limitMs },
        (error, response) => (error ? reject(error) : resolve(response)),
      );
      signal.addEventListener('abort', () => call.cancel(), { once: true });
    });
  }

  #errorOf(call: string, error: ServiceError): CriError {
    if (error.code === status.UNAVAILABLE) {
      const reason = /connect \w+ \S+\w/.exec(error.details)?.[0] ?? error.details;
      return new CriError(call, error.code, `${reason}: is the container runtime running?`);
    }
    return new CriError(call, error.code, error.details);
  }
}

const labelsOf = (filter: ListFilter): StringMap => ({
  ...filter.labelSelector,
  ...(filter.podUid !== undefined && { [POD_UID_LABEL]: filter.podUid }),
});
