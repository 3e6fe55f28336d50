/** The host's mounts: the kernel's table is read from mountinfo, changes go through mount(8) and umount(8). */
import { chmod, readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { fileExists, hasCode } from './files.ts';
import { ProgramError, run } from './run.ts';

/** A line of /proc/self/mountinfo (proc(5)). */
export interface Mount {
  readonly mountPoint: string;
  /** What of the file system is mounted: `/` or, for a bind mount, the directory in it. */
  readonly root: string;
  readonly fsType: string;
  readonly source: string;
}

/** mountinfo writes space, tab, newline and backslash as three octal digits. */
const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [before = '', after = ''] = line.split(' - ', 2);
    const [, , , root, mountPoint] = before.split(' ');
    const [fsType = '', source = ''] = after.split(' ');
    if (root === undefined || mountPoint === undefined) continue;
    // The table holds bytes; read as latin1 so that unescaping stays bytewise, then taken as UTF-8.
    const decode = (field: string): string => Buffer.from(unescape(field), 'latin1').toString('utf8');
    mounts.push({ root: decode(root), mountPoint: decode(mountPoint), fsType, source: decode(source) });
  }
  return mounts;
}

/** The mounts of the agent's mount namespace, oldest first. Never accesses what is mounted. */
export async function readMounts(): Promise<Mount[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'latin1'));
}

/** Mount points at or below a directory, newest first: the order in which they can be unmounted. */
export function mountPointsBelow(mounts: readonly Mount[], directory: string): string[] {
  return mounts
    .map(({ mountPoint }) => mountPoint)
    .filter((point) => point === directory || point.startsWith(`${directory}/`))
    .reverse();
}

/** From this kernel on a tmpfs can be kept out of swap. */
const NOSWAP_KERNEL = [6, 4] as const;

function knowsNoswap(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  return major > NOSWAP_KERNEL[0] || (major === NOSWAP_KERNEL[0] && minor >= NOSWAP_KERNEL[1]);
}

export interface TmpfsOptions {
  readonly sizeBytes?: number;
  readonly mode: number;
  readonly group?: number;
  /** Whether the content may be swapped out; secrets may not. */
  readonly swap: boolean;
}

export async function mountTmpfs(directory: string, options: TmpfsOptions, signal: AbortSignal): Promise<void> {
  const words = [`mode=${options.mode.toString(8)}`];
  if (options.group !== undefined) words.push(`gid=${options.group}`);
  if (options.sizeBytes !== undefined) words.push(`size=${options.sizeBytes}`);
  if (!options.swap && knowsNoswap(release())) words.push('noswap');
  await run('mount', ['-t', 'tmpfs', '-o', words.join(','), 'tmpfs', directory], { signal });
}

/** Whether a tmpfs with secrets stays out of swap. */
export const canKeepOutOfSwap = (): boolean => knowsNoswap(release());

export interface HugePagesOptions {
  readonly pageBytes: number;
  readonly sizeBytes?: number;
  readonly mode: number;
  readonly group?: number;
}

/** A file system of huge pages: hugetlbfs (Documentation/admin-guide/mm/hugetlbpage.rst of the kernel). */
export async function mountHugePages(
  directory: string,
  { pageBytes, sizeBytes, mode, group }: HugePagesOptions,
  signal: AbortSignal,
): Promise<void> {
  const words = [`pagesize=${pageBytes}`, `mode=${mode.toString(8)}`];
  if (group !== undefined) words.push(`gid=${group}`);
  if (sizeBytes !== undefined) words.push(`size=${sizeBytes}`);
  await run('mount', ['-t', 'hugetlbfs', '-o', words.join(','), 'nodev', directory], { signal });
  // As an option the kernel takes the mode without the bit that hands the group on.
  await chmod(directory, mode);
}

