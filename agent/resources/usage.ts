/** What a cgroup uses, read from its files: for the summary API and for metrics. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { CgroupTree } from './cgroup-tree.ts';

export interface CgroupUsage {
  /** CPU time since the cgroup was made. */
  readonly cpuNanoseconds: number;
  readonly memoryBytes: number;
  /** What cannot be taken back at once: usage less the file pages that nobody has touched lately. */
  readonly workingSetBytes: number;
  readonly rssBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
}

/** Undefined when the cgroup is gone. */
export async function readUsage(tree: CgroupTree, cgroup: string): Promise<CgroupUsage | undefined> {
  try {
    return tree.version === 1 ? await readV1(tree, cgroup) : await readV2(tree, cgroup);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENODEV') return undefined;
    throw error;
  }
}

async function readV1(tree: CgroupTree, cgroup: string): Promise<CgroupUsage> {
  const memory = tree.memoryDirectory(cgroup);
  const [cpuNanoseconds, memoryBytes, stat] = await Promise.all([
    number(path.join(tree.cpuDirectory(cgroup), 'cpuacct.usage')),
    number(path.join(memory, 'memory.usage_in_bytes')),
    flatKeys(path.join(memory, 'memory.stat')),
  ]);
  return {
    cpuNanoseconds,
    memoryBytes,
    workingSetBytes: Math.max(0, memoryBytes - (stat.get('total_inactive_file') ?? 0)),
    rssBytes: stat.get('total_rss') ?? 0,
    pageFaults: stat.get('total_pgfault') ?? 0,
    majorPageFaults: stat.get('total_pgmajfault') ?? 0,
  };
}

async function readV2(tree: CgroupTree, cgroup: string): Promise<CgroupUsage> {
  const directory = tree.memoryDirectory(cgroup);
  const [cpu, memoryBytes, stat] = await Promise.all([
    flatKeys(path.join(directory, 'cpu.stat')),
    number(path.join(directory, 'memory.current')),
    flatKeys(path.join(directory, 'memory.stat')),
  ]);
  return {
    cpuNanoseconds: (cpu.get('usage_usec') ?? 0) * 1000,
    memoryBytes,
    workingSetBytes: Math.max(0, memoryBytes - (stat.get('inactive_file') ?? 0)),
    rssBytes: stat.get('anon') ?? 0,
    pageFaults: stat.get('pgfault') ?? 0,
    majorPageFaults: stat.get('pgmajfault') ?? 0,
  };
}

const number = async (file: string): Promise<number> => Number(await readFile(file, 'utf8'));

async function flatKeys(file: string): Promise<Map<string, number>> {
  const entries = new Map<string, number>();
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) entries.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return entries;
}
