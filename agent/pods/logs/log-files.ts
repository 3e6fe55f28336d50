/** The log files of pods, which are outside of the pods' directories. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { namesIn } from '../../host/files.ts';
import { containerLogPath, podLogDirectory } from './log-paths.ts';
import type { ObservedContainer } from '../sync/observed.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export const removePodLogs = (logDirectory: string, pod: Pod): Promise<void> =>
  rm(podLogDirectory(logDirectory, pod), { recursive: true, force: true });

/** The name of such a directory ends with the pod's UID. */
const LOG_DIRECTORY = /^[^_]+_[^_]+_([0-9a-f-]{32,36})$/;

/** Removes orphaned logs: the agent was killed before it had, or the removal failed. */
export async function removeOrphanedLogs(
  logDirectory: string,
  isKnown: (uid: string) => boolean,
  failed: (uid: string, error: Error) => void,
): Promise<void> {
  for (const name of await namesIn(logDirectory)) {
    const uid = LOG_DIRECTORY.exec(name)?.[1];
    if (uid === undefined || isKnown(uid)) continue;
    try {
      await rm(path.join(logDirectory, name), { recursive: true, force: true });
    } catch (error) {
      failed(uid, error as Error);
    }
  }
}

/** The log of one container with its rotated files. */
export async function removeContainerLogs(
  directory: string,
  { name, restartCount }: Pick<ObservedContainer, 'name' | 'restartCount'>,
): Promise<void> {
  const file = path.join(directory, containerLogPath(name, restartCount));
  for (const entry of await namesIn(path.dirname(file))) {
    if (entry.startsWith(path.basename(file))) await rm(path.join(path.dirname(file), entry), { force: true });
  }
}
