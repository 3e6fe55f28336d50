import { namesClaim } from '../framework/claim-hints.ts';
import type { Cluster } from '../framework/cluster.ts';
import type { PluginOf, PreFilterResult } from '../framework/plugin.ts';
import type { PendingPod, PodInfo } from '../framework/pod-info.ts';
import { unresolvable, unschedulable } from '../framework/rejection.ts';

const IN_USE = unschedulable(
  'node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod',
);

/** The pod's claims that one pod at a time may use, and how often pods on nodes use them. */
interface Exclusive {
  readonly namespace: string;
  readonly claims: ReadonlySet<string>;
  users: number;
}

function preFilter({ namespace, claims }: PendingPod, { storage, pods }: Cluster): PreFilterResult<Exclusive> {
  const exclusive = new Set<string>();
  let users = 0;
  for (const { name, isEphemeral } of claims) {
    if (isEphemeral) continue;
    const claim = storage.claim(namespace, name);
    if (!claim) return { rejection: unresolvable(`persistentvolumeclaim ${JSON.stringify(name)} not found`) };
    if (!claim.spec?.accessModes?.includes('ReadWriteOncePod') || exclusive.has(name)) continue;
    exclusive.add(name);
    users += pods.claimUsers(namespace, name);
  }
  return exclusive.size === 0 ? 'skip' : { state: { namespace, claims: exclusive, users } };
}

const usesOf = ({ namespace, claims }: Exclusive, other: PodInfo): number =>
  other.namespace === namespace
    ? other.claims.filter(({ name, isEphemeral }) => !isEphemeral && claims.has(name)).length
    : 0;

/**
 * A claim with access mode ReadWriteOncePod has one pod in the whole cluster.
 * https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes
 */
export const volumeRestrictions: PluginOf<Exclusive> = {
  name: 'VolumeRestrictions',
  queueingHints: {
    NodeAdd: () => true,
    PersistentVolumeClaimAdd: (pod, { claim }) => namesClaim(pod, claim),
    AssignedPodDelete: ({ namespace, claims }, { pod: deleted }) =>
      namespace === deleted.namespace &&
      claims.some(
        ({ name, isEphemeral }) =>
          !isEphemeral && deleted.claims.some((freed) => !freed.isEphemeral && freed.name === name),
      ),
  },
  preFilter: (pod, cluster) => (pod.claims.length === 0 ? 'skip' : preFilter(pod, cluster)),
  preFilterExtensions: {
    clone: (state) => ({ ...state }),
    addPod: (state, added) => void (state.users += usesOf(state, added)),
    removePod: (state, removed) => void (state.users -= usesOf(state, removed)),
  },
  filter: (_pod, _node, { users }) => (users > 0 ? IN_USE : undefined),
};
