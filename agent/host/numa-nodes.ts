/** The memory of this host's NUMA nodes, and how far these are from each other, from sysfs (Documentation/ABI/stable/sysfs-devices-node of the kernel). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { namesIn, readTextIfThere } from './files.ts';
import { readHugePages, readMemory } from './meters.ts';

export interface NumaNode {
  readonly node: number;
  readonly memoryBytes: number;
  /** Bytes by page size in KiB. */
  readonly hugePages: ReadonlyMap<number, number>;
  /** To each node that is online, in the order of their numbers; none where the kernel does not say. */
  readonly distances: readonly number[];
}

/** In the order of their numbers. A host without NUMA has one node. */
export async function readNumaNodes(root = '/sys/devices/system/node'): Promise<NumaNode[]> {
  const numbers = (await namesIn(root)).flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  if (numbers.length === 0) {
    const [{ totalBytes }, hugePages] = await Promise.all([readMemory(), readHugePages()]);
    return [{ node: 0, memoryBytes: totalBytes, hugePages, distances: [] }];
  }
  return Promise.all(
    numbers
      .sort((a, b) => a - b)
      .map(async (node) => {
        const directory = join(root, `node${node}`);
        const [meminfo, distance, hugePages] = await Promise.all([
          readFile(join(directory, 'meminfo'), 'utf8'),
          readTextIfThere(join(directory, 'distance')),
          readHugePages(join(directory, 'hugepages')),
        ]);
        // `Node 0 MemTotal:       24683612 kB`
        const memoryBytes = Number(/MemTotal:\s+(\d+) kB/.exec(meminfo)?.[1] ?? 0) * 1024;
        const distances = (distance ?? '').trim().split(/\s+/).filter(Boolean).map(Number);
        return { node, memoryBytes, hugePages, distances };
      }),
  );
}
