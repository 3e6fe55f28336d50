/**
 * Where the logs of pods are. Names of files are made of several others, each of which may be as long as its own rule allows:
 * where they are longer together than any file system takes, the one that matters least is cut. Pure.
 */
import path from 'node:path';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

/** ext4, xfs, tmpfs and most others take 255 bytes. */
export const MAX_FILE_NAME_BYTES = 255;

/** `before` + `name` + `after`, with as much of the end of `name` cut as necessary. They are ASCII, as names in the API are. */
export function truncatedFileName(before: string, name: string, after: string): string {
  const room = MAX_FILE_NAME_BYTES - before.length - after.length;
  if (room < 0) throw new Error(`no room for a name between ${before} and ${after}`);
  return `${before}${name.slice(0, room)}${after}`;
}

/** Of pods' and containers' log directories: collectors read them. */
export const LOG_DIRECTORY_MODE = 0o755;

/** NAMESPACE_POD_UID; the UID distinguishes pods whose long names are cut. */
export const podLogDirectory = (logDirectory: string, { metadata }: Pod): string =>
  path.join(logDirectory, truncatedFileName(`${metadata?.namespace}_`, metadata?.name ?? '', `_${metadata?.uid}`));

/** Below the sandbox's log directory. */
export const containerLogPath = (name: string, restartCount: number): string => `${name}/${restartCount}.log`;
