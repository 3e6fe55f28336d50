/**
 * The claims of a StatefulSet's pods: one for each template and ordinal. Who owns a claim says when it is deleted:
 * https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention
 */
import { persistentVolumeClaims, pods, statefulSets } from '../../../../client/resources.gen.ts';
import type { ClaimView } from '../../caches/storage-views.ts';
import type { PodView } from '../../caches/pod-view.ts';
import { apiVersionOf, controllerReference } from '../../framework/owner-references.ts';
import type { Resource } from '../../../../client/resource.ts';
import { podNameOf } from './identity.ts';
import type { StatefulSet } from '../../../../api/types/apps/v1.gen.ts';
import type { PersistentVolumeClaim, Volume } from '../../../../api/types/core/v1.gen.ts';
import type { OwnerReference } from '../../../../api/types/meta/v1.gen.ts';

interface Retention {
  /** The claims go with the set. */
  readonly deletedWithSet: boolean;
  /** The claims of a pod that is scaled away go with it. */
  readonly deletedWithPod: boolean;
}

function retentionOf({ spec }: StatefulSet): Retention {
  const { whenDeleted, whenScaled } = spec?.persistentVolumeClaimRetentionPolicy ?? {};
  return { deletedWithSet: whenDeleted === 'Delete', deletedWithPod: whenScaled === 'Delete' };
}

const claimName = (template: PersistentVolumeClaim, set: StatefulSet, ordinal: number): string =>
  `${template.metadata?.name}-${podNameOf(set, ordinal)}`;

export const claimNames = (set: StatefulSet, ordinal: number): string[] =>
  (set.spec?.volumeClaimTemplates ?? []).map((template) => claimName(template, set, ordinal));

export const claimVolumes = (set: StatefulSet, ordinal: number): Volume[] =>
  (set.spec?.volumeClaimTemplates ?? []).map((template) => ({
    name: template.metadata?.name ?? '',
    persistentVolumeClaim: { claimName: claimName(template, set, ordinal) },
  }));

/** The claims of a pod that is to run, owned as they are to be as long as it is not scaled away. */
export const newClaims = (set: StatefulSet, ordinal: number): PersistentVolumeClaim[] =>
  (set.spec?.volumeClaimTemplates ?? []).map((template) => {
    const { labels, annotations, finalizers } = template.metadata ?? {};
    const { deletedWithSet } = retentionOf(set);
    return {
      apiVersion: 'v1',
      kind: persistentVolumeClaims.kind,
      metadata: {
        namespace: set.metadata?.namespace,
        name: claimName(template, set, ordinal),
        labels: { ...labels, ...set.spec?.selector.matchLabels },
        ...{ annotations, finalizers },
        ...(deletedWithSet && { ownerReferences: [controllerReference(statefulSets, set)] }),
      },
      spec: template.spec,
    };
  });

type Named = Pick<PodView, 'name' | 'uid'>;

const names = (reference: OwnerReference, resource: Resource, name: string | undefined): boolean =>
  reference.apiVersion === apiVersionOf(resource) && reference.kind === resource.kind && reference.name === name;

/** The claim belongs to an earlier pod of the name, and goes with it: no new pod may use it. */
export const isStale = (claim: ClaimView, set: StatefulSet, ordinal: number): boolean =>
  retentionOf(set).deletedWithPod && claim.owners.some((reference) => names(reference, pods, podNameOf(set, ordinal)));

export interface Ownership {
  readonly owners: readonly OwnerReference[];
  /** Somebody else controls the claim, who decides what becomes of it. */
  readonly isForeign: boolean;
}

/** The owners that a claim is to have; undefined when it has them, or is none of the set's business. */
export function claimOwnership(
  claim: ClaimView,
  set: StatefulSet,
  pod: Named,
  isCondemned: boolean,
): Ownership | undefined {
  const ofSet = (reference: OwnerReference): boolean => names(reference, statefulSets, set.metadata?.name);
  const ofPod = (reference: OwnerReference): boolean => names(reference, pods, pod.name);
  const setUid = set.metadata?.uid ?? '';
  const { owners } = claim;
  // Of an earlier set or pod of the name: the garbage collector decides.
  if (owners.some((each) => (ofSet(each) && each.uid !== setUid) || (ofPod(each) && each.uid !== pod.uid))) {
    return undefined;
  }
  const { deletedWithSet, deletedWithPod } = retentionOf(set);
  const others = owners.filter((reference) => !ofSet(reference) && !ofPod(reference));
  const ours = owners.filter((reference) => !others.includes(reference));
  const isForeign = (deletedWithSet || deletedWithPod) && others.some(({ controller }) => controller);
  if (isForeign) return ours.length > 0 ? { owners: others, isForeign } : undefined;
  const wanted: OwnerReference[] = [];
  if (deletedWithSet && !(deletedWithPod && isCondemned)) wanted.push(controllerReference(statefulSets, set));
  if (deletedWithPod && isCondemned) wanted.push(controllerReference(pods, { metadata: pod }));
  const isAsWanted =
    ours.length === wanted.length &&
    wanted.every(({ uid }) => ours.some((reference) => reference.uid === uid && reference.controller));
  return isAsWanted ? undefined : { owners: [...others, ...wanted], isForeign };
}
