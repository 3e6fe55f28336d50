/** Ordinals and names: each pod of a StatefulSet has its own, and keeps them. */
import { MAX_INT32 } from '../../../../api/machinery/schema.ts';
import type { StatefulSet } from '../../../../api/types/apps/v1.gen.ts';

/** On pods, for Services that select a single one. */
export const POD_NAME_LABEL = 'statefulset.kubernetes.io/pod-name';
export const POD_INDEX_LABEL = 'apps.kubernetes.io/pod-index';

export const replicasOf = ({ spec }: StatefulSet): number => spec?.replicas ?? 1;
export const startOf = ({ spec }: StatefulSet): number => spec?.ordinals?.start ?? 0;
/** Pods at or above it are surplus. */
export const endOf = (set: StatefulSet): number => startOf(set) + replicasOf(set);

export const podNameOf = ({ metadata }: StatefulSet, ordinal: number): string => `${metadata?.name}-${ordinal}`;

/** The ordinal in the name of a pod; undefined when the name is none that the set gives. */
export const ordinalOf = (set: StatefulSet, podName: string): number | undefined =>
  ordinalAfter(`${set.metadata?.name}-`, podName);

/** The ordinal in the name of a claim that is made from one of the set's templates. */
export function ordinalOfClaim(set: StatefulSet, claimName: string): number | undefined {
  for (const { metadata } of set.spec?.volumeClaimTemplates ?? []) {
    const ordinal = ordinalAfter(`${metadata?.name}-${set.metadata?.name}-`, claimName);
    if (ordinal !== undefined) return ordinal;
  }
  return undefined;
}

function ordinalAfter(prefix: string, name: string): number | undefined {
  if (!name.startsWith(prefix)) return undefined;
  const digits = name.slice(prefix.length);
  if (!/^(0|[1-9]\d{0,9})$/.test(digits)) return undefined;
  const ordinal = Number(digits);
  return ordinal <= MAX_INT32 ? ordinal : undefined;
}
