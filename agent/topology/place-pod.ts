/**
 * What a pod is given when the node takes it: CPUs, memory and devices of the same NUMA nodes, as the topology policy asks. Pure.
 * https://kubernetes.io/docs/tasks/administer-cluster/topology-manager/
 */
import type { Container, Pod } from '../../api/types/core/v1.gen.ts';
import {
  assignCpus,
  cpuHints,
  exclusiveCpus,
  withoutOthers,
  type CpuSettings,
  type CpuState,
  type PlacementRefusal,
} from './cpu-assignment.ts';
import {
  deviceHints,
  devicesWanted,
  haveNodes,
  promiseDevices,
  type DeviceInventory,
  type PromisedDevices,
} from './device-assignment.ts';
import {
  maskOf,
  mergeHints,
  type Distances,
  type Hint,
  type MergedHint,
  type NodeMask,
  type TopologyPolicy,
  type TopologyScope,
} from './hints.ts';
import {
  assignMemory,
  hintsOfBlocks,
  memoryHints,
  memoryOf,
  memoryOfPod,
  MemoryRefusal,
  reusableMemory,
  withoutMemoryOfOthers,
  type HostMemory,
  type MemoryState,
} from './memory-assignment.ts';

export interface PlacementSettings extends CpuSettings {
  readonly policy: TopologyPolicy;
  readonly scope: TopologyScope;
  /** Of the host, while nobody has any; absent: memory is not given away by NUMA nodes. */
  readonly memory?: HostMemory;
  /** Where nodes that are close to each other are preferred. */
  readonly distances?: Distances;
}

/** Who has what. */
export interface Placement {
  readonly cpus: CpuState;
  readonly memory: MemoryState;
  readonly promised: readonly PromisedDevices[];
}

const containersOf = ({ spec }: Pod): readonly Container[] => [
  ...(spec?.initContainers ?? []),
  ...(spec?.containers ?? []),
];
const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';

const MISALIGNED: PlacementRefusal = {
  reason: 'TopologyAffinityError',
  message: 'Resources cannot be allocated with Topology locality',
};
const unexpected = (why: string): PlacementRefusal => ({
  reason: 'UnexpectedAdmissionError',
  message: `Allocate failed due to ${why}, which is unexpected`,
});

/** Each looks at all before it: of more, whoever may make pods could keep the agent from everything else. */
export const MAX_PLACED_CONTAINERS = 500;

/** Those that CPUs or memory are on. */
export const allNodesOf = ({ topology, memory }: PlacementSettings): NodeMask =>
  maskOf([...topology.map(({ node }) => node), ...(memory?.keys() ?? [])]);

/** Gives every container of a pod its own, what it has already if there is any, or says why the node does not take the pod. */
export function placePod(
  pod: Pod,
  before: Placement,
  settings: PlacementSettings,
  inventory: DeviceInventory = new Map(),
): Placement | PlacementRefusal {
  const { scope } = settings;
  const wanting = containersOf(pod).filter((one) => wantsItsOwn(pod, one, settings, inventory)).length;
  if (wanting > MAX_PLACED_CONTAINERS)
    return unexpected(`${wanting} containers that want something for themselves, more than ${MAX_PLACED_CONTAINERS}`);
  let state = before;
  const ofPod = scope === 'pod' ? merge(hintsOf(pod, undefined, state, settings, inventory), settings) : undefined;
  for (const container of containersOf(pod)) {
    const chosen = ofPod ?? merge(hintsOf(pod, container, state, settings, inventory), settings);
    if (!chosen.isAdmitted) return MISALIGNED;
    const given = assign(pod, container, state, settings, inventory, chosen);
    if ('reason' in given) return given;
    state = given;
  }
  return state;
}

const wantsItsOwn = (
  pod: Pod,
  container: Container,
  { isStatic, memory, policy }: PlacementSettings,
  inventory: DeviceInventory,
): boolean =>
  (isStatic && exclusiveCpus(pod, container) > 0) ||
  (memory !== undefined && memoryOf(pod, container).size > 0) ||
  (policy !== 'none' && devicesWanted(pod, container, inventory).size > 0);

const merge = (hints: readonly (readonly Hint[])[], settings: PlacementSettings): MergedHint =>
  mergeHints(hints, {
    ...{ policy: settings.policy, allNodes: allNodesOf(settings) },
    ...(settings.distances && { distances: settings.distances }),
  });

function hintsOf(
  pod: Pod,
  container: Container | undefined,
  { cpus, memory, promised }: Placement,
  settings: PlacementSettings,
  inventory: DeviceInventory,
): readonly (readonly Hint[])[] {
  if (settings.policy === 'none') return [];
  const allNodes = allNodesOf(settings);
  return [
    ...deviceHints(pod, container, inventory, promised, allNodes),
    ...cpuHints(pod, cpus, settings, allNodes, container),
    ...(settings.memory ? hintsOfMemory(pod, container, memory) : []),
  ];
}

