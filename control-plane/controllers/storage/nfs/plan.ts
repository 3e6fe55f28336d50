/** What is to be done next about a claim or a volume of the nfs provisioner. */
import { nfsSource } from '../../../../api/domain/nfs.ts';
import {
  isNfsDirectoryDue,
  isNfsDirectoryGoing,
  isNfsProvisioned,
  NFS_FINALIZER,
  NFS_NODE,
  NFS_PROVISIONER,
  nfsDirectoryAnnotations,
  onDeleteOf,
} from '../../../../api/domain/nfs-volumes.ts';
import { PROVISIONED_BY, STORAGE_PROVISIONER } from '../../../../api/domain/volume-annotations.ts';
import { own } from '../../../../api/machinery/own.ts';
import type { NFSVolumeSource, PersistentVolume, PersistentVolumeClaim } from '../../../../api/types/core/v1.gen.ts';
import type { StorageClass } from '../../../../api/types/storage/v1.gen.ts';
import { directoryFor, nfsClass } from './class-parameters.ts';
import { provisionedSpec } from '../provisioner.ts';

export type ClaimStep =
  { readonly do: 'provision'; readonly volume: PersistentVolume } | { readonly do: 'refuse'; readonly why: string };

/** Undefined when the claim is none of this provisioner's, or needs nothing. */
export function claimStep(claim: PersistentVolumeClaim, storageClass: StorageClass | undefined): ClaimStep | undefined {
  const { annotations, deletionTimestamp } = claim.metadata ?? {};
  if (own(annotations, STORAGE_PROVISIONER) !== NFS_PROVISIONER) return undefined;
  if (claim.spec?.volumeName || deletionTimestamp || storageClass?.provisioner !== NFS_PROVISIONER) return undefined;
  try {
    return { do: 'provision', volume: volumeFor(claim, storageClass) };
  } catch (error) {
    return { do: 'refuse', why: (error as Error).message };
  }
}

function checkSupported({ spec }: PersistentVolumeClaim): void {
  if (spec?.selector) throw new Error('claim.Spec.Selector is not supported');
  if (spec?.volumeMode === 'Block') throw new Error('volumeMode Block is not supported');
  if (spec?.dataSource || spec?.dataSourceRef) throw new Error('data sources are not supported');
}

function volumeFor(claim: PersistentVolumeClaim, storageClass: StorageClass): PersistentVolume {
  checkSupported(claim);
  const { server, share, subDir, onDelete, mountPermissions: mode } = nfsClass(storageClass);
  const name = `pvc-${claim.metadata?.uid ?? ''}`;
  const directory = directoryFor(subDir, claim, name);
  const path = share === '/' ? `/${directory}` : `${share}/${directory}`;
  nfsSource({ server, path });
  return {
    metadata: {
      name,
      annotations: {
        [PROVISIONED_BY]: NFS_PROVISIONER,
        ...nfsDirectoryAnnotations({ directory, mode, onDelete }),
      },
      ...(onDelete !== 'retain' && { finalizers: [NFS_FINALIZER] }),
    },
    spec: {
      ...provisionedSpec(claim, storageClass),
      ...(storageClass.mountOptions && { mountOptions: storageClass.mountOptions }),
      nfs: { server, path },
    },
  };
}

/**
 * The volume whose directory has to be removed before this one is made, by a pattern that gives a claim the directory of an earlier one:
 * the removal, which may go on for long and on any node, would take along what the new claim writes.
 */
export function volumeInTheWay(
  volume: PersistentVolume,
  volumes: Iterable<PersistentVolume>,
): PersistentVolume | undefined {
  return Iterator.from(volumes).find((other) => isNfsDirectoryGoing(other) && holds(other, volume));
}

/** A node that can be asked to remove a directory. */
export interface Candidate {
  readonly name: string;
  readonly isReady: boolean;
  /** Its agent says that it can mount exports. */
  readonly hasClient: boolean;
}

