/** The CPUs of this host and where they are, from sysfs (Documentation/admin-guide/cputopology.rst of the kernel). */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listOf, parseCpuSet } from '../topology/cpu-set.ts';
import type { Processor } from '../topology/take-cpus.ts';
import { hasCode } from './files.ts';

/** All that are online. A host without NUMA has one node; where the kernel says nothing of a CPU, it is a core of its own. */
export async function readTopology(root = '/sys/devices/system'): Promise<Processor[]> {
  const read = async (...path: string[]): Promise<string> => (await readFile(join(root, ...path), 'utf8')).trim();
  const readIfThere = (...path: string[]): Promise<string> =>
    read(...path).catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return '';
      throw error;
    });
  const nodes = await nodesOf(root, read);
  return Promise.all(
    listOf(parseCpuSet(await read('cpu/online'))).map(async (cpu) => {
      const [socket, siblings] = await Promise.all([
        readIfThere(`cpu/cpu${cpu}/topology/physical_package_id`),
        readIfThere(`cpu/cpu${cpu}/topology/thread_siblings_list`),
      ]);
      // Unlike `core_id`, the first thread is unique on the host.
      const [core = cpu] = listOf(parseCpuSet(siblings));
      return { cpu, core, socket: Math.max(0, Number(socket)), node: nodes.get(cpu) ?? 0 };
    }),
  );
}

async function nodesOf(
  root: string,
  read: (...path: string[]) => Promise<string>,
): Promise<ReadonlyMap<number, number>> {
  const found = new Map<number, number>();
  let names: string[];
  try {
    names = await readdir(join(root, 'node'));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return found;
    throw error;
  }
  for (const name of names) {
    const node = /^node(\d+)$/.exec(name)?.[1];
    if (node === undefined) continue;
    for (const cpu of parseCpuSet(await read('node', name, 'cpulist'))) found.set(cpu, Number(node));
  }
  return found;
}
