/** What the controllers keep of a pod. */
import { NODE_NAME_FIELD } from '../../../api/domain/node-selector.ts';
import { podDeviceClaims, type PodDeviceClaim } from '../../../api/domain/pod-device-claims.ts';
import { podClaims, type PodClaim } from '../../../api/domain/pod-claims.ts';
import { isPodTerminal } from '../../../api/domain/pod-lifecycle.ts';
import type { Labels } from '../../../api/machinery/selectors.ts';
import { own } from '../../../api/machinery/own.ts';
import type { Interner } from '../framework/interner.ts';
import { jobPodDetails, type JobPodDetails } from './job-pod.ts';
import { podRequestsOf, type PodRequests } from './pod-requests.ts';
import { controllerOf, ownedView, type Owned } from '../framework/owner-references.ts';
import type { Pod, PodSpec, PodStatus, Toleration } from '../../../api/types/core/v1.gen.ts';

/** A port that a container names or opens, for named target ports of Services. */
export interface PodPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
}

export interface PodView extends Owned {
  readonly labels: Labels;
  readonly controllerUid: string;
  readonly phase: string;
  /** Its node has rejected it: it has failed, and there was never a container of it. */
  readonly rejected: boolean;
  readonly nodeName: string;
  /** The one node that its affinity names, as that of a DaemonSet's pod does; '' when there is none. */
  readonly pinnedTo: string;
  readonly ips: readonly string[];
  /** Condition Ready is True. */
  readonly ready: boolean;
  /** The status of condition Ready; '' when there is none. */
  readonly readyStatus: string;
  /** Since when Ready is what it is, in ms since the epoch; 0 when unknown. */
  readonly readyChangedAt: number;
  readonly createdAt: number;
  /** `status.startTime` in ms since the epoch; 0 when unknown. */
  readonly startedAt: number;
  readonly requests: PodRequests;
  /** The most restarts of a container. */
  readonly restarts: number;
  /** Annotation controller.kubernetes.io/pod-deletion-cost. */
  readonly deletionCost: number;
  readonly hostname: string;
  readonly subdomain: string;
  readonly ports: readonly PodPort[];
  /** Those that tolerate NoExecute taints. */
  readonly tolerations: readonly Toleration[];
  readonly claims: readonly PodClaim[];
  readonly deviceClaims: readonly PodDeviceClaim[];
  /** Since when the pod is marked by somebody but the kubelet as about to be disrupted, in ms since the epoch; 0 when it is not. */
  readonly disruptedAt: number;
  /** Of pods that a Job controls or may adopt. */
  readonly job: JobPodDetails | undefined;
}

const NO_LABELS: Labels = Object.freeze({});
const NONE: readonly never[] = Object.freeze([]);

function pinnedTo({ affinity }: Partial<PodSpec> = {}): string {
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const fields = terms.flatMap(({ matchFields = [] }) => matchFields);
  const named = fields.find(({ key, operator }) => key === NODE_NAME_FIELD && operator === 'In')?.values ?? [];
  return named.length === 1 ? named[0]! : '';
}

function disruptedAt({ conditions = [] }: PodStatus = {}): number {
  const condition = conditions.find(({ type, status }) => type === 'DisruptionTarget' && status === 'True');
  // The kubelet may take as long as it likes to end the pod.
  if (!condition || condition.reason === 'TerminationByKubelet') return 0;
  return condition.lastTransitionTime ? Date.parse(condition.lastTransitionTime) : 0;
}

export function podView(pod: Pod, interner: Interner): PodView {
  const { metadata = {}, spec, status } = pod;
  const owned = ownedView(pod, interner);
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  // Those of sidecars count too, after the others, as upstream finds them.
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const ports = [...(spec?.containers ?? []), ...sidecars].flatMap(({ ports = [] }) =>
    ports.map(({ name = '', containerPort, protocol = 'TCP' }) => ({ name, port: containerPort, protocol })),
  );
  const tolerations = (spec?.tolerations ?? []).filter(({ effect }) => !effect || effect === 'NoExecute');
  const ips = (status?.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []));
  return {
    ...owned,
    labels: metadata.labels ? interner.share(metadata.labels) : NO_LABELS,
    controllerUid: controllerOf(owned.owners)?.uid ?? '',
    phase: status?.phase ?? 'Pending',
    rejected: status?.phase === 'Failed' && !status.containerStatuses?.length && !status.initContainerStatuses?.length,
    nodeName: spec?.nodeName ?? '',
    pinnedTo: pinnedTo(spec),
    ips: ips.length > 0 ? ips : status?.podIP ? [status.podIP] : NONE,
    ready: ready?.status === 'True',
    readyStatus: ready?.status ?? '',
    readyChangedAt: ready?.lastTransitionTime ? Date.parse(ready.lastTransitionTime) : 0,
    createdAt: metadata.creationTimestamp ? Date.parse(metadata.creationTimestamp) : 0,
    startedAt: status?.startTime ? Date.parse(status.startTime) : 0,
    requests: interner.share(podRequestsOf(spec)),
    restarts: Math.max(0, ...(status?.containerStatuses ?? []).map(({ restartCount }) => restartCount)),
    deletionCost: Number(metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0) || 0,
    hostname: spec?.hostname ?? '',
    subdomain: spec?.subdomain ?? '',
    ports: ports.length > 0 ? interner.share(ports) : NONE,
    tolerations: tolerations.length > 0 ? interner.share(tolerations) : NONE,
    claims: podClaims(pod),
    deviceClaims: podDeviceClaims(pod),
    disruptedAt: disruptedAt(status),
    job: jobPodDetails(pod, owned.owners),
  };
}

export const isTerminated: (pod: PodView) => boolean = isPodTerminal;

/** Whether the change of a pod can change what its controller does or says. */
export const concernsController = (old: PodView, pod: PodView): boolean =>
  old.ready !== pod.ready ||
  old.phase !== pod.phase ||
  old.deleting !== pod.deleting ||
  old.labels !== pod.labels ||
  old.controllerUid !== pod.controllerUid ||
  old.readyChangedAt !== pod.readyChangedAt;

/** Counts towards the replicas of its controller. */
export const isActive = (pod: PodView): boolean => !pod.deleting && !isTerminated(pod);

/**
 * How many ms until the pod has been ready for `minReadySeconds`: 0 when it is available, Infinity when it is not ready.
 */
export function availableInMs(pod: PodView, minReadySeconds: number, now: number): number {
  if (!pod.ready) return Infinity;
  if (minReadySeconds === 0) return 0;
  return pod.readyChangedAt ? Math.max(0, pod.readyChangedAt + minReadySeconds * 1000 - now) : Infinity;
}

/** Whether each of the wanted labels is there with its value: the selector of a Service. */
export function matchesLabels(wanted: Labels, labels: Labels): boolean {
  for (const key in wanted) if (own(labels, key) !== wanted[key]) return false;
  return true;
}
