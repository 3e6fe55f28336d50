/** What the controllers keep of a pod that a Job controls, or may adopt, beside what they keep of every pod. */
import { COMPLETION_INDEX, INDEX_FAILURES, INDEX_IGNORED_FAILURES } from '../../../api/domain/job-tracking.ts';
import { isSidecar } from '../../../api/domain/pod-lifecycle.ts';
import { own } from '../../../api/machinery/own.ts';
import { MAX_INT32 } from '../../../api/machinery/schema.ts';
import { controllerOf, groupOf } from '../framework/owner-references.ts';
import type { ContainerStatus, Pod } from '../../../api/types/core/v1.gen.ts';
import type { OwnerReference } from '../../../api/types/meta/v1.gen.ts';

/** A container that has ended with a failure. */
export interface FailedContainer {
  readonly name: string;
  readonly exitCode: number;
}

export interface JobPodDetails {
  readonly resourceVersion: string;
  /** Its completion index, when the Job is indexed. */
  readonly index: number | undefined;
  /** How many pods of its index have failed before it and counted, and how many were ignored. */
  readonly earlierFailures: number;
  readonly earlierIgnored: number;
  /** Of all its containers. */
  readonly totalRestarts: number;
  /** When it has ended, as far as can be told, in ms since the epoch. */
  readonly endedAt: number;
  /** Init containers come after the others. */
  readonly failedContainers: readonly FailedContainer[];
  readonly conditions: readonly { readonly type: string; readonly status: string }[];
}

/** Undefined for pods that no Job can have. */
export function jobPodDetails(pod: Pod, owners: readonly OwnerReference[]): JobPodDetails | undefined {
  const controller = controllerOf(owners);
  const isJobs = controller?.kind === 'Job' && groupOf(controller.apiVersion) === 'batch';
  // The template of a Job cannot have the policy Always, but an orphan that its selector matches may have it.
  if (controller && !isJobs) return undefined;
  const { metadata = {}, status = {} } = pod;
  const { annotations } = metadata;
  const containers = [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])];
  return {
    resourceVersion: metadata.resourceVersion ?? '',
    index: naturalNumber(own(annotations, COMPLETION_INDEX)),
    earlierFailures: naturalNumber(own(annotations, INDEX_FAILURES)) ?? 0,
    earlierIgnored: naturalNumber(own(annotations, INDEX_IGNORED_FAILURES)) ?? 0,
    totalRestarts: containers.reduce((sum, { restartCount }) => sum + restartCount, 0),
    endedAt: endOf(pod),
    failedContainers: containers.flatMap(({ name, state }) => {
      const exitCode = state?.terminated?.exitCode ?? 0;
      return exitCode === 0 ? [] : [{ name, exitCode }];
    }),
    conditions: (status.conditions ?? []).map(({ type, status: value }) => ({ type, status: value })),
  };
}

/** Users can write what they like into annotations: what is no number between 0 and 2^31 - 1 is as good as absent. */
function naturalNumber(text: string | undefined): number | undefined {
  const number = text !== undefined && /^\+?\d+$/.test(text) ? Number(text) : NaN;
  return number <= MAX_INT32 ? number : undefined;
}

/** The last end of a container, or the best guess that there is: upstream's `getFinishedTime`. */
function endOf({ metadata = {}, spec, status = {} }: Pod): number {
  const sidecars = new Set((spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const ended = lastEnd([
    ...(status.containerStatuses ?? []),
    ...(status.initContainerStatuses ?? []).filter(({ name }) => sidecars.has(name)),
  ]);
  if (ended !== undefined) return ended;
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status === 'False' && ready.lastTransitionTime) return Date.parse(ready.lastTransitionTime);
  if (metadata.deletionTimestamp) {
    return Date.parse(metadata.deletionTimestamp) - (metadata.deletionGracePeriodSeconds ?? 0) * 1000;
  }
  return metadata.creationTimestamp ? Date.parse(metadata.creationTimestamp) : 0;
}

/** Undefined when there are none, or one has not ended. */
function lastEnd(containers: readonly ContainerStatus[]): number | undefined {
  let last: number | undefined;
  for (const { state } of containers) {
    const finishedAt = state?.terminated?.finishedAt;
    if (!finishedAt) return undefined;
    last = Math.max(last ?? 0, Date.parse(finishedAt));
  }
  return last;
}
