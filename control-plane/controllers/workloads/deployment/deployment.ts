/** The Deployment controller: carries out what `plan.ts` decides. Upstream: pkg/controller/deployment. */
import { selectorFrom } from '../../../../api/machinery/selectors.ts';
import { isAlreadyExists, isNamespaceTerminating } from '../../../../api/machinery/status-error.ts';
import { referenceTo } from '../../../../client/event-recorder.ts';
import { objectKey } from '../../../../client/informer.ts';
import { deployments as resource, replicaSets as replicaSetResource } from '../../../../client/resources.gen.ts';
import { deploymentCache, podCache, replicaSetCache } from '../../caches/definitions.ts';
import { claim, claimCandidates } from '../../framework/claim.ts';
import { withCondition } from '../../framework/conditions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { dependentHandlers, selectingOwners } from '../../framework/dependents.ts';
import { unlessNotFound } from '../../framework/outcomes.ts';
import { apiVersionOf, claimable, controllerOf } from '../../framework/owner-references.ts';
import { writeStatus } from '../../framework/status.ts';
import { ownKeys, watch } from '../../framework/watch.ts';
import { StatusThrottle } from '../status-throttle.ts';
import { isRolling, replicasOf } from './numbers.ts';
import { reconcileDeployment, type DeploymentAction, type DeploymentPlan } from './plan.ts';
import { REVISION, isSameTemplate } from './revision.ts';
import { isComplete, progressing } from './status.ts';
import type { Deployment, ReplicaSet } from '../../../../api/types/apps/v1.gen.ts';

export const deploymentController: ControllerDescriptor = { name: 'deployment-controller', workers: 5, create };

