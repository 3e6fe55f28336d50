import { notMadeFor } from '../../../api/domain/pod-claims.ts';
import { classOf } from '../../../api/domain/storage-class.ts';
import type { PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import type { CSINode, CSINodeDriver } from '../../../api/types/storage/v1.gen.ts';
import { hasClaim } from '../framework/claim-hints.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import type { PluginOf } from '../framework/plugin.ts';
import type { PodInfo } from '../framework/pod-info.ts';
import { unresolvable, unschedulable, type Rejection } from '../framework/rejection.ts';
import type { Storage } from '../framework/storage.ts';
import { change } from '../framework/topology-counts.ts';

const TOO_MANY = unschedulable('node(s) exceed max volume count');

/** A volume's name, unlike all others, and its driver. */
type Volumes = Map<string, string>;

interface LimitState {
  readonly storage: Storage;
  readonly wanted: ReadonlyMap<string, string>;
  /** Why no node can take the pod; undefined when it depends on the node. */
  readonly why: string | undefined;
}

/** The CSI volume of a claim, or the one that is going to be made for it; undefined when it is of no CSI driver. */
function volumeOf(claim: PersistentVolumeClaim, storage: Storage): { driver: string; name: string } | undefined {
  const volume = claim.spec?.volumeName ? storage.volume(claim.spec.volumeName) : undefined;
  if (volume) {
    const { driver, volumeHandle } = volume.spec?.csi ?? {};
    return driver && volumeHandle ? { driver, name: `${driver}/${volumeHandle}` } : undefined;
  }
  const driver = storage.storageClass(classOf(claim))?.provisioner;
  return driver ? { driver, name: `claim ${claim.metadata?.namespace}/${claim.metadata?.name}` } : undefined;
}

/** Adds the volumes of a pod. Returns why it has to wait for a claim: `isNew` pods cannot do without. */
function addVolumes(pod: PodInfo, storage: Storage, volumes: Volumes, isNew: boolean): string | undefined {
  for (const { name, isEphemeral } of pod.claims) {
    const claim = storage.claim(pod.namespace, name);
    if (!claim && isNew) return `persistentvolumeclaim ${JSON.stringify(name)} not found`;
    const why = claim && isEphemeral ? notMadeFor(pod, claim) : undefined;
    if (why !== undefined && isNew) return why;
    const volume = claim && why === undefined ? volumeOf(claim, storage) : undefined;
    if (volume) volumes.set(volume.name, volume.driver);
  }
  return undefined;
}

/** The API may have null for an empty list. */
function driversOf(node: CSINode | undefined): readonly CSINodeDriver[] {
  const drivers: readonly CSINodeDriver[] | null | undefined = node?.spec.drivers;
  return drivers ?? [];
}

/** By driver: how many volumes the node can have; drivers without a limit are missing. */
function limitsOf(node: CSINode | undefined): ReadonlyMap<string, number> {
  const limits = new Map<string, number>();
  for (const { name, allocatable } of driversOf(node))
    if (allocatable?.count !== undefined) limits.set(name, allocatable.count);
  return limits;
}

/** The volumes that the node has: those of its pods, and those that are attached to it nevertheless. */
function volumesOn(node: NodeInfo, storage: Storage): Volumes {
  const volumes: Volumes = new Map();
  for (const pod of node.pods()) if (pod.claims.length > 0) addVolumes(pod, storage, volumes, false);
  for (const { spec } of storage.attachmentsOf(node.facts.name)) {
    const { driver, volumeHandle } = storage.volume(spec.source.persistentVolumeName ?? '')?.spec?.csi ?? {};
    if (driver && volumeHandle) volumes.set(`${driver}/${volumeHandle}`, driver);
  }
  return volumes;
}

function filter(node: NodeInfo, { storage, wanted, why }: LimitState): Rejection | undefined {
  if (why !== undefined) return unresolvable(why);
  const csiNode = storage.csiNode(node.facts.name);
  const drivers = driversOf(csiNode);
  for (const driver of wanted.values())
    if (storage.csiDriver(driver)?.spec.preventPodSchedulingIfMissing && !drivers.some(({ name }) => name === driver))
      return unschedulable(`${driver} CSI driver is not installed on the node`);
  const limits = limitsOf(csiNode);
  if (!wanted.values().some((driver) => limits.has(driver))) return undefined;
  const present = volumesOn(node, storage);
  const counts = new Map<string, number>();
  for (const driver of present.values()) change(counts, driver, 1);
  for (const [name, driver] of wanted) {
    if (present.has(name)) continue;
    change(counts, driver, 1);
    if ((counts.get(driver) ?? 0) > (limits.get(driver) ?? Infinity)) return TOO_MANY;
  }
  return undefined;
}

const countOf = (node: CSINode, driver: string): number =>
  driversOf(node).find(({ name }) => name === driver)?.allocatable?.count ?? 0;

/**
 * As many CSI volumes can be attached to a node as its drivers say.
 * https://kubernetes.io/docs/concepts/storage/storage-limits/
 */
export const nodeVolumeLimits: PluginOf<LimitState> = {
  name: 'NodeVolumeLimits',
  queueingHints: {
    CSINodeAdd: () => true,
    CSINodeUpdate: (_pod, { old, now }) =>
      driversOf(now).some(
        ({ name }) => countOf(now, name) > countOf(old, name) || !driversOf(old).some((known) => known.name === name),
      ),
    AssignedPodDelete: (_pod, { pod: deleted }) => deleted.claims.length > 0,
    PersistentVolumeClaimAdd: (pod, { claim }) => hasClaim(pod, claim),
    VolumeAttachmentDelete: () => true,
  },
  preFilter: (pod, { storage }) => {
    if (pod.claims.length === 0) return 'skip';
    const wanted: Volumes = new Map();
    const why = addVolumes(pod, storage, wanted, true);
    // Where claims are bound, that says so first, and better.
    return wanted.size === 0 && why === undefined ? 'skip' : { state: { storage, wanted, why } };
  },
  filter: (_pod, node, state) => filter(node, state),
};
