/** A Node's status as a pure function of what the host is and what was observed of it. */
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  QuantityError,
  subtractQuantities,
} from '../../api/machinery/quantity.ts';
import { laterTime, timeOf } from '../../api/machinery/time.ts';
import { kubernetesVersion } from '../../api/version.ts';
import { SettingValueError } from '../../daemon/setting-rules.ts';
import type { HostFacts } from '../host/host-facts.ts';
import { reportedAddresses, type Addressing } from './cloud-provider.ts';
import { goArchitecture } from './node-labels.ts';
import type { ResourceList } from '../../api/domain/resource-names.ts';
import { isUnderPressure, type Pressure, type PressureObservation } from './pressure.ts';
import { own, setOwn } from '../../api/machinery/own.ts';
import type { ContainerImage, Node, NodeCondition, NodeFeatures, NodeStatus } from '../../api/types/core/v1.gen.ts';

/** What does not change while the agent runs. */
export interface NodeDescription {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly addressing: Addressing;
  readonly port: number;
  readonly facts: HostFacts;
  /** `containerd://1.6.20`. */
  readonly runtimeVersion: string;
  readonly capacity: ResourceList;
  readonly allocatable: ResourceList;
  /** Of swap; 0 where there is none. */
  readonly swapBytes?: number;
}

/** What is observed periodically. */
export interface NodeObservation {
  /** Why the node cannot run pods; empty when it can. */
  readonly problems: readonly string[];
  readonly pressure: PressureObservation;
  readonly images: readonly ContainerImage[];
  readonly features: NodeFeatures;
  /** Of the condition NodeAPIUnavailable. */
  readonly nodeApi: ConditionVerdict;
  /** Attached volumes that may not be detached. */
  readonly volumesInUse: readonly string[];
  /** Of the resources of device plugins. */
  readonly devices: { readonly capacity: ResourceList; readonly allocatable: ResourceList };
}

export interface Capacity {
  readonly processors: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly maxPods: number;
  /** Bytes by page size in KiB. */
  readonly hugePages: ReadonlyMap<number, number>;
}

/** The host's resources as quantities, formatted as by the kubelet. */
export function capacityOf({ processors, memoryBytes, diskBytes, maxPods, hugePages }: Capacity): ResourceList {
  const kibibytes = (bytes: number): string => (bytes % 1024 === 0 ? `${bytes / 1024}Ki` : String(bytes));
  const resources: Record<string, string> = {
    cpu: String(processors),
    'ephemeral-storage': kibibytes(diskBytes),
    memory: kibibytes(memoryBytes),
    pods: String(maxPods),
  };
  for (const [sizeKib, bytes] of hugePages)
    setOwn(resources, `hugepages-${canonicalQuantity(`${sizeKib}Ki`)}`, canonicalQuantity(`${bytes / 1024}Ki`));
  return resources;
}

/** `cpu=200m`. Throws SettingValueError for anything else. */
export function parseReserved(texts: readonly string[]): ResourceList {
  const reserved: Record<string, string> = {};
  for (const text of texts) {
    const [, name = '', amount = ''] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    try {
      setOwn(reserved, name, addQuantities(own(reserved, name) ?? '0', canonicalQuantity(amount)));
    } catch (error) {
      if (!(error instanceof QuantityError)) throw error;
      throw new SettingValueError(`${JSON.stringify(text)} is not RESOURCE=QUANTITY`, { cause: error });
    }
  }
  return reserved;
}

/** Capacity without reserved resources, the eviction threshold of memory, and huge pages (upstream's node allocatable). */
export function allocatableOf(capacity: ResourceList, reserved: ResourceList, heldFree: ResourceList): ResourceList {
  const result: Record<string, string> = {};
  const hugePages = Object.keys(capacity).filter((name) => name.startsWith('hugepages-'));
  for (const [name, amount] of Object.entries(capacity)) {
    let left = amount;
    for (const less of [own(reserved, name), own(heldFree, name)]) if (less) left = subtractQuantities(left, less);
    if (name === 'memory') for (const page of hugePages) left = subtractQuantities(left, own(capacity, page) ?? '0');
    setOwn(result, name, compareQuantities(left, '0') < 0 ? '0' : left);
  }
  return result;
}

