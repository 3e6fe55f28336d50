import type { VolumeType } from '../framework/volume-type.ts';

/**
 * hostPath: a path of the node as it is, checked by the volume helper:
 * https://kubernetes.io/docs/concepts/storage/volumes/#hostpath
 */
export const hostPath: VolumeType = {
  source: 'hostPath',
  directory: 'kubernetes.io~host-path',
  agentWritten: false,
  hostPath: (volume) => volume.hostPath?.path ?? '',
  resolve: () => ({ attributes: {} }),
  async publish({ volume, helper, signal }) {
    const { path = '', type = '' } = volume.hostPath ?? {};
    if (type === '') return;
    const [response] = await helper([{ do: 'check-host-path', path, type }], signal);
    if (response?.error) throw new Error(response.error);
  },
};
