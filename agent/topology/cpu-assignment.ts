/**
 * Exclusive CPUs: containers of Guaranteed pods that ask for whole CPUs have them for themselves, all others share the rest. Pure.
 * https://kubernetes.io/docs/concepts/policy/node-resource-managers/#static-policy
 */
import { isSidecar } from '../../api/domain/pod-lifecycle.ts';
import { quantityMilliValue } from '../../api/machinery/quantity.ts';
import type { Container, Pod } from '../../api/types/core/v1.gen.ts';
import { NO_CPUS, type CpuSet } from './cpu-set.ts';
import { isGuaranteedByContainers } from './guaranteed.ts';
import { hintsFor, maskOf, type Hint, type NodeMask } from './hints.ts';
import { cpusPerCore, takeDistributed, takePacked, TooFewCpus, type Topology } from './take-cpus.ts';

/** Who has which. */
export interface CpuState {
  /** Of all that have none for themselves; the reserved ones are among them. */
  readonly shared: CpuSet;
  /** By the uid of the pod, and the name of the container. */
  readonly assigned: ReadonlyMap<string, ReadonlyMap<string, CpuSet>>;
}

export interface CpuSettings {
  readonly topology: Topology;
  /** Nobody has them for himself. */
  readonly reserved: CpuSet;
  readonly isStatic: boolean;
  /** A core is given away as a whole. */
  readonly fullCores: boolean;
  readonly distributed: boolean;
}

/** Why the node does not take a pod, in upstream's words. */
export interface PlacementRefusal {
  readonly reason: string;
  readonly message: string;
}

const MILLI = 1000;

/** Static pods and others whose containers have no limits of their own share. */
export function exclusiveCpus(pod: Pod, { resources }: Container): number {
  if (!isGuaranteedByContainers(pod)) return 0;
  const milli = quantityMilliValue(resources?.requests?.['cpu'] ?? resources?.limits?.['cpu'] ?? '0');
  return milli % MILLI === 0 ? milli / MILLI : 0;
}

/** Init containers pass theirs on; what runs at the same time counts together. */
export function exclusiveCpusOfPod(pod: Pod): number {
  let sidecars = 0;
  let most = 0;
  for (const container of pod.spec?.initContainers ?? []) {
    const cpus = exclusiveCpus(pod, container);
    if (isSidecar(container)) sidecars += cpus;
    else most = Math.max(most, sidecars + cpus);
  }
  const running = (pod.spec?.containers ?? []).reduce(
    (sum, container) => sum + exclusiveCpus(pod, container),
    sidecars,
  );
  return Math.max(most, running);
}

const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';

/** What init containers of the pod have had and no container that runs on has. */
function reusableCpus(pod: Pod, own: ReadonlyMap<string, CpuSet>): CpuSet {
  const ends = new Set((pod.spec?.initContainers ?? []).filter((one) => !isSidecar(one)).map(({ name }) => name));
  const of = (isWanted: (name: string) => boolean): CpuSet =>
    new Set([...own].flatMap(([name, cpus]) => (isWanted(name) ? [...cpus] : [])));
  return of((name) => ends.has(name)).difference(of((name) => !ends.has(name)));
}

/** Of the container's CPUs, or of those of the pod as a whole; none where it has none for itself. */
export function cpuHints(
  pod: Pod,
  { shared, assigned }: CpuState,
  { topology, reserved, isStatic }: CpuSettings,
  allNodes: NodeMask,
  container?: Container,
): readonly (readonly Hint[])[] {
  const needed = container ? exclusiveCpus(pod, container) : exclusiveCpusOfPod(pod);
  if (!isStatic || needed === 0) return [];
  const masks = (cpus: CpuSet): NodeMask[] =>
    topology.flatMap(({ cpu, node }) => (cpus.has(cpu) ? [maskOf([node])] : []));
  const all = topology.map(({ node }) => maskOf([node]));
  const own = assigned.get(uidOf(pod)) ?? new Map<string, CpuSet>();
  const has = container ? own.get(container.name) : new Set([...own.values()].flatMap((cpus) => [...cpus]));
  if (has?.size === needed) return [hintsFor({ all, free: masks(has), reusable: [] }, needed, allNodes)];
  const free = masks(shared.difference(reserved));
  const reusable = container ? reusableCpus(pod, own) : (has ?? NO_CPUS);
  return [hintsFor({ all, free, reusable: masks(reusable) }, needed, allNodes)];
}

