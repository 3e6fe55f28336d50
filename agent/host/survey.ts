/** What `kedge doctor` looks at of the kernel and its files. Everything is read, nothing is changed. */
import { access, constants, readdir, readFile, readlink, statfs } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileExists, hasCode, readTextIfThere } from './files.ts';
import { isProgramMissing, ProgramError, run } from './run.ts';

/** As on a login of root: `sudo` and cron have shorter ones. */
const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Those of the programs that can be run. */
export async function programsPresent(names: readonly string[]): Promise<Set<string>> {
  const directories = new Set([...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_PATH].filter(Boolean));
  const found = new Set<string>();
  for (const name of names)
    for (const directory of directories) if (await isExecutable(join(directory, name))) found.add(name);
  return found;
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

export interface CgroupSurvey {
  readonly version: 1 | 2 | undefined;
  readonly controllers: readonly string[];
}

/** The cgroup tree that is mounted, and the controllers that the kernel offers in it. */
export async function surveyCgroups(): Promise<CgroupSurvey> {
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  const types = mounts.split('\n').map((line) => line.split(' ')[2]);
  const v2 = await readTextIfThere('/sys/fs/cgroup/cgroup.controllers');
  if (types.includes('cgroup'))
    return { version: 1, controllers: enabledControllers(await readFile('/proc/cgroups', 'utf8')) };
  if (v2 !== undefined) return { version: 2, controllers: v2.trim().split(' ') };
  return { version: undefined, controllers: [] };
}

/** /proc/cgroups: a heading, then name, hierarchy, count, enabled. */
export const enabledControllers = (text: string): string[] =>
  text
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter(([, , , enabled]) => enabled === '1')
    .map(([name = '']) => name);

export const isSystemdRunning = (): Promise<boolean> => fileExists('/run/systemd/system');

/** What shows that a module is there, loaded or built in, where the kernel does not list it. */
const EVIDENCE: ReadonlyMap<string, string> = new Map([
  ['br_netfilter', '/proc/sys/net/bridge/bridge-nf-call-iptables'],
  ['nf_conntrack', '/proc/sys/net/netfilter/nf_conntrack_max'],
]);

/** The state of each of these modules of the kernel. */
export async function surveyModules(
  names: Iterable<string>,
  release: string,
): Promise<Map<string, 'present' | 'loadable' | 'missing' | 'unknown'>> {
  const directory = `/lib/modules/${release}`;
  const [builtIn, onDisk, filesystems = ''] = await Promise.all([
    readTextIfThere(`${directory}/modules.builtin`),
    readTextIfThere(`${directory}/modules.dep`),
    readTextIfThere('/proc/filesystems'),
  ]);
  const lists = (text: string | undefined, name: string): boolean =>
    new RegExp(`/${name.replaceAll('_', '[-_]')}\\.ko`, 'm').test(text ?? '');
  const found = new Map<string, 'present' | 'loadable' | 'missing' | 'unknown'>();
  for (const name of names) {
    const evidence = EVIDENCE.get(name);
    const isPresent =
      (await fileExists(`/sys/module/${name}`)) ||
      (evidence !== undefined && (await fileExists(evidence))) ||
      new RegExp(`\\t${name}$`, 'm').test(filesystems) ||
      lists(builtIn, name);
    if (isPresent) found.set(name, 'present');
    else if (lists(onDisk, name)) found.set(name, 'loadable');
    // A kernel without a list of what is built into it may have anything.
    else found.set(name, builtIn === undefined ? 'unknown' : 'missing');
  }
  return found;
}

export interface DiskSurvey {
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly totalInodes: number;
  readonly availableInodes: number;
  readonly isWritable: boolean;
  /** The directory, or the nearest one above it that is there. */
  readonly path: string;
}

/** The file system that a directory is on, or will be. */
export async function surveyDisk(directory: string): Promise<DiskSurvey> {
  let path = directory;
  while (!(await fileExists(path))) path = dirname(path);
  const { bsize, blocks, bavail, files, ffree } = await statfs(path);
  const isWritable = await access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
  return {
    ...{ path, isWritable, totalBytes: blocks * bsize, availableBytes: bavail * bsize },
    ...{ totalInodes: files, availableInodes: ffree },
  };
}

const LISTEN = '0A';

/** Ports and inodes of the sockets that listen, in the text of /proc/net/tcp or tcp6. */
export const listeningSockets = (text: string): [number, string][] =>
  text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state]) => state === LISTEN)
    .map(([, local = '', , , , , , , , inode = '']) => [Number.parseInt(local.split(':')[1] ?? '', 16), inode]);

/** Who listens at TCP ports of this network namespace. */
export async function surveyListeners(): Promise<Map<number, { readonly pid?: number; readonly name?: string }>> {
  const texts = await Promise.all(['tcp', 'tcp6'].map((file) => readTextIfThere(`/proc/self/net/${file}`)));
  const sockets = texts.flatMap((text) => listeningSockets(text ?? ''));
  const owners = await ownersOf(new Set(sockets.map(([, inode]) => inode)));
  return new Map(sockets.map(([port, inode]) => [port, owners.get(inode) ?? {}]));
}

/** The process that has each of these sockets open. */
async function ownersOf(inodes: ReadonlySet<string>): Promise<Map<string, { pid: number; name: string }>> {
  const found = new Map<string, { pid: number; name: string }>();
  for (const [pid, name] of await processes())
    for (const fd of (await readdir(`/proc/${pid}/fd`).catch(none)) ?? []) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(none);
      const inode = /^socket:\[(\d+)\]$/.exec(target ?? '')?.[1];
      if (inode !== undefined && inodes.has(inode)) found.set(inode, { pid, name });
    }
  return found;
}

/** A process that has ended, or that is not ours to look into. */
function none(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) throw error;
}

/** The processes that this one sees, by id, with the names that the kernel has of them (15 characters at most). */
export async function processes(): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const name = await readFile(`/proc/${entry}/comm`, 'utf8').catch(none);
    if (name !== undefined) found.set(Number(entry), name.trim());
  }
  return found;
}

/** Whether somebody tells the kernel the time; undefined where timedatectl(1) does not say. */
export async function isClockSynchronized(signal: AbortSignal): Promise<boolean | undefined> {
  try {
    const { stdout } = await run('timedatectl', ['show', '--property=NTPSynchronized', '--value'], {
      signal,
      timeoutMs: 5_000,
    });
    return stdout.trim() === '' ? undefined : stdout.trim() === 'yes';
  } catch (error) {
    // A host without systemd.
    if (isProgramMissing(error) || error instanceof ProgramError) return undefined;
    throw error;
  }
}

/** Lines of the kernel's log about memory that ran out, the latest last; none where it cannot be read. */
export async function kernelMessages(pattern: RegExp, signal: AbortSignal): Promise<string[]> {
  try {
    const { stdout } = await run('dmesg', ['--time-format', 'iso'], { signal, timeoutMs: 5_000 });
    return stdout.split('\n').filter((line) => pattern.test(line));
  } catch (error) {
    if (error instanceof ProgramError) return [];
    throw error;
  }
}
