import { REGION_LABEL, ZONE_LABEL } from '../../../api/domain/topology-labels.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import { own } from '../../../api/machinery/own.ts';
import { classOf } from '../../../api/domain/storage-class.ts';
import type { PersistentVolume } from '../../../api/types/core/v1.gen.ts';
import { namesClaim } from '../framework/claim-hints.ts';
import type { Cluster } from '../framework/cluster.ts';
import type { PluginOf, PreFilterResult } from '../framework/plugin.ts';
import type { PendingPod } from '../framework/pod-info.ts';
import { unresolvable, type Rejection } from '../framework/rejection.ts';

const CONFLICT = unresolvable('node(s) had no available volume zone');

/** Labels of volumes, each with the one that a node may have instead. */
const LABELS: ReadonlyMap<string, string> = new Map([
  ['failure-domain.beta.kubernetes.io/zone', ZONE_LABEL],
  ['failure-domain.beta.kubernetes.io/region', REGION_LABEL],
  [ZONE_LABEL, ZONE_LABEL],
  [REGION_LABEL, REGION_LABEL],
]);
const SEPARATOR = '__';

/** Where a volume is: one of the values, by one of its labels. */
interface Topology {
  readonly key: string;
  readonly values: readonly string[];
}

function topologiesOf({ metadata }: PersistentVolume): Topology[] {
  const found: Topology[] = [];
  for (const key of LABELS.keys()) {
    const values = own(metadata?.labels, key)
      ?.split(SEPARATOR)
      .map((value) => value.trim());
    // As upstream: a label with an empty zone says nothing.
    if (values?.every((value) => value !== '')) found.push({ key, values });
  }
  return found;
}

/** Why a claim without a volume keeps the pod from being scheduled; undefined when it waits for the pod. */
function unboundRejection(className: string, { storage }: Cluster): Rejection | undefined {
  if (!className) return unresolvable('PersistentVolumeClaim had no pv name and storageClass name');
  const storageClass = storage.storageClass(className);
  if (!storageClass) return unresolvable(`storageclass.storage.k8s.io ${JSON.stringify(className)} not found`);
  return storageClass.volumeBindingMode === 'WaitForFirstConsumer'
    ? undefined
    : unresolvable('PersistentVolume had no name');
}

function preFilter({ namespace, claims }: PendingPod, cluster: Cluster): PreFilterResult<readonly Topology[]> {
  const { storage } = cluster;
  const state: Topology[] = [];
  for (const { name, isEphemeral } of claims) {
    if (isEphemeral) continue;
    const claim = storage.claim(namespace, name);
    if (!claim) return { rejection: unresolvable(`persistentvolumeclaim ${JSON.stringify(name)} not found`) };
    const { volumeName } = claim.spec ?? {};
    if (!volumeName) {
      const rejection = unboundRejection(classOf(claim), cluster);
      if (rejection) return { rejection };
      continue;
    }
    const volume = storage.volume(volumeName);
    if (!volume) return { rejection: unresolvable(`persistentvolume ${JSON.stringify(volumeName)} not found`) };
    state.push(...topologiesOf(volume));
  }
  return state.length === 0 ? 'skip' : { state };
}

/**
 * Volumes that are labelled with a zone or region are used there, but for nodes that are in none.
 * https://kubernetes.io/docs/reference/labels-annotations-taints/#topologykubernetesiozone
 */
export const volumeZone: PluginOf<readonly Topology[]> = {
  name: 'VolumeZone',
  queueingHints: {
    NodeAdd: () => true,
    UpdateNodeLabel: () => true,
    PersistentVolumeClaimAdd: (pod, { claim }) => namesClaim(pod, claim),
    PersistentVolumeClaimUpdate: (pod, { claim }) => namesClaim(pod, claim),
    PersistentVolumeAdd: () => true,
    PersistentVolumeUpdate: (_pod, { old, now }) => !deepEqual(topologiesOf(old), topologiesOf(now)),
    StorageClassAdd: (_pod, { storageClass }) => storageClass.volumeBindingMode === 'WaitForFirstConsumer',
  },
  preFilter: (pod, cluster) => (pod.claims.length === 0 ? 'skip' : preFilter(pod, cluster)),
  filter: (_pod, { facts: { labels } }, topologies) => {
    if (![...LABELS.keys()].some((key) => own(labels, key) !== undefined)) return undefined;
    const isThere = ({ key, values }: Topology): boolean => {
      const value = own(labels, key) ?? own(labels, LABELS.get(key) ?? key);
      return value !== undefined && values.includes(value);
    };
    return topologies.every(isThere) ? undefined : CONFLICT;
  },
};
