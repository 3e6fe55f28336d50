/** The swap of this host, and whether cgroups can limit it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CgroupTree } from './cgroup-tree.ts';
import { fileExists, readTextIfThere } from './files.ts';
import { readMemory } from './meters.ts';

export interface HostSwap {
  readonly capacityBytes: number;
  /** Whether cgroups have limits of swap. */
  readonly isLimitable: boolean;
}

/** Whether there is any: /proc/swaps (proc(5)) has a line for each, below its heading. */
export const hasSwap = (swaps: string): boolean => swaps.trim().split('\n').length > 1;

/** A kernel without swap has no such file. */
export const isSwapOn = async (file = '/proc/swaps'): Promise<boolean> => hasSwap((await readTextIfThere(file)) ?? '');

export async function readSwap(tree: CgroupTree): Promise<HostSwap> {
  const [{ swapBytes }, isLimitable] = await Promise.all([readMemory(), canLimitSwap(tree)]);
  return { capacityBytes: swapBytes, isLimitable };
}

/** The root of cgroup v2 has no limits: that of the agent's own cgroup tells. */
async function canLimitSwap(tree: CgroupTree): Promise<boolean> {
  if (tree.version === 1) return fileExists(join(tree.memoryDirectory('/'), 'memory.memsw.limit_in_bytes'));
  const own = /^0::(.*)$/m.exec(await readFile('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  return fileExists(join(tree.memoryDirectory(own), 'memory.swap.max'));
}
