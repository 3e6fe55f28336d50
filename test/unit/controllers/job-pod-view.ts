import { JOB_TRACKING_FINALIZER } from '../../../api/domain/job-tracking.ts';
import type { JobPodDetails } from '../../../control-plane/controllers/caches/job-pod.ts';
import type { PodView } from '../../../control-plane/controllers/caches/pod-view.ts';
import type { JobPod } from '../../../control-plane/controllers/workloads/job/job-pods.ts';
import { podViewOf } from './pod-view.ts';

/** A pod of a Job as the controllers' caches have it; it is tracked unless it has other finalizers. */
export const jobPodOf = (name: string, more: Partial<PodView> = {}, details: Partial<JobPodDetails> = {}): JobPod => ({
  ...podViewOf(name, { controllerUid: 'job', finalizers: [JOB_TRACKING_FINALIZER], ...more }),
  job: {
    resourceVersion: '1',
    index: undefined,
    earlierFailures: 0,
    earlierIgnored: 0,
    totalRestarts: 0,
    endedAt: 0,
    failedContainers: [],
    conditions: [],
    ...details,
  },
});
