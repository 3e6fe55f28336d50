/** The ReplicaSet controller: keeps as many pods of a template as are asked for. */
import { selectorFrom } from '../../api/machinery/selectors.ts';
import { isNotFound } from '../../api/machinery/status-error.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import { objectKey } from '../../client/informer.ts';
import { createQueue, createRecorder, isNamespaceTerminating, type ControllerContext } from './context.ts';
import { Expectations } from './expectations.ts';
import { orphansOf } from './informers.ts';
import { controllerOf, controllerReference } from './owned.ts';
import { isActive, type PodView } from './pod-view.ts';
import {
  isSameReplicaSetStatus,
  reconcileReplicaSet,
  replicaSetStatus,
  type ManageFailure,
  type ReplicaSetPlan,
} from './replica-set-plan.ts';
import { slowStart } from './slow-start.ts';
import { pods as podResource, replicaSets as resource } from '../../client/resources.gen.ts';
import type { ReplicaSet, ReplicaSetStatus } from '../../api/types/apps/v1.gen.ts';
import type { Pod, PodTemplateSpec } from '../../api/types/core/v1.gen.ts';

const API_VERSION = 'apps/v1';
const KIND = 'ReplicaSet';
/** While pods are still on their way, their number in the status is brought up to date at most this often. */
const STATUS_PERIOD_MS = 100;

const created = (key: string): string => `+${key}`;
const deleted = (key: string): string => `-${key}`;

