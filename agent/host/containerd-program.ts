/** Which containerd serves a unix socket: a host may have several, each with its own ctr beside it. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import { hasCode } from './files.ts';

/** A listening socket in /proc/PID/net/unix: the fifth field is its state, then come type, inode and path. */
const LISTENING = /^\S+ \S+ \S+ 00010000 \S+ \S+ +(\d+) (.*)$/;

/** The path of the program; undefined when it is not to be found: it has another name, or belongs to another host. */
export async function containerdServing(socketPath: string): Promise<string | undefined> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    // The program was replaced while running: the new one has the same path.
    const program = (await readlink(`/proc/${pid}/exe`).catch(unlessGone))?.replace(/ \(deleted\)$/, '');
    if (program === undefined || path.basename(program) !== 'containerd') continue;
    if (await listens(pid, socketPath)) return program;
  }
  return undefined;
}

async function listens(pid: string, socketPath: string): Promise<boolean> {
  // Of the process's own network namespace.
  const table = (await readFile(`/proc/${pid}/net/unix`, 'utf8').catch(unlessGone)) ?? '';
  const inodes = new Set<string>();
  for (const line of table.split('\n')) {
    const [, inode, bound] = LISTENING.exec(line) ?? [];
    if (inode !== undefined && bound === socketPath) inodes.add(`socket:[${inode}]`);
  }
  if (inodes.size === 0) return false;
  for (const descriptor of (await readdir(`/proc/${pid}/fd`).catch(unlessGone)) ?? []) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(unlessGone);
    if (target !== undefined && inodes.has(target)) return true;
  }
  return false;
}

function unlessGone(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT', 'ESRCH', 'EACCES')) throw error;
}
