/** The host's mounts: the kernel's table is read from mountinfo, changes go through mount(8) and umount(8). */
import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
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

/** An unmount that takes longer is aborted and the mount detached lazily. */
const UNMOUNT_TIMEOUT_MS = 5_000;

/**
 * Unmounts; a mount that is busy or does not respond is detached (the kernel releases it with its last user).
 * Resolves to whether it had to be detached. What is not mounted is no error.
 */
export async function unmount(mountPoint: string, signal: AbortSignal): Promise<'unmounted' | 'detached'> {
  try {
    await run('umount', ['--no-canonicalize', mountPoint], { signal, timeoutMs: UNMOUNT_TIMEOUT_MS });
    return 'unmounted';
  } catch (error) {
    if (!(error instanceof ProgramError) || signal.aborted) throw error;
    if (isNotMounted(error)) return 'unmounted';
  }
  try {
    await run('umount', ['--no-canonicalize', '--lazy', mountPoint], { signal, timeoutMs: UNMOUNT_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof ProgramError) || !isNotMounted(error)) throw error;
  }
  return 'detached';
}

const isNotMounted = (error: ProgramError): boolean =>
  /not mounted|no mount point specified|not found/.test(error.stderr);
