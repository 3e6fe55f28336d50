/** The claims of a pod's volumes. */
import type { PersistentVolumeClaim, Pod, Volume } from '../types/core/v1.gen.ts';
import type { ObjectMeta } from '../types/meta/v1.gen.ts';

/** A claim that a pod names, or that is made for one of its ephemeral volumes. */
export interface PodClaim {
  readonly name: string;
  readonly isEphemeral: boolean;
}

const NONE: readonly never[] = Object.freeze([]);

/** The name of the claim that is made for an ephemeral volume of a pod. */
export const ephemeralClaimName = (pod: string, volume: string): string => `${pod}-${volume}`;

/** The claim of a volume; undefined when it has none. */
export function claimOfVolume({ name, persistentVolumeClaim, ephemeral }: Volume, pod: string): PodClaim | undefined {
  if (persistentVolumeClaim) return { name: persistentVolumeClaim.claimName, isEphemeral: false };
  return ephemeral ? { name: ephemeralClaimName(pod, name), isEphemeral: true } : undefined;
}

export function podClaims({ metadata, spec }: Pod): readonly PodClaim[] {
  const claims = (spec?.volumes ?? []).flatMap((volume) => claimOfVolume(volume, metadata?.name ?? '') ?? []);
  return claims.length > 0 ? claims : NONE;
}

/**
 * Why the claim is not the one of the pod's ephemeral volume, as upstream words it; undefined when it is: somebody else may have
 * made one of that name, whose data is none of the pod's.
 */
export function notMadeFor(
  pod: Pick<ObjectMeta, 'namespace' | 'name' | 'uid'>,
  { metadata }: PersistentVolumeClaim,
): string | undefined {
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller);
  if (owner?.uid === pod.uid) return undefined;
  const { namespace, name } = metadata ?? {};
  return `PVC ${namespace}/${name} was not created for pod ${pod.namespace}/${pod.name} (pod is not owner)`;
}
