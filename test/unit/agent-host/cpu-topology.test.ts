/** What the kernel says of CPUs, from folders like those of sysfs. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { readTopology } from '../../../agent/host/cpu-topology.ts';

async function sysfs(root: string, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), `${content}\n`);
  }
  return root;
}

t.test('threads of a core, sockets and NUMA nodes', async (t) => {
  const thread = (cpu: number, socket: number, siblings: string): Record<string, string> => ({
    [`cpu/cpu${cpu}/topology/physical_package_id`]: `${socket}`,
    [`cpu/cpu${cpu}/topology/thread_siblings_list`]: siblings,
  });
  const root = await sysfs(t.testdir(), {
    'cpu/online': '0-3',
    ...thread(0, 0, '0,2'),
    ...thread(1, 1, '1,3'),
    ...thread(2, 0, '0,2'),
    ...thread(3, 1, '1,3'),
    'node/node0/cpulist': '0,2',
    'node/node1/cpulist': '1,3',
  });
  t.strictSame(await readTopology(root), [
    { cpu: 0, core: 0, socket: 0, node: 0 },
    { cpu: 1, core: 1, socket: 1, node: 1 },
    { cpu: 2, core: 0, socket: 0, node: 0 },
    { cpu: 3, core: 1, socket: 1, node: 1 },
  ]);
});

t.test('a host whose kernel says nothing but which CPUs are online', async (t) => {
  const root = await sysfs(t.testdir(), { 'cpu/online': '0-1' });
  t.strictSame(await readTopology(root), [
    { cpu: 0, core: 0, socket: 0, node: 0 },
    { cpu: 1, core: 1, socket: 0, node: 0 },
  ]);
});
