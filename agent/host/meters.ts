/** Capacity and availability of the host's resources: memory, disk, processors, huge pages. */
import { readdir, readFile, statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { hasCode } from './files.ts';

export interface MemoryMeter {
  readonly totalBytes: number;
  readonly availableBytes: number;
  /** Of swap. */
  readonly swapBytes: number;
}

/** /proc/meminfo (proc(5)); its numbers are in KiB. */
function parseMeminfo(text: string): MemoryMeter {
  const bytes = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { totalBytes: bytes('MemTotal'), availableBytes: bytes('MemAvailable'), swapBytes: bytes('SwapTotal') };
}

export const readMemory = async (): Promise<MemoryMeter> => parseMeminfo(await readFile('/proc/meminfo', 'utf8'));

export interface DiskMeter {
  readonly totalBytes: number;
  readonly availableBytes: number;
  /** Includes what is kept for root, which counts as neither available nor used. */
  readonly freeBytes: number;
  readonly totalInodes: number;
  readonly availableInodes: number;
}

/** The file system that holds `directory`, which must be on the host's own disk. */
export async function readDisk(directory: string): Promise<DiskMeter> {
  const { bsize, blocks, bavail, bfree, files, ffree } = await statfs(directory);
  return {
    totalBytes: blocks * bsize,
    availableBytes: bavail * bsize,
    freeBytes: bfree * bsize,
    totalInodes: files,
    availableInodes: ffree,
  };
}

/** How many processes and threads more the kernel makes, and how many in all. */
export async function readProcesses(): Promise<{ available: number; capacity: number }> {
  const [limits, load] = await Promise.all([
    Promise.all(['pid_max', 'threads-max'].map((name) => readFile(`/proc/sys/kernel/${name}`, 'utf8'))),
    readFile('/proc/loadavg', 'utf8'),
  ]);
  const capacity = Math.min(...limits.map(Number));
  // `0.20 0.18 0.12 1/80 11206`: of 80 tasks one runs.
  const present = Number(/\/(\d+)/.exec(load)?.[1] ?? 0);
  return { available: capacity - present, capacity };
}

export const countProcessors = (): number => availableParallelism();

/** Reserved huge pages: bytes by page size in KiB. */
export async function readHugePages(root = '/sys/kernel/mm/hugepages'): Promise<ReadonlyMap<number, number>> {
  const found = new Map<number, number>();
  let names: string[];
  try {
    names = await readdir(root);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return found;
    throw error;
  }
  for (const name of names) {
    const sizeKib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1]);
    if (!sizeKib) continue;
    const count = Number((await readFile(join(root, name, 'nr_hugepages'), 'utf8')).trim());
    found.set(sizeKib, count * sizeKib * 1024);
  }
  return found;
}
