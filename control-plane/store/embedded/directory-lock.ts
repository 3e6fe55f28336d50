/**
 * A directory that one process at a time works in. The lock is flock(2)'s, on the directory itself: it needs no file, so it is
 * to be had on a full disk, and the kernel drops it with the process, however that ends. Node.js has no call for it: flock(1)
 * locks what it is handed open, and the lock stays with that open file.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, open, readdir, readlink, type FileHandle } from 'node:fs/promises';
import { DeadlineError, withDeadline } from '../../../client/deadline.ts';
import { StoreUnavailableError } from '../store.ts';

/** It does not wait for a lock; what takes longer is a file system that does not answer. */
const LOCK_LIMIT_MS = 10_000;
/** flock(1)'s exit code when somebody else has the lock. */
const HELD = 1;

/** Resolves to what holds the lock until it is closed. Throws StoreUnavailableError, and has changed nothing then. */
export async function lockDirectory(path: string): Promise<FileHandle> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  let outcome: { code: number | null; words: string } | undefined;
  try {
    outcome = await flock(directory);
  } finally {
    if (outcome?.code !== 0) await directory.close();
  }
  const { code, words } = outcome;
  if (code === 0) return directory;
  // It is closed by now: whoever has the directory open is the other one.
  throw new StoreUnavailableError(
    code === HELD && words === '' ? await inUse(path) : `failed to lock ${path}: ${words}; use a local disk`,
  );
}

async function flock({ fd }: FileHandle): Promise<{ code: number | null; words: string }> {
  const child = spawn('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'pipe', fd] });
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (words += text));
  const [code, signal] = (await withDeadline({ what: 'flock', limitMs: LOCK_LIMIT_MS }, (signal) =>
    once(child, 'close', { signal }),
  ).catch((error: unknown) => {
    if (!(error instanceof DeadlineError)) throw error;
    child.kill('SIGKILL');
    return [null, error.message];
  })) as [number | null, string | null];
  return { code, words: signal === null ? words.trim() : `flock was ended by ${signal}` };
}

async function inUse(path: string): Promise<string> {
  const holder = await holderOf(path);
  if (holder === process.pid) return `the store in ${path} is open in this process already`;
  const who = holder === undefined ? 'another process' : `process ${holder}`;
  return `the store in ${path} is in use by ${who}: stop that server, or give this one a directory of its own`;
}

/** A process that has the directory open, as far as this one may look. */
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

/** The process or its file is gone by now, or another user's. */
function unlessHidden(error: unknown): undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'ENOENT' && code !== 'ESRCH' && code !== 'EACCES') throw error;
}
