/** Sets of CPUs, as Linux writes them: `0-3,8`. Pure. */

export type CpuSet = ReadonlySet<number>;

/** More than the kernel can have: what a hand has written into a list is bounded. */
const MAX_CPUS = 8_192;

export const NO_CPUS: CpuSet = new Set();

/** Throws RangeError for what is no list of CPUs. */
export function parseCpuSet(text: string): CpuSet {
  const cpus = new Set<number>();
  for (const part of text.trim() === '' ? [] : text.trim().split(',')) {
    const [, first = '', last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === '' || to < from || to >= MAX_CPUS)
      throw new RangeError(`${JSON.stringify(part)} is not a CPU or a range of CPUs`);
    for (let cpu = from; cpu <= to; cpu++) cpus.add(cpu);
  }
  return cpus;
}

export const listOf = (cpus: Iterable<number>): number[] => [...cpus].sort((a, b) => a - b);

export function formatCpuSet(cpus: CpuSet): string {
  const ranges: [first: number, last: number][] = [];
  for (const cpu of listOf(cpus)) {
    const range = ranges.at(-1);
    if (range && range[1] === cpu - 1) range[1] = cpu;
    else ranges.push([cpu, cpu]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

export const areSameCpus = (a: CpuSet, b: CpuSet): boolean => a.size === b.size && a.isSubsetOf(b);
