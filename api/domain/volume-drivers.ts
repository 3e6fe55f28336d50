/** The drivers of CSI that serve volumes. */
import type { PersistentVolumeSpec, Volume } from '../types/core/v1.gen.ts';

/** Sources of the time before CSI, and the drivers that serve them now: upstream's `csi-translation-lib`. */
const SUCCESSORS = {
  awsElasticBlockStore: 'ebs.csi.aws.com',
  azureDisk: 'disk.csi.azure.com',
  azureFile: 'file.csi.azure.com',
  cinder: 'cinder.csi.openstack.org',
  gcePersistentDisk: 'pd.csi.storage.gke.io',
  portworxVolume: 'pxd.portworx.com',
  vsphereVolume: 'csi.vsphere.vmware.com',
} as const satisfies { readonly [Source in keyof Volume & keyof PersistentVolumeSpec]?: string };

type Sources = Pick<Volume & PersistentVolumeSpec, keyof typeof SUCCESSORS> & {
  readonly csi?: { readonly driver: string };
};

/** Of a pod's volume or of a PersistentVolume; undefined for one that no driver of CSI serves. */
export function csiDriverOf(source: Sources): string | undefined {
  if (source.csi) return source.csi.driver;
  for (const name of Object.keys(SUCCESSORS) as (keyof typeof SUCCESSORS)[]) if (source[name]) return SUCCESSORS[name];
  return undefined;
}
