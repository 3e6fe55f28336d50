import { downwardFiles, type ProjectionSources } from './projection.ts';
import { writtenVolume } from './written-volume.ts';

export const downwardApi = (from: ProjectionSources) =>
  writtenVolume({
    source: 'downwardAPI',
    directory: 'kubernetes.io~downward-api',
    medium: 'memory',
    defaultMode: (volume) => volume.downwardAPI?.defaultMode,
    files: async (volume, projecting) => downwardFiles(volume.downwardAPI?.items, from, projecting),
  });
