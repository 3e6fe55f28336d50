/** Preparation of pods for create, update and delete: upstream's pod strategy. */
import { DEFAULT_GRACE_SECONDS, isPodTerminal } from '../../domain/pod-lifecycle.ts';
import { qosClassOf } from '../../domain/pod-resources.ts';
import type { Pod, PodSpec } from '../../types/core/v1.gen.ts';
import type { DeleteOptions } from '../../types/meta/v1.gen.ts';
import type { HookContext } from '../../machinery/kind.ts';
import { adoptAppArmorAnnotations } from './app-armor.ts';
import { timeOf } from '../../machinery/time.ts';
import { mergeLabelKeys } from './pod-label-keys.ts';

/** How long a pod may take to terminate, in seconds; 0 when no node runs it. */
export function podGraceSeconds({ metadata, spec, status }: Pod, { gracePeriodSeconds }: DeleteOptions): number {
  const running = metadata?.deletionTimestamp ? metadata.deletionGracePeriodSeconds : undefined;
  // A second delete without a period does not change the current one.
  if (running !== undefined && gracePeriodSeconds === undefined && spec?.nodeName) return running;
  if (!spec?.nodeName || isPodTerminal(status)) return 0;
  const asked = gracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  return asked < 0 ? 1 : asked;
}

/** A negative grace period once meant "immediately", which is 1 today. */
function liftGrace(spec: PodSpec): void {
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) spec.terminationGracePeriodSeconds = 1;
}

export function preparePodForCreate(pod: Pod, { warn, now }: Pick<HookContext, 'warn' | 'now'>): void {
  const { spec } = pod;
  if (!spec) return;
  liftGrace(spec);
  adoptAppArmorAnnotations(pod, warn);
  mergeLabelKeys(spec, pod.metadata?.labels);
  pod.status = { phase: 'Pending', qosClass: qosClassOf(spec) };
  if (spec.schedulingGates?.length) {
    pod.status.conditions = [
      {
        type: 'PodScheduled',
        status: 'False',
        lastProbeTime: null,
        lastTransitionTime: timeOf(now),
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
  // Those that are there cannot change.
  const isAddition = (ephemeralContainers?.length ?? 0) > (old.spec?.ephemeralContainers?.length ?? 0);
  if (isAddition && pod.metadata?.generation !== undefined) pod.metadata.generation++;
}
