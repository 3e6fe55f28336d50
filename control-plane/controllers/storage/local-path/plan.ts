/** What is to be done next about a claim or a volume of the local-path provisioner. */
import {
  isDirectoryDue,
  isLocalPath,
  LOCAL_PATH_FINALIZER,
  LOCAL_PATH_NODE,
  LOCAL_PATH_PROVISIONER,
  localPathName,
} from '../../../../api/domain/local-path.ts';
import { PROVISIONED_BY, SELECTED_NODE, STORAGE_PROVISIONER } from '../../../../api/domain/volume-annotations.ts';
import { own } from '../../../../api/machinery/own.ts';
import type { Labels } from '../../../../api/machinery/selectors.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../../api/types/core/v1.gen.ts';
import type { StorageClass } from '../../../../api/types/storage/v1.gen.ts';
import { provisionedSpec } from '../provisioner.ts';

const HOSTNAME = 'kubernetes.io/hostname';
/** A directory is on one node. */
const MODES: ReadonlySet<string> = new Set(['ReadWriteOnce', 'ReadWriteOncePod']);

/** What a node says of itself. */
export interface LocalPathNode {
  readonly name: string;
  readonly labels: Labels;
  /** Its directory of volumes; '' when its agent makes none. */
  readonly localPathDirectory: string;
}

export type ClaimStep =
  | { readonly do: 'provision'; readonly volume: PersistentVolume }
  /** The claim as it is when the scheduler is to choose another node. */
  | { readonly do: 'reschedule'; readonly claim: PersistentVolumeClaim; readonly why: string }
  | { readonly do: 'refuse'; readonly why: string };

/** Undefined when the claim is none of this provisioner's, or needs nothing. */
export function claimStep(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass | undefined,
  nodeNamed: (name: string) => LocalPathNode | undefined,
): ClaimStep | undefined {
  const { annotations, deletionTimestamp } = claim.metadata ?? {};
  if (own(annotations, STORAGE_PROVISIONER) !== LOCAL_PATH_PROVISIONER) return undefined;
  if (claim.spec?.volumeName || deletionTimestamp || storageClass?.provisioner !== LOCAL_PATH_PROVISIONER)
    return undefined;
  const refused = unsupported(claim);
  if (refused !== undefined) return { do: 'refuse', why: refused };
  const selected = own(annotations, SELECTED_NODE);
  if (selected === undefined)
    return {
      do: 'refuse',
      why: 'a directory needs a node: the class must have volumeBindingMode WaitForFirstConsumer',
    };
  const node = nodeNamed(selected);
  const unfit = node ? unusable(node) : `node "${selected}" not found`;
  if (node && unfit === undefined) return { do: 'provision', volume: volumeFor(claim, storageClass, node) };
  return { do: 'reschedule', claim: withoutNode(claim), why: unfit ?? '' };
}

function unsupported({ spec }: PersistentVolumeClaim): string | undefined {
  if (spec?.selector) return 'claim.Spec.Selector is not supported';
  if (spec?.volumeMode === 'Block') return 'volumeMode Block is not supported';
  const mode = spec?.accessModes?.find((each) => !MODES.has(each));
  if (mode !== undefined) return `accessMode ${mode} is not supported: a directory is on one node`;
  return spec?.dataSource || spec?.dataSourceRef ? 'data sources are not supported' : undefined;
}

function unusable({ name, labels, localPathDirectory }: LocalPathNode): string | undefined {
  if (own(labels, HOSTNAME) === undefined) return `node "${name}" has no label ${HOSTNAME}`;
  const isPath = localPathDirectory.startsWith('/') && !localPathDirectory.split('/').includes('..');
  return isPath ? undefined : `the agent of node "${name}" makes no local-path volumes`;
}

function withoutNode(claim: PersistentVolumeClaim): PersistentVolumeClaim {
  const annotations = { ...claim.metadata?.annotations };
  delete annotations[SELECTED_NODE];
  return { ...claim, metadata: { ...claim.metadata, annotations } };
}

function volumeFor(claim: PersistentVolumeClaim, storageClass: StorageClass, node: LocalPathNode): PersistentVolume {
  const name = localPathName(claim.metadata?.uid ?? '');
  const values = [own(node.labels, HOSTNAME) ?? ''];
  return {
    metadata: {
      name,
      annotations: { [PROVISIONED_BY]: LOCAL_PATH_PROVISIONER },
      labels: { [LOCAL_PATH_NODE]: node.name },
      finalizers: [LOCAL_PATH_FINALIZER],
    },
    spec: {
      ...provisionedSpec(claim, storageClass),
      local: { path: `${node.localPathDirectory}/${name}` },
      nodeAffinity: {
        required: { nodeSelectorTerms: [{ matchExpressions: [{ key: HOSTNAME, operator: 'In', values }] }] },
      },
    },
  };
}

/** `delete`: the object, which then waits for the agent. `release`: from the finalizer, because nobody has anything to remove. */
export type VolumeStep = 'delete' | 'release';

/**
 * Undefined when the volume is none of this provisioner's, or needs nothing; or when it is the turn of the node's agent, which removes
 * the directory and then releases the object itself.
 */
export function volumeStep(volume: PersistentVolume, hasNode: (name: string) => boolean): VolumeStep | undefined {
  if (!isLocalPath(volume)) return undefined;
  const { metadata, spec, status } = volume;
  if (!metadata?.deletionTimestamp)
    return spec?.persistentVolumeReclaimPolicy === 'Delete' && status?.phase === 'Released' ? 'delete' : undefined;
  if (!metadata.finalizers?.includes(LOCAL_PATH_FINALIZER)) return undefined;
  // Data that is kept stays where it is, and the directory of a node that was removed is gone with it.
  if (spec?.persistentVolumeReclaimPolicy !== 'Delete') return 'release';
  return isDirectoryDue(volume) && !hasNode(own(metadata.labels, LOCAL_PATH_NODE) ?? '') ? 'release' : undefined;
}
