/**
 * Memory and huge pages of NUMA nodes: containers of Guaranteed pods have theirs guaranteed on as few nodes as can give it. Pure.
 * https://kubernetes.io/docs/tasks/administer-cluster/memory-manager/
 */
import { isSidecar } from '../../api/domain/pod-lifecycle.ts';
import { containerRequest } from '../../api/domain/pod-resources.ts';
import { isHugePages } from '../../api/domain/resource-names.ts';
import type { Container, Pod } from '../../api/types/core/v1.gen.ts';
import { isGuaranteedByContainers } from './guaranteed.ts';
import { bitsOf, maskOf, nodesIn, subsetsOf, type Hint, type NodeMask } from './hints.ts';

/** Of one resource on one node, in bytes. */
export interface MemoryTable {
  readonly total: number;
  readonly systemReserved: number;
  readonly allocatable: number;
  readonly reserved: number;
  readonly free: number;
}

export interface NodeMemory {
  /** How many blocks take from it. */
  readonly assignments: number;
  /** By the resource: memory, and huge pages of each size. */
  readonly tables: ReadonlyMap<string, MemoryTable>;
  /** The nodes that blocks take from together with this one; a node on its own is in no group. */
  readonly group: readonly number[];
}

/** By the number of the node. */
export type HostMemory = ReadonlyMap<number, NodeMemory>;

/** What a container has of one resource, on all of the nodes together. */
export interface MemoryBlock {
  readonly nodes: readonly number[];
  readonly resource: string;
  readonly bytes: number;
}

/** By the uid of the pod, and the name of the container. */
export type MemoryAssignments = ReadonlyMap<string, ReadonlyMap<string, readonly MemoryBlock[]>>;

export interface MemoryState {
  readonly host: HostMemory;
  readonly assigned: MemoryAssignments;
}

/** Bytes by resource. */
export type Amounts = ReadonlyMap<string, number>;

/** What init containers of a pod have had and pass on: by the nodes, and the resource. */
export type Reusable = ReadonlyMap<NodeMask, Amounts>;

/** Where the topology policy has decided that a container's resources are to be. */
export interface Affinity {
  /** Absent: anywhere. */
  readonly nodes?: NodeMask;
  readonly isPreferred: boolean;
}

/** In upstream's words. */
export class MemoryRefusal extends Error {
  override readonly name = 'MemoryRefusal';
  constructor(what: string) {
    super(`[memorymanager] ${what}`);
  }
}

export const MEMORY = 'memory';
const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';
const isMemory = (name: string): boolean => name === MEMORY || isHugePages(name);

/** None for pods that are not Guaranteed by their containers. What is 0 is none: the host may not even have pages of that size. */
export function memoryOf(pod: Pod, { resources }: Container): Amounts {
  if (!isGuaranteedByContainers(pod)) return new Map();
  const names = new Set([...Object.keys(resources?.requests ?? {}), ...Object.keys(resources?.limits ?? {})]);
  return new Map(
    [...names].filter(isMemory).flatMap((name): [string, number][] => {
      const bytes = containerRequest(resources, name);
      return bytes > 0 ? [[name, bytes]] : [];
    }),
  );
}

const plus = (a: Amounts, b: Amounts): Amounts =>
  new Map([...new Set([...a.keys(), ...b.keys()])].map((name) => [name, (a.get(name) ?? 0) + (b.get(name) ?? 0)]));

/** Init containers pass theirs on; what runs at the same time counts together. */
export function memoryOfPod(pod: Pod): Amounts {
  let sidecars: Amounts = new Map();
  const starting: Amounts[] = [];
  for (const container of pod.spec?.initContainers ?? []) {
    const amounts = memoryOf(pod, container);
    if (isSidecar(container)) sidecars = plus(sidecars, amounts);
    else starting.push(plus(sidecars, amounts));
  }
  const containers = pod.spec?.containers ?? [];
  const running = containers.reduce((sum, container) => plus(sum, memoryOf(pod, container)), sidecars);
  const most = (name: string, amount: number): number =>
    Math.max(amount, ...starting.map((amounts) => amounts.get(name) ?? 0));
  return new Map([...running].map(([name, amount]) => [name, most(name, amount)]));
}

/**
 * The sets of nodes that can give all of it, for each resource the same. A node that gives to blocks of its own gives to no others; nodes that
 * give together do so for the same group only. None when there is nothing that could give it.
 */
