/**
 * Writes a set of files so that a reader sees all of the old ones or all of the new ones. The layout is the kubelet's:
 * the files are in a directory with a timestamp in its name, `..data` is a link to it that is swapped by a rename, and every
 * top-level name is a link through `..data`.
 */
import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode, fileExists } from '../../host/files.ts';
import { modeFor } from '../../host/volume-helper/ownership.ts';

export interface VolumeFile {
  readonly content: Buffer;
  /** Permission bits. */
  readonly mode: number;
  /** The user that owns the file; root when absent. */
  readonly user?: number;
}
/** Files by relative path. */
export type VolumeFiles = ReadonlyMap<string, VolumeFile>;

const DATA = '..data';
const DATA_NEXT = '..data_tmp';
const DIRECTORY_MODE = 0o755;
/** NAME_MAX and PATH_MAX of Linux. */
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 4096;

function checkPath(path: string): void {
  const parts = path.split('/');
  if (path === '' || path.startsWith('/')) throw new Error(`invalid path ${JSON.stringify(path)}: must be relative`);
  if (parts.includes('..')) throw new Error(`invalid path ${JSON.stringify(path)}: must not contain '..'`);
  if (path.startsWith('..')) throw new Error(`invalid path ${JSON.stringify(path)}: must not start with '..'`);
  if (Buffer.byteLength(path) > MAX_PATH_BYTES || parts.some((part) => Buffer.byteLength(part) > MAX_NAME_BYTES))
    throw new Error(`invalid path ${JSON.stringify(path)}: too long`);
}

const topName = (path: string): string => path.split('/')[0] ?? path;

/** The final mode of a file: the volume's, and readable for the pod's group. */
const finalMode = ({ mode }: VolumeFile, group: number | undefined): number => modeFor(group, mode, false, true);

/** Whether the directory that `..data` names holds exactly these files. */
async function holds(current: string, files: VolumeFiles, group: number | undefined): Promise<boolean> {
  const entries = await readdir(current, { recursive: true, withFileTypes: true });
  if (entries.filter((entry) => !entry.isDirectory()).length !== files.size) return false;
  for (const [path, file] of files) {
    try {
      const [content, { mode, uid }] = await Promise.all([readFile(join(current, path)), stat(join(current, path))]);
      if (!content.equals(file.content) || (mode & 0o7777) !== finalMode(file, group)) return false;
      if (uid !== (file.user ?? 0)) return false;
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'EISDIR', 'ENOTDIR')) return false;
      throw error;
    }
  }
  return true;
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    // EINVAL: not a link.
    if (hasCode(error, 'ENOENT', 'EINVAL')) return undefined;
    throw error;
  }
}

/**
 * Makes `directory` (which exists, and which only the agent writes) contain exactly `files`. Resolves to whether anything
 * was written. `group` is the pod's fsGroup. What an interrupted write left behind is removed.
 */
export async function writeVolume(directory: string, files: VolumeFiles, group?: number): Promise<boolean> {
  for (const path of files.keys()) checkPath(path);
  const current = await linkTarget(join(directory, DATA));
  if (current !== undefined && (await fileExists(join(directory, current)))) {
    if (await holds(join(directory, current), files, group)) return false;
  }

  const next = `..${new Date().toISOString().slice(0, 19).replaceAll(/[-:T]/g, '_')}.${randomBytes(5).toString('hex')}`;
  await writeFiles(join(directory, next), files, group);
  await rm(join(directory, DATA_NEXT), { force: true });
  await symlink(next, join(directory, DATA_NEXT));
  await rename(join(directory, DATA_NEXT), join(directory, DATA));

  const wanted = new Set([...files.keys()].map(topName));
  for (const name of wanted) {
    const link = join(directory, name);
    if ((await linkTarget(link)) === join(DATA, name)) continue;
    await rm(link, { recursive: true, force: true });
    await symlink(join(DATA, name), link);
  }
  for (const name of await readdir(directory)) {
    if (name !== DATA && name !== next && !wanted.has(name))
      await rm(join(directory, name), { recursive: true, force: true });
  }
  return true;
}

/** Modes are set by name after writing: the process's umask must not apply. */
async function writeFiles(root: string, files: VolumeFiles, group: number | undefined): Promise<void> {
  const makeDirectory = async (path: string): Promise<void> => {
    await mkdir(path);
    if (group !== undefined) await chown(path, 0, group);
    await chmod(path, modeFor(group, DIRECTORY_MODE, true, true));
  };
  await makeDirectory(root);
  const made = new Set(['.']);
  const ensure = async (path: string): Promise<void> => {
    if (made.has(path)) return;
    await ensure(dirname(path));
    await makeDirectory(join(root, path));
    made.add(path);
  };
  for (const [path, file] of files) {
    await ensure(dirname(path));
    const full = join(root, path);
    await writeFile(full, file.content, { flag: 'wx', mode: 0o600 });
    if (group !== undefined || file.user !== undefined) await chown(full, file.user ?? 0, group ?? 0);
    await chmod(full, finalMode(file, group));
  }
}
