/**
 * What the nfs provisioner of the control plane and the agents tell each other: which volumes are directories of an export, and which agent
 * is to remove one. The server of a cluster mounts nothing; any agent can.
 */
import { own } from '../machinery/own.ts';
import type { PersistentVolume } from '../types/core/v1.gen.ts';
import { CONTROL, nfsSource } from './nfs.ts';
import { PROVISIONED_BY } from './volume-annotations.ts';

export const NFS_PROVISIONER = 'kedge.io/nfs';
/** On a Node: its agent has found mount.nfs. */
export const NFS_CLIENT = 'kedge.io/nfs-client';
/** Label of a volume that is being deleted: the node whose agent is to remove the directory, and may read and release the volume. */
export const NFS_NODE = 'kedge.io/nfs-node';
/** Keeps the object of a volume until its directory is gone. */
export const NFS_FINALIZER = 'kedge.io/nfs';
/** On a volume: its directory, below the share of its class. */
const NFS_DIRECTORY = 'kedge.io/nfs-directory';
/** On a volume: the mode that its directory is made with, in octal digits. */
const NFS_MODE = 'kedge.io/nfs-mode';
/** On a volume: what becomes of its directory. */
const NFS_ON_DELETE = 'kedge.io/nfs-on-delete';

/** `archive`: it is renamed. `retain`: nothing. */
export const ON_DELETE = ['delete', 'archive', 'retain'] as const;
export type OnDelete = (typeof ON_DELETE)[number];

export interface NfsDirectory {
  /** `server:/share`: what is mounted to make and to remove it. */
  readonly share: string;
  /** Below the share; without a slash at its ends, and without steps back. */
  readonly directory: string;
  readonly mode: number;
  readonly onDelete: OnDelete;
}

export const isNfsProvisioned = ({ metadata }: PersistentVolume): boolean =>
  own(metadata?.annotations, PROVISIONED_BY) === NFS_PROVISIONER;

/** What agents call directories of deleted volumes, beside them, begins so: while they are removed, and when they are kept. */
export const REMOVED_PREFIX = '.kedge-removed-';
export const ARCHIVED_PREFIX = 'archived-';

/** Throws for what leads elsewhere, or is no place below a share. */
export function checkDirectory(directory: string): void {
  const parts = directory.split('/');
  if (!parts.some((part) => part === '' || part === '.' || part === '..' || CONTROL.test(part))) return;
  throw new Error(`${JSON.stringify(directory)} is not a directory below the share`);
}

/** The annotations that say it on a volume. */
export const nfsDirectoryAnnotations = ({
  directory,
  mode,
  onDelete,
}: Omit<NfsDirectory, 'share'>): Readonly<Record<string, string>> => ({
  [NFS_DIRECTORY]: directory,
  [NFS_MODE]: mode.toString(8),
  [NFS_ON_DELETE]: onDelete,
});

/** What becomes of the directory of a volume that was provisioned here. */
export const onDeleteOf = ({ metadata }: PersistentVolume): OnDelete =>
  ON_DELETE.find((each) => each === own(metadata?.annotations, NFS_ON_DELETE)) ?? 'retain';

/** Undefined for a volume that nobody has provisioned here. Throws where its parts contradict each other. */
export function nfsDirectoryOf(volume: PersistentVolume): NfsDirectory | undefined {
  if (!isNfsProvisioned(volume)) return undefined;
  const { metadata, spec } = volume;
  const { server = '', path = '' } = spec?.nfs ?? {};
  const directory = own(metadata?.annotations, NFS_DIRECTORY) ?? '';
  checkDirectory(directory);
  if (!path.endsWith(`/${directory}`))
    throw new Error(`persistentvolume "${metadata?.name}": ${path} does not end in ${directory}`);
  const share = path.slice(0, -directory.length - 1) || '/';
  const mode = Number.parseInt(own(metadata?.annotations, NFS_MODE) ?? '', 8);
  return {
    share: nfsSource({ server, path: share }),
    directory,
    onDelete: onDeleteOf(volume),
    mode: Number.isNaN(mode) ? 0o777 : mode,
  };
}

/** Whether somebody has to remove the directory of the volume once its object is being deleted: its data is not kept. */
const hasDirectoryToRemove = (volume: PersistentVolume): boolean =>
  isNfsProvisioned(volume) &&
  (volume.metadata?.finalizers ?? []).includes(NFS_FINALIZER) &&
  volume.spec?.persistentVolumeReclaimPolicy === 'Delete';

/** Whether the directory of the volume is to be removed now: the volume is being deleted, and nothing is bound to it. */
export const isNfsDirectoryDue = (volume: PersistentVolume): boolean =>
  hasDirectoryToRemove(volume) && volume.metadata?.deletionTimestamp !== undefined && volume.status?.phase !== 'Bound';

/** Whether the directory of the volume is removed now, or next. */
export const isNfsDirectoryGoing = (volume: PersistentVolume): boolean =>
  isNfsDirectoryDue(volume) || (hasDirectoryToRemove(volume) && volume.status?.phase === 'Released');