export function memoryHints(host: HostMemory, requested: Amounts, reusable: Reusable): readonly (readonly Hint[])[] {
  if (requested.size === 0) return [];
  const allNodes = maskOf(host.keys());
  const found: NodeMask[] = [];
  let fewest = bitsOf(allNodes);
  for (const mask of subsetsOf(allNodes)) {
    const nodes = nodesIn(mask);
    const sum = (name: string, of: keyof MemoryTable): number =>
      nodes.reduce((all, node) => all + (host.get(node)?.tables.get(name)?.[of] ?? 0), 0);
    if ([...requested].some(([name, amount]) => sum(name, 'allocatable') < amount)) continue;
    fewest = Math.min(fewest, nodes.length);
    if (!canBeGroup(host, nodes)) continue;
    const passedOn = reusable.get(mask);
    if ([...requested].every(([name, amount]) => sum(name, 'free') + (passedOn?.get(name) ?? 0) >= amount))
      found.push(mask);
  }
  if (found.length === 0) return [];
  const hints = found.map((nodes) => ({ nodes, isPreferred: bitsOf(nodes) === fewest }));
  return [...requested].map(() => hints);
}

function canBeGroup(host: HostMemory, nodes: readonly number[]): boolean {
  return nodes.every((node) => {
    const { assignments = 0, group = [node] } = host.get(node) ?? {};
    if (nodes.length === 1) return group.length <= 1;
    return assignments === 0 || isSameGroup(group, nodes);
  });
}

const isSameGroup = (a: readonly number[], b: readonly number[]): boolean => maskOf(a) === maskOf(b);

/** The hints of a container that has its memory already, as after a restart; undefined when it has none. */
export function hintsOfBlocks(
  blocks: readonly MemoryBlock[] | undefined,
  requested: Amounts,
): readonly (readonly Hint[])[] | undefined {
  if (!blocks) return undefined;
  if (blocks.length !== requested.size || blocks.some(({ resource, bytes }) => requested.get(resource) !== bytes))
    return [];
  return blocks.map(({ nodes }) => [{ nodes: maskOf(nodes), isPreferred: true }]);
}

/** The narrowest of those that are preferred, or else of the others. */
const bestOf = (hints: readonly Hint[]): Hint | undefined =>
  hints.toSorted(
    (a, b) =>
      Number(b.isPreferred) - Number(a.isPreferred) ||
      bitsOf(a.nodes ?? 0) - bitsOf(b.nodes ?? 0) ||
      (a.nodes ?? 0) - (b.nodes ?? 0),
  )[0];

/** Throws MemoryRefusal. */
function chooseNodes(host: HostMemory, requested: Amounts, reusable: Reusable, affinity: Affinity): NodeMask {
  const hints = (): readonly Hint[] => memoryHints(host, requested, reusable)[0] ?? [];
  let chosen = affinity;
  if (chosen.nodes === undefined) {
    const best = bestOf(hints());
    if (!best)
      throw new MemoryRefusal('failed to get the default NUMA affinity, no NUMA nodes with enough memory is available');
    if (!best.isPreferred && chosen.isPreferred) throw new MemoryRefusal('failed to find the default preferred hint');
    chosen = best;
  }
  const nodes = chosen.nodes ?? 0;
  const freeOn = (name: string): number =>
    nodesIn(nodes).reduce((sum, node) => sum + (host.get(node)?.tables.get(name)?.free ?? 0), 0);
  const isEnough = [...requested].every(([name, amount]) => freeOn(name) >= amount);
  const isTaken = bitsOf(nodes) === 1 && !canBeGroup(host, nodesIn(nodes));
  if (!isEnough || isTaken) {
    // The policy has taken what hints of all resources have in common: the memory may need more nodes, or the group that one is in.
    const best = bestOf(hints().filter((hint) => ((hint.nodes ?? 0) & nodes) === nodes));
    if (!best) throw new MemoryRefusal('failed to find NUMA nodes to extend the current topology hint');
    if (!best.isPreferred && chosen.isPreferred) throw new MemoryRefusal('failed to find the extended preferred hint');
    chosen = best;
  }
  const group = nodesIn(chosen.nodes ?? 0);
  if (group.length > 1 && !canBeGroup(host, group))
    throw new MemoryRefusal('preferred hint violates NUMA node allocation');
  return chosen.nodes ?? 0;
}