function create({ client, informer, recorder, queue }: ControllerContext): Controller {
  const deployments = informer(deploymentCache);
  const replicaSets = informer(replicaSetCache);
  const pods = informer(podCache);
  const events = recorder('deployment-controller');
  const throttle = new StatusThrottle();

  const record = (deployment: Deployment, type: 'Normal' | 'Warning', reason: string, message: string): void =>
    events.event(referenceTo(apiVersionOf(resource), resource.kind, deployment), type, reason, message);

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const deployment = deployments.getByKey(key);
    if (!deployment) {
      throttle.forget(key);
      return undefined;
    }
    if (selectorFrom(deployment.spec?.selector ?? {}).empty) {
      const message = 'This deployment is selecting all pods. A non-empty selector is required.';
      record(deployment, 'Warning', 'SelectingAll', message);
      return undefined;
    }
    const plan = reconcileDeployment({
      deployment,
      replicaSets: await claimReplicaSets(deployment, signal),
      podsOf: ({ metadata }) => pods.byIndex('controller', metadata?.uid ?? ''),
      now: Date.now(),
    });
    for (const action of plan.actions) await carryOut(deployment, action, signal);
    const current = await writeRevision(deployment, plan, signal);
    return await updateStatus(key, current, plan, signal);
  }

  function claimReplicaSets(deployment: Deployment, signal: AbortSignal): Promise<ReplicaSet[]> {
    return claim(claimCandidates(replicaSets, deployment), {
      ...{ client, signal, owner: deployment, ownerResource: resource, resource: replicaSetResource },
      selector: selectorFrom(deployment.spec?.selector),
      claimableOf: claimable,
    });
  }

  async function carryOut(deployment: Deployment, action: DeploymentAction, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '', uid, resourceVersion } = action.replicaSet.metadata ?? {};
    switch (action.type) {
      case 'create':
        return await createReplicaSet(deployment, action.replicaSet, signal);
      case 'update': {
        const { annotations, replicas, minReadySeconds } = action;
        const patch = { metadata: { resourceVersion, annotations }, spec: { replicas, minReadySeconds } };
        await client.patch(replicaSetResource, namespace, name, patch, { signal });
        const before = replicasOf(action.replicaSet);
        if (before !== replicas) recordScaling(deployment, name, before, replicas);
        return;
      }
      case 'delete': {
        const options = { uid, resourceVersion, propagationPolicy: 'Background', signal } as const;
        await unlessNotFound(client.delete(replicaSetResource, namespace, name, options));
      }
    }
  }

  function recordScaling(deployment: Deployment, name: string, from: number, to: number): void {
    const direction = to > from ? 'up' : 'down';
    const message = `Scaled ${direction} replica set ${name} from ${from} to ${to}`;
    record(deployment, 'Normal', 'ScalingReplicaSet', message);
  }

  async function createReplicaSet(deployment: Deployment, replicaSet: ReplicaSet, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '' } = replicaSet.metadata ?? {};
    const { status = {} } = deployment;
    try {
      await client.create(replicaSetResource, replicaSet, { signal });
      if (replicasOf(replicaSet) > 0) recordScaling(deployment, name, 0, replicasOf(replicaSet));
    } catch (error) {
      if (isAlreadyExists(error)) {
        const there = await client.get(replicaSetResource, namespace, name, { signal });
        const isOwn = controllerOf(there.metadata?.ownerReferences)?.uid === deployment.metadata?.uid;
        // Created before, and not in the cache yet.
        if (isOwn && isSameTemplate(there.spec?.template, deployment.spec?.template)) return;
        const collisionCount = (status.collisionCount ?? 0) + 1;
        await writeStatus(resource, deployment, { ...status, collisionCount }, { client, signal });
      } else if (!isNamespaceTerminating(error)) {
        const message = `Failed to create new replica set "${name}": ${(error as Error).message}`;
        const condition = progressing('False', 'ReplicaSetCreateError', message, Date.now());
        record(deployment, 'Warning', 'ReplicaSetCreateError', message);
        const conditions = [...withCondition(status.conditions, condition)];
        await writeStatus(resource, deployment, { ...status, conditions }, { client, signal });
      }
      throw error;
    }
  }

  /** Returns the Deployment as it is afterwards. */
  async function writeRevision(
    deployment: Deployment,
    { revision }: DeploymentPlan,
    signal: AbortSignal,
  ): Promise<Deployment> {
    if (revision === undefined) return deployment;
    const { namespace = '', name = '', uid } = deployment.metadata ?? {};
    const patch = { metadata: { uid, annotations: { [REVISION]: String(revision) } } };
    const { metadata } = await client.patch(resource, namespace, name, patch, { signal });
    return { ...deployment, metadata: { ...deployment.metadata, resourceVersion: metadata?.resourceVersion } };
  }

  /** Returns in how many ms to look again: at the progress deadline, or when the next status may be written. */
  async function updateStatus(
    key: string,
    deployment: Deployment,
    { status, againInMs }: DeploymentPlan,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const now = performance.now();
    const isOnTheWay =
      !isComplete(deployment, status) && status.observedGeneration === deployment.status?.observedGeneration;
    const waitMs = isOnTheWay ? throttle.waitMs(key, now) : 0;
    if (waitMs > 0) return Math.min(waitMs, againInMs ?? Infinity);
    if (await writeStatus(resource, deployment, status, { client, signal })) throttle.wrote(key, now);
    return againInMs;
  }

  return {
    watches: () => [
      watch(deployments, ownKeys(queue)),
      watch(
        replicaSets,
        dependentHandlers<ReplicaSet>({
          ...{ queue, ownerResource: resource, claimableOf: claimable },
          adopters: selectingOwners(deployments, ({ spec }) => spec?.selector),
        }),
      ),
      watch(pods, {
        // Strategy Recreate waits for the last old pod to go.
        onDelete: ({ namespace, owners }) => {
          const owner = controllerOf(owners);
          const replicaSet = owner?.kind === 'ReplicaSet' ? replicaSets.get(namespace, owner.name) : undefined;
          const name = controllerOf(replicaSet?.metadata?.ownerReferences)?.name;
          const deployment = name === undefined ? undefined : deployments.get(namespace, name);
          if (deployment && !isRolling(deployment)) queue.add(objectKey(namespace, name!));
        },
      }),
    ],
    reconcile,
  };
}
