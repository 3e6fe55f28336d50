/** Creating and deleting the pods of a controller, with the events and expectations that go with it: upstream's `PodControl`. */
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { isNotFound, isNamespaceTerminating } from '../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { referenceTo, type EventRecorder } from '../../../client/event-recorder.ts';
import { objectKey } from '../../../client/informer.ts';
import type { Resource } from '../../../client/resource.ts';
import { pods } from '../../../client/resources.gen.ts';
import type { PodView } from '../caches/pod-view.ts';
import type { Expectations } from '../framework/expectations.ts';
import { apiVersionOf, controllerReference } from '../framework/owner-references.ts';
import type { Pod, PodTemplateSpec } from '../../../api/types/core/v1.gen.ts';

export interface PodControlOptions {
  readonly client: Pick<ApiClient, 'create' | 'delete'>;
  readonly recorder: Pick<EventRecorder, 'event'>;
  /** By the owner's uid. */
  readonly expectations: Expectations;
  /** Of the owners. */
  readonly ownerResource: Resource;
}

/** Why not everything was done; `reason` and `message` are those of the event and of a condition. */
export interface PodControlFailure {
  readonly error: unknown;
  readonly reason: 'FailedCreate' | 'FailedDelete';
  readonly message: string;
}

export class PodControl {
  readonly #options: PodControlOptions;

  constructor(options: PodControlOptions) {
    this.#options = options;
  }

  /** Creates the pods, slowly at first. A namespace that is being deleted is no failure: nothing more can be done there. */
  async create(owner: KubeObject, wanted: readonly Pod[], signal: AbortSignal): Promise<PodControlFailure | undefined> {
    const { client, expectations } = this.#options;
    const uid = owner.metadata?.uid ?? '';
    expectations.begin(uid, performance.now());
    const { failure } = await slowStart(wanted.length, async (index) => {
      const { metadata: { namespace, name = '' } = {} } = await client.create(pods, wanted[index]!, { signal });
      expectations.expectCreation(uid, objectKey(namespace, name));
      this.#record(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${name}`);
    });
    if (failure === undefined || isNamespaceTerminating(failure)) return undefined;
    const { message } = failure as Error;
    this.#record(owner, 'Warning', 'FailedCreate', `Error creating: ${message}`);
    return { error: failure, reason: 'FailedCreate', message };
  }

  async delete(
    owner: KubeObject,
    victims: readonly PodView[],
    signal: AbortSignal,
  ): Promise<PodControlFailure | undefined> {
    const { client, expectations } = this.#options;
    const ownerUid = owner.metadata?.uid ?? '';
    expectations.begin(ownerUid, performance.now());
    const outcomes = await Promise.allSettled(
      victims.map(async ({ namespace, name, uid }) => {
        try {
          await client.delete(pods, namespace, name, { uid, signal });
        } catch (error) {
          if (isNotFound(error)) return;
          this.#record(owner, 'Warning', 'FailedDelete', `Error deleting: ${(error as Error).message}`);
          throw error;
        }
        expectations.expectDeletion(ownerUid, objectKey(namespace, name));
        this.#record(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
      }),
    );
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (!failed) return undefined;
    const error: unknown = failed.reason;
    return { error, reason: 'FailedDelete', message: (error as Error).message };
  }

  #record(owner: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { recorder, ownerResource } = this.#options;
    recorder.event(referenceTo(apiVersionOf(ownerResource), ownerResource.kind, owner), type, reason, message);
  }
}

/** A pod of the template, controlled by the owner and named after it. */
export function podOfTemplate(ownerResource: Resource, owner: KubeObject, template: PodTemplateSpec = {}): Pod {
  const { namespace, name } = owner.metadata ?? {};
  const { labels, annotations, finalizers } = template.metadata ?? {};
  const ownerReferences = [controllerReference(ownerResource, owner)];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, generateName: `${name}-`, labels, annotations, finalizers, ownerReferences },
    spec: template.spec,
  };
}

/**
 * Calls `act` for 0..count-1: one, then two, then four at a time, and no further after a batch with a failure, so that a
 * quota or an admission that turns everything down is not hit with hundreds of requests. Resolves with how many succeeded
 * and the first failure.
 */
export async function slowStart(
  count: number,
  act: (index: number) => Promise<void>,
): Promise<{ readonly succeeded: number; readonly failure?: unknown }> {
  let succeeded = 0;
  for (let batch = 1, done = 0; done < count; done += batch, batch = Math.min(batch * 2, count - done)) {
    const outcomes = await Promise.allSettled(Array.from({ length: batch }, (_, index) => act(done + index)));
    succeeded += outcomes.filter(({ status }) => status === 'fulfilled').length;
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) return { succeeded, failure: failed.reason };
  }
  return { succeeded };
}
