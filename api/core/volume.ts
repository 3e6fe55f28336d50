import {
  always,
  atomic,
  boolean,
  int32,
  int64,
  mapOf,
  oneOf,
  pointer,
  quantity,
  string,
  stringMap,
  struct,
  type Static,
} from '../machinery/schema.ts';
import { LocalObjectReference, ObjectFieldSelector, ResourceFieldSelector } from './references.ts';
import { LabelSelector } from '../meta/label-selector.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import {
  AWSElasticBlockStoreVolumeSource,
  AzureDiskVolumeSource,
  AzureFileVolumeSource,
  CephFSVolumeSource,
  CinderVolumeSource,
  FCVolumeSource,
  FlexVolumeSource,
  FlockerVolumeSource,
  GCEPersistentDiskVolumeSource,
  GitRepoVolumeSource,
  GlusterfsVolumeSource,
  ISCSIVolumeSource,
  PhotonPersistentDiskVolumeSource,
  PortworxVolumeSource,
  QuobyteVolumeSource,
  RBDVolumeSource,
  ScaleIOVolumeSource,
  StorageOSVolumeSource,
  VsphereVirtualDiskVolumeSource,
} from './storage-volume.ts';

export const KeyToPath = struct(
  'io.k8s.api.core.v1.KeyToPath',
  {
    key: string(),
    path: string(),
  },
  {
    mode: pointer(int32()),
  },
);
export type KeyToPath = Static<typeof KeyToPath>;

export const ConfigMapVolumeSource = struct(
  'io.k8s.api.core.v1.ConfigMapVolumeSource',
  {},
  {
    defaultMode: pointer(int32()),
    items: atomic(KeyToPath),
    name: string(),
    optional: pointer(boolean()),
  },
);
export type ConfigMapVolumeSource = Static<typeof ConfigMapVolumeSource>;

export const CSIVolumeSource = struct(
  'io.k8s.api.core.v1.CSIVolumeSource',
  {
    driver: string(),
  },
  {
    fsType: pointer(string()),
    nodePublishSecretRef: LocalObjectReference,
    readOnly: pointer(boolean()),
    volumeAttributes: stringMap(),
  },
);
export type CSIVolumeSource = Static<typeof CSIVolumeSource>;

export const DownwardAPIVolumeFile = struct(
  'io.k8s.api.core.v1.DownwardAPIVolumeFile',
  {
    path: string(),
  },
  {
    fieldRef: ObjectFieldSelector,
    mode: pointer(int32()),
    resourceFieldRef: ResourceFieldSelector,
  },
);
export type DownwardAPIVolumeFile = Static<typeof DownwardAPIVolumeFile>;

export const DownwardAPIVolumeSource = struct(
  'io.k8s.api.core.v1.DownwardAPIVolumeSource',
  {},
  {
    defaultMode: pointer(int32()),
    items: atomic(DownwardAPIVolumeFile),
  },
);
export type DownwardAPIVolumeSource = Static<typeof DownwardAPIVolumeSource>;

export const EmptyDirVolumeSource = struct(
  'io.k8s.api.core.v1.EmptyDirVolumeSource',
  {},
  {
    medium: string(),
    sizeLimit: quantity(),
  },
);
export type EmptyDirVolumeSource = Static<typeof EmptyDirVolumeSource>;

export const TypedLocalObjectReference = struct(
  'io.k8s.api.core.v1.TypedLocalObjectReference',
  {
    kind: string(),
    name: string(),
  },
  {
    apiGroup: pointer(string()),
  },
  { mapType: 'atomic' },
);
export type TypedLocalObjectReference = Static<typeof TypedLocalObjectReference>;

export const TypedObjectReference = struct(
  'io.k8s.api.core.v1.TypedObjectReference',
  {
    kind: string(),
    name: string(),
  },
  {
    apiGroup: pointer(string()),
    namespace: pointer(string()),
  },
);
export type TypedObjectReference = Static<typeof TypedObjectReference>;

