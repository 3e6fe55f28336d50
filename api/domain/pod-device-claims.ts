/** The ResourceClaims of a pod: https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/ */
import type { Pod } from '../types/core/v1.gen.ts';
import type { ObjectMeta } from '../types/meta/v1.gen.ts';
import type { ResourceClaim } from '../types/resource/v1.gen.ts';

/** An entry of a pod's `spec.resourceClaims`. */
export interface PodDeviceClaim {
  readonly name: string;
  /** The ResourceClaimTemplate that the claim is made of; undefined when the pod names the claim. */
  readonly template: string | undefined;
  /** The ResourceClaim: undefined until it is made, null when the pod needs none. */
  readonly claim: string | null | undefined;
}

/** On claims that are allocated, until they are not any more. */
export const CLAIM_FINALIZER = 'resource.kubernetes.io/delete-protection';
/** On generated claims: the entry of the pod's that it was made for. */
export const POD_CLAIM_ANNOTATION = 'resource.kubernetes.io/pod-claim-name';

const NONE: readonly never[] = Object.freeze([]);

export function podDeviceClaims({ spec, status }: Pod): readonly PodDeviceClaim[] {
  const claims = spec?.resourceClaims;
  if (!claims?.length) return NONE;
  return claims.map(({ name, resourceClaimName, resourceClaimTemplateName: template }) => {
    if (resourceClaimName !== undefined) return { name, template: undefined, claim: resourceClaimName };
    const made = status?.resourceClaimStatuses?.find((known) => known.name === name);
    return { name, template, claim: made && (made.resourceClaimName ?? null) };
  });
}

/** The pod that a claim was generated for. */
export const owningPod = ({ metadata }: ResourceClaim): { readonly name: string; readonly uid: string } | undefined =>
  metadata?.ownerReferences?.find(
    ({ apiVersion, kind, controller }) => controller && apiVersion === 'v1' && kind === 'Pod',
  );

/** Why a generated claim is not the pod's, as upstream words it; undefined when it is. */
export function notMadeForPod(
  pod: Pick<ObjectMeta, 'namespace' | 'name' | 'uid'>,
  claim: ResourceClaim,
): string | undefined {
  if (owningPod(claim)?.uid === pod.uid) return undefined;
  const { namespace, name } = claim.metadata ?? {};
  return `ResourceClaim ${namespace}/${name} was not created for Pod ${pod.namespace}/${pod.name} (Pod is not owner)`;
}

/** A claim has no place for more consumers: upstream's ResourceClaimReservedForMaxSize. */
export const MAX_CONSUMERS = 256;

export const isReservedFor = ({ status }: ResourceClaim, podUid: string): boolean =>
  (status?.reservedFor ?? []).some(({ uid }) => uid === podUid);

export const canBeReserved = ({ status }: ResourceClaim): boolean => (status?.reservedFor ?? []).length < MAX_CONSUMERS;
