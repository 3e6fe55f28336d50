/** What is to be done about ResourceClaims, without doing it. Upstream: pkg/controller/resourceclaim. */
import {
  CLAIM_FINALIZER,
  owningPod,
  POD_CLAIM_ANNOTATION,
  type PodDeviceClaim,
} from '../../../api/domain/pod-device-claims.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import type {
  ResourceClaim,
  ResourceClaimConsumerReference,
  ResourceClaimTemplate,
} from '../../../api/types/resource/v1.gen.ts';
import { pods as podResource } from '../../../client/resources.gen.ts';
import { isTerminated, type PodView } from '../caches/pod-view.ts';
import { controllerReference } from '../framework/owner-references.ts';

/** Leaves room for a hyphen and the five characters that the api-server adds to a name of 63. */
const MAX_BASE = 57;

/** Both names are shortened alike, so that one can still see whose claim it is. */
function generatedName(pod: string, entry: string): string {
  const whole = `${pod}-${entry}-`;
  if (whole.length <= MAX_BASE) return whole;
  const shortened = (name: string): string => name.slice(0, Math.floor((name.length * MAX_BASE) / whole.length));
  return `${shortened(pod)}-${shortened(entry)}`;
}

/** The claim that a template makes for an entry of the pod's: it goes with its pod. */
export function generatedClaim(pod: Pod, entry: PodDeviceClaim, { spec }: ResourceClaimTemplate): ResourceClaim {
  const { name = '', namespace } = pod.metadata ?? {};
  return {
    metadata: {
      generateName: generatedName(name, entry.name),
      namespace,
      labels: spec.metadata?.labels,
      annotations: { ...spec.metadata?.annotations, [POD_CLAIM_ANNOTATION]: entry.name },
      // Upstream's does not keep the pod from being deleted either.
      ownerReferences: [{ ...controllerReference(podResource, pod), blockOwnerDeletion: undefined }],
    },
    spec: spec.spec,
  };
}

/** It does not run, and will not any more. */
export const isDone = (pod: PodView): boolean => isTerminated(pod) || (pod.deleting && pod.nodeName === '');

export const isPodConsumer = ({ apiGroup = '', resource }: ResourceClaimConsumerReference): boolean =>
  apiGroup === '' && resource === 'pods';

/** What changes about a claim. The status is written first: a finalizer keeps the claim while it is allocated. */
export interface ClaimPlan {
  /** The claim with another status; undefined when that stays. */
  readonly status: ResourceClaim | undefined;
  readonly dropsFinalizer: boolean;
}

/** @param isGone whether a consumer does not need the claim any more; of others than pods nobody knows */
export function claimPlan(
  claim: ResourceClaim,
  isGone: (consumer: ResourceClaimConsumerReference) => boolean,
): ClaimPlan {
  const reservedFor = claim.status?.reservedFor ?? [];
  const remaining = reservedFor.filter((consumer) => !isPodConsumer(consumer) || !isGone(consumer));
  const hasFinalizer = claim.metadata?.finalizers?.includes(CLAIM_FINALIZER) ?? false;
  const isUnused = remaining.length === 0;
  // A claim that was allocated and never reserved stays allocated until it is deleted.
  const isFreed = isUnused && (reservedFor.length > 0 || claim.metadata?.deletionTimestamp !== undefined);
  const deallocates = isFreed && hasFinalizer && claim.status?.allocation !== undefined;
  const changes = remaining.length < reservedFor.length || deallocates;
  const status = { ...claim.status };
  if (deallocates) delete status.allocation;
  if (isUnused) delete status.reservedFor;
  else status.reservedFor = remaining;
  return {
    status: changes ? { ...claim, status } : undefined,
    dropsFinalizer: hasFinalizer && isFreed,
  };
}

/** Whether the claim was generated for a pod that was replaced or does not need it any more. */
export function isLeftOver(claim: ResourceClaim, owner: PodView | undefined): boolean {
  const made = owningPod(claim);
  if (!made || !owner || (claim.status?.reservedFor ?? []).length > 0) return false;
  return owner.uid !== made.uid || isDone(owner);
}