export const VolumeResourceRequirements = struct(
  'io.k8s.api.core.v1.VolumeResourceRequirements',
  {},
  {
    limits: mapOf(quantity()),
    requests: mapOf(quantity()),
  },
);
export type VolumeResourceRequirements = Static<typeof VolumeResourceRequirements>;

export const PersistentVolumeClaimSpec = struct(
  'io.k8s.api.core.v1.PersistentVolumeClaimSpec',
  {},
  {
    accessModes: atomic(oneOf('ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod')),
    dataSource: TypedLocalObjectReference,
    dataSourceRef: TypedObjectReference,
    resources: always(VolumeResourceRequirements),
    selector: LabelSelector,
    storageClassName: pointer(string()),
    volumeAttributesClassName: pointer(string()),
    volumeMode: oneOf('Block', 'Filesystem'),
    volumeName: string(),
  },
);
export type PersistentVolumeClaimSpec = Static<typeof PersistentVolumeClaimSpec>;

export const PersistentVolumeClaimTemplate = struct(
  'io.k8s.api.core.v1.PersistentVolumeClaimTemplate',
  {
    spec: PersistentVolumeClaimSpec,
  },
  {
    metadata: always(ObjectMeta),
  },
);
export type PersistentVolumeClaimTemplate = Static<typeof PersistentVolumeClaimTemplate>;

export const EphemeralVolumeSource = struct(
  'io.k8s.api.core.v1.EphemeralVolumeSource',
  {},
  {
    volumeClaimTemplate: PersistentVolumeClaimTemplate,
  },
);
export type EphemeralVolumeSource = Static<typeof EphemeralVolumeSource>;