/** Goes through the nodes of a block, the first ones first, until all of it has been moved. */
function move(
  host: HostMemory,
  { nodes, resource, bytes }: MemoryBlock,
  assignments: 1 | -1,
  movable: (table: MemoryTable) => number,
): HostMemory {
  const next = new Map(host);
  let left = bytes;
  for (const number of nodes) {
    const node = next.get(number);
    if (!node) continue;
    const tables = new Map(node.tables);
    const table = tables.get(resource);
    if (table) {
      const moved = Math.min(left, movable(table));
      left -= moved;
      const taken = moved * assignments;
      tables.set(resource, { ...table, free: table.free - taken, reserved: table.reserved + taken });
    }
    const count = node.assignments + assignments;
    next.set(number, {
      assignments: count,
      tables,
      group: assignments === 1 ? nodes : count === 0 ? [number] : node.group,
    });
  }
  return next;
}

/** Takes a block from its nodes. */
export const take = (host: HostMemory, block: MemoryBlock): HostMemory => move(host, block, 1, ({ free }) => free);

const giveBack = (host: HostMemory, block: MemoryBlock): HostMemory =>
  move(host, block, -1, ({ reserved }) => reserved);

/** What the containers of the pod before this one, which have theirs, leave to it. */
export function reusableMemory(pod: Pod, { assigned }: MemoryState, before: string): Reusable {
  const reusable = new Map<NodeMask, Map<string, number>>();
  const inits = new Set((pod.spec?.initContainers ?? []).filter((one) => !isSidecar(one)).map(({ name }) => name));
  for (const { name } of [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]) {
    if (name === before) break;
    for (const { nodes, resource, bytes } of assigned.get(uidOf(pod))?.get(name) ?? []) {
      const mask = maskOf(nodes);
      const amounts = reusable.get(mask) ?? new Map<string, number>();
      const had = amounts.get(resource) ?? 0;
      // What the others have taken of it is taken off the init containers' blocks.
      if (inits.has(name)) reusable.set(mask, amounts.set(resource, had + bytes));
    }
  }
  return reusable;
}

/** Gives a container its memory. Throws MemoryRefusal. */
export function assignMemory(pod: Pod, container: Container, state: MemoryState, affinity: Affinity): MemoryState {
  const requested = memoryOf(pod, container);
  const own = state.assigned.get(uidOf(pod)) ?? new Map<string, readonly MemoryBlock[]>();
  if (requested.size === 0 || own.has(container.name)) return state;
  const reusable = reusableMemory(pod, state, container.name);
  const mask = chooseNodes(state.host, requested, reusable, affinity);
  const nodes = nodesIn(mask);
  let { host } = state;
  const blocks = [...requested].map(([resource, bytes]): MemoryBlock => ({ nodes, resource, bytes }));
  for (const block of blocks) {
    const passedOn = reusable.get(mask)?.get(block.resource) ?? 0;
    host = take(host, { ...block, bytes: Math.max(0, block.bytes - passedOn) });
  }
  const containers = new Map([...reduceInits(pod, container, own, blocks), [container.name, blocks] as const]);
  return { host, assigned: new Map([...state.assigned, [uidOf(pod), containers]]) };
}

/** What a container has taken over is not counted for the init containers before it any longer: all blocks together are what is taken. */
function reduceInits(
  pod: Pod,
  container: Container,
  own: ReadonlyMap<string, readonly MemoryBlock[]>,
  blocks: readonly MemoryBlock[],
): ReadonlyMap<string, readonly MemoryBlock[]> {
  const next = new Map(own);
  for (const { nodes, resource, bytes } of blocks) {
    let left = bytes;
    for (const init of pod.spec?.initContainers ?? []) {
      if (init.name === container.name) break;
      if (isSidecar(init)) continue;
      const reduced = next.get(init.name)?.map((block) => {
        if (block.resource !== resource || !isSameGroup(block.nodes, nodes)) return block;
        const taken = Math.min(left, block.bytes);
        left -= taken;
        return { ...block, bytes: block.bytes - taken };
      });
      if (reduced) next.set(init.name, reduced);
    }
  }
  return next;
}

/** Without what the pods have that are not kept. */
export function withoutMemoryOfOthers(state: MemoryState, isKept: (podUid: string) => boolean): MemoryState {
  const gone = [...state.assigned].filter(([uid]) => !isKept(uid));
  if (gone.length === 0) return state;
  const blocks = gone.flatMap(([, own]) => [...own.values()].flat());
  return {
    host: blocks.reduce(giveBack, state.host),
    assigned: new Map([...state.assigned].filter(([uid]) => isKept(uid))),
  };
}