/** Gives a container its CPUs, of the nodes first: those that it has already if there are any. */
export function assignCpus(
  pod: Pod,
  container: Container,
  state: CpuState,
  settings: CpuSettings,
  nodes: NodeMask | undefined,
): CpuState | PlacementRefusal {
  const count = settings.isStatic ? exclusiveCpus(pod, container) : 0;
  const own = state.assigned.get(uidOf(pod)) ?? new Map<string, CpuSet>();
  if (count === 0 || own.has(container.name)) return state;
  const misaligned = settings.fullCores ? threadProblem(state, settings, count) : undefined;
  if (misaligned !== undefined) return { reason: 'SMTAlignmentError', message: `SMT Alignment Error: ${misaligned}` };
  try {
    const free = state.shared.difference(settings.reserved).union(reusableCpus(pod, own));
    const cpus = takeNear(free, count, settings, nodes);
    return {
      shared: state.shared.difference(cpus),
      assigned: new Map([...state.assigned, [uidOf(pod), new Map([...own, [container.name, cpus]])]]),
    };
  } catch (error) {
    if (!(error instanceof TooFewCpus)) throw error;
    const message = `Allocate failed due to ${error.message}, which is unexpected`;
    return { reason: 'UnexpectedAdmissionError', message };
  }
}

/** Those on the nodes first. */
function takeNear(
  free: CpuSet,
  count: number,
  { topology, distributed, fullCores }: CpuSettings,
  nodes: NodeMask | undefined,
): CpuSet {
  const take = (from: CpuSet, wanted: number): CpuSet =>
    distributed
      ? takeDistributed(topology, from, wanted, fullCores ? cpusPerCore(topology) : 1)
      : takePacked(topology, from, wanted);
  if (nodes === undefined) return take(free, count);
  const onNodes = topology.flatMap(({ cpu, node }) => (free.has(cpu) && nodes & maskOf([node]) ? [cpu] : []));
  const near = take(new Set(onNodes), Math.min(count, onNodes.length));
  return near.union(take(free.difference(near), count - near.size));
}

/** Cores of which a thread is reserved are not whole. */
function threadProblem({ shared }: CpuState, { topology, reserved }: CpuSettings, count: number) {
  const perCore = cpusPerCore(topology);
  if (count % perCore !== 0) return `requested ${count} cpus not multiple cpus per core = ${perCore}`;
  const taken = new Set(topology.flatMap(({ cpu, core }) => (reserved.has(cpu) ? [core] : [])));
  const available = topology.filter(({ cpu, core }) => shared.has(cpu) && !taken.has(core)).length;
  if (count <= available) return undefined;
  const amounts = `available physical CPUs = ${available}, requested CPUs = ${count}, CPUs per core = ${perCore}`;
  return `not enough free physical CPUs: ${amounts}`;
}

/** Without what the pods have that are not kept. */
export function withoutOthers(state: CpuState, isKept: (podUid: string) => boolean): CpuState {
  const { shared, assigned } = state;
  const [kept, gone] = [new Map<string, ReadonlyMap<string, CpuSet>>(), new Set<number>()];
  for (const [uid, own] of assigned) {
    if (isKept(uid)) kept.set(uid, own);
    else for (const cpus of own.values()) for (const cpu of cpus) gone.add(cpu);
  }
  return kept.size === assigned.size ? state : { shared: shared.union(gone), assigned: kept };
}
