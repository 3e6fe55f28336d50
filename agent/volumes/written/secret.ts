import { secretFiles, type ProjectionSources } from './projection.ts';
import { writtenVolume } from './written-volume.ts';

export const secret = (from: ProjectionSources) =>
  writtenVolume({
    source: 'secret',
    directory: 'kubernetes.io~secret',
    medium: 'memory',
    defaultMode: (volume) => volume.secret?.defaultMode,
    files: ({ secret: source }, projecting) =>
      secretFiles({ name: source?.secretName, items: source?.items, optional: source?.optional }, from, projecting),
  });
