/** nfs: an export that is named in the pod: https://kubernetes.io/docs/concepts/storage/volumes/#nfs */
import type { VolumeType } from '../framework/volume-type.ts';
import { nfsAttributes, nfsMountPoint, nfsUsage, publishNfs } from './nfs-mount.ts';

export const nfs: VolumeType = {
  source: 'nfs',
  directory: 'kubernetes.io~nfs',
  agentWritten: false,
  hostPath: (_, { path }) => path,
  resolve({ name, nfs: source }) {
    if (!source) throw new Error(`volume "${name}" names no NFS server`);
    const isReadOnly = source.readOnly ?? false;
    return { attributes: nfsAttributes(source, [], isReadOnly), ...(isReadOnly && { isReadOnly }) };
  },
  mountPoint: nfsMountPoint,
  publish: publishNfs,
  unpublish: ({ unmount }) => unmount(),
  stats: nfsUsage,
};
