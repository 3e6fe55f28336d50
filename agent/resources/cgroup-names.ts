/** Where pods live in the cgroup tree, for both cgroup drivers. Pure. */
import type { QosClass } from '../../api/domain/pod-resources.ts';
import type { CgroupDriver } from '../cri/types.ts';

/** A cgroup by the names that lead to it below the root, such as `kubepods`, `burstable`, `pod<uid>`. */
export type CgroupName = readonly string[];

const TOP = 'kubepods';

/** `root` is what the `cgroup-root` setting names: '' or `/` is the top of the tree. */
export const topCgroup = (root: string): CgroupName => [...root.split('/').filter(Boolean), TOP];

export const qosCgroup = (root: string, qos: QosClass): CgroupName =>
  qos === 'Guaranteed' ? topCgroup(root) : [...topCgroup(root), qos.toLowerCase()];

export const podCgroup = (root: string, qos: QosClass, podUid: string): CgroupName => [
  ...qosCgroup(root, qos),
  `pod${podUid}`,
];

/** systemd nests slices by their names: `a-b.slice` is in `a.slice`; a dash within a name becomes `_`. */
const sliceName = (name: CgroupName): string => `${name.map((part) => part.replaceAll('-', '_')).join('-')}.slice`;

/** The path below the cgroup mount point. */
export function cgroupPath(driver: CgroupDriver, name: CgroupName): string {
  if (driver === 'cgroupfs') return `/${name.join('/')}`;
  return name.map((_, index) => `/${sliceName(name.slice(0, index + 1))}`).join('');
}

/** What the CRI calls `cgroup_parent`: a path, or with systemd the slice alone. */
export const cgroupParent = (driver: CgroupDriver, name: CgroupName): string =>
  driver === 'cgroupfs' ? cgroupPath(driver, name) : sliceName(name);

/** The path of a container's cgroup, as created by runc for containerd. */
export const containerCgroupPath = (driver: CgroupDriver, pod: CgroupName, containerId: string): string =>
  `${cgroupPath(driver, pod)}/${driver === 'cgroupfs' ? containerId : `cri-containerd-${containerId}.scope`}`;
