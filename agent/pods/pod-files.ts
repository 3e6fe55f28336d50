/** What a pod leaves outside its own directory, and how events name its containers. */
import { rm } from 'node:fs/promises';
import type { Pod } from '../../api/core/pod.ts';
import { podLogDirectory } from './sandbox-config.ts';

export const removePodLogs = (logDirectory: string, pod: Pod): Promise<void> =>
  rm(podLogDirectory(logDirectory, pod), { recursive: true, force: true });

export function fieldPathOf(pod: Pod, container: string): string {
  const { initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const has = (containers: readonly { name: string }[]) => containers.some(({ name }) => name === container);
  const list = has(initContainers) ? 'initContainers' : has(ephemeralContainers) ? 'ephemeralContainers' : 'containers';
  return `spec.${list}{${container}}`;
}
