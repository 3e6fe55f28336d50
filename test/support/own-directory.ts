/**
 * The directory of a test that creates more on the machine than files. What a killed test has left, the next one removes: processes
 * with a path in the directory on their command line, mounts in it, and the network namespaces and cgroups that its name begins.
 */
import { mkdtemp, readdir, readFile, readlink, rm, rmdir, symlink, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from '../../agent/host/run.ts';
import { isRunning, thisProcess } from './processes.ts';
import { eventually } from './wait.ts';

/** A symbolic link in each directory, created atomically: it identifies the owning process. */
const OWNER = 'test-process';
/** The kernel frees a cgroup some time after its last process has ended. */
const REMOVAL_LIMIT_SECONDS = 10;
/** Where tests have their cgroups, of each hierarchy and below the agents' own. */
const CGROUP_PARENTS = ['', 'kedge-test'];

/** @param name what its name begins with: the tested room */
export async function makeOwnDirectory(name: string): Promise<string> {
  await removeAbandoned();
  const directory = await mkdtemp(path.join(tmpdir(), `${name}-`));
  await symlink(await thisProcess(), path.join(directory, OWNER));
  return directory;
}

async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const directory = path.join(tmpdir(), name);
    const owner = path.join(directory, OWNER);
    try {
      if (await isRunning(await readlink(owner))) continue;
      // Of several concurrent tests only one succeeds.
      await unlink(owner);
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes(String((error as NodeJS.ErrnoException).code))) throw error;
      continue;
    }
    await endProcesses((words) => words.some((word) => word.includes(`${directory}/`)));
    await removeTraces(directory);
  }
}

/** Removes the directory and what of the machine bears its name; its processes have ended. */
export async function removeTraces(directory: string): Promise<void> {
  const id = path.basename(directory);
  const isOwn = (name: string): boolean => name === id || name.startsWith(`${id}-`);
  await unmountBelow(directory);
  for (const name of await namesIn('/run/netns')) if (isOwn(name)) await run('ip', ['netns', 'delete', name]);
  for (const hierarchy of ['', ...(await namesIn('/sys/fs/cgroup'))])
    for (const parent of CGROUP_PARENTS) {
      const above = path.join('/sys/fs/cgroup', hierarchy, parent);
      for (const name of await namesIn(above)) if (isOwn(name)) await removeTree(path.join(above, name));
    }
  await rm(directory, { recursive: true, force: true });
}

/** None of what is no directory. */
async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(String((error as NodeJS.ErrnoException).code))) throw error;
    return [];
  }
}

/** Kills processes with a matching command line, and their descendants. */
export async function endProcesses(isOne: (words: readonly string[]) => boolean): Promise<void> {
  const parents = new Map<number, number[]>();
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    try {
      const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
      const parent = Number((await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /s, '').split(' ')[1]);
      parents.set(parent, [...(parents.get(parent) ?? []), pid]);
      if (isOne(words)) found.push(pid);
    } catch (error) {
      if (!['ENOENT', 'ESRCH'].includes(String((error as NodeJS.ErrnoException).code))) throw error;
    }
  }
  const all = (pid: number): number[] => [...(parents.get(pid) ?? []).flatMap(all), pid];
  for (const pid of found.flatMap(all)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** Unmounts root file systems and shared memory of containers below the directory, and the pods' network namespaces. */
export async function unmountBelow(directory: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' ')[4] ?? '');
  for (const mount of mounts.filter((point) => point.startsWith(`${directory}/`)).reverse()) {
    // containerd cleans up after its dead shims at the same time.
    await run('umount', ['--lazy', mount]).catch(() => undefined);
  }
}

async function removeTree(directory: string): Promise<void> {
  const isGone = async (): Promise<true> => {
    try {
      for (const entry of await readdir(directory, { withFileTypes: true })) {
        if (entry.isDirectory()) await removeTree(path.join(directory, entry.name));
      }
      await rmdir(directory);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    }
    return true;
  };
  await eventually(`${directory} to be removed`, isGone, REMOVAL_LIMIT_SECONDS);
}
