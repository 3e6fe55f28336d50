/** The kernel's cgroup tree, version 1 (one hierarchy per controller) or 2 (one): creates, limits and removes cgroups. */
import { mkdir, readFile, readdir, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { hasCode } from './files.ts';
import { hugePageLimitFiles } from './huge-pages.ts';
import { HostError } from './host-error.ts';

export type CgroupVersion = 1 | 2;

/** What a cgroup is limited to; absent means not limited. */
export interface CgroupLimits {
  readonly cpuShares: number;
  /** Microseconds in each period. */
  readonly cpuQuota?: number;
  readonly cpuPeriod: number;
  readonly memoryBytes?: number;
  /** Bytes by page size (`2MB`), 0 of sizes that are not here. Absent: they are left as they are. */
  readonly hugePages?: ReadonlyMap<string, number>;
}

/** cgroup v2 weighs CPU from 1 to 10,000 where v1 shares it from 2 to 262,144; runc's conversion. */
export const cpuWeight = (shares: number): number => Math.floor(1 + ((shares - 2) * 9999) / 262_142);

export interface CgroupTree {
  readonly version: CgroupVersion;
  /** Creates the cgroup and its parents; sets its limits. Idempotent. `cgroup` is a path below the mount point. */
  ensure(cgroup: string, limits: CgroupLimits): Promise<void>;
  /** Sets the limits of huge pages: 0 of sizes that are not here. Without the controller hugetlb there are none to set. */
  limitHugePages(cgroup: string, limits: ReadonlyMap<string, number>): Promise<void>;
  /** Removes an empty cgroup with those below it. Resolves to false when something still runs in it. */
  remove(cgroup: string): Promise<boolean>;
  /** Sends SIGKILL to whatever runs in the cgroup and those below it. */
  kill(cgroup: string): Promise<void>;
  /** The names of the cgroups right below one. */
  children(cgroup: string): Promise<string[]>;
  /** The directory with the files of CPU accounting, and that of memory. */
  cpuDirectory(cgroup: string): string;
  memoryDirectory(cgroup: string): string;
  /** The directory whose `cpu.stat` counts throttling. */
  cpuLimitDirectory(cgroup: string): string;
  /** The directory with the files of I/O accounting; undefined when nothing accounts for it. */
  ioDirectory(cgroup: string): string | undefined;
}

const CGROUP2_CONTROLLERS = ['cpu', 'memory', 'pids', 'io', 'cpuset', 'hugetlb'];

/** The tree that is mounted here. */
export const readCgroupTree = async (): Promise<CgroupTree> =>
  cgroupTree(await readFile('/proc/self/mountinfo', 'utf8'));

/** Detects the version. `mountInfo` is the text of /proc/self/mountinfo. */
export function cgroupTree(mountInfo: string): CgroupTree {
  const mounts = mountInfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [type = '', , options = ''] = after.split(' ');
    const mountPoint = before.split(' ')[4];
    return mountPoint !== undefined && type.startsWith('cgroup')
      ? [{ type, mountPoint, options: options.split(',') }]
      : [];
  });
  const cpu = mounts.find(({ type, options }) => type === 'cgroup' && options.includes('cpu'));
  const memory = mounts.find(({ type, options }) => type === 'cgroup' && options.includes('memory'));
  if (cpu && memory) {
    const cpuacct = mounts.find(({ type, options }) => type === 'cgroup' && options.includes('cpuacct')) ?? cpu;
    const io = mounts.find(({ type, options }) => type === 'cgroup' && options.includes('blkio'));
    const all = mounts.map(({ mountPoint }) => mountPoint);
    const hugePages = mounts.find(({ type, options }) => type === 'cgroup' && options.includes('hugetlb'));
    const hierarchies = { cpu: cpu.mountPoint, cpuacct: cpuacct.mountPoint, memory: memory.mountPoint };
    const optional = { io: io?.mountPoint, hugePages: hugePages?.mountPoint };
    return new CgroupV1({ ...hierarchies, ...optional }, [...new Set(all)]);
  }
  const unified = mounts.find(({ type }) => type === 'cgroup2');
  if (!unified)
    throw new HostError('cgroup controllers cpu and memory are not mounted below /sys/fs/cgroup: mount them');
  return new CgroupV2(unified.mountPoint);
}

/** The mount points of version 1 that are read. */
interface Hierarchies {
  readonly cpu: string;
  readonly cpuacct: string;
  readonly memory: string;
  readonly io: string | undefined;
  readonly hugePages: string | undefined;
}

class CgroupV1 implements CgroupTree {
  readonly version = 1;
  readonly #cpu: string;
  readonly #cpuacct: string;
  readonly #memory: string;
  readonly #io: string | undefined;
  readonly #hugePages: string | undefined;
  /** Every hierarchy, the unified one of a hybrid host too: runc creates the pod's cgroup in each of them. */
  readonly #all: readonly string[];

  constructor({ cpu, cpuacct, memory, io, hugePages }: Hierarchies, all: readonly string[]) {
    this.#cpu = cpu;
    this.#cpuacct = cpuacct;
    this.#memory = memory;
    this.#io = io;
    this.#hugePages = hugePages;
    this.#all = all;
  }

