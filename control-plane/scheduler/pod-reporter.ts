/** Says on a pod what became of it: Events and the PodScheduled condition, as upstream words them. */
import { isNotFound } from '../../api/machinery/status-error.ts';
import { timeOf } from '../../api/machinery/time.ts';
import type { ObjectReference } from '../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { EventRecorder } from '../../client/event-recorder.ts';
import type { Logger } from '../../client/logger.ts';
import { logFailure } from '../../client/outage.ts';
import { pods as podsResource } from '../../client/resources.gen.ts';
import type { PendingPod, PodInfo } from './framework/pod-info.ts';

export interface PodReporterOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  readonly schedulerName: string;
}

export interface SchedulingFailure {
  /** Unschedulable: plugins reject the pod. SchedulerError: the attempt itself failed. */
  readonly reason: 'Unschedulable' | 'SchedulerError';
  readonly message: string;
  /** '' when there is none any more; undefined when it stays as it is. */
  readonly nominatedNodeName?: string;
}

/** Fields that name a pod in the log. */
export const logFields = ({ namespace, name, uid }: PodInfo): { pod: string; podUID: string } => ({
  pod: `${namespace}/${name}`,
  podUID: uid,
});

export class PodReporter {
  readonly #client: ApiClient;
  readonly #logger: Logger;
  readonly #events: EventRecorder;

  constructor({ client, logger, schedulerName }: PodReporterOptions) {
    this.#client = client;
    this.#logger = logger;
    this.#events = new EventRecorder({ client, logger, component: schedulerName });
  }

  bound(pod: PendingPod, node: string): void {
    const message = `Successfully assigned ${pod.namespace}/${pod.name} to ${node}`;
    this.#events.event(referenceTo(pod), 'Normal', 'Scheduled', message);
  }

  /** Returns at once; a report that fails is logged. */
  failed(pod: PendingPod, failure: SchedulingFailure): void {
    this.#events.event(referenceTo(pod), 'Warning', 'FailedScheduling', failure.message);
    this.#patchStatus(pod, failure).catch((error: Error) => {
      if (isNotFound(error)) return;
      logFailure(this.#logger, error, logFields(pod), 'failed to update pod condition');
    });
  }

  /** The node that was kept for the pod no longer is. Returns at once. */
  notNominated(pod: PendingPod): void {
    const { namespace, name, uid } = pod;
    const patch = { metadata: { uid }, status: { nominatedNodeName: null } };
    this.#client
      .patch(podsResource, namespace, name, patch, { type: 'strategic', subresource: 'status' })
      .catch((error: Error) => {
        if (!isNotFound(error)) logFailure(this.#logger, error, logFields(pod), 'failed to clear nominatedNodeName');
      });
  }

  async #patchStatus(
    { namespace, name, uid, generation }: PendingPod,
    { reason, message, nominatedNodeName }: SchedulingFailure,
  ): Promise<void> {
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason,
      message,
      observedGeneration: generation,
      lastProbeTime: null,
      lastTransitionTime: timeOf(Date.now()),
    };
    const patch = {
      metadata: { uid },
      status: { conditions: [condition], nominatedNodeName: nominatedNodeName === '' ? null : nominatedNodeName },
    };
    await this.#client.patch(podsResource, namespace, name, patch, { type: 'strategic', subresource: 'status' });
  }
}

export const referenceTo = ({ namespace, name, uid }: PodInfo): ObjectReference => ({
  apiVersion: 'v1',
  kind: 'Pod',
  namespace,
  name,
  uid,
});