export interface RemovalView {
  /** All volumes of the cluster. */
  readonly volumes: Iterable<PersistentVolume>;
  readonly nodes: readonly Candidate[];
  /** The node that was asked had its time. */
  readonly isOverdue: boolean;
}

export type VolumeStep =
  | { readonly do: 'delete' }
  /** From the finalizer: nobody has anything to remove. */
  | { readonly do: 'release' }
  | { readonly do: 'ask'; readonly node: string }
  /** For the node that was asked, or for one to ask. */
  | { readonly do: 'wait' };

/** Undefined when the volume is none of this provisioner's, or needs nothing. */
export function volumeStep(volume: PersistentVolume, view: () => RemovalView): VolumeStep | undefined {
  if (!isNfsProvisioned(volume)) return undefined;
  const { metadata, spec, status } = volume;
  const isKept = spec?.persistentVolumeReclaimPolicy !== 'Delete';
  if (!metadata?.deletionTimestamp) return !isKept && status?.phase === 'Released' ? { do: 'delete' } : undefined;
  if (!metadata.finalizers?.includes(NFS_FINALIZER)) return undefined;
  if (isKept) return { do: 'release' };
  if (!isNfsDirectoryDue(volume)) return undefined;
  const { volumes, nodes, isOverdue } = view();
  const step = removalBy(own(metadata.labels, NFS_NODE), nodes, isOverdue);
  return step.do === 'ask' && isUsedByAnother(volume, volumes) ? { do: 'release' } : step;
}

/** Whether the volume may need a step, which takes a look at all the others. */
export const mayNeedStep = (volume: PersistentVolume): boolean =>
  isNfsProvisioned(volume) && (volume.metadata?.deletionTimestamp !== undefined || volume.status?.phase === 'Released');

/** Whether the directory, or one in it, is also the volume of another object: by a pattern that names the same for several claims. */
function isUsedByAnother(volume: PersistentVolume, volumes: Iterable<PersistentVolume>): boolean {
  for (const other of volumes)
    if (other.metadata?.uid !== volume.metadata?.uid && holds(volume, other) && !goesAlong(volume, other)) return true;
  return false;
}

/** Whether both are to go, and what becomes of their one directory is the same: were it left to the other, it would stay. */
const goesAlong = (volume: PersistentVolume, other: PersistentVolume): boolean =>
  isNfsDirectoryDue(other) && holds(other, volume) && onDeleteOf(other) === onDeleteOf(volume);

/** Whether the directory of the other one is that of the volume, or in it. */
function holds({ spec }: PersistentVolume, { spec: other }: PersistentVolume): boolean {
  if (!spec?.nfs || !other?.nfs || serverOf(spec.nfs) !== serverOf(other.nfs)) return false;
  return `${pathOf(other.nfs)}/`.startsWith(`${pathOf(spec.nfs)}/`);
}

/** Volumes that people make may write the same in other ways. */
const serverOf = ({ server }: NFSVolumeSource): string => server.toLowerCase().replace(/^\[(.*)\]$|\.$/, '$1');
const pathOf = ({ path }: NFSVolumeSource): string => path.replaceAll(/\/+/g, '/').replace(/\/$/, '');

/** Nodes are asked in turn, those first that can mount exports. */
function removalBy(asked: string | undefined, nodes: readonly Candidate[], isOverdue: boolean): VolumeStep {
  const ready = nodes.filter(({ isReady }) => isReady);
  const able = ready.filter(({ hasClient }) => hasClient);
  const names = (able.length > 0 ? able : ready).map(({ name }) => name).sort();
  if (asked !== undefined && names.includes(asked) && !isOverdue) return { do: 'wait' };
  const node = names.find((name) => name > (asked ?? '')) ?? names[0];
  return node === undefined || node === asked ? { do: 'wait' } : { do: 'ask', node };
}