export interface ConditionVerdict {
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

/** Upstream's reasons and messages: people and programs search for them. */
const PRESSURE_CONDITIONS: Readonly<
  Record<Pressure, { yes: readonly [string, string]; no: readonly [string, string] }>
> = {
  MemoryPressure: {
    yes: ['KubeletHasInsufficientMemory', 'kubelet has insufficient memory available'],
    no: ['KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
  },
  DiskPressure: {
    yes: ['KubeletHasDiskPressure', 'kubelet has disk pressure'],
    no: ['KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
  },
  PIDPressure: {
    yes: ['KubeletHasInsufficientPID', 'kubelet has insufficient PID available'],
    no: ['KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
  },
};

function verdicts({ problems, pressure, nodeApi }: NodeObservation, nowMs: number): [string, ConditionVerdict][] {
  const found: [string, ConditionVerdict][] = (Object.keys(PRESSURE_CONDITIONS) as Pressure[]).map((type) => {
    const has = isUnderPressure(pressure, type, nowMs);
    const [reason, message] = PRESSURE_CONDITIONS[type][has ? 'yes' : 'no'];
    return [type, { status: has ? 'True' : 'False', reason, message }];
  });
  const ready: ConditionVerdict =
    problems.length === 0
      ? { status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
      : {
          status: 'False',
          reason: 'KubeletNotReady',
          message: problems.length === 1 ? (problems[0] ?? '') : `[${problems.join(', ')}]`,
        };
  return [...found, ['NodeAPIUnavailable', nodeApi], ['Ready', ready]];
}

/** The agent's conditions; those of other writers (network, problem detector) are not touched. */
function conditionsOf(observation: NodeObservation, old: readonly NodeCondition[], nowMs: number): NodeCondition[] {
  const now = timeOf(nowMs);
  return verdicts(observation, nowMs).map(([type, verdict]) => {
    const before = old.find((condition) => condition.type === type);
    const since = before?.lastTransitionTime ?? undefined;
    const lastTransitionTime = before?.status === verdict.status ? (since ?? now) : laterTime(now, since);
    return { type, ...verdict, lastHeartbeatTime: now, lastTransitionTime };
  });
}

/** What upstream's scheduler asks of a node before it gives it pods that need it (`nodedeclaredfeatures`). */
const DECLARED_FEATURES = ['RestartAllContainersOnContainerExits'] as const;

/** The whole status. `old` is what the api-server has, for the last transition times of conditions. */
export function nodeStatus(
  description: NodeDescription,
  observation: NodeObservation,
  old: Node | undefined,
  nowMs: number,
): NodeStatus {
  const { name, port, facts, runtimeVersion, capacity, allocatable, swapBytes } = description;
  const internal = description.addresses.map((address) => ({ type: 'InternalIP', address }));
  const hostname = { type: 'Hostname', address: name };
  const addresses = reportedAddresses([...internal, hostname], description.addressing, old?.status);
  return {
    ...(addresses && { addresses }),
    allocatable: { ...observation.devices.allocatable, ...allocatable },
    capacity: { ...observation.devices.capacity, ...capacity },
    conditions: conditionsOf(observation, old?.status?.conditions ?? [], nowMs),
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
    declaredFeatures: [...DECLARED_FEATURES],
    features: { ...observation.features },
    images: [...observation.images],
    nodeInfo: {
      architecture: goArchitecture(),
      bootID: facts.bootId,
      containerRuntimeVersion: runtimeVersion,
      kernelVersion: facts.kernelVersion,
      kubeProxyVersion: '',
      kubeletVersion: kubernetesVersion.gitVersion,
      machineID: facts.machineId,
      operatingSystem: 'linux',
      osImage: facts.osImage,
      ...(swapBytes && { swap: { capacity: swapBytes } }),
      systemUUID: facts.systemUuid,
    },
    volumesInUse: [...observation.volumesInUse],
  };
}

/** The reasons of upstream's events about the Node, by condition and its status. */
const EVENT_REASONS: ReadonlyMap<string, Readonly<Record<'True' | 'False', string>>> = new Map([
  ['MemoryPressure', { True: 'NodeHasInsufficientMemory', False: 'NodeHasSufficientMemory' }],
  ['DiskPressure', { True: 'NodeHasDiskPressure', False: 'NodeHasNoDiskPressure' }],
  ['PIDPressure', { True: 'NodeHasInsufficientPID', False: 'NodeHasSufficientPID' }],
  ['Ready', { True: 'NodeReady', False: 'NodeNotReady' }],
]);

/** The reasons of the events for the transitions of conditions since `last`. */
export const conditionTransitions = (status: NodeStatus, last: NodeStatus | undefined): string[] =>
  (status.conditions ?? []).flatMap(({ type, status: value }) => {
    const before = last?.conditions?.find((condition) => condition.type === type)?.status;
    // A node that has just started is not ready yet: that is no transition.
    const begins = before === undefined && type === 'Ready' && value === 'False';
    if (before === value || begins || (value !== 'True' && value !== 'False')) return [];
    return EVENT_REASONS.get(type)?.[value] ?? [];
  });

/** The conditions that differ from those of `last`, times aside. */
export const changedConditions = (
  status: NodeStatus,
  last: NodeStatus | undefined,
): Pick<NodeCondition, 'type' | 'status' | 'reason' | 'message'>[] =>
  (status.conditions ?? []).flatMap(({ type, status: value, reason, message }) => {
    const before = last?.conditions?.find((condition) => condition.type === type);
    const isSame = before?.status === value && before.reason === reason && before.message === message;
    return isSame ? [] : [{ type, status: value, reason, message }];
  });

/** Whether the status differs, heartbeat times aside. */
export function statusHasChanged(status: NodeStatus, last: NodeStatus): boolean {
  const timeless = (of: NodeStatus): string =>
    JSON.stringify({ ...of, conditions: of.conditions?.map((one) => ({ ...one, lastHeartbeatTime: undefined })) });
  return timeless(status) !== timeless(last);
}

/**
 * Whether the api-server has other conditions than the agent reported: the control plane changes those of an unreachable node.
 */
export const conditionsWereChanged = (said: NodeStatus, held: NodeStatus | undefined): boolean =>
  (said.conditions ?? []).some(({ type, status, reason }) => {
    const other = held?.conditions?.find((condition) => condition.type === type);
    return other?.status !== status || other.reason !== reason;
  });

/** Upstream's `nodeStatusMaxImages`: bounds the size of the Node. */
const MAX_IMAGES = 50;
/** Names of one image beyond these are left out, as upstream does. */
const MAX_NAMES_PER_IMAGE = 5;

/** The largest images, as a Node lists them. */
export const imagesOf = (
  images: readonly { repoTags: readonly string[]; repoDigests: readonly string[]; size: number }[],
): ContainerImage[] =>
  images
    .map(({ repoTags, repoDigests, size }) => ({
      names: [...repoDigests, ...repoTags].slice(0, MAX_NAMES_PER_IMAGE),
      sizeBytes: size,
    }))
    .sort((a, b) => b.sizeBytes - a.sizeBytes || (a.names[0] ?? '').localeCompare(b.names[0] ?? ''))
    .slice(0, MAX_IMAGES);
