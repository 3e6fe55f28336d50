import { closeSync, mkdirSync, openSync, statSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import type { HostPathType } from './requests.ts';

const kindOf = (stats: Stats): string =>
  stats.isDirectory()
    ? 'Directory'
    : stats.isSocket()
      ? 'Socket'
      : stats.isCharacterDevice()
        ? 'CharDevice'
        : stats.isBlockDevice()
          ? 'BlockDevice'
          : 'File';

const WORDS: Readonly<Record<string, string>> = {
  Directory: 'directory',
  File: 'file',
  Socket: 'socket',
  CharDevice: 'character device',
  BlockDevice: 'block device',
};

/** Throws an Error with upstream's message when the path is not of the type. */
export function checkHostPath(path: string, type: HostPathType): void {
  if (type === '') return;
  const wanted = type === 'DirectoryOrCreate' ? 'Directory' : type === 'FileOrCreate' ? 'File' : type;
  let stats = statSync(path, { throwIfNoEntry: false });
  if (!stats && type === 'DirectoryOrCreate') mkdirSync(path, { recursive: true, mode: 0o755 });
  else if (!stats && type === 'FileOrCreate') {
    if (!statSync(dirname(path), { throwIfNoEntry: false })) throw new Error(`open ${path}: no such file or directory`);
    closeSync(openSync(path, 'a', 0o644));
  }
  stats ??= statSync(path, { throwIfNoEntry: false });
  if (!stats || kindOf(stats) !== wanted)
    throw new Error(`hostPath type check failed: ${path} is not a ${WORDS[wanted] ?? wanted}`);
}
