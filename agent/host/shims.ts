/**
 * containerd's shims: a process for each sandbox that outlives containerd. A start that is broken off halfway can leave one
 * without a child, of which containerd knows nothing any more, not even when it starts again.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from './files.ts';

const END_TIMEOUT_MS = 5_000;
const LOOK_AGAIN_MS = 20;

export interface ShimOwner {
  /** The address of the containerd that started them; other containerds' have another. */
  readonly socket: string;
  /** containerd's, not the kernel's. */
  readonly namespace: string;
  /** The sandboxes that it knows. */
  readonly sandboxes: ReadonlySet<string>;
}

/**
 * Ends the shims of a containerd that have no child and are of no sandbox that it knows. Those of containers with process ids
 * of their own are not this host's. Throws when one does not end.
 */
export async function stopOrphanedShims(
  { socket, namespace, sandboxes }: ShimOwner,
  signal: AbortSignal,
): Promise<void> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const parents = new Set(await Promise.all(pids.map(parentOf)));
  const own = await readlink('/proc/self/ns/pid');
  for (const pid of pids) {
    const [program = '', ...words] = (await commandLine(pid)).split('\0');
    const after = (flag: string): string | undefined => words[words.indexOf(flag) + 1];
    if (!/(^|\/)containerd-shim[^/]*$/.test(program) || parents.has(pid)) continue;
    if (after('-address') !== socket || after('-namespace') !== namespace) continue;
    if (sandboxes.has(after('-id') ?? '')) continue;
    if ((await readlink(`/proc/${pid}/ns/pid`).catch(unlessEnded)) !== own) continue;
    try {
      process.kill(Number(pid), 'SIGTERM');
    } catch (error) {
      unlessEnded(error);
    }
    await ended(pid, signal);
  }
}

async function ended(pid: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + END_TIMEOUT_MS;
  while ((await commandLine(pid)) !== '') {
    if (performance.now() > deadline) throw new Error(`containerd shim ${pid} did not exit`);
    await sleep(LOOK_AGAIN_MS, undefined, { signal });
  }
}

/** Words that end with a NUL each; empty for a process that has ended. */
const commandLine = async (pid: string): Promise<string> =>
  (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(unlessEnded)) ?? '';

/** The fourth field of proc(5)'s stat; the second may hold anything between its parentheses. */
async function parentOf(pid: string): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(unlessEnded);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
}

function unlessEnded(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT', 'ESRCH')) throw error;
}