/** A mount as containerd describes it (`containerd.types.Mount`): what shows a snapshot. */
export interface SnapshotMount {
  /** `bind`, `overlay` and others. */
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** mount(2) takes the options of a file system in one page. */
const MAX_OPTIONS_BYTES = 4_000;

/** Mounts what containerd says of a snapshot, read-only. */
export async function mountSnapshot(
  { type, source, options }: SnapshotMount,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const shown = options.filter((option) => option !== 'rw' && option !== 'ro');
  const words = ['ro', ...shown].join(',');
  if (Buffer.byteLength(words) > MAX_OPTIONS_BYTES)
    throw new Error(`the image has too many layers to be mounted: its options take ${Buffer.byteLength(words)} bytes`);
  // By mount(2): the calls that newer programs prefer take 255 bytes for an option.
  const env = { ...process.env, LIBMOUNT_FORCE_MOUNT2: 'always' };
  const isBind = type === 'bind';
  await run('mount', [...(isBind ? [] : ['-t', type]), '-o', isBind ? 'bind,ro' : words, '--', source, target], {
    signal,
    env,
  });
}

/** An unmount that takes longer is aborted and the mount detached lazily. */
const UNMOUNT_TIMEOUT_MS = 5_000;

/** One system call: nothing looks at what is mounted, and no `umount.nfs` asks the server. */
const UNMOUNT = ['--no-canonicalize', '--internal-only'] as const;

/**
 * Unmounts; a mount that is busy or does not respond is detached (the kernel releases it with its last user).
 * Resolves to whether it had to be detached. What is not mounted is no error.
 */
export async function unmount(mountPoint: string, signal: AbortSignal): Promise<'unmounted' | 'detached'> {
  try {
    await run('umount', [...UNMOUNT, mountPoint], { signal, timeoutMs: UNMOUNT_TIMEOUT_MS });
    return 'unmounted';
  } catch (error) {
    if (!(error instanceof ProgramError) || signal.aborted) throw error;
    if (isNotMounted(error)) return 'unmounted';
  }
  try {
    await run('umount', [...UNMOUNT, '--lazy', mountPoint], { signal, timeoutMs: UNMOUNT_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof ProgramError) || signal.aborted) throw error;
    // The last unmount of a file system takes it off the table first, and then writes what is unwritten: to a server that is away, forever.
    if (!isNotMounted(error) && (await readMounts()).some((mount) => mount.mountPoint === mountPoint)) throw error;
  }
  return 'detached';
}

const isNotMounted = (error: ProgramError): boolean =>
  /not mounted|no mount point specified|not found/.test(error.stderr);

/** How often one call aborts requests: umount(8) takes as many targets as it is given. */
const ABORTS_PER_CALL = 64;
/** None of them waits for the server: what takes long is a host that is short of CPU. */
const ABORT_TIMEOUT_MS = 15_000;

/**
 * Ends every request to the server of an NFS mount with an error, whoever of this host has made it: what waits for one in uninterruptible
 * sleep goes on. Does so many times in a row. Unmounts the mount, unless it is busy. Throws ProgramError.
 */
export async function abortRequests(mountPoint: string, signal: AbortSignal): Promise<void> {
  const targets = Array.from({ length: ABORTS_PER_CALL }, () => mountPoint);
  try {
    await run('umount', [...UNMOUNT, '--force', ...targets], { signal, timeoutMs: ABORT_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof ProgramError) || !/busy|not mounted/.test(error.stderr)) throw error;
  }
}

/** What mount.nfs(8) itself tries for, unless its options say otherwise, is two minutes. */
const MOUNT_NFS_TIMEOUT_MS = 90_000;

/** Mounts an export: `source` is `server:/path`, `options` are joined by commas. Throws with what a user can do about it. */
export async function mountNfs(source: string, target: string, options: string, signal: AbortSignal): Promise<void> {
  try {
    // Not by way of mount(8): when that is killed, its mount.nfs goes on.
    await run('mount.nfs', [source, target, '-o', options], { signal, timeoutMs: MOUNT_NFS_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof ProgramError) || signal.aborted) throw error;
    if (hasCode(error.cause, 'ENOENT'))
      throw new Error('mount.nfs not found: install the package nfs-common on the node', { cause: error });
    throw error;
  }
}

/** Whether there is a mount.nfs on this host. */
export async function canMountNfs(): Promise<boolean> {
  const directories = (process.env['PATH'] ?? '').split(':').filter((directory) => directory.startsWith('/'));
  const found = await Promise.all(directories.map((directory) => fileExists(join(directory, 'mount.nfs'))));
  return found.includes(true);
}

export const isNfs = ({ fsType }: Mount): boolean => fsType === 'nfs' || fsType === 'nfs4';