export const HostPathVolumeSource = struct(
  'io.k8s.api.core.v1.HostPathVolumeSource',
  {
    path: string(),
  },
  {
    type: pointer(
      oneOf('', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'),
    ),
  },
);
export type HostPathVolumeSource = Static<typeof HostPathVolumeSource>;

export const ImageVolumeSource = struct(
  'io.k8s.api.core.v1.ImageVolumeSource',
  {},
  {
    pullPolicy: oneOf('Always', 'IfNotPresent', 'Never'),
    reference: string(),
  },
);
export type ImageVolumeSource = Static<typeof ImageVolumeSource>;

export const NFSVolumeSource = struct(
  'io.k8s.api.core.v1.NFSVolumeSource',
  {
    path: string(),
    server: string(),
  },
  {
    readOnly: boolean(),
  },
);
export type NFSVolumeSource = Static<typeof NFSVolumeSource>;

export const PersistentVolumeClaimVolumeSource = struct(
  'io.k8s.api.core.v1.PersistentVolumeClaimVolumeSource',
  {
    claimName: string(),
  },
  {
    readOnly: boolean(),
  },
);
export type PersistentVolumeClaimVolumeSource = Static<typeof PersistentVolumeClaimVolumeSource>;

export const ClusterTrustBundleProjection = struct(
  'io.k8s.api.core.v1.ClusterTrustBundleProjection',
  {
    path: string(),
  },
  {
    labelSelector: LabelSelector,
    name: pointer(string()),
    optional: pointer(boolean()),
    signerName: pointer(string()),
  },
);
export type ClusterTrustBundleProjection = Static<typeof ClusterTrustBundleProjection>;

export const ConfigMapProjection = struct(
  'io.k8s.api.core.v1.ConfigMapProjection',
  {},
  {
    items: atomic(KeyToPath),
    name: string(),
    optional: pointer(boolean()),
  },
);
export type ConfigMapProjection = Static<typeof ConfigMapProjection>;

export const DownwardAPIProjection = struct(
  'io.k8s.api.core.v1.DownwardAPIProjection',
  {},
  {
    items: atomic(DownwardAPIVolumeFile),
  },
);
export type DownwardAPIProjection = Static<typeof DownwardAPIProjection>;

export const PodCertificateProjection = struct(
  'io.k8s.api.core.v1.PodCertificateProjection',
  {
    keyType: string(),
    signerName: string(),
  },
  {
    certificateChainPath: string(),
    credentialBundlePath: string(),
    keyPath: string(),
    maxExpirationSeconds: pointer(int32()),
    userAnnotations: stringMap(),
  },
);
export type PodCertificateProjection = Static<typeof PodCertificateProjection>;

export const SecretProjection = struct(
  'io.k8s.api.core.v1.SecretProjection',
  {},
  {
    items: atomic(KeyToPath),
    name: string(),
    optional: pointer(boolean()),
  },
);
export type SecretProjection = Static<typeof SecretProjection>;

export const ServiceAccountTokenProjection = struct(
  'io.k8s.api.core.v1.ServiceAccountTokenProjection',
  {
    path: string(),
  },
  {
    audience: string(),
    expirationSeconds: pointer(int64()),
  },
);
export type ServiceAccountTokenProjection = Static<typeof ServiceAccountTokenProjection>;

export const VolumeProjection = struct(
  'io.k8s.api.core.v1.VolumeProjection',
  {},
  {
    clusterTrustBundle: ClusterTrustBundleProjection,
    configMap: ConfigMapProjection,
    downwardAPI: DownwardAPIProjection,
    podCertificate: PodCertificateProjection,
    secret: SecretProjection,
    serviceAccountToken: ServiceAccountTokenProjection,
  },
);
export type VolumeProjection = Static<typeof VolumeProjection>;

export const ProjectedVolumeSource = struct(
  'io.k8s.api.core.v1.ProjectedVolumeSource',
  {},
  {
    defaultMode: pointer(int32()),
    sources: atomic(VolumeProjection),
  },
);
export type ProjectedVolumeSource = Static<typeof ProjectedVolumeSource>;

export const SecretVolumeSource = struct(
  'io.k8s.api.core.v1.SecretVolumeSource',
  {},
  {
    defaultMode: pointer(int32()),
    items: atomic(KeyToPath),
    optional: pointer(boolean()),
    secretName: string(),
  },
);
export type SecretVolumeSource = Static<typeof SecretVolumeSource>;

export const Volume = struct(
  'io.k8s.api.core.v1.Volume',
  {
    name: string(),
  },
  {
    awsElasticBlockStore: AWSElasticBlockStoreVolumeSource,
    azureDisk: AzureDiskVolumeSource,
    azureFile: AzureFileVolumeSource,
    cephfs: CephFSVolumeSource,
    cinder: CinderVolumeSource,
    configMap: ConfigMapVolumeSource,
    csi: CSIVolumeSource,
    downwardAPI: DownwardAPIVolumeSource,
    emptyDir: EmptyDirVolumeSource,
    ephemeral: EphemeralVolumeSource,
    fc: FCVolumeSource,
    flexVolume: FlexVolumeSource,
    flocker: FlockerVolumeSource,
    gcePersistentDisk: GCEPersistentDiskVolumeSource,
    gitRepo: GitRepoVolumeSource,
    glusterfs: GlusterfsVolumeSource,
    hostPath: HostPathVolumeSource,
    image: ImageVolumeSource,
    iscsi: ISCSIVolumeSource,
    nfs: NFSVolumeSource,
    persistentVolumeClaim: PersistentVolumeClaimVolumeSource,
    photonPersistentDisk: PhotonPersistentDiskVolumeSource,
    portworxVolume: PortworxVolumeSource,
    projected: ProjectedVolumeSource,
    quobyte: QuobyteVolumeSource,
    rbd: RBDVolumeSource,
    scaleIO: ScaleIOVolumeSource,
    secret: SecretVolumeSource,
    storageos: StorageOSVolumeSource,
    vsphereVolume: VsphereVirtualDiskVolumeSource,
  },
);
export type Volume = Static<typeof Volume>;
