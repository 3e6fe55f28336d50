/**
 * What the local-path provisioner of the control plane and the agents tell each other: which volumes are directories of a node, where
 * the node keeps them, and whose turn it is to remove one.
 */
import { own } from '../machinery/own.ts';
import type { PersistentVolume } from '../types/core/v1.gen.ts';
import { PROVISIONED_BY } from './volume-annotations.ts';

/** The class that clusters start with, and the provisioner that it names. */
export const LOCAL_PATH_CLASS = 'local-path';
export const LOCAL_PATH_PROVISIONER = 'kedge.io/local-path';
/** On a Node: the directory that the volumes are made in, as its agent says. */
export const LOCAL_PATH_DIRECTORY = 'kedge.io/local-path-directory';
/** Label of a volume: the name of its node, whose agent may read and release it. */
export const LOCAL_PATH_NODE = 'kedge.io/local-path-node';
/** Keeps the object of a volume until its directory is gone. */
export const LOCAL_PATH_FINALIZER = 'kedge.io/local-path';

/** The name of a claim's volume, and of its directory. */
export const localPathName = (claimUid: string): string => `pvc-${claimUid}`;

/** Whether a volume of that name can be a directory below another one: no other name is ever made or removed. */
export const isLocalPathName = (name: string): boolean =>
  /^pvc-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(name);

export const isLocalPath = ({ metadata }: PersistentVolume): boolean =>
  own(metadata?.annotations, PROVISIONED_BY) === LOCAL_PATH_PROVISIONER;

/** Whether the directory of the volume is to be removed now: it is being deleted, nothing is bound to it, and its data is not kept. */
export const isDirectoryDue = (volume: PersistentVolume): boolean =>
  isLocalPath(volume) &&
  volume.metadata?.deletionTimestamp !== undefined &&
  (volume.metadata.finalizers ?? []).includes(LOCAL_PATH_FINALIZER) &&
  volume.spec?.persistentVolumeReclaimPolicy === 'Delete' &&
  volume.status?.phase !== 'Bound';
