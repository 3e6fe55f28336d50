/** The Deployment controller: carries out what `plan.ts` decides. */
import { selectorFrom } from '../../../api/machinery/selectors.ts';
import { isAlreadyExists, isNotFound } from '../../../api/machinery/status-error.ts';
import { referenceTo } from '../../../client/event-recorder.ts';
import { objectKey } from '../../../client/informer.ts';
import { withCondition } from '../conditions.ts';
import { createQueue, createRecorder, isNamespaceTerminating, type ControllerContext } from '../context.ts';
import { orphansOf } from '../informers.ts';
import { controllerOf, controllerReference } from '../owned.ts';
import { isRolling, replicasOf } from './numbers.ts';
import { reconcileDeployment, type DeploymentAction, type DeploymentPlan } from './plan.ts';
import { REVISION, isSameTemplate } from './revision.ts';
import { isComplete, progressing } from './status.ts';
import { deployments, replicaSets as replicaSetResource } from '../../../client/resources.gen.ts';
import type { Deployment, ReplicaSet } from '../../../api/types/apps/v1.gen.ts';

const API_VERSION = 'apps/v1';
const KIND = 'Deployment';
/** While pods are still on their way, the status is brought up to date at most this often. */
const STATUS_PERIOD_MS = 100;

/** Follows Deployments and ReplicaSets until the signal is aborted. The informers run elsewhere. */
export async function runDeploymentController(context: ControllerContext): Promise<void> {
  const { client, informers, signal } = context;
  const queue = createQueue(context, 'deployment');
  const recorder = createRecorder(context, 'deployment-controller');
  const statusWrittenAt = new Map<string, number>();

  informers.deployments.addHandlers({
    onAdd: (_, key) => queue.add(key),
    onUpdate: (_old, _new, key) => queue.add(key),
    onDelete: (_, key) => statusWrittenAt.delete(key),
  });
  const wake = ({ metadata }: ReplicaSet): void => {
    const { namespace = '', ownerReferences, labels = {} } = metadata ?? {};
    const owner = controllerOf(ownerReferences);
    if (owner) {
      if (owner.kind === KIND) queue.add(objectKey(namespace, owner.name));
      return;
    }
    for (const deployment of informers.deployments.byIndex('namespace', namespace)) {
      if (selectorFrom(deployment.spec?.selector).matches(labels)) {
        queue.add(objectKey(namespace, deployment.metadata?.name ?? ''));
      }
    }
  };
  informers.replicaSets.addHandlers({
    onAdd: wake,
    onUpdate: (old, replicaSet) => {
      const before = controllerOf(old.metadata?.ownerReferences)?.uid;
      if (before && before !== controllerOf(replicaSet.metadata?.ownerReferences)?.uid) wake(old);
      wake(replicaSet);
    },
    onDelete: wake,
  });
  informers.pods.addHandlers({
    // Strategy Recreate waits for the last old pod to go.
    onDelete: ({ namespace, owners }) => {
      const owner = controllerOf(owners);
      const replicaSet = owner?.kind === 'ReplicaSet' ? informers.replicaSets.get(namespace, owner.name) : undefined;
      const name = controllerOf(replicaSet?.metadata?.ownerReferences)?.name;
      const deployment = name === undefined ? undefined : informers.deployments.get(namespace, name);
      if (deployment && !isRolling(deployment)) queue.add(objectKey(namespace, name!));
    },
  });

  async function sync(key: string): Promise<void> {
    const deployment = informers.deployments.getByKey(key);
    if (!deployment) return;
    const regarding = referenceTo(API_VERSION, KIND, deployment);
    if (selectorFrom(deployment.spec?.selector ?? {}).empty) {
      const message = 'This deployment is selecting all pods. A non-empty selector is required.';
      recorder.event(regarding, 'Warning', 'SelectingAll', message);
      return;
    }
    const plan = reconcileDeployment({
      deployment,
      replicaSets: await claim(deployment),
      podsOf: ({ metadata }) => informers.pods.byIndex('controller', metadata?.uid ?? ''),
      now: Date.now(),
    });
    for (const action of plan.actions) await carryOut(deployment, action);
    await writeRevision(deployment, plan);
    await writeStatus(key, deployment, plan);
    if (plan.againInMs !== undefined) queue.addAfter(key, plan.againInMs);
  }

  /** The ReplicaSets of the Deployment, after taking over those that match and letting go those that do not. */
  async function claim(deployment: Deployment): Promise<ReplicaSet[]> {
    const { namespace = '', name = '', uid = '', deletionTimestamp } = deployment.metadata ?? {};
    const selector = selectorFrom(deployment.spec?.selector);
    const own: ReplicaSet[] = [];
    for (const replicaSet of informers.replicaSets.byIndex('controller', uid)) {
      if (selector.matches(replicaSet.metadata?.labels)) own.push(replicaSet);
      else if (!deletionTimestamp) await patchOwners(replicaSet, [{ $patch: 'delete', uid }]);
    }
    if (deletionTimestamp) return own;
    const orphans = informers.replicaSets
      .byIndex('controller', orphansOf(namespace))
      .filter(({ metadata }) => !metadata?.deletionTimestamp && selector.matches(metadata?.labels));
    if (orphans.length === 0) return own;
    // The picture may be old: a Deployment that is gone or going must not take ReplicaSets over.
    const fresh = await client.get(deployments, namespace, name, { signal });
    if (fresh.metadata?.uid !== uid || fresh.metadata.deletionTimestamp) throw new Error(`${name} was replaced`);
    for (const orphan of orphans) await patchOwners(orphan, [controllerReference(API_VERSION, KIND, deployment)]);
    return [...own, ...orphans];
  }

  async function patchOwners({ metadata = {} }: ReplicaSet, ownerReferences: object[]): Promise<void> {
    const { namespace = '', name = '', uid } = metadata;
    const patch = { metadata: { uid, ownerReferences } };
    await client.patch(replicaSetResource, namespace, name, patch, { type: 'strategic', signal });
  }

  async function carryOut(deployment: Deployment, action: DeploymentAction): Promise<void> {
    const { metadata = {} } = action.replicaSet;
    const { namespace = '', name = '', uid, resourceVersion } = metadata;
    switch (action.type) {
      case 'create':
        return await createReplicaSet(deployment, action.replicaSet);
      case 'update': {
        const { annotations, replicas, minReadySeconds } = action;
        const patch = { metadata: { resourceVersion, annotations }, spec: { replicas, minReadySeconds } };
        await client.patch(replicaSetResource, namespace, name, patch, { signal });
        const before = replicasOf(action.replicaSet);
        if (before !== replicas) reportScaling(deployment, name, before, replicas);
        return;
      }
      case 'delete':
        try {
          await client.delete(replicaSetResource, namespace, name, {
            uid,
            resourceVersion,
            propagationPolicy: 'Background',
            signal,
          });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
    }
  }

  function reportScaling(deployment: Deployment, name: string, from: number, to: number): void {
    const regarding = referenceTo(API_VERSION, KIND, deployment);
    const direction = to > from ? 'up' : 'down';
    const message = `Scaled ${direction} replica set ${name} from ${from} to ${to}`;
    recorder.event(regarding, 'Normal', 'ScalingReplicaSet', message);
  }

  async function createReplicaSet(deployment: Deployment, replicaSet: ReplicaSet): Promise<void> {
    const { namespace = '', name = '' } = replicaSet.metadata ?? {};
    try {
      await client.create(replicaSetResource, replicaSet, { signal });
      if (replicasOf(replicaSet) > 0) reportScaling(deployment, name, 0, replicasOf(replicaSet));
    } catch (error) {
      if (isAlreadyExists(error)) {
        const there = await client.get(replicaSetResource, namespace, name, { signal });
        const isOwn = controllerOf(there.metadata?.ownerReferences)?.uid === deployment.metadata?.uid;
        // Created before, and not in the picture yet.
        if (isOwn && isSameTemplate(there.spec?.template, deployment.spec?.template)) return;
        const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
        await patchStatus(deployment, { collisionCount });
      } else if (!isNamespaceTerminating(error)) {
        const message = `Failed to create new replica set "${name}": ${(error as Error).message}`;
        const condition = progressing('False', 'ReplicaSetCreateError', message, Date.now());
        recorder.event(referenceTo(API_VERSION, KIND, deployment), 'Warning', 'ReplicaSetCreateError', message);
        await patchStatus(deployment, { conditions: [...withCondition(deployment.status?.conditions, condition)] });
      }
      throw error;
    }
  }

  async function writeRevision({ metadata = {} }: Deployment, { revision }: DeploymentPlan): Promise<void> {
    if (revision === undefined) return;
    const patch = { metadata: { annotations: { [REVISION]: String(revision) } } };
    await client.patch(deployments, metadata.namespace ?? '', metadata.name ?? '', patch, { signal });
  }

  async function writeStatus(key: string, deployment: Deployment, plan: DeploymentPlan): Promise<void> {
    const { status } = plan;
    if (isSameStatus(deployment.status, status)) return;
    const now = Date.now();
    const waitMs = (statusWrittenAt.get(key) ?? 0) + STATUS_PERIOD_MS - now;
    const isOnTheWay =
      !isComplete(deployment, status) && status.observedGeneration === deployment.status?.observedGeneration;
    if (waitMs > 0 && isOnTheWay) {
      queue.addAfter(key, waitMs);
      return;
    }
    statusWrittenAt.set(key, now);
    await patchStatus(deployment, status, plan.revision === undefined);
  }

  /** Guarded by the version that was looked at, unless this controller has changed it itself in this round. */
  async function patchStatus({ metadata = {} }: Deployment, status: object, guarded = true): Promise<void> {
    const { namespace = '', name = '', resourceVersion } = metadata;
    const patch = { ...(guarded && { metadata: { resourceVersion } }), status };
    await client.patch(deployments, namespace, name, patch, { subresource: 'status', signal });
  }

  await Promise.all([informers.deployments.hasSynced(), informers.replicaSets.hasSynced(), informers.pods.hasSynced()]);
  await queue.run(sync, signal);
}

/** Absent counts are 0. */
function isSameStatus(a: Deployment['status'], b: Deployment['status']): boolean {
  const counts = [
    'observedGeneration',
    'replicas',
    'updatedReplicas',
    'readyReplicas',
    'availableReplicas',
    'unavailableReplicas',
    'collisionCount',
  ] as const;
  return (
    counts.every((count) => (a?.[count] ?? 0) === (b?.[count] ?? 0)) &&
    JSON.stringify(a?.conditions ?? []) === JSON.stringify(b?.conditions ?? [])
  );
}
