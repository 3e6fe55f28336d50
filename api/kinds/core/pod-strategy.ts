/** What becomes of a pod on its way into the store: upstream's pod strategy. */
import { qosClassOf } from '../../domain/pod-resources.ts';
import type { Pod, PodSpec } from '../../types/core/v1.gen.ts';
import type { DeleteOptions } from '../../types/meta/v1.gen.ts';

const DEFAULT_GRACE_SECONDS = 30;

/** A pod that no node runs needs no time to end. */
export function podGraceSeconds({ metadata, spec, status }: Pod, { gracePeriodSeconds }: DeleteOptions): number {
  const running = metadata?.deletionTimestamp ? metadata.deletionGracePeriodSeconds : undefined;
  // A second delete that names no period leaves alone the one that runs.
  if (running !== undefined && gracePeriodSeconds === undefined && spec?.nodeName) return running;
  if (!spec?.nodeName || status?.phase === 'Failed' || status?.phase === 'Succeeded') return 0;
  const asked = gracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  return asked < 0 ? 1 : asked;
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
  if (pod.metadata) pod.metadata.ownerReferences = old.metadata?.ownerReferences;
  if (pod.status) pod.status.qosClass ??= old.status?.qosClass;
}

/** For `pods/ephemeralcontainers`: the only field that may change is `spec.ephemeralContainers`. */
export function prepareEphemeralContainersUpdate(pod: Pod, old: Pod): void {
  const ephemeralContainers = pod.spec?.ephemeralContainers;
  pod.status = old.status;
  pod.spec = old.spec && { ...old.spec, ephemeralContainers };
  if (pod.metadata?.generation !== undefined) pod.metadata.generation++;
}
