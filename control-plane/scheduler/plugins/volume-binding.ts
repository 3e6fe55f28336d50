import { SELECTED_NODE } from '../../../api/domain/volume-annotations.ts';
import { isFullyBound, isReachableFrom } from '../../../api/domain/volume-match.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import { own } from '../../../api/machinery/own.ts';
import { isOlder } from '../../../api/machinery/resource-version.ts';
import { compareQuantities } from '../../../api/machinery/quantity.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import type { UtilizationShapePoint } from '../../../api/types/kubescheduler/v1.gen.ts';
import { DeadlineError, MAX_TIMER_MS, withDeadline } from '../../../client/deadline.ts';
import { hasClaim } from '../framework/claim-hints.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import type { PluginOf } from '../framework/plugin.ts';
import {
  podVolumes,
  volumeLimit,
  volumesOn,
  type NodeVolumes,
  type PodVolumes,
  type VolumeUsage,
} from '../framework/pod-volumes.ts';
import { unresolvable } from '../framework/rejection.ts';
import { scoreByShape, type ShapeScore } from '../framework/shape.ts';
import type { Storage, StorageChanges } from '../framework/storage.ts';

export interface VolumeBindingSettings {
  /** How long a pod waits until its volumes are bound; 0: not at all. */
  readonly bindTimeoutSeconds: number;
  /**
   * The score by how full storage gets on a node. Without it nodes are alike: upstream scores with its feature gate StorageCapacityScoring
   * only, without which it refuses a shape.
   */
  readonly shape: readonly UtilizationShapePoint[] | undefined;
}

/** The plugin says itself when its time is over; later the cycle does. */
const MARGIN_MS = 60_000;

/** What the pod gets on a node. */
interface Choice {
  readonly node: NodeInfo;
  readonly changes: NodeVolumes;
}

interface VolumeState {
  readonly storage: Storage;
  readonly volumes: PodVolumes;
  /** By the node's name, for nodes that the pod fits on. */
  readonly choices: Map<string, Choice>;
}

const hasNone = ({ volumes, claims }: StorageChanges): boolean => volumes.length + claims.length === 0;

/** Writes the choice; returns it as it was written. Both sides of a binding are compared before they are written. */
async function write(
  { volumes, claims }: StorageChanges,
  storage: Storage,
  signal: AbortSignal,
): Promise<StorageChanges> {
  const written: { volumes: PersistentVolume[]; claims: PersistentVolumeClaim[] } = { volumes: [], claims: [] };
  for (const volume of volumes) written.volumes.push(await storage.updateVolume(volume, signal));
  for (const claim of claims) written.claims.push(await storage.updateClaim(claim, signal));
  return written;
}

/**
 * Whether everything that was written has led to bound claims. Throws when it cannot any more: the pod has to be scheduled anew. A cache
 * that does not show what was written says nothing yet.
 */
function areBound({ volumes, claims }: StorageChanges, { stored }: Storage, node: NodeInfo): boolean {
  const isBehind = (
    { metadata }: PersistentVolume | PersistentVolumeClaim,
    by: PersistentVolume | PersistentVolumeClaim,
  ) => isOlder(metadata?.resourceVersion ?? '', by.metadata?.resourceVersion ?? '');
  let bound = true;
  for (const written of volumes) {
    const { namespace = '', name = '' } = written.spec?.claimRef ?? {};
    const volume = stored.volume(written.metadata?.name ?? '');
    if (!volume) throw new Error(`failed to check binding: persistentvolume "${written.metadata?.name}" not found`);
    const claim = stored.claim(namespace, name);
    if (!claim) throw new Error(`failed to check binding: persistentvolumeclaim "${name}" not found`);
    if (isBehind(volume, written)) return false;
    checkNode(volume, node);
    if (!volume.spec?.claimRef?.uid) throw new Error(`ClaimRef got reset for pv "${volume.metadata?.name}"`);
    bound &&= isFullyBound(claim);
  }
  for (const written of claims) {
    const { namespace = '', name = '' } = written.metadata ?? {};
    const claim = stored.claim(namespace, name);
    if (claim?.metadata?.uid !== written.metadata?.uid)
      throw new Error(`failed to check provisioning pvc: persistentvolumeclaim "${name}" not found`);
    if (!claim || isBehind(claim, written)) return false;
    // A provisioner that fails takes the annotation away.
    if (own(claim.metadata?.annotations, SELECTED_NODE) !== node.facts.name)
      throw new Error(`provisioning failed for PVC "${name}"`);
    const volume = claim.spec?.volumeName ? stored.volume(claim.spec.volumeName) : undefined;
    if (volume) checkNode(volume, node);
    bound &&= isFullyBound(claim) && volume !== undefined;
  }
  return bound;
}

