/** What a cgroup uses, read from its files: for the summary API and for metrics. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { CgroupTree } from './cgroup-tree.ts';
import { hasCode } from './files.ts';
import { NS_PER_TICK } from './proc.ts';

export interface CgroupUsage {
  /** CPU time since the cgroup was created. */
  readonly cpuNanoseconds: number;
  readonly memoryBytes: number;
  /** The working set: usage without inactive file pages. */
  readonly workingSetBytes: number;
  readonly rssBytes: number;
  readonly cacheBytes: number;
  readonly mappedFileBytes: number;
  readonly swapBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
}

/** What became of the cgroup's CPU limit, and who its CPU time was for. */
export interface CpuUsage {
  readonly userNanoseconds: number;
  readonly systemNanoseconds: number;
  /** Enforcement periods, and how many of them were throttled. */
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledNanoseconds: number;
}

/** Undefined when the cgroup is gone. */
export const readUsage = (tree: CgroupTree, cgroup: string): Promise<CgroupUsage | undefined> =>
  unlessGone(tree.version === 1 ? readV1(tree, cgroup) : readV2(tree, cgroup));

/** Undefined when the cgroup is gone. */
export const readCpuUsage = (tree: CgroupTree, cgroup: string): Promise<CpuUsage | undefined> =>
  unlessGone(tree.version === 1 ? readCpuV1(tree, cgroup) : readCpuV2(tree, cgroup));

/** A process in the cgroup itself; undefined when there is none. */
export async function firstProcess(tree: CgroupTree, cgroup: string): Promise<number | undefined> {
  const text = await unlessGone(readNow(path.join(tree.cpuDirectory(cgroup), 'cgroup.procs')));
  return text ? Number.parseInt(text, 10) : undefined;
}

/** How many processes are in the cgroup itself; undefined when it is gone. */
export async function countProcesses(tree: CgroupTree, cgroup: string): Promise<number | undefined> {
  const text = await unlessGone(readNow(path.join(tree.cpuDirectory(cgroup), 'cgroup.procs')));
  return text?.split('\n').filter(Boolean).length;
}

async function unlessGone<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return undefined;
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
    cacheBytes: stat.get('total_cache') ?? 0,
    mappedFileBytes: stat.get('total_mapped_file') ?? 0,
    swapBytes: stat.get('total_swap') ?? 0,
    pageFaults: stat.get('total_pgfault') ?? 0,
    majorPageFaults: stat.get('total_pgmajfault') ?? 0,
  };
}

async function readV2(tree: CgroupTree, cgroup: string): Promise<CgroupUsage> {
  const directory = tree.memoryDirectory(cgroup);
  const [cpu, memoryBytes, stat, swap] = await Promise.all([
    flatKeys(path.join(directory, 'cpu.stat')),
    number(path.join(directory, 'memory.current')),
    flatKeys(path.join(directory, 'memory.stat')),
    // Missing where swap accounting is off.
    number(path.join(directory, 'memory.swap.current')).catch(zeroIfMissing),
  ]);
  return {
    cpuNanoseconds: (cpu.get('usage_usec') ?? 0) * 1000,
    memoryBytes,
    workingSetBytes: Math.max(0, memoryBytes - (stat.get('inactive_file') ?? 0)),
    rssBytes: stat.get('anon') ?? 0,
    cacheBytes: stat.get('file') ?? 0,
    mappedFileBytes: stat.get('file_mapped') ?? 0,
    swapBytes: swap,
    pageFaults: stat.get('pgfault') ?? 0,
    majorPageFaults: stat.get('pgmajfault') ?? 0,
  };
}

async function readCpuV1(tree: CgroupTree, cgroup: string): Promise<CpuUsage> {
  const [times, limit] = await Promise.all([
    flatKeys(path.join(tree.cpuDirectory(cgroup), 'cpuacct.stat')),
    flatKeys(path.join(tree.cpuLimitDirectory(cgroup), 'cpu.stat')),
  ]);
  return {
    // cgroup v1 counts them in USER_HZ.
    userNanoseconds: (times.get('user') ?? 0) * NS_PER_TICK,
    systemNanoseconds: (times.get('system') ?? 0) * NS_PER_TICK,
    periods: limit.get('nr_periods') ?? 0,
    throttledPeriods: limit.get('nr_throttled') ?? 0,
    throttledNanoseconds: limit.get('throttled_time') ?? 0,
  };
}

async function readCpuV2(tree: CgroupTree, cgroup: string): Promise<CpuUsage> {
  const stat = await flatKeys(path.join(tree.cpuDirectory(cgroup), 'cpu.stat'));
  return {
    userNanoseconds: (stat.get('user_usec') ?? 0) * 1000,
    systemNanoseconds: (stat.get('system_usec') ?? 0) * 1000,
    periods: stat.get('nr_periods') ?? 0,
    throttledPeriods: stat.get('nr_throttled') ?? 0,
    throttledNanoseconds: (stat.get('throttled_usec') ?? 0) * 1000,
  };
}

function zeroIfMissing(error: unknown): number {
  if (hasCode(error, 'ENOENT')) return 0;
  throw error;
}

/**
 * The kernel answers from memory, so there is nothing to wait for; and a reader that waits takes 64 KiB for each of these
 * files, since their size is not known before they are read.
 */
const readNow = async (file: string): Promise<string> => readFileSync(file, 'utf8');

const number = async (file: string): Promise<number> => Number(await readNow(file));

async function flatKeys(file: string): Promise<Map<string, number>> {
  const entries = new Map<string, number>();
  for (const line of (await readNow(file)).split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) entries.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return entries;
}
