import type { ImageMounts } from '../../images/image-mounts.ts';
import type { Placement, VolumeType } from '../framework/volume-type.ts';

/** The attribute of a record that says that this agent mounts the image, and from which snapshotter. */
const SNAPSHOTTER = 'snapshotter';

const viewOf = ({ podUid, path, attributes }: Placement) => {
  const snapshotter = attributes[SNAPSHOTTER];
  const name = path.slice(path.lastIndexOf('/') + 1);
  return snapshotter === undefined ? undefined : { snapshotter, key: `kedge-image-volume/${podUid}/${name}` };
};

/**
 * image: the content of an OCI image, read-only: https://kubernetes.io/docs/concepts/storage/volumes/#image. It is pulled and mounted
 * when a container that mounts it starts, and stays the same for as long as the pod is there.
 */
export const image = (images: ImageMounts): VolumeType => ({
  source: 'image',
  directory: 'kubernetes.io~image',
  agentWritten: false,
  hostPath: (_, { path }) => path,
  async resolve(_volume, _pod, signal) {
    const snapshotter = await images.snapshotter(signal);
    return { attributes: { ...(snapshotter !== undefined && { [SNAPSHOTTER]: snapshotter }) }, isReadOnly: true };
  },
  publish: () => Promise.resolve(),
  async mountImage(target, id) {
    const view = viewOf(target);
    if (view) await images.mount(view, id, target.path, target.signal);
    return view !== undefined;
  },
  async unpublish(target) {
    await target.unmount();
    const view = viewOf(target);
    if (view) await images.remove(view, target.signal);
  },
});
