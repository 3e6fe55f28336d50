/**
 * Directories of an export: made, removed and renamed by a helper process that mounts the export in a mount namespace of its own. The host
 * sees nothing of that mount, and nobody has to unmount it: it goes with the process, however that ends.
 *
 * Who may write to the export is not trusted: the way to a directory follows no link, so that it cannot leave the export.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
} from 'node:fs';
import { ARCHIVED_PREFIX, REMOVED_PREFIX } from '../../api/domain/nfs-volumes.ts';
import { hasCode } from './files.ts';
import { mountNfs } from './mounts.ts';
import { ProgramError, run } from './run.ts';
import { O_PATH } from './volume-helper/bind.ts';

export interface NfsDirectoryRequest {
  readonly do: 'make' | 'remove' | 'archive';
  /** `server:/share`, and the options of its mount. */
  readonly share: string;
  readonly options: string;
  /** An empty directory of the host. */
  readonly mountPoint: string;
  /** Below the share, without steps back. */
  readonly directory: string;
  /** Of what is made. */
  readonly mode: number;
  /** The name of its volume: what an archived directory is called besides, where its name is taken, and one that is being removed. */
  readonly suffix: string;
}

export interface NfsDirectoryOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** `helper` is the command that calls `runNfsDirectory`. Throws an Error with the reason alone. */
export async function askNfsDirectory(
  request: NfsDirectoryRequest,
  helper: readonly string[],
  options: NfsDirectoryOptions,
): Promise<void> {
  // A slave: what the host unmounts meanwhile is not kept mounted by the helper.
  const own = ['--mount', '--propagation', 'slave', '--'];
  try {
    await run('unshare', [...own, ...helper], { ...options, input: JSON.stringify(request) });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    const why = error.stderr.trim() || `no answer within ${options.timeoutMs / 1000} s`;
    throw new Error(`directory ${request.directory} of ${request.share}: ${why}`, { cause: error });
  }
}

/** The helper's part. The exit code tells, and stderr why. */
export async function runNfsDirectory(): Promise<void> {
  process.umask(0);
  const request = JSON.parse(readFileSync(0, 'utf8')) as NfsDirectoryRequest;
  try {
    await mountNfs(request.share, request.mountPoint, request.options, new AbortController().signal);
    await inExport(request);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

const at = (directory: number, name: string): string => `/proc/self/fd/${directory}/${name}`;

async function inExport(request: NfsDirectoryRequest): Promise<void> {
  const names = request.directory.split('/');
  const last = names.pop() ?? '';
  if ([...names, last].some((name) => name === '' || name === '.' || name === '..'))
    throw new Error('not a directory below the share');
  const parent = openParent(request, names);
  if (parent === undefined) return;
  try {
    if (request.do === 'make') make(parent, last, request.mode);
    else if (request.do === 'archive') archive(parent, last, request.suffix);
    else await remove(parent, last, request.suffix);
  } finally {
    closeSync(parent);
  }
}

/** Undefined when it is not there and is not to be made. */
function openParent({ mountPoint, do: what, mode }: NfsDirectoryRequest, names: readonly string[]): number | undefined {
  let here = openSync(mountPoint, O_PATH | constants.O_DIRECTORY);
  for (const name of names) {
    try {
      if (what === 'make') make(here, name, mode);
      const next = openSync(at(here, name), O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
      closeSync(here);
      here = next;
    } catch (error) {
      closeSync(here);
      if (what !== 'make' && hasCode(error, 'ENOENT')) return undefined;
      throw hasCode(error, 'ENOTDIR', 'ELOOP') ? new Error(`${name} is not a directory`, { cause: error }) : error;
    }
  }
  return here;
}

/** A directory that is there is left as it is. */
function make(parent: number, name: string, mode: number): void {
  try {
    mkdirSync(at(parent, name), mode);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
    if (!lstatSync(at(parent, name)).isDirectory()) throw new Error(`${name} is not a directory`, { cause: error });
    return;
  }
  // Servers may have a default ACL or a mask of their own.
  const made = openSync(at(parent, name), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    if ((fstatSync(made).mode & 0o7777) !== mode) chmodSync(`/proc/self/fd/${made}`, mode);
  } finally {
    closeSync(made);
  }
}

/** `archived-NAME`; where something has that name by now, with the suffix. */
function archive(parent: number, name: string, suffix: string): void {
  if (!isThere(at(parent, name))) return;
  const plain = `${ARCHIVED_PREFIX}${name}`;
  const other = isThere(at(parent, plain)) ? `${plain}-${suffix}` : plain;
  if (isThere(at(parent, other))) throw new Error(`${other} is there already`);
  renameSync(at(parent, name), at(parent, other));
}

const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/**
 * Under a name that nothing else has: whatever is made in the place of the directory meanwhile is not taken along, nor by an agent that was
 * asked before and is late. rm(1) walks by open directories, follows no link and does not leave the file system.
 */
async function remove(parent: number, name: string, suffix: string): Promise<void> {
  const removed = `${REMOVED_PREFIX}${suffix}`;
  // Or else an earlier attempt goes on.
  if (!isThere(at(parent, removed))) {
    if (!isThere(at(parent, name))) return;
    renameSync(at(parent, name), at(parent, removed));
  }
  const path = `/proc/${process.pid}/fd/${parent}/${removed}`;
  // It ends with this process, whose parent kills it at its limit.
  const rm = ['rm', '-rf', '--one-file-system', '--', path];
  await run('setpriv', ['--pdeathsig', 'KILL', ...rm], { timeoutMs: REMOVE_TIMEOUT_MS });
}

/** The process has its own limit. */
const REMOVE_TIMEOUT_MS = 3_600_000;
