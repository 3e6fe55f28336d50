/** What the scheduler caches of a pod: a handful of numbers, and until it is bound the rules that decide where it may go. */
import { podDeviceClaims, type PodDeviceClaim } from '../../../api/domain/pod-device-claims.ts';
import { podClaims, type PodClaim } from '../../../api/domain/pod-claims.ts';
import { isPodTerminal } from '../../../api/domain/pod-lifecycle.ts';
import { hostPorts, type HostPort } from '../../../api/domain/host-ports.ts';
import { workloadOf, type WorkloadReference } from './workloads.ts';
import { podTerms, type PodTerms } from './pod-terms.ts';
import { heldSpec } from '../../../api/domain/held-resources.ts';
import { podRequests, type Resources } from './resources.ts';
import type { Labels } from '../../../api/machinery/selectors.ts';
import { TextCache } from '../../../api/machinery/text-cache.ts';
import type {
  NodeSelector,
  Pod,
  PreferredSchedulingTerm,
  Toleration,
  TopologySpreadConstraint,
} from '../../../api/types/core/v1.gen.ts';

/** What a pod takes of the node that runs it. */
export interface PodInfo {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Labels;
  readonly generation: number | undefined;
  /** '' until the pod is bound. */
  readonly nodeName: string;
  readonly requests: Resources;
  readonly hostPorts: readonly HostPort[];
  /** Its affinity to other pods; undefined when it has none. */
  readonly terms: PodTerms | undefined;
  readonly claims: readonly PodClaim[];
  readonly deleting: boolean;
  readonly priority: number;
  /** RFC 3339; undefined until a node has started it. */
  readonly startTime: string | undefined;
  /** Succeeded or failed: it takes nothing of its node any more. */
  readonly terminated: boolean;
  /** Present until the pod is bound, so that 10,000 bound pods cost little memory. */
  readonly pending?: SchedulingRules;
}

/** A pod without a node. */
export type PendingPod = PodInfo & { readonly pending: SchedulingRules };

export const isPending = (pod: PodInfo): pod is PendingPod => pod.pending !== undefined;

/** The fields of a pod's spec that decide when and where it is scheduled. */
export interface SchedulingRules {
  readonly schedulerName: string;
  /** Its preemptionPolicy is Never. */
  readonly neverPreempts: boolean;
  /** '' when no node is being cleared for it. */
  readonly nominatedNodeName: string;
  /** The names of `spec.schedulingGates`. */
  readonly gates: readonly string[];
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly requiredNodes: NodeSelector | undefined;
  readonly preferredNodes: readonly PreferredSchedulingTerm[];
  readonly tolerations: readonly Toleration[];
  readonly spread: readonly TopologySpreadConstraint[];
  /** Its controller, when that is of a kind by whose selector pods are spread by default. */
  readonly workload: WorkloadReference | undefined;
  readonly images: readonly string[];
  readonly deviceClaims: readonly PodDeviceClaim[];
}

const NO_LABELS: Labels = Object.freeze({});
/** The pods of one workload share them. */
const sharedLabels = new TextCache<Labels>();

function shared(labels: Labels | undefined): Labels {
  return labels ? sharedLabels.get(JSON.stringify(labels), () => labels) : NO_LABELS;
}

/** Projects a pod for the scheduler's informer. Throws when the pod has no spec. */
export function podInfo(pod: Pod): PodInfo {
  const { metadata, spec, status } = pod;
  if (!spec) throw new Error(`pod ${metadata?.namespace}/${metadata?.name} has no spec`);
  const affinity = spec.affinity?.nodeAffinity;
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    labels: shared(metadata?.labels),
    generation: metadata?.generation,
    nodeName: spec.nodeName ?? '',
    requests: podRequests(heldSpec(pod) ?? spec),
    hostPorts: hostPorts(spec),
    terms: podTerms(spec.affinity, metadata?.namespace ?? ''),
    claims: podClaims(pod),
    deleting: metadata?.deletionTimestamp !== undefined,
    priority: spec.priority ?? 0,
    startTime: status?.startTime,
    terminated: isPodTerminal(status),
    pending: spec.nodeName
      ? undefined
      : {
          schedulerName: spec.schedulerName ?? 'default-scheduler',
          neverPreempts: spec.preemptionPolicy === 'Never',
          nominatedNodeName: status?.nominatedNodeName ?? '',
          gates: (spec.schedulingGates ?? []).map(({ name }) => name),
          nodeSelector: spec.nodeSelector ?? {},
          requiredNodes: affinity?.requiredDuringSchedulingIgnoredDuringExecution,
          preferredNodes: affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [],
          tolerations: spec.tolerations ?? [],
          spread: spec.topologySpreadConstraints ?? [],
          workload: workloadOf(metadata?.ownerReferences),
          images: [...(spec.initContainers ?? []), ...spec.containers].map((container) => container.image ?? ''),
          deviceClaims: podDeviceClaims(pod),
        },
  };
}
