/** Which volumes a pod has, and which it would get on a node: https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode */
import { matchesTopology } from '../../../api/domain/node-selector.ts';
import { notMadeFor } from '../../../api/domain/pod-claims.ts';
import { classOf } from '../../../api/domain/storage-class.ts';
import { SELECTED_NODE } from '../../../api/domain/volume-annotations.ts';
import {
  annotate,
  bySize,
  fittingVolumes,
  isFullyBound,
  isReachableFrom,
  reservedFor,
} from '../../../api/domain/volume-match.ts';
import { own } from '../../../api/machinery/own.ts';
import { compareQuantities, quantityValue } from '../../../api/machinery/quantity.ts';
import { selectorFrom, type Selector } from '../../../api/machinery/selectors.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import type { CSIStorageCapacity, StorageClass } from '../../../api/types/storage/v1.gen.ts';
import type { NodeFacts } from './node-info.ts';
import type { PendingPod } from './pod-info.ts';
import type { Storage, StorageChanges } from './storage.ts';

const NODE_CONFLICT = "node(s) didn't match PersistentVolume's node affinity";
const NO_VOLUMES = "node(s) didn't find available persistent volumes to bind";
const NO_SPACE = 'node(s) did not have enough free storage';
const NO_SUCH_VOLUME = 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)';
const UNBOUND = 'pod has unbound immediate PersistentVolumeClaims';
/** The provisioner of classes whose volumes an administrator makes. */
const NO_PROVISIONER = 'kubernetes.io/no-provisioner';

/** A claim that gets its volume once the pod has a node. */
interface WaitingClaim {
  readonly claim: PersistentVolumeClaim;
  readonly storageClass: StorageClass;
  /** Volumes that fit on some node, the best first. */
  readonly fitting: readonly PersistentVolume[];
  /** Where there is room for a new volume; undefined when its driver does not say. */
  readonly pools: readonly StoragePool[] | undefined;
}

/** What one CSIStorageCapacity says that is large enough for a claim. */
interface StoragePool {
  /** Bytes. */
  readonly capacity: number;
  /** The nodes that can use it. */
  readonly nodes: Selector;
}

/** What a claim would take of what there is on a node. */
export interface VolumeUsage {
  readonly storageClass: string;
  /** Of a volume that exists already. */
  readonly isStatic: boolean;
  /** Bytes. */
  readonly requested: number;
  readonly capacity: number;
}

/** What a pod gets on a node: what has to be written for it, and how full that makes it. */
export interface NodeVolumes extends StorageChanges {
  readonly usage: readonly VolumeUsage[];
}

/** What of the pod's volumes does not depend on the node. */
export interface PodVolumes {
  /** The volumes of its bound claims; undefined for one that does not exist. */
  readonly bound: readonly (PersistentVolume | undefined)[];
  /** The smallest first, so that none takes what only a larger one needs. */
  readonly waiting: readonly WaitingClaim[];
}

/** The volumes of the pod, or why it cannot be scheduled to any node. */
export function podVolumes(pod: PendingPod, storage: Storage): PodVolumes | string {
  const claims: PersistentVolumeClaim[] = [];
  for (const { name, isEphemeral } of pod.claims) {
    const claim = storage.claim(pod.namespace, name);
    const why = claim ? unusable(pod, claim, isEphemeral) : missing(name, isEphemeral);
    if (why !== undefined) return why;
    if (claim) claims.push(claim);
  }
  const bound: (PersistentVolume | undefined)[] = [];
  const waiting: WaitingClaim[] = [];
  for (const claim of claims) {
    const { volumeName = '' } = claim.spec ?? {};
    if (isFullyBound(claim)) {
      bound.push(storage.volume(volumeName));
      continue;
    }
    const storageClass = storage.storageClass(classOf(claim));
    // A claim that names its volume is bound to it without a pod.
    if (volumeName || storageClass?.volumeBindingMode !== 'WaitForFirstConsumer') return UNBOUND;
    waiting.push({
      ...{ claim, storageClass },
      fitting: fittingIn(storage, claim),
      pools: poolsFor(claim, storageClass, storage),
    });
  }
  return { bound, waiting: waiting.sort((one, other) => compareQuantities(requested(one), requested(other))) };
}

const missing = (name: string, isEphemeral: boolean): string =>
  isEphemeral
    ? `waiting for ephemeral volume controller to create the persistentvolumeclaim ${JSON.stringify(name)}`
    : `persistentvolumeclaim ${JSON.stringify(name)} not found`;