/** Follows ReplicaSets and pods until the signal is aborted. The informers run elsewhere. */
export async function runReplicaSetController(context: ControllerContext): Promise<void> {
  const { client, informers, signal } = context;
  const queue = createQueue(context, 'replicaset', 10);
  const recorder = createRecorder(context, 'replicaset-controller');
  const expectations = new Expectations();
  const statusWrittenAt = new Map<string, number>();

  informers.replicaSets.addHandlers({
    onAdd: (_, key) => queue.add(key),
    onUpdate: (_old, _new, key) => queue.add(key),
    onDelete: ({ metadata }, key) => {
      expectations.forget(metadata?.uid ?? '');
      statusWrittenAt.delete(key);
    },
  });
  const wake = (pod: PodView): void => {
    const owner = controllerOf(pod.owners);
    if (owner) {
      if (owner.kind === KIND) queue.add(objectKey(pod.namespace, owner.name));
      return;
    }
    for (const replicaSet of informers.replicaSets.byIndex('namespace', pod.namespace)) {
      if (selectorFrom(replicaSet.spec?.selector).matches(pod.labels)) {
        queue.add(objectKey(pod.namespace, replicaSet.metadata?.name ?? ''));
      }
    }
  };
  informers.pods.addHandlers({
    onAdd: (pod, key) => {
      expectations.observe(pod.controllerUid, created(key));
      wake(pod);
    },
    onUpdate: (old, pod, key) => {
      if (pod.deleting && !old.deleting) expectations.observe(pod.controllerUid, deleted(key));
      if (old.controllerUid !== pod.controllerUid) wake(old);
      if (concernsReplicaSet(old, pod)) wake(pod);
    },
    onDelete: (pod, key) => {
      expectations.observe(pod.controllerUid, deleted(key));
      wake(pod);
    },
  });

  async function sync(key: string): Promise<void> {
    const replicaSet = informers.replicaSets.getByKey(key);
    if (!replicaSet) return;
    const { uid = '', namespace = '' } = replicaSet.metadata ?? {};
    const now = Date.now();
    // Asked together with the picture: what is seen later, while others are waited for, is not in it.
    const isCurrent = expectations.isSatisfied(uid, now);
    const pods = [
      ...informers.pods.byIndex('controller', uid),
      ...informers.pods.byIndex('controller', orphansOf(namespace)),
    ];
    const plan = reconcileReplicaSet({ replicaSet, pods, relatedPods: relatedPods(replicaSet), now });
    await takeOver(replicaSet, plan);
    // A picture that lags behind what was done last counts too few or too many pods: the status may wait for it as well.
    if (!isCurrent) return;
    const failure = await manage(replicaSet, plan);
    // The events of what was done now come next, and with them the time for a status.
    if (!failure && (plan.create > 0 || plan.remove.length > 0)) return;
    await writeStatus(key, replicaSet, plan, failure?.shown);
    if (failure) throw failure.error;
  }

  function relatedPods(replicaSet: ReplicaSet): PodView[] {
    const { ownerReferences, uid = '' } = replicaSet.metadata ?? {};
    const owner = controllerOf(ownerReferences);
    const family = owner ? informers.replicaSets.byIndex('controller', owner.uid) : [];
    const uids = family.length > 0 ? family.map(({ metadata }) => metadata?.uid ?? '') : [uid];
    return uids.flatMap((each) => informers.pods.byIndex('controller', each)).filter(isActive);
  }

  async function takeOver(replicaSet: ReplicaSet, { adopt, release }: ReplicaSetPlan): Promise<void> {
    const { namespace = '', name = '', uid = '' } = replicaSet.metadata ?? {};
    if (adopt.length > 0) {
      // The picture may be old: a ReplicaSet that is gone or going must not take pods over.
      const fresh = await client.get(resource, namespace, name, { signal });
      if (fresh.metadata?.uid !== uid || fresh.metadata.deletionTimestamp) throw new Error(`${name} was replaced`);
    }
    for (const pod of adopt) {
      const ownerReferences = [controllerReference(API_VERSION, KIND, replicaSet)];
      await patchOwners(pod, { metadata: { uid: pod.uid, ownerReferences } });
    }
    for (const pod of release) {
      await patchOwners(pod, { metadata: { uid: pod.uid, ownerReferences: [{ $patch: 'delete', uid }] } });
    }
  }

  async function patchOwners({ namespace, name }: PodView, patch: object): Promise<void> {
    try {
      await client.patch(podResource, namespace, name, patch, { type: 'strategic', signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  interface Failure {
    readonly error: unknown;
    readonly shown: ManageFailure;
  }

  async function manage(replicaSet: ReplicaSet, plan: ReplicaSetPlan): Promise<Failure | undefined> {
    const { create, remove } = plan;
    if (create === 0 && remove.length === 0) return undefined;
    const uid = replicaSet.metadata?.uid ?? '';
    const regarding = referenceTo(API_VERSION, KIND, replicaSet);
    expectations.begin(uid, Date.now());
    if (create > 0) {
      const body = newPod(replicaSet);
      const { failure } = await slowStart(create, async () => {
        const pod = await client.create(podResource, body, { signal });
        const { namespace, name = '' } = pod.metadata ?? {};
        expectations.await(uid, created(objectKey(namespace, name)));
        recorder.event(regarding, 'Normal', 'SuccessfulCreate', `Created pod: ${name}`);
      });
      if (failure === undefined || isNamespaceTerminating(failure)) return undefined;
      const { message } = failure as Error;
      recorder.event(regarding, 'Warning', 'FailedCreate', `Error creating: ${message}`);
      return { error: failure, shown: { reason: 'FailedCreate', message } };
    }
    const outcomes = await Promise.allSettled(
      remove.map(async ({ namespace, name, uid: podUid }) => {
        const key = objectKey(namespace, name);
        try {
          await client.delete(podResource, namespace, name, { uid: podUid, signal });
        } catch (error) {
          if (isNotFound(error)) return;
          recorder.event(regarding, 'Warning', 'FailedDelete', `Error deleting: ${(error as Error).message}`);
          throw error;
        }
        expectations.await(uid, deleted(key));
        recorder.event(regarding, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
      }),
    );
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (!failed) return undefined;
    const error: unknown = failed.reason;
    return { error, shown: { reason: 'FailedDelete', message: (error as Error).message } };
  }

  async function writeStatus(
    key: string,
    replicaSet: ReplicaSet,
    { active }: ReplicaSetPlan,
    failure: ManageFailure | undefined,
  ): Promise<void> {
    const { namespace = '', name = '', resourceVersion } = replicaSet.metadata ?? {};
    const now = Date.now();
    const { status, availabilityInMs } = replicaSetStatus(replicaSet, active, failure, now);
    if (availabilityInMs !== Infinity) queue.addAfter(key, availabilityInMs);
    if (isSameReplicaSetStatus(replicaSet.status, status)) return;
    const waitMs = (statusWrittenAt.get(key) ?? 0) + STATUS_PERIOD_MS - now;
    if (waitMs > 0 && isOnTheWay(replicaSet, status)) {
      queue.addAfter(key, waitMs);
      return;
    }
    statusWrittenAt.set(key, now);
    const patch = { metadata: { resourceVersion }, status };
    await client.patch(resource, namespace, name, patch, { subresource: 'status', signal });
  }

  await Promise.all([informers.replicaSets.hasSynced(), informers.pods.hasSynced()]);
  await queue.run(sync, signal);
}

/** Whether the change of a pod can change what its ReplicaSet does or says. */
const concernsReplicaSet = (old: PodView, pod: PodView): boolean =>
  old.ready !== pod.ready ||
  old.phase !== pod.phase ||
  old.deleting !== pod.deleting ||
  old.labels !== pod.labels ||
  old.controllerUid !== pod.controllerUid ||
  old.readyChangedAt !== pod.readyChangedAt;

/** Pods are still coming or going, so that a later status will say more: readers can wait a moment for it. */
function isOnTheWay(replicaSet: ReplicaSet, status: ReplicaSetStatus): boolean {
  const wanted = replicaSet.spec?.replicas ?? 1;
  const settled = status.replicas === wanted && status.availableReplicas === wanted;
  return !settled && status.observedGeneration === replicaSet.status?.observedGeneration;
}

/** A pod of the template, controlled by the ReplicaSet. */
function newPod(replicaSet: ReplicaSet): Pod {
  const { namespace, name } = replicaSet.metadata ?? {};
  const { metadata, spec }: PodTemplateSpec = replicaSet.spec?.template ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace,
      generateName: `${name}-`,
      labels: metadata?.labels,
      annotations: metadata?.annotations,
      finalizers: metadata?.finalizers,
      ownerReferences: [controllerReference(API_VERSION, KIND, replicaSet)],
    },
    spec,
  };
}
