/** Removes the pods that have to make room for another, and says so on them. */
import { isNotFound } from '../../api/machinery/status-error.ts';
import { timeOf } from '../../api/machinery/time.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { EventRecorder } from '../../client/event-recorder.ts';
import type { Logger } from '../../client/logger.ts';
import { logFailure } from '../../client/outage.ts';
import { pods as podsResource } from '../../client/resources.gen.ts';
import type { PendingPod, PodInfo } from './framework/pod-info.ts';
import { logFields, referenceTo, type PodReporterOptions } from './pod-reporter.ts';

export class Preemptor {
  readonly #client: ApiClient;
  readonly #logger: Logger;
  readonly #events: EventRecorder;
  readonly #schedulerName: string;

  constructor({ client, logger, schedulerName }: PodReporterOptions) {
    this.#client = client;
    this.#logger = logger;
    this.#schedulerName = schedulerName;
    this.#events = new EventRecorder({ client, logger, component: schedulerName });
  }

  /** Returns at once. A pod that cannot be removed is logged: the next attempt finds it there. */
  remove(victims: readonly PodInfo[], by: PendingPod, nodeName: string): void {
    for (const victim of victims) {
      if (victim.deleting) continue;
      this.#remove(victim, by, nodeName).catch((error: Error) => {
        if (!isNotFound(error)) logFailure(this.#logger, error, logFields(victim), 'failed to preempt pod');
      });
    }
  }

  async #remove(victim: PodInfo, { uid }: PendingPod, nodeName: string): Promise<void> {
    const { namespace, name } = victim;
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: `${this.#schedulerName}: preempting to accommodate a higher priority pod`,
      observedGeneration: victim.generation,
      lastTransitionTime: timeOf(Date.now()),
    };
    const patch = { metadata: { uid: victim.uid }, status: { conditions: [condition] } };
    await this.#client.patch(podsResource, namespace, name, patch, { type: 'strategic', subresource: 'status' });
    await this.#client.delete(podsResource, namespace, name, { uid: victim.uid });
    this.#logger.info({ ...logFields(victim), node: nodeName, preemptor: uid }, 'preempted pod');
    this.#events.event(referenceTo(victim), 'Normal', 'Preempted', `Preempted by pod ${uid} on node ${nodeName}`);
  }
}
