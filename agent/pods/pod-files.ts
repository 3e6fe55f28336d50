/** What a pod leaves outside its own directory, and how events name its containers. */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Pod } from '../../api/core/pod.ts';
import { hasCode } from '../host/files.ts';
import { containerLogPath } from './container-config.ts';
import type { ObservedContainer } from './observed.ts';
import { podLogDirectory } from './sandbox-config.ts';

export const removePodLogs = (logDirectory: string, pod: Pod): Promise<void> =>
  rm(podLogDirectory(logDirectory, pod), { recursive: true, force: true });

/** The log of one container with what was rotated of it. */
export async function removeContainerLogs(
  directory: string,
  { name, restartCount }: Pick<ObservedContainer, 'name' | 'restartCount'>,
): Promise<void> {
  const file = path.join(directory, containerLogPath(name, restartCount));
  try {
    for (const entry of await readdir(path.dirname(file))) {
      if (entry.startsWith(path.basename(file))) await rm(path.join(path.dirname(file), entry), { force: true });
    }
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

export function fieldPathOf(pod: Pod, container: string): string {
  const { initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const has = (containers: readonly { name: string }[]) => containers.some(({ name }) => name === container);
  const list = has(initContainers) ? 'initContainers' : has(ephemeralContainers) ? 'ephemeralContainers' : 'containers';
  return `spec.${list}{${container}}`;
}
