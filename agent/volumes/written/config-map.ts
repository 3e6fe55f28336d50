import { configMapFiles, type ProjectionSources } from './projection.ts';
import { writtenVolume } from './written-volume.ts';

export const configMap = (from: ProjectionSources) =>
  writtenVolume({
    source: 'configMap',
    directory: 'kubernetes.io~configmap',
    medium: 'disk',
    defaultMode: (volume) => volume.configMap?.defaultMode,
    files: (volume, projecting) => configMapFiles(volume.configMap ?? {}, from, projecting),
  });