function hintsOfMemory(pod: Pod, container: Container | undefined, state: MemoryState): readonly (readonly Hint[])[] {
  const own = state.assigned.get(uidOf(pod));
  if (container) {
    const requested = memoryOf(pod, container);
    const reusable = reusableMemory(pod, state, container.name);
    return hintsOfBlocks(own?.get(container.name), requested) ?? memoryHints(state.host, requested, reusable);
  }
  const requested = memoryOfPod(pod);
  const [blocks] = containersOf(pod).flatMap(({ name }) => (own?.has(name) ? [own.get(name)] : []));
  return hintsOfBlocks(blocks, requested) ?? memoryHints(state.host, requested, new Map());
}

/** In upstream's order: devices, CPUs, memory. */
function assign(
  pod: Pod,
  container: Container,
  state: Placement,
  settings: PlacementSettings,
  inventory: DeviceInventory,
  { nodes, isPreferred }: MergedHint,
): Placement | PlacementRefusal {
  let { promised } = state;
  for (const [resource, needed] of settings.policy === 'none' ? [] : devicesWanted(pod, container, inventory)) {
    const known = inventory.get(resource);
    const isOwn = (one: { readonly podUid: string; readonly container: string }): boolean =>
      one.podUid === uidOf(pod) && one.container === container.name;
    const has = known?.held.some(isOwn) || promised.some((one) => one.resource === resource && isOwn(one));
    if (!known || !haveNodes(known) || has) continue;
    const promise = promiseDevices(pod, container, { resource, needed }, inventory, promised, nodes);
    if (!promise) return unexpected(`requested number of devices unavailable for ${resource}. Requested: ${needed}`);
    promised = [...promised, promise];
  }
  const cpus = assignCpus(pod, container, state.cpus, settings, nodes);
  if ('reason' in cpus) return cpus;
  try {
    const affinity = { isPreferred, ...(nodes !== undefined && { nodes }) };
    const memory = settings.memory ? assignMemory(pod, container, state.memory, affinity) : state.memory;
    return { cpus, memory, promised };
  } catch (error) {
    if (!(error instanceof MemoryRefusal)) throw error;
    return unexpected(error.message);
  }
}

/** The NUMA nodes of what a container has of CPUs and memory; undefined when it has none for itself. */
export function nodesOf(podUid: string, container: string, state: Placement, settings: PlacementSettings) {
  const cpus = state.cpus.assigned.get(podUid)?.get(container);
  const ofCpus = settings.topology.flatMap(({ cpu, node }) => (cpus?.has(cpu) ? [node] : []));
  const ofMemory = (state.memory.assigned.get(podUid)?.get(container) ?? []).flatMap(({ nodes }) => nodes);
  const mask = maskOf([...ofCpus, ...ofMemory]);
  return mask === 0 ? undefined : mask;
}

/** Promises devices of one resource to a container whose pod was taken before there were any: of the nodes of what it has. */
export function placeDevices(
  pod: Pod,
  container: Container,
  resource: string,
  state: Placement,
  settings: PlacementSettings,
  inventory: DeviceInventory,
): PromisedDevices | PlacementRefusal {
  const known = inventory.get(resource);
  const only: DeviceInventory = new Map(known ? [[resource, known]] : []);
  const has = nodesOf(uidOf(pod), container.name, state, settings);
  const ofOthers: Hint[][] = has === undefined ? [] : [[{ nodes: has, isPreferred: true }]];
  const hints = deviceHints(pod, container, only, state.promised, allNodesOf(settings));
  const chosen = merge([...hints, ...ofOthers], settings);
  if (!chosen.isAdmitted) return MISALIGNED;
  const needed = devicesWanted(pod, container, only).get(resource) ?? 0;
  const promise = promiseDevices(pod, container, { resource, needed }, only, state.promised, chosen.nodes);
  return promise ?? unexpected(`requested number of devices unavailable for ${resource}. Requested: ${needed}`);
}

/** Without what the pods have that are not kept. */
export function withoutPods(state: Placement, isKept: (podUid: string) => boolean): Placement {
  const cpus = withoutOthers(state.cpus, isKept);
  const memory = withoutMemoryOfOthers(state.memory, isKept);
  const promised = state.promised.filter(({ podUid }) => isKept(podUid));
  const isSame = cpus === state.cpus && memory === state.memory && promised.length === state.promised.length;
  return isSame ? state : { cpus, memory, promised };
}
