/** Carries out what the plan of a StatefulSet says, with upstream's events. */
import { isAlreadyExists, isNamespaceTerminating } from '../../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../../client/api-client.ts';
import { referenceTo, type EventRecorder } from '../../../../client/event-recorder.ts';
import { objectKey } from '../../../../client/informer.ts';
import { persistentVolumeClaims, pods, statefulSets } from '../../../../client/resources.gen.ts';
import type { PodView } from '../../caches/pod-view.ts';
import type { Expectations } from '../../framework/expectations.ts';
import { unlessGone } from '../../framework/outcomes.ts';
import { apiVersionOf } from '../../framework/owner-references.ts';
import { slowStart } from '../pod-control.ts';
import type { StatefulSetAction } from './plan.ts';
import type { StatefulSet } from '../../../../api/types/apps/v1.gen.ts';
import type { PersistentVolumeClaim } from '../../../../api/types/core/v1.gen.ts';

export interface StatefulSetActionsOptions {
  readonly client: Pick<ApiClient, 'create' | 'delete' | 'patch'>;
  readonly recorder: Pick<EventRecorder, 'event'>;
  /** By the set's uid. */
  readonly expectations: Expectations;
}

type Verb = 'Create' | 'Update' | 'Delete';
type Executors = {
  readonly [T in StatefulSetAction['type']]: (
    set: StatefulSet,
    action: Extract<StatefulSetAction, { type: T }>,
    signal: AbortSignal,
  ) => Promise<void>;
};

export class StatefulSetActions {
  readonly #options: StatefulSetActionsOptions;

  constructor(options: StatefulSetActionsOptions) {
    this.#options = options;
  }

  /** Rejects with the first failure, after which nothing more of the stage is begun. */
  async carryOut(
    set: StatefulSet,
    stage: readonly StatefulSetAction[],
    { isOrdered, signal }: { readonly isOrdered: boolean; readonly signal: AbortSignal },
  ): Promise<void> {
    if (isOrdered) {
      for (const action of stage) await this.#execute(set, action, signal);
      return;
    }
    const { failure } = await slowStart(stage.length, (index) => this.#execute(set, stage[index]!, signal));
    if (failure !== undefined) throw failure as Error;
  }

  #execute<T extends StatefulSetAction['type']>(
    set: StatefulSet,
    action: Extract<StatefulSetAction, { type: T }>,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#executors[action.type](set, action, signal);
  }

  readonly #executors: Executors = {
    createPod: async (set, { pod, claims }, signal) => {
      const { client } = this.#options;
      await this.#recorded(set, 'Create', pod.metadata?.name, async () => {
        await this.#createClaims(set, pod.metadata?.name, claims, signal);
        this.#begin(set);
        const { metadata } = await client.create(pods, pod, { signal });
        const key = objectKey(metadata?.namespace, metadata?.name ?? '');
        this.#options.expectations.expectCreation(set.metadata?.uid ?? '', key);
      });
    },
    createClaims: (set, { podName, claims }, signal) => this.#createClaims(set, podName, claims, signal),
    awaitClaim: async (set, { podName, claimName }) => {
      this.#recordFailure(set, 'Create', podName, `pvc ${claimName} is being deleted`);
    },
    ownClaim: async (set, { claim: { namespace, name, uid, resourceVersion }, ownership }, signal) => {
      if (ownership.isForeign) {
        const problem = 'has a conflicting OwnerReference that acts as a managing controller';
        const message = `PersistentVolumeClaim ${name} ${problem}, the retention policy is ignored for this claim`;
        this.#record(set, 'Warning', 'ConflictingController', message);
      }
      const patch = { metadata: { uid, resourceVersion, ownerReferences: ownership.owners } };
      await this.#options.client.patch(persistentVolumeClaims, namespace, name, patch, { signal });
    },
    updatePod: async (set, { pod: { namespace, name, uid }, labels, volumes }, signal) => {
      const patch = { metadata: { uid, labels }, spec: { volumes } };
      await this.#recorded(set, 'Update', name, async () => {
        await this.#options.client.patch(pods, namespace, name, patch, { type: 'strategic', signal });
      });
    },
    deletePod: (set, { pod }, signal) => this.#deletePod(set, pod, signal),
    recreatePod: (set, { pod }, signal) => {
      const { namespace, name, phase } = pod;
      const isFailed = phase === 'Failed';
      const message = `StatefulSet ${namespace}/${set.metadata?.name} is recreating ${isFailed ? 'failed' : 'terminated'} Pod ${name}`;
      if (isFailed) this.#record(set, 'Warning', 'RecreatingFailedPod', message);
      else this.#record(set, 'Normal', 'RecreatingTerminatedPod', message);
      return this.#deletePod(set, pod, signal);
    },
  };

  async #deletePod(set: StatefulSet, { namespace, name, uid }: PodView, signal: AbortSignal): Promise<void> {
    await this.#recorded(set, 'Delete', name, async () => {
      this.#begin(set);
      const gone = await unlessGone(this.#options.client.delete(pods, namespace, name, { uid, signal }));
      if (gone) this.#options.expectations.expectDeletion(set.metadata?.uid ?? '', objectKey(namespace, name));
    });
  }

  #begin({ metadata }: StatefulSet): void {
    this.#options.expectations.begin(metadata?.uid ?? '', performance.now());
  }

  async #createClaims(
    set: StatefulSet,
    podName: string | undefined,
    claims: readonly PersistentVolumeClaim[],
    signal: AbortSignal,
  ): Promise<void> {
    for (const claim of claims) {
      const what = `Create Claim ${claim.metadata?.name}`;
      try {
        await this.#options.client.create(persistentVolumeClaims, claim, { signal });
      } catch (error) {
        // Created before, and not in the cache yet.
        if (isAlreadyExists(error)) continue;
        if (!isNamespaceTerminating(error)) {
          const message = `${what} for Pod ${podName} in StatefulSet ${set.metadata?.name} failed error: ${(error as Error).message}`;
          this.#record(set, 'Warning', 'FailedCreate', message);
        }
        throw error;
      }
      const message = `${what} Pod ${podName} in StatefulSet ${set.metadata?.name} success`;
      this.#record(set, 'Normal', 'SuccessfulCreate', message);
    }
  }

  /** With an event about what has become of the pod. In a namespace that is being deleted nothing can be created any more. */
  async #recorded(set: StatefulSet, verb: Verb, podName: string | undefined, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (isNamespaceTerminating(error)) return;
      // Of that name there is a pod of another, or one that is not in the cache yet.
      if (!isAlreadyExists(error)) this.#recordFailure(set, verb, podName, (error as Error).message);
      throw error;
    }
    const message = `${verb} Pod ${podName} in StatefulSet ${set.metadata?.name} successful`;
    this.#record(set, 'Normal', `Successful${verb}`, message);
  }

  #recordFailure(set: StatefulSet, verb: Verb, podName: string | undefined, problem: string): void {
    const message = `${verb} Pod ${podName} in StatefulSet ${set.metadata?.name} failed error: ${problem}`;
    this.#record(set, 'Warning', `Failed${verb}`, message);
  }

  #record(set: StatefulSet, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const reference = referenceTo(apiVersionOf(statefulSets), statefulSets.kind, set);
    this.#options.recorder.event(reference, type, reason, message);
  }
}
