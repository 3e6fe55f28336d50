/**
 * One device plugin: the socket on which it lists its devices for as long as it is there, and is asked for them.
 * https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/
 */
import { Metadata } from '@grpc/grpc-js';
import descriptor from '../../../proto/device-plugin-v1beta1.json' with { type: 'json' };
import { RuntimeChannel } from '../../cri/channel.ts';
import { follow } from '../../cri/events.ts';
import { CriError } from '../../cri/rpc-error.ts';
import { loadProto } from '../../cri/service.ts';
import { DeviceRefusal } from './device-refusal.ts';

/** What plugins and the agent call the API. */
export const DEVICE_PLUGIN_VERSION = 'v1beta1';
/** Upstream's limit for a plugin that is asked to prepare devices before a container is started; of every other call, too. */
const CALL_LIMIT_MS = 30_000;
/** Upstream's limit for connecting to a plugin: it may register a moment before it serves. */
const CONNECT_LIMIT_MS = 10_000;
/** A list of some thousand devices, or what one container gets. */
const MESSAGE_LIMIT_BYTES = 4 * 1024 * 1024;
/** A device whose health changes all the time is looked at so often: each change is logged and written to the Node. */
const LIST_PAUSE_MS = 1_000;
const HEALTHY = 'Healthy';

interface DevicePluginOptions {
  /** PreStartContainer is to be called before each start of a container. */
  readonly preStartRequired: boolean;
  /** GetPreferredAllocation can be called. */
  readonly getPreferredAllocationAvailable: boolean;
}

/** What a container gets besides its own: of several devices, everything together. */
export interface DeviceAnswer {
  readonly envs: Readonly<Record<string, string>>;
  readonly mounts: readonly { readonly containerPath: string; readonly hostPath: string; readonly readOnly: boolean }[];
  readonly devices: readonly {
    readonly containerPath: string;
    readonly hostPath: string;
    readonly permissions: string;
  }[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly cdiDevices: readonly { readonly name: string }[];
}

/** The NUMA nodes that devices are attached to. */
export type DeviceNodes = ReadonlyMap<string, readonly number[]>;

interface ListedDevice {
  readonly id: string;
  readonly health: string;
  readonly topology: { readonly nodes: readonly { readonly id: number }[] } | null;
}

export interface DevicePluginEvents {
  /** All of its devices, with whether they are healthy, and the NUMA nodes of those of which it says that. */
  readonly onDevices: (devices: ReadonlyMap<string, boolean>, nodes: DeviceNodes) => void;
  /** It lists its devices no longer; called once. */
  readonly onGone: (error: Error | undefined) => void;
}

const proto = loadProto(descriptor);
const service = proto.service(`${DEVICE_PLUGIN_VERSION}.DevicePlugin`);

export class DevicePlugin implements Disposable {
  readonly resource: string;
  readonly #channel: RuntimeChannel;
  readonly #disposed = new AbortController();
  #options: DevicePluginOptions = { preStartRequired: false, getPreferredAllocationAvailable: false };

  constructor(resource: string, socket: string) {
    this.resource = resource;
    this.#channel = new RuntimeChannel(socket, {
      server: `the device plugin of ${resource}`,
      messageLimitBytes: MESSAGE_LIMIT_BYTES,
    });
  }

  /** Asks what it can do, whatever it has said of that when it registered, as upstream. Throws DeviceRefusal; to be called first. */
  async connect(signal: AbortSignal): Promise<void> {
    const call = { signal, limitMs: CONNECT_LIMIT_MS };
    this.#options = await this.#call('GetDevicePluginOptions', {}, call, new Metadata({ waitForReady: true }));
  }

  /** Until it is gone, or disposed of. */
  async list({ onDevices, onGone }: DevicePluginEvents): Promise<void> {
    const stream = this.#channel.stream(service, 'ListAndWatch', {});
    const { signal } = this.#disposed;
    let latest: readonly ListedDevice[] | undefined;
    let pause: NodeJS.Timeout | undefined;
    const handOn = (): void => {
      pause = undefined;
      if (latest === undefined || signal.aborted) return;
      const nodes = latest.flatMap(({ id, topology }): [string, number[]][] =>
        topology && topology.nodes.length > 0 ? [[id, topology.nodes.map((node) => node.id)]] : [],
      );
      onDevices(new Map(latest.map(({ id, health }) => [id, health === HEALTHY])), new Map(nodes));
      latest = undefined;
      pause = setTimeout(handOn, LIST_PAUSE_MS);
    };
    const listed = (message: unknown): void => {
      latest = (message as { devices: readonly ListedDevice[] }).devices;
      if (pause === undefined) handOn();
    };
    const error = await follow(stream, listed, () => undefined, signal);
    clearTimeout(pause);
    if (!signal.aborted) onGone(error);
  }

  /** Throws DeviceRefusal with the plugin's words. */
  async allocate(ids: readonly string[], signal: AbortSignal): Promise<DeviceAnswer> {
    const request = { containerRequests: [{ deviceIds: ids }] };
    const { containerResponses } = await this.#call<{ containerResponses: DeviceAnswer[] }>('Allocate', request, {
      signal,
    });
    const [answer, ...more] = containerResponses;
    if (!answer || more.length > 0)
      throw new DeviceRefusal(
        `the device plugin of ${this.resource} answers for ${containerResponses.length} containers`,
      );
    return answer;
  }

  /** The devices that it would take; undefined when it has no preference. */
  async preferred(
    available: readonly string[],
    mustInclude: readonly string[],
    size: number,
    signal: AbortSignal,
  ): Promise<readonly string[] | undefined> {
    if (!this.#options.getPreferredAllocationAvailable) return undefined;
    const request = {
      containerRequests: [{ availableDeviceIds: available, mustIncludeDeviceIds: mustInclude, allocationSize: size }],
    };
    const { containerResponses } = await this.#call<{ containerResponses: { deviceIds: string[] }[] }>(
      ...(['GetPreferredAllocation', request, { signal }] as const),
    );
    return containerResponses[0]?.deviceIds;
  }

  /** Before each start of a container with these devices. */
  async beforeStart(ids: readonly string[], signal: AbortSignal): Promise<void> {
    if (this.#options.preStartRequired) await this.#call('PreStartContainer', { deviceIds: ids }, { signal });
  }

  async #call<T>(
    method: string,
    request: object,
    { signal, limitMs = CALL_LIMIT_MS }: { readonly signal: AbortSignal; readonly limitMs?: number },
    metadata?: Metadata,
  ): Promise<T> {
    try {
      return await this.#channel.call<T>(service, method, request, { signal, limitMs }, metadata);
    } catch (error) {
      if (!(error instanceof CriError)) throw error;
      signal.throwIfAborted();
      throw new DeviceRefusal(`device plugin of ${this.resource}: ${method}: ${error.rpcText}`, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    this.#disposed.abort(new Error('the plugin is gone'));
    this.#channel.close();
  }
}
