/** The pods of a StatefulSet as it makes them, and what makes a pod one of them. */
import { own } from '../../../../api/machinery/own.ts';
import { statefulSets } from '../../../../client/resources.gen.ts';
import type { PodView } from '../../caches/pod-view.ts';
import { REVISION_LABEL, templateOf } from '../history/revision.ts';
import { podOfTemplate } from '../pod-control.ts';
import { claimNames, claimVolumes } from './claims.ts';
import { POD_INDEX_LABEL, POD_NAME_LABEL, podNameOf, startOf } from './identity.ts';
import type { ControllerRevision, StatefulSet } from '../../../../api/types/apps/v1.gen.ts';
import type { Pod } from '../../../../api/types/core/v1.gen.ts';

/** The revision that pods are updated from, and the one that they are updated to; the same when no update is under way. */
export interface Revisions {
  readonly current: ControllerRevision;
  readonly update: ControllerRevision;
}

export const nameOf = ({ metadata }: ControllerRevision): string => metadata?.name ?? '';

export const revisionOf = ({ labels }: PodView): string => own(labels, REVISION_LABEL) ?? '';

/** How many of the lowest ordinals an update leaves alone. */
export const partitionOf = ({ spec }: StatefulSet): number => spec?.updateStrategy?.rollingUpdate?.partition ?? 0;

/** A pod that the update has not come to yet is made anew as it was. */
function revisionFor(set: StatefulSet, { current, update }: Revisions, ordinal: number): ControllerRevision {
  const { type, rollingUpdate } = set.spec?.updateStrategy ?? {};
  const index = ordinal - startOf(set);
  const isKept = rollingUpdate
    ? index < partitionOf(set)
    : type === 'RollingUpdate' && index < (set.status?.currentReplicas ?? 0);
  return isKept ? current : update;
}

export const identityLabels = (set: StatefulSet, ordinal: number): Record<string, string> => ({
  [POD_NAME_LABEL]: podNameOf(set, ordinal),
  [POD_INDEX_LABEL]: String(ordinal),
});

export function newPod(set: StatefulSet, revisions: Revisions, ordinal: number): Pod {
  const revision = revisionFor(set, revisions, ordinal);
  const template = podOfTemplate(statefulSets, set, templateOf(revision) ?? set.spec?.template);
  const name = podNameOf(set, ordinal);
  const volumes = claimVolumes(set, ordinal);
  const claimed = new Set(volumes.map((volume) => volume.name));
  const others = (template.spec?.volumes ?? []).filter((volume) => !claimed.has(volume.name));
  return {
    ...template,
    metadata: {
      ...template.metadata,
      generateName: undefined,
      name,
      labels: { ...template.metadata?.labels, ...identityLabels(set, ordinal), [REVISION_LABEL]: nameOf(revision) },
    },
    spec: {
      ...template.spec!,
      hostname: name,
      subdomain: set.spec?.serviceName,
      volumes: [...volumes, ...others],
    },
  };
}

/** Whether the pod is known by its name and has the claims of its ordinal. An adopted one may not. */
export function isMember(pod: PodView, set: StatefulSet, ordinal: number): boolean {
  const mounted = new Set(pod.claims.filter(({ isEphemeral }) => !isEphemeral).map(({ name }) => name));
  return own(pod.labels, POD_NAME_LABEL) === pod.name && claimNames(set, ordinal).every((claim) => mounted.has(claim));
}
