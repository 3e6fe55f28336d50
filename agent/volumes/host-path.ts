import type { VolumePlugin } from './volume-plugin.ts';

/** hostPath: a place on the node, as it is. What lies there is looked at by the helper only. */
export const hostPath: VolumePlugin = {
  source: 'hostPath',
  directory: 'kubernetes.io~host-path',
  agentWritten: false,
  hostPath: (volume) => volume.hostPath?.path ?? '',
  async setUp(volume, { ask, signal }) {
    const { path = '', type = '' } = volume.hostPath ?? {};
    if (type === '') return;
    const [answer] = await ask([{ do: 'check-host-path', path, type }], signal);
    if (answer?.error) throw new Error(answer.error);
  },
};
