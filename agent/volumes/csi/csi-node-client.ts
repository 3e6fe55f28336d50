/** The client of one CSI driver: one method per call of its node service, each with a limit. */
import descriptor from '../../../proto/csi-v1.json' with { type: 'json' };
import { RuntimeChannel } from '../../cri/channel.ts';
import { CriError } from '../../cri/rpc-error.ts';
import { loadProto, type Service } from '../../cri/service.ts';

type StringMap = Readonly<Record<string, string>>;

/** The optional calls and fields of a driver's node service that matter to the agent. */
export type NodeCapability =
  | 'STAGE_UNSTAGE_VOLUME'
  | 'GET_VOLUME_STATS'
  | 'EXPAND_VOLUME'
  | 'VOLUME_CONDITION'
  | 'SINGLE_NODE_MULTI_WRITER'
  | 'VOLUME_MOUNT_GROUP';

export type CsiAccessMode =
  | 'SINGLE_NODE_WRITER'
  | 'MULTI_NODE_READER_ONLY'
  | 'MULTI_NODE_MULTI_WRITER'
  | 'SINGLE_NODE_SINGLE_WRITER'
  | 'SINGLE_NODE_MULTI_WRITER'
  | 'UNKNOWN';

export type VolumeCapability = {
  readonly accessMode: { readonly mode: CsiAccessMode };
} & (
  | { readonly block: object }
  | {
      readonly mount: {
        readonly fsType: string;
        readonly mountFlags: readonly string[];
        readonly volumeMountGroup: string;
      };
    }
);

export interface StageRequest {
  readonly volumeId: string;
  readonly publishContext: StringMap;
  readonly stagingTargetPath: string;
  readonly volumeCapability: VolumeCapability;
  readonly secrets: StringMap;
  readonly volumeContext: StringMap;
}

export interface PublishRequest extends StageRequest {
  readonly targetPath: string;
  readonly readonly: boolean;
}

export interface ExpandRequest {
  readonly volumeId: string;
  readonly volumePath: string;
  readonly capacityRange: { readonly requiredBytes: number };
  readonly stagingTargetPath: string;
  readonly volumeCapability: VolumeCapability;
  readonly secrets: StringMap;
}

/** Bytes, or a number of inodes. */
export interface DriverUsage {
  readonly available: number;
  readonly total: number;
  readonly used: number;
  readonly unit: 'UNKNOWN' | 'BYTES' | 'INODES';
}

export interface DriverNodeInfo {
  readonly nodeId: string;
  /** 0: the driver leaves it to the scheduler. */
  readonly maxVolumesPerNode: number;
  readonly topology: StringMap;
}

/** upstream's limit for calls of drivers. */
const CALL_LIMIT_MS = 120_000;

/** A driver has refused a call, or does not respond. The message is that of Go's gRPC, which people search for. */
export class CsiError extends Error {
  override readonly name = 'CsiError';
  /** What is asked for is not possible, and will not be. */
  readonly isInfeasible: boolean;
  constructor(cause: CriError) {
    super(cause.rpcText, { cause });
    this.isInfeasible = cause.isInvalid;
  }
}

export class CsiNodeClient {
  readonly #channel: RuntimeChannel;
  readonly #node: Service = loadProto(descriptor).service('csi.v1.Node');
  #capabilities: ReadonlySet<NodeCapability> | undefined;

  /** Connects on the first call, and again whenever the driver has been away. */
  constructor(driver: string, socket: string) {
    this.#channel = new RuntimeChannel(socket, { server: `CSI driver ${driver}` });
  }

  close(): void {
    this.#channel.close();
  }

  async nodeInfo(signal: AbortSignal): Promise<DriverNodeInfo> {
    const { nodeId, maxVolumesPerNode, accessibleTopology } = await this.#call<{
      nodeId: string;
      maxVolumesPerNode: number;
      accessibleTopology: { segments: StringMap } | null;
    }>('NodeGetInfo', {}, signal);
    return { nodeId, maxVolumesPerNode, topology: accessibleTopology?.segments ?? {} };
  }

  /** Asked once: a driver that changes is registered anew. */
  async has(capability: NodeCapability, signal: AbortSignal): Promise<boolean> {
    this.#capabilities ??= await this.#readCapabilities(signal);
    return this.#capabilities.has(capability);
  }

  async #readCapabilities(signal: AbortSignal): Promise<ReadonlySet<NodeCapability>> {
    const { capabilities } = await this.#call<{ capabilities: { rpc?: { type: NodeCapability } }[] }>(
      'NodeGetCapabilities',
      {},
      signal,
    );
    return new Set(capabilities.flatMap(({ rpc }) => (rpc ? [rpc.type] : [])));
  }

  async stage(request: StageRequest, signal: AbortSignal): Promise<void> {
    await this.#call('NodeStageVolume', request, signal);
  }

  async unstage(volumeId: string, stagingTargetPath: string, signal: AbortSignal): Promise<void> {
    await this.#call('NodeUnstageVolume', { volumeId, stagingTargetPath }, signal);
  }

  async publish(request: PublishRequest, signal: AbortSignal): Promise<void> {
    await this.#call('NodePublishVolume', request, signal);
  }

  async unpublish(volumeId: string, targetPath: string, signal: AbortSignal): Promise<void> {
    await this.#call('NodeUnpublishVolume', { volumeId, targetPath }, signal);
  }

  async expand(request: ExpandRequest, signal: AbortSignal): Promise<void> {
    await this.#call('NodeExpandVolume', request, signal);
  }

  async usage(
    request: { readonly volumeId: string; readonly volumePath: string; readonly stagingTargetPath: string },
    signal: AbortSignal,
  ): Promise<readonly DriverUsage[]> {
    return (await this.#call<{ usage: DriverUsage[] }>('NodeGetVolumeStats', request, signal)).usage;
  }

  /** Throws CsiError, or the signal's reason. */
  async #call<T>(name: string, request: object, signal: AbortSignal): Promise<T> {
    try {
      return await this.#channel.call<T>(this.#node, name, request, { signal, limitMs: CALL_LIMIT_MS });
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof CriError ? new CsiError(error) : error;
    }
  }
}
