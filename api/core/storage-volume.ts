/** Volumes of particular storage systems that are named in the pod itself; most of them have drivers of their own today. */
import { atomic, boolean, int32, oneOf, pointer, string, stringMap, struct, type Static } from '../machinery/schema.ts';
import { LocalObjectReference } from './references.ts';

export const AWSElasticBlockStoreVolumeSource = struct(
  'io.k8s.api.core.v1.AWSElasticBlockStoreVolumeSource',
  {
    volumeID: string(),
  },
  {
    fsType: string(),
    partition: int32(),
    readOnly: boolean(),
  },
);
export type AWSElasticBlockStoreVolumeSource = Static<typeof AWSElasticBlockStoreVolumeSource>;

export const AzureDiskVolumeSource = struct(
  'io.k8s.api.core.v1.AzureDiskVolumeSource',
  {
    diskName: string(),
    diskURI: string(),
  },
  {
    cachingMode: oneOf('None', 'ReadOnly', 'ReadWrite'),
    fsType: pointer(string()),
    kind: oneOf('Dedicated', 'Managed', 'Shared'),
    readOnly: pointer(boolean()),
  },
);
export type AzureDiskVolumeSource = Static<typeof AzureDiskVolumeSource>;

export const AzureFileVolumeSource = struct(
  'io.k8s.api.core.v1.AzureFileVolumeSource',
  {
    secretName: string(),
    shareName: string(),
  },
  {
    readOnly: boolean(),
  },
);
export type AzureFileVolumeSource = Static<typeof AzureFileVolumeSource>;

export const CephFSVolumeSource = struct(
  'io.k8s.api.core.v1.CephFSVolumeSource',
  {
    monitors: atomic(string()),
  },
  {
    path: string(),
    readOnly: boolean(),
    secretFile: string(),
    secretRef: LocalObjectReference,
    user: string(),
  },
);
export type CephFSVolumeSource = Static<typeof CephFSVolumeSource>;

export const CinderVolumeSource = struct(
  'io.k8s.api.core.v1.CinderVolumeSource',
  {
    volumeID: string(),
  },
  {
    fsType: string(),
    readOnly: boolean(),
    secretRef: LocalObjectReference,
  },
);
export type CinderVolumeSource = Static<typeof CinderVolumeSource>;

export const FCVolumeSource = struct(
  'io.k8s.api.core.v1.FCVolumeSource',
  {},
  {
    fsType: string(),
    lun: pointer(int32()),
    readOnly: boolean(),
    targetWWNs: atomic(string()),
    wwids: atomic(string()),
  },
);
export type FCVolumeSource = Static<typeof FCVolumeSource>;

export const FlexVolumeSource = struct(
  'io.k8s.api.core.v1.FlexVolumeSource',
  {
    driver: string(),
  },
  {
    fsType: string(),
    options: stringMap(),
    readOnly: boolean(),
    secretRef: LocalObjectReference,
  },
);
export type FlexVolumeSource = Static<typeof FlexVolumeSource>;

export const FlockerVolumeSource = struct(
  'io.k8s.api.core.v1.FlockerVolumeSource',
  {},
  {
    datasetName: string(),
    datasetUUID: string(),
  },
);
export type FlockerVolumeSource = Static<typeof FlockerVolumeSource>;

export const GCEPersistentDiskVolumeSource = struct(
  'io.k8s.api.core.v1.GCEPersistentDiskVolumeSource',
  {
    pdName: string(),
  },
  {
    fsType: string(),
    partition: int32(),
    readOnly: boolean(),
  },
);
export type GCEPersistentDiskVolumeSource = Static<typeof GCEPersistentDiskVolumeSource>;

export const GitRepoVolumeSource = struct(
  'io.k8s.api.core.v1.GitRepoVolumeSource',
  {
    repository: string(),
  },
  {
    directory: string(),
    revision: string(),
  },
);
export type GitRepoVolumeSource = Static<typeof GitRepoVolumeSource>;

export const GlusterfsVolumeSource = struct(
  'io.k8s.api.core.v1.GlusterfsVolumeSource',
  {
    endpoints: string(),
    path: string(),
  },
  {
    readOnly: boolean(),
  },
);
export type GlusterfsVolumeSource = Static<typeof GlusterfsVolumeSource>;

export const ISCSIVolumeSource = struct(
  'io.k8s.api.core.v1.ISCSIVolumeSource',
  {
    iqn: string(),
    lun: int32(),
    targetPortal: string(),
  },
  {
    chapAuthDiscovery: boolean(),
    chapAuthSession: boolean(),
    fsType: string(),
    initiatorName: pointer(string()),
    iscsiInterface: string(),
    portals: atomic(string()),
    readOnly: boolean(),
    secretRef: LocalObjectReference,
  },
);
export type ISCSIVolumeSource = Static<typeof ISCSIVolumeSource>;

export const PhotonPersistentDiskVolumeSource = struct(
  'io.k8s.api.core.v1.PhotonPersistentDiskVolumeSource',
  {
    pdID: string(),
  },
  {
    fsType: string(),
  },
);
export type PhotonPersistentDiskVolumeSource = Static<typeof PhotonPersistentDiskVolumeSource>;

export const PortworxVolumeSource = struct(
  'io.k8s.api.core.v1.PortworxVolumeSource',
  {
    volumeID: string(),
  },
  {
    fsType: string(),
    readOnly: boolean(),
  },
);
export type PortworxVolumeSource = Static<typeof PortworxVolumeSource>;

export const QuobyteVolumeSource = struct(
  'io.k8s.api.core.v1.QuobyteVolumeSource',
  {
    registry: string(),
    volume: string(),
  },
  {
    group: string(),
    readOnly: boolean(),
    tenant: string(),
    user: string(),
  },
);
export type QuobyteVolumeSource = Static<typeof QuobyteVolumeSource>;

export const RBDVolumeSource = struct(
  'io.k8s.api.core.v1.RBDVolumeSource',
  {
    image: string(),
    monitors: atomic(string()),
  },
  {
    fsType: string(),
    keyring: string(),
    pool: string(),
    readOnly: boolean(),
    secretRef: LocalObjectReference,
    user: string(),
  },
);
export type RBDVolumeSource = Static<typeof RBDVolumeSource>;

export const ScaleIOVolumeSource = struct(
  'io.k8s.api.core.v1.ScaleIOVolumeSource',
  {
    gateway: string(),
    secretRef: LocalObjectReference,
    system: string(),
  },
  {
    fsType: string(),
    protectionDomain: string(),
    readOnly: boolean(),
    sslEnabled: boolean(),
    storageMode: string(),
    storagePool: string(),
    volumeName: string(),
  },
);
export type ScaleIOVolumeSource = Static<typeof ScaleIOVolumeSource>;

export const StorageOSVolumeSource = struct(
  'io.k8s.api.core.v1.StorageOSVolumeSource',
  {},
  {
    fsType: string(),
    readOnly: boolean(),
    secretRef: LocalObjectReference,
    volumeName: string(),
    volumeNamespace: string(),
  },
);
export type StorageOSVolumeSource = Static<typeof StorageOSVolumeSource>;

export const VsphereVirtualDiskVolumeSource = struct(
  'io.k8s.api.core.v1.VsphereVirtualDiskVolumeSource',
  {
    volumePath: string(),
  },
  {
    fsType: string(),
    storagePolicyID: string(),
    storagePolicyName: string(),
  },
);
export type VsphereVirtualDiskVolumeSource = Static<typeof VsphereVirtualDiskVolumeSource>;
