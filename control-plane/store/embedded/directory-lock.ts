/**
 * Locks a directory for one process, with flock(2) on the directory itself: it needs no file, so it works on a full disk,
 * and the kernel releases it when the process ends. Node.js has no API for it: flock(1) locks the file descriptor that it
 * inherits, and the lock stays with the open file description.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, open, readdir, readlink, type FileHandle } from 'node:fs/promises';
import { DeadlineError, withDeadline } from '../../../client/deadline.ts';
import { StoreUnavailableError } from '../store.ts';

/** flock(1) is called without waiting; longer means that the file system does not respond. */
const LOCK_LIMIT_MS = 10_000;
/** For who changes a few files. */
const WAIT_SECONDS = 30;
/** Exit code of flock(1) when another process holds the lock. */
const HELD = 1;

/** Another process has the lock, as a server that runs. */
class DirectoryLockedError extends StoreUnavailableError {}

/** Returns the handle that holds the lock until it is closed. Throws StoreUnavailableError, without side effects. */
export async function lockDirectory(path: string): Promise<FileHandle> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  let outcome: { code: number | null; output: string } | undefined;
  try {
    outcome = await flock(directory);
  } finally {
    if (outcome?.code !== 0) await directory.close();
  }
  const { code, output } = outcome;
  if (code === 0) return directory;
  // This process has closed its handle: any process found is the other one.
  if (code === HELD && output === '') throw new DirectoryLockedError(await inUse(path));
  throw new StoreUnavailableError(`failed to lock ${path}: ${output}; use a local disk`);
}

/**
 * Runs `act` while no other process, and no other part of this one, does so with the same directory, and waits for them. Throws
 * StoreUnavailableError when they take too long, and what `act` throws. A process that is killed releases the lock.
 */
export async function whileLocked<T>(path: string, act: () => Promise<T>): Promise<T> {
  await using directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  const { code, output } = await flock(directory, WAIT_SECONDS);
  if (code === HELD && output === '') {
    const holder = await holderOf(path);
    throw new StoreUnavailableError(
      `${path} is being changed by ${holder === undefined ? 'another process' : `process ${holder}`}`,
    );
  }
  if (code !== 0) throw new StoreUnavailableError(`failed to lock ${path}: ${output}; use a local disk`);
  // Awaited here: the lock is released when this scope ends.
  return await act();
}

/** Whether another process has the lock. Throws StoreUnavailableError when that cannot be found out. */
export async function isLocked(path: string): Promise<boolean> {
  try {
    await (await lockDirectory(path)).close();
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    if (error instanceof DirectoryLockedError) return true;
    throw error;
  }
}

/** @param waitSeconds for another process to release it; 0: not at all */
async function flock({ fd }: FileHandle, waitSeconds = 0): Promise<{ code: number | null; output: string }> {
  const how = waitSeconds === 0 ? ['-n'] : ['-w', String(waitSeconds)];
  const child = spawn('flock', [...how, '3'], { stdio: ['ignore', 'ignore', 'pipe', fd] });
  let output = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code, signal] = (await withDeadline({ what: 'flock', limitMs: LOCK_LIMIT_MS + waitSeconds * 1000 }, (signal) =>
    once(child, 'close', { signal }),
  ).catch((error: unknown) => {
    if (!(error instanceof DeadlineError)) throw error;
    child.kill('SIGKILL');
    return [null, error.message];
  })) as [number | null, string | null];
  return { code, output: signal === null ? output.trim() : `flock was killed by ${signal}` };
}

async function inUse(path: string): Promise<string> {
  const holder = await holderOf(path);
  if (holder === process.pid) return `the store in ${path} is open in this process already`;
  const who = holder === undefined ? 'another process' : `process ${holder}`;
  return `the store in ${path} is in use by ${who}: stop that server, or give this one a directory of its own`;
}

/** The id of another process that has the directory open, as far as /proc shows it. */
async function holderOf(path: string): Promise<number | undefined> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(unlessHidden);
    for (const descriptor of descriptors ?? []) {
      const file = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(unlessHidden);
      if (file === path) return Number(pid);
    }
  }
  return undefined;
}

/** Undefined when the process or its file is gone, or belongs to another user. */
function unlessHidden(error: unknown): undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'ENOENT' && code !== 'ESRCH' && code !== 'EACCES') throw error;
}
