/** The pods of a Job: what they are to it, and the ones that it creates. */
import {
  COMPLETION_INDEX,
  INDEX_FAILURES,
  INDEX_IGNORED_FAILURES,
  JOB_TRACKING_FINALIZER,
} from '../../../../api/domain/job-tracking.ts';
import { jobs } from '../../../../client/resources.gen.ts';
import type { JobPodDetails } from '../../caches/job-pod.ts';
import { isTerminated, type PodView } from '../../caches/pod-view.ts';
import { podOfTemplate } from '../pod-control.ts';
import type { Job, JobSpec } from '../../../../api/types/batch/v1.gen.ts';
import type { Container, Pod } from '../../../../api/types/core/v1.gen.ts';

export type JobPod = PodView & { readonly job: JobPodDetails };

export const isJobPod = (pod: PodView): pod is JobPod => pod.job !== undefined;

/** It has not been counted yet. */
export const isTracked = ({ finalizers }: PodView): boolean => finalizers.includes(JOB_TRACKING_FINALIZER);

/** On its way out, and not ended. */
export const isTerminating = (pod: PodView): boolean => pod.deleting && !isTerminated(pod);

/** A pod is replaced when it has failed, and not already when it is being deleted. */
export const replacesFailedOnly = ({ podReplacementPolicy, podFailurePolicy }: JobSpec): boolean =>
  podReplacementPolicy === 'Failed' || podFailurePolicy !== undefined;

/** Pods that are being deleted count as failed, unless they have to fail first: nobody may be there to report their end. */
export const isFailed = (pod: PodView, spec: JobSpec): boolean =>
  pod.phase === 'Failed' || (pod.deleting && pod.phase !== 'Succeeded' && !replacesFailedOnly(spec));

/** A pod to create. */
export interface NewPod {
  /** Of an indexed Job. */
  readonly index?: number;
  /** With `backoffLimitPerIndex`: the failures of its index so far. */
  readonly failures?: { readonly counted: number; readonly ignored: number };
}

/** A name and its index are to leave room for five random characters in a label. */
const MAX_GENERATED_NAME = 58;
const INDEX_VARIABLE = 'JOB_COMPLETION_INDEX';

export function podOf(job: Job, { index, failures }: NewPod): Pod {
  const pod = podOfTemplate(jobs, job, job.spec?.template);
  const finalizers = [...new Set([...(pod.metadata?.finalizers ?? []), JOB_TRACKING_FINALIZER])];
  const metadata = { ...pod.metadata, finalizers };
  if (index === undefined) return { ...pod, metadata };
  const name = job.metadata?.name ?? '';
  const suffix = `-${index}-`;
  const annotations: Record<string, string> = { ...metadata.annotations, [COMPLETION_INDEX]: String(index) };
  if (failures) {
    annotations[INDEX_FAILURES] = String(failures.counted);
    if (failures.ignored > 0) annotations[INDEX_IGNORED_FAILURES] = String(failures.ignored);
  }
  return {
    ...pod,
    metadata: {
      ...metadata,
      generateName: `${name.slice(0, MAX_GENERATED_NAME - suffix.length)}${suffix}`,
      labels: { ...metadata.labels, [COMPLETION_INDEX]: String(index) },
      annotations,
    },
    spec: pod.spec && {
      ...pod.spec,
      hostname: `${name}-${index}`,
      containers: pod.spec.containers.map(withIndexVariable),
      ...(pod.spec.initContainers && { initContainers: pod.spec.initContainers.map(withIndexVariable) }),
    },
  };
}

function withIndexVariable(container: Container): Container {
  const { env = [] } = container;
  if (env.some(({ name }) => name === INDEX_VARIABLE)) return container;
  const valueFrom = { fieldRef: { fieldPath: `metadata.labels['${COMPLETION_INDEX}']` } };
  return { ...container, env: [...env, { name: INDEX_VARIABLE, valueFrom }] };
}