function unusable(pod: PendingPod, claim: PersistentVolumeClaim, isEphemeral: boolean): string | undefined {
  const name = JSON.stringify(claim.metadata?.name);
  if (claim.status?.phase === 'Lost')
    return `persistentvolumeclaim ${name} bound to non-existent persistentvolume ${JSON.stringify(claim.spec?.volumeName ?? '')}`;
  if (claim.metadata?.deletionTimestamp) return `persistentvolumeclaim ${name} is being deleted`;
  return isEphemeral ? notMadeFor(pod, claim) : undefined;
}

const fittingIn = (storage: Storage, claim: PersistentVolumeClaim): PersistentVolume[] =>
  fittingVolumes(claim, storage.volumesOf(classOf(claim)), false).sort(bySize);

const requested = ({ claim }: WaitingClaim): string => claim.spec?.resources?.requests?.['storage'] ?? '0';

/** https://kubernetes.io/docs/concepts/storage/storage-capacity/ */
function poolsFor(
  claim: PersistentVolumeClaim,
  { metadata, provisioner }: StorageClass,
  storage: Storage,
): StoragePool[] | undefined {
  const size = claim.spec?.resources?.requests?.['storage'];
  if (size === undefined || !storage.csiDriver(provisioner)?.spec.storageCapacity) return undefined;
  const pools: StoragePool[] = [];
  for (const pool of storage.capacitiesOf(metadata?.name ?? '')) {
    const limit = volumeLimit(pool);
    if (limit === undefined || compareQuantities(limit, size) < 0 || !pool.nodeTopology) continue;
    pools.push({ capacity: quantityValue(pool.capacity ?? '0'), nodes: selectorFrom(pool.nodeTopology) });
  }
  return pools;
}

/** The size of the largest volume that can be made. */
export const volumeLimit = ({ maximumVolumeSize, capacity }: CSIStorageCapacity): string | undefined =>
  maximumVolumeSize ?? capacity;

/** What the pod gets on the node; or why it cannot have its volumes there. */
export function volumesOn(node: NodeFacts, { bound, waiting }: PodVolumes): NodeVolumes | readonly string[] {
  const reasons: string[] = [];
  const missing = bound.some((volume) => volume === undefined);
  const conflicts = bound.some((volume) => volume && !isReachableFrom(volume, node.labels));
  const waitingVolumes = waitingOn(node, waiting);
  if (conflicts) reasons.push(NODE_CONFLICT);
  if (typeof waitingVolumes === 'string') reasons.push(waitingVolumes);
  if (missing) reasons.push(NO_SUCH_VOLUME);
  return typeof waitingVolumes === 'string' || reasons.length > 0 ? reasons : waitingVolumes;
}

/** Or why some claim gets no volume on the node. */
function waitingOn(node: NodeFacts, waiting: readonly WaitingClaim[]): NodeVolumes | string {
  const volumes = new Map<string, PersistentVolume>();
  const claims: PersistentVolumeClaim[] = [];
  const usage: VolumeUsage[] = [];
  for (const waitingClaim of waiting) {
    const { claim, storageClass, fitting, pools } = waitingClaim;
    const selected = own(claim.metadata?.annotations, SELECTED_NODE);
    if (selected !== undefined && selected !== node.name) return NO_VOLUMES;
    const isFree = (volume: PersistentVolume): boolean =>
      !volumes.has(volume.metadata?.name ?? '') && isReachableFrom(volume, node.labels);
    const used = (isStatic: boolean, capacity: number): VolumeUsage => ({
      ...{ storageClass: storageClass.metadata?.name ?? '', isStatic, capacity },
      requested: quantityValue(requested(waitingClaim)),
    });
    // What a provisioner has been asked for is not sought elsewhere.
    const volume = selected === undefined ? fitting.find(isFree) : undefined;
    if (volume) {
      volumes.set(volume.metadata?.name ?? '', reservedFor(volume, claim));
      usage.push(used(true, quantityValue(volume.spec?.capacity?.['storage'] ?? '0')));
      continue;
    }
    if (!canProvision(storageClass, node)) return NO_VOLUMES;
    if (pools) {
      const pool = pools.find(({ nodes }) => nodes.matches(node.labels));
      if (!pool) return NO_SPACE;
      usage.push(used(false, pool.capacity));
    }
    claims.push(annotate(claim, { [SELECTED_NODE]: node.name }));
  }
  return { volumes: [...volumes.values()], claims, usage };
}

const canProvision = ({ provisioner, allowedTopologies = [] }: StorageClass, { labels }: NodeFacts): boolean =>
  provisioner !== NO_PROVISIONER && matchesTopology(allowedTopologies, labels);
