/** What becomes of a pod on its way into the store: upstream's pod strategy. */
import { compareQuantities } from '../machinery/quantity.ts';
import type { Container, ResourceRequirements } from './container.ts';
import type { Pod } from './pod.ts';
import type { PodSpec } from './pod-spec.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const COMPUTE = ['cpu', 'memory'] as const;
const isPositive = (quantity: string | undefined): quantity is string =>
  quantity !== undefined && compareQuantities(quantity, '0') > 0;

/** Guaranteed where every part has limits for CPU and memory that equal its requests; BestEffort where nothing is asked for. */
export function qosClassOf(spec: PodSpec): QosClass {
  const parts: (ResourceRequirements | undefined)[] = spec.resources
    ? [spec.resources]
    : [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((container: Container) => container.resources);
  let asked = false;
  let guaranteed = true;
  for (const resources of parts) {
    for (const name of COMPUTE) {
      const limit = resources?.limits?.[name];
      const request = resources?.requests?.[name];
      if (isPositive(limit) || isPositive(request)) asked = true;
      if (!isPositive(limit) || !isPositive(request) || compareQuantities(limit, request) !== 0) guaranteed = false;
    }
  }
  return !asked ? 'BestEffort' : guaranteed ? 'Guaranteed' : 'Burstable';
}

/** A negative grace was once a way to say "at once", which is what 1 says now. */
function liftGrace(spec: PodSpec): void {
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) spec.terminationGracePeriodSeconds = 1;
}

export function preparePodForCreate(pod: Pod): void {
  const { spec } = pod;
  if (!spec) return;
  liftGrace(spec);
  pod.status = { phase: 'Pending', qosClass: qosClassOf(spec) };
  if (spec.schedulingGates?.length) {
    pod.status.conditions = [
      {
        type: 'PodScheduled',
        status: 'False',
        reason: 'SchedulingGated',
        message: 'Scheduling is blocked due to non-empty scheduling gates',
      },
    ];
  }
}

export function preparePodForUpdate(pod: Pod, old: Pod): void {
  if (pod.spec) liftGrace(pod.spec);
  pod.status = old.status;
}

export function preparePodForStatusUpdate(pod: Pod, old: Pod): void {
  pod.spec = old.spec;
  if (pod.metadata) pod.metadata.ownerReferences = old.metadata?.ownerReferences;
  if (pod.status) pod.status.qosClass ??= old.status?.qosClass;
}

/** For `pods/ephemeralcontainers`: the only field that may change is `spec.ephemeralContainers`. */
export function prepareEphemeralContainersUpdate(pod: Pod, old: Pod): void {
  const ephemeralContainers = pod.spec?.ephemeralContainers;
  pod.status = old.status;
  pod.spec = old.spec && { ...old.spec, ephemeralContainers };
}
