import { projectedFiles, type ProjectionSources } from './projection.ts';
import { writtenVolume } from './written-volume.ts';

export const projected = (from: ProjectionSources) =>
  writtenVolume({
    source: 'projected',
    directory: 'kubernetes.io~projected',
    medium: 'memory',
    defaultMode: (volume) => volume.projected?.defaultMode,
    files: (volume, projecting) => projectedFiles(volume.projected ?? {}, from, projecting),
  });