function checkNode(volume: PersistentVolume, { facts: { name, labels } }: NodeInfo): void {
  if (isReachableFrom(volume, labels)) return;
  const volumeName = volume.metadata?.name;
  throw new Error(`pv "${volumeName}" node affinity doesn't match node "${name}": no matching NodeSelectorTerms`);
}

/** As upstream: volumes that exist decide when there are any; each class counts alike. */
function utilizationScore(usage: readonly VolumeUsage[], scoreOf: ShapeScore): number {
  const hasStatic = usage.some(({ isStatic }) => isStatic);
  const classes = Map.groupBy(
    usage.filter(({ isStatic }) => isStatic === hasStatic),
    ({ storageClass }) => storageClass,
  );
  if (classes.size === 0) return 0;
  let sum = 0;
  for (const ofClass of classes.values()) {
    const requested = ofClass.reduce((total, volume) => total + volume.requested, 0);
    // New volumes of a class share what is left; those that exist each have their own.
    const capacity = hasStatic
      ? ofClass.reduce((total, volume) => total + volume.capacity, 0)
      : (ofClass.at(-1)?.capacity ?? 0);
    sum += scoreOf(requested, capacity);
  }
  return Math.round(sum / classes.size);
}

/**
 * Claims and the node go together: a pod goes where the volumes of its claims can be used, and claims that wait for their first consumer
 * get their volumes where it goes.
 * https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode
 */
export function volumeBindingOf({
  bindTimeoutSeconds,
  shape,
}: VolumeBindingSettings): PluginOf<VolumeState, PodVolumes> {
  const scoreOf = shape && scoreByShape(shape);
  const limitMs = Math.min(bindTimeoutSeconds * 1000, MAX_TIMER_MS - MARGIN_MS);
  return {
    name: 'VolumeBinding',
    preBindLimitMs: limitMs + MARGIN_MS,
    queueingHints: {
      NodeAdd: () => true,
      UpdateNodeLabel: () => true,
      PersistentVolumeClaimAdd: (pod, { claim }) => hasClaim(pod, claim),
      PersistentVolumeClaimUpdate: (pod, { claim }) => hasClaim(pod, claim),
      PersistentVolumeAdd: () => true,
      PersistentVolumeUpdate: () => true,
      StorageClassAdd: () => true,
      StorageClassUpdate: (_pod, { old, now }) => !deepEqual(old.allowedTopologies, now.allowedTopologies),
      CSIDriverUpdate: (_pod, { old, now }) => old.spec.storageCapacity === true && now.spec.storageCapacity !== true,
      CSIStorageCapacityAdd: () => true,
      CSIStorageCapacityUpdate: (_pod, { old, now }) =>
        compareQuantities(volumeLimit(now) ?? '0', volumeLimit(old) ?? '0') > 0,
    },
    preFilter(pod, { storage }) {
      if (pod.claims.length === 0) return 'skip';
      const volumes = podVolumes(pod, storage);
      if (typeof volumes === 'string') return { rejection: unresolvable(volumes) };
      return { state: { storage, volumes, choices: new Map<string, Choice>() } };
    },
    filter(_pod, node, { volumes, choices }) {
      const changes = volumesOn(node.facts, volumes);
      if (!('volumes' in changes)) return unresolvable(...changes);
      choices.set(node.facts.name, { node, changes });
      return undefined;
    },
    preScore(pod, _feasible, { storage }) {
      if (!scoreOf || pod.claims.length === 0) return 'skip';
      const volumes = podVolumes(pod, storage);
      return typeof volumes === 'string' || volumes.waiting.length === 0 ? 'skip' : { state: volumes };
    },
    score(_pod, { facts }, volumes) {
      const found = volumesOn(facts, volumes);
      return scoreOf && 'usage' in found ? utilizationScore(found.usage, scoreOf) : 0;
    },
    reserve(_pod, nodeName, { storage, choices }) {
      const choice = choices.get(nodeName);
      if (choice) storage.assume(choice.changes);
      return undefined;
    },
    unreserve(_pod, nodeName, { storage, choices }) {
      const choice = choices.get(nodeName);
      if (choice) storage.forget(choice.changes);
    },
    async preBind(_pod, nodeName, { storage, choices }, signal) {
      const choice = choices.get(nodeName);
      if (!choice || hasNone(choice.changes)) return;
      const written = await write(choice.changes, storage, signal);
      try {
        await withDeadline({ what: 'binding volumes', limitMs, signal }, async (inner) => {
          while (!areBound(written, storage, choice.node)) await storage.changed(inner);
        });
      } catch (error) {
        if (error instanceof DeadlineError)
          throw new Error('binding volumes: context deadline exceeded', { cause: error });
        throw signal.aborted ? error : new Error(`binding volumes: ${(error as Error).message}`, { cause: error });
      }
      storage.forget(choice.changes);
    },
  };
}
