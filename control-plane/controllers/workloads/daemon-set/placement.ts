/** On which nodes a DaemonSet runs, and its pods as it makes them for a node. */
import { matchesNode, NODE_NAME_FIELD } from '../../../../api/domain/node-selector.ts';
import {
  DISK_PRESSURE_TAINT,
  MEMORY_PRESSURE_TAINT,
  NETWORK_UNAVAILABLE_TAINT,
  NOT_READY_TAINT,
  PID_PRESSURE_TAINT,
  tolerates,
  UNREACHABLE_TAINT,
  UNSCHEDULABLE_TAINT,
} from '../../../../api/domain/taints.ts';
import { own } from '../../../../api/machinery/own.ts';
import { daemonSets } from '../../../../client/resources.gen.ts';
import type { NodeView } from '../../caches/node-view.ts';
import { REVISION_LABEL } from '../history/revision.ts';
import { podOfTemplate } from '../pod-control.ts';
import type { DaemonSet } from '../../../../api/types/apps/v1.gen.ts';
import type { Affinity, Pod, PodSpec, Taint, Toleration } from '../../../../api/types/core/v1.gen.ts';

/** apps/v1 has no field for how often the template was changed. */
const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';
export const TEMPLATE_GENERATION_LABEL = 'pod-template-generation';

export const templateGenerationOf = ({ metadata }: DaemonSet): string | undefined => {
  const generation = own(metadata?.annotations, TEMPLATE_GENERATION);
  return generation !== undefined && /^\d+$/.test(generation) ? generation : undefined;
};

const tolerationOf = (key: string, effect: Toleration['effect']): Toleration => ({ key, operator: 'Exists', effect });

/** What the pods of every DaemonSet tolerate: they are there for the node, whatever its state. */
const TOLERATIONS: readonly Toleration[] = [
  tolerationOf(NOT_READY_TAINT, 'NoExecute'),
  tolerationOf(UNREACHABLE_TAINT, 'NoExecute'),
  tolerationOf(DISK_PRESSURE_TAINT, 'NoSchedule'),
  tolerationOf(MEMORY_PRESSURE_TAINT, 'NoSchedule'),
  tolerationOf(PID_PRESSURE_TAINT, 'NoSchedule'),
  tolerationOf(UNSCHEDULABLE_TAINT, 'NoSchedule'),
];
/** They may be what makes the node's network available. */
const ON_HOST_NETWORK = tolerationOf(NETWORK_UNAVAILABLE_TAINT, 'NoSchedule');

const isSameToleration = (a: Toleration, b: Toleration): boolean =>
  a.key === b.key && a.operator === b.operator && a.effect === b.effect && (a.value ?? '') === (b.value ?? '');

/** The template's, those that every DaemonSet has in the place of their like. */
function tolerationsOf({ tolerations = [], hostNetwork }: Partial<PodSpec>): Toleration[] {
  const all = [...tolerations];
  for (const added of hostNetwork ? [...TOLERATIONS, ON_HOST_NETWORK] : TOLERATIONS) {
    const index = all.findIndex((toleration) => isSameToleration(toleration, added));
    if (index >= 0) all[index] = added;
    else all.push(added);
  }
  return all;
}

export interface Placement {
  /** A pod that is not there yet belongs there. */
  readonly shouldRun: boolean;
  /** A pod that is there may stay. */
  readonly mayStay: boolean;
}

const NOWHERE: Placement = { shouldRun: false, mayStay: false };

/** For many nodes: what is the same for all of them is computed once. */
export function placementOf({ spec }: DaemonSet): (node: Pick<NodeView, 'name' | 'labels' | 'taints'>) => Placement {
  const pod: Partial<PodSpec> = spec?.template.spec ?? {};
  const tolerations = tolerationsOf(pod);
  return (node) => {
    if (pod.nodeName && pod.nodeName !== node.name) return NOWHERE;
    if (!matchesNode(pod, node)) return NOWHERE;
    const untolerated = (...effects: readonly Taint['effect'][]): boolean =>
      node.taints.some((taint) => effects.includes(taint.effect) && !tolerates(tolerations, taint));
    return { shouldRun: !untolerated('NoSchedule', 'NoExecute'), mayStay: !untolerated('NoExecute') };
  };
}

/** The scheduler binds it, and to no other node. */
function pinned(affinity: Affinity | undefined, nodeName: string): Affinity {
  const matchFields = [{ key: NODE_NAME_FIELD, operator: 'In' as const, values: [nodeName] }];
  const required = { nodeSelectorTerms: [{ matchFields }] };
  return {
    ...affinity,
    nodeAffinity: { ...affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: required },
  };
}

/** Makes the pods of a revision, given by its hash. */
export function podsOn(set: DaemonSet, hash: string): (nodeName: string) => Pod {
  const pod = podOfTemplate(daemonSets, set, set.spec?.template);
  const generation = templateGenerationOf(set);
  const labels = {
    ...pod.metadata?.labels,
    ...(generation !== undefined && { [TEMPLATE_GENERATION_LABEL]: generation }),
    [REVISION_LABEL]: hash,
  };
  const spec = pod.spec!;
  const tolerations = tolerationsOf(spec);
  return (nodeName) => ({
    ...pod,
    metadata: { ...pod.metadata, labels },
    spec: { ...spec, tolerations, affinity: pinned(spec.affinity, nodeName) },
  });
}
