/** What a cluster creates on this machine: recorded while it runs, checked after it has been removed. */
import { access, glob, readFile } from 'node:fs/promises';
import { run } from '../../agent/host/run.ts';
import type { Cluster } from './cluster.ts';

/** Returns a function that lists the cluster's remaining network namespaces, mounts, cgroups and processes. */
export async function traces(cluster: Cluster): Promise<() => Promise<string[]>> {
  const namespaces = new Set(cluster.nodes.map(({ netns }) => `/run/netns/${netns}`));
  for (const { socket } of cluster.nodes) for (const path of await podNamespaces(socket)) namespaces.add(path);
  const cgroupRoots = cluster.nodes.map(({ cgroupRoot }) => cgroupRoot);
  const { directory } = cluster;
  return async () => {
    const found: string[] = [];
    for (const path of namespaces) if (await isThere(path)) found.push(`network namespace ${path}`);
    for (const line of (await readFile('/proc/self/mountinfo', 'utf8')).split('\n'))
      if (line.includes(`${directory}/`)) found.push(`mount ${line}`);
    for (const root of cgroupRoots)
      for await (const path of glob(`/sys/fs/cgroup/{,*/}${root}`)) found.push(`cgroup ${path}`);
    for await (const file of glob('/proc/[0-9]*/cmdline')) {
      const words = await readFile(file, 'utf8').catch(() => '');
      if (words.includes(directory)) found.push(`process ${words.replaceAll('\0', ' ')}`);
    }
    if (await isThere(directory)) found.push(`directory ${directory}`);
    return found;
  };
}

/** The network namespaces of a containerd's pods. */
async function podNamespaces(socket: string): Promise<string[]> {
  const ctr = async (...args: string[]) => (await run('ctr', ['-a', socket, '-n', 'k8s.io', ...args])).stdout;
  const ids = (await ctr('containers', 'list', '-q')).split('\n').filter(Boolean);
  const specs = await Promise.all(ids.map((id) => ctr('containers', 'info', '--spec', id)));
  return specs.flatMap((spec) => /"([^"]+\/netns\/cni-[^"]+)"/.exec(spec)?.[1] ?? []);
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
