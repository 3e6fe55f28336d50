/** The volumes whose files the agent writes: they differ in where the files come from and in the medium. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DEFAULT_FILE_MODE } from '../../../api/kinds/core/volume-defaults.ts';
import { readTextIfThere } from '../../host/files.ts';
import { mountTmpfs } from '../../host/mounts.ts';
import { modeFor } from '../../host/volume-helper/ownership.ts';
import { DISK_MODE, makeVolumeDirectory, TMPFS_MODE } from '../framework/volume-directory.ts';
import type { PodVolume, VolumeType } from '../framework/volume-type.ts';
import { writeVolume, type VolumeFiles } from './atomic-writer.ts';
import { type Projecting } from './projection.ts';
import type { Volume } from '../../../api/types/core/v1.gen.ts';

export interface WrittenVolume {
  readonly source: VolumeType['source'];
  readonly directory: string;
  /** Secrets and tokens never reach a disk. */
  readonly medium: 'disk' | 'memory';
  defaultMode(volume: Volume): number | undefined;
  files(volume: Volume, projecting: Projecting): Promise<VolumeFiles>;
}

export function writtenVolume(kind: WrittenVolume): VolumeType {
  const write = async ({ pod, volume, path: directory, signal }: PodVolume): Promise<void> => {
    const files = await kind.files(volume, {
      pod,
      signal,
      defaultMode: kind.defaultMode(volume) ?? DEFAULT_FILE_MODE,
      current: (path) => readTextIfThere(join(directory, '..data', path)),
    });
    await writeVolume(directory, files, pod.spec?.securityContext?.fsGroup);
  };
  return {
    source: kind.source,
    directory: kind.directory,
    agentWritten: true,
    hostPath: (_, { path }) => path,
    resolve: () => ({ attributes: {} }),
    async publish(volume) {
      const { pod, path, isMounted, signal } = volume;
      const group = pod.spec?.securityContext?.fsGroup;
      if (kind.medium === 'disk') {
        await makeVolumeDirectory(path, modeFor(group, DISK_MODE, true, true), group ?? 0);
      } else if (!isMounted) {
        await mkdir(path, { recursive: true });
        await mountTmpfs(path, { mode: modeFor(group, TMPFS_MODE, true, true), group, swap: false }, signal);
      }
      await write(volume);
    },
    ...(kind.medium === 'memory' && { unpublish: ({ unmount }) => unmount() }),
    refresh: write,
  };
}