  async ensure(cgroup: string, limits: CgroupLimits): Promise<void> {
    const cpu = path.join(this.#cpu, cgroup);
    const memory = path.join(this.#memory, cgroup);
    await Promise.all([mkdir(cpu, { recursive: true }), mkdir(memory, { recursive: true })]);
    await set(cpu, 'cpu.shares', limits.cpuShares);
    await set(cpu, 'cpu.cfs_period_us', limits.cpuPeriod);
    await set(cpu, 'cpu.cfs_quota_us', limits.cpuQuota ?? -1);
    await set(memory, 'memory.limit_in_bytes', limits.memoryBytes ?? -1);
    if (limits.hugePages) await this.limitHugePages(cgroup, limits.hugePages);
  }

  async limitHugePages(cgroup: string, limits: ReadonlyMap<string, number>): Promise<void> {
    if (this.#hugePages === undefined) return;
    const directory = path.join(this.#hugePages, cgroup);
    await mkdir(directory, { recursive: true });
    await setHugePages(directory, limits);
  }

  async remove(cgroup: string): Promise<boolean> {
    const removed = await Promise.all(this.#all.map((mountPoint) => removeTree(path.join(mountPoint, cgroup))));
    return removed.every(Boolean);
  }

  /** A process that was about to join may be in some hierarchies only. */
  async kill(cgroup: string): Promise<void> {
    await Promise.all(this.#all.map((mountPoint) => killTree(path.join(mountPoint, cgroup))));
  }

  children(cgroup: string): Promise<string[]> {
    return directories(path.join(this.#cpu, cgroup));
  }

  cpuDirectory(cgroup: string): string {
    return path.join(this.#cpuacct, cgroup);
  }

  memoryDirectory(cgroup: string): string {
    return path.join(this.#memory, cgroup);
  }

  cpuLimitDirectory(cgroup: string): string {
    return path.join(this.#cpu, cgroup);
  }

  ioDirectory(cgroup: string): string | undefined {
    return this.#io === undefined ? undefined : path.join(this.#io, cgroup);
  }
}

class CgroupV2 implements CgroupTree {
  readonly version = 2;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async ensure(cgroup: string, limits: CgroupLimits): Promise<void> {
    let directory = this.#root;
    for (const part of cgroup.split('/').filter(Boolean)) {
      await this.#delegate(directory);
      directory = path.join(directory, part);
      await mkdir(directory, { recursive: true });
    }
    await set(directory, 'cpu.weight', cpuWeight(limits.cpuShares));
    await set(directory, 'cpu.max', `${limits.cpuQuota ?? 'max'} ${limits.cpuPeriod}`);
    await set(directory, 'memory.max', limits.memoryBytes ?? 'max');
    if (limits.hugePages) await setHugePages(directory, limits.hugePages);
  }

  /** Of a cgroup that systemd has made, which knows nothing of huge pages. */
  async limitHugePages(cgroup: string, limits: ReadonlyMap<string, number>): Promise<void> {
    let directory = this.#root;
    for (const part of cgroup.split('/').filter(Boolean)) {
      await this.#delegate(directory, ['hugetlb']);
      directory = path.join(directory, part);
    }
    await setHugePages(directory, limits);
  }

  /** Makes the controllers that are there available below a cgroup. */
  async #delegate(directory: string, controllers: readonly string[] = CGROUP2_CONTROLLERS): Promise<void> {
    const available = (await readFile(path.join(directory, 'cgroup.controllers'), 'utf8')).trim().split(' ');
    const enabled = (await readFile(path.join(directory, 'cgroup.subtree_control'), 'utf8')).trim().split(' ');
    const missing = controllers.filter((name) => available.includes(name) && !enabled.includes(name));
    if (missing.length > 0) await set(directory, 'cgroup.subtree_control', missing.map((name) => `+${name}`).join(' '));
  }

  remove(cgroup: string): Promise<boolean> {
    return removeTree(path.join(this.#root, cgroup));
  }

  kill(cgroup: string): Promise<void> {
    return killTree(path.join(this.#root, cgroup));
  }

  children(cgroup: string): Promise<string[]> {
    return directories(path.join(this.#root, cgroup));
  }

  cpuDirectory(cgroup: string): string {
    return path.join(this.#root, cgroup);
  }

  memoryDirectory(cgroup: string): string {
    return path.join(this.#root, cgroup);
  }

  cpuLimitDirectory(cgroup: string): string {
    return path.join(this.#root, cgroup);
  }

  ioDirectory(cgroup: string): string {
    return path.join(this.#root, cgroup);
  }
}

const set = (directory: string, file: string, value: string | number): Promise<void> =>
  writeFile(path.join(directory, file), String(value));

async function setHugePages(directory: string, limits: ReadonlyMap<string, number>): Promise<void> {
  for (const { file, size } of hugePageLimitFiles(await readdir(directory)))
    await set(directory, file, limits.get(size) ?? 0);
}

async function directories(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/** cgroups are removed from the leaves up, with rmdir alone. */
async function removeTree(directory: string): Promise<boolean> {
  let empty = true;
  for (const name of await directories(directory)) {
    if (!(await removeTree(path.join(directory, name)))) empty = false;
  }
  if (!empty) return false;
  try {
    await rmdir(directory);
  } catch (error) {
    if (hasCode(error, 'EBUSY')) return false;
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  return true;
}

async function killTree(directory: string): Promise<void> {
  for (const name of await directories(directory)) await killTree(path.join(directory, name));
  const processes = await readFile(path.join(directory, 'cgroup.procs'), 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return '';
    throw error;
  });
  for (const line of processes.split('\n')) {
    // 0 is a process of another namespace.
    const pid = Number(line);
    if (pid === 0) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (!hasCode(error, 'ESRCH')) throw error;
    }
  }
}
