/**
 * Which CPUs a container gets for itself: those that are together in the hardware, and of what is in use already before what is whole.
 * Pure. https://kubernetes.io/docs/concepts/policy/node-resource-managers/#static-policy
 */
import type { CpuSet } from './cpu-set.ts';

/** A CPU of the kernel's, and where it is. */
export interface Processor {
  readonly cpu: number;
  /** Threads of one core have the same; unique on the host. */
  readonly core: number;
  readonly socket: number;
  /** Of NUMA. */
  readonly node: number;
}

export type Topology = readonly Processor[];
type Level = 'core' | 'socket' | 'node';

/** There are not so many; the message is upstream's. */
export class TooFewCpus extends Error {
  override readonly name = 'TooFewCpus';
  constructor(requested: number, available: number) {
    super(`not enough cpus available to satisfy request: requested=${requested}, available=${available}`);
  }
}

const distinct = (processors: Topology, level: Level): number => new Set(processors.map((one) => one[level])).size;

export const cpusPerCore = (topology: Topology): number =>
  topology.length === 0 ? 1 : Math.floor(topology.length / distinct(topology, 'core'));

/** The units of a level, those with the fewest of the processors first. */
function sortedUnits(processors: Topology, level: Level): Topology[] {
  const units = [...Map.groupBy(processors, (one) => one[level])];
  return units.sort(([a, ofA], [b, ofB]) => ofA.length - ofB.length || a - b).map(([, unit]) => unit);
}

/** Takes whole units of the levels from the largest to the smallest, and then threads. Throws TooFewCpus. */
export function takePacked(topology: Topology, available: CpuSet, count: number): CpuSet {
  // Where a socket has several NUMA nodes, sockets are the larger ones.
  const outer: readonly Level[] =
    distinct(topology, 'socket') >= distinct(topology, 'node') ? ['node', 'socket'] : ['socket', 'node'];
  const taken = new Set<number>();
  let free = topology.filter(({ cpu }) => available.has(cpu));
  if (count > free.length) throw new TooFewCpus(count, free.length);
  const sizeOf = (level: Level, id: number): number => topology.filter((one) => one[level] === id).length;
  const take = (unit: Topology): void => {
    for (const { cpu } of unit) taken.add(cpu);
    free = free.filter(({ cpu }) => !taken.has(cpu));
  };
  /** The units of a level, in the order of what is around them. */
  const unitsOf = (level: Level): Topology[] =>
    outer
      .slice(0, level === 'core' ? 2 : outer.indexOf(level))
      .reduce<Topology[]>((around, larger) => around.flatMap((one) => sortedUnits(one, larger)), [free])
      .flatMap((around) => sortedUnits(around, level));
  for (const level of [...outer, 'core'] as const)
    for (const unit of unitsOf(level)) {
      const isWhole = unit.length === sizeOf(level, unit[0]?.[level] ?? -1);
      if (isWhole && count - taken.size >= unit.length) take(unit);
    }
  const rest = unitsOf('core').flatMap((core) => core.toSorted((a, b) => a.cpu - b.cpu));
  take(rest.slice(0, count - taken.size));
  return taken;
}

/**
 * Takes the same from each of as few NUMA nodes as can give it (`distribute-cpus-across-numa`), in groups of threads that stay together.
 * What cannot be shared out evenly is taken packed. Throws TooFewCpus.
 */
export function takeDistributed(topology: Topology, available: CpuSet, count: number, groupSize: number): CpuSet {
  const free = topology.filter(({ cpu }) => available.has(cpu));
  if (count > free.length) throw new TooFewCpus(count, free.length);
  const nodes = sortedUnits(free, 'node');
  const fewest = Math.ceil(count / Math.max(1, Math.ceil(topology.length / distinct(topology, 'node'))));
  for (let width = Math.max(1, fewest); width <= nodes.length && count > 0; width++) {
    const share = count / width;
    if (!Number.isInteger(share / groupSize)) continue;
    const able = nodes.filter((node) => wholeGroups(node, groupSize) >= share);
    if (able.length < width) continue;
    // Those with the most left, so that the nodes stay alike.
    const chosen = able.slice(-width);
    return new Set(chosen.flatMap((node) => [...takePacked(topology, new Set(node.map(({ cpu }) => cpu)), share)]));
  }
  return takePacked(topology, available, count);
}

/** How many CPUs of a node are in groups of so many threads of a core. */
const wholeGroups = (node: Topology, groupSize: number): number =>
  sortedUnits(node, 'core').reduce((sum, core) => sum + Math.floor(core.length / groupSize) * groupSize, 0);
