/**
 * The controllers of ReplicaSets and ReplicationControllers: as many pods of a template as are asked for. Upstream:
 * pkg/controller/replicaset, and pkg/controller/replication, which runs the same controller.
 */
import { selectorOf as controllerSelector } from '../../../api/kinds/core/replication-controller.ts';
import { selectorFrom } from '../../../api/machinery/selectors.ts';
import type { Resource } from '../../../client/resource.ts';
import { pods as podResource, replicaSets, replicationControllers } from '../../../client/resources.gen.ts';
import { podCache, replicaSetCache, replicationControllerCache } from '../caches/definitions.ts';
import { concernsController, isActive, type PodView } from '../caches/pod-view.ts';
import { claim, claimCandidates } from '../framework/claim.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { dependentHandlers, selectingOwners } from '../framework/dependents.ts';
import { Expectations, EXPECTATIONS_TIMEOUT_MS } from '../framework/expectations.ts';
import { controllerOf } from '../framework/owner-references.ts';
import { writeStatus } from '../framework/status.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import { PodControl, podOfTemplate } from './pod-control.ts';
import { RejectedPods } from './rejected-pods.ts';
import { isClaimable, reconcileReplicaSet, replicaSetStatus, type ReplicaSetLike } from './replica-set-plan.ts';
import { StatusThrottle } from './status-throttle.ts';
import type { InformerDefinition } from '../framework/informer-factory.ts';
import type { ReplicaSetStatus } from '../../../api/types/apps/v1.gen.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import type { LabelSelector } from '../../../api/types/meta/v1.gen.ts';

/** A kind that the controller serves. */
interface Variant<T extends ReplicaSetLike> {
  readonly resource: Resource<T>;
  readonly cache: InformerDefinition<T, T>;
  readonly selectorOf: (object: T) => LabelSelector | undefined;
  /** As its events name their source. */
  readonly component: string;
}

export const replicaSetController: ControllerDescriptor = {
  name: 'replicaset-controller',
  workers: 10,
  create: (context) =>
    create(context, {
      resource: replicaSets,
      cache: replicaSetCache,
      selectorOf: ({ spec }) => spec?.selector,
      component: 'replicaset-controller',
    }),
};

export const replicationController: ControllerDescriptor = {
  name: 'replicationcontroller-controller',
  workers: 5,
  create: (context) =>
    create(context, {
      resource: replicationControllers,
      cache: replicationControllerCache,
      selectorOf: controllerSelector,
      component: 'replication-controller',
    }),
};

function create<T extends ReplicaSetLike>(
  { client, informer, recorder, queue }: ControllerContext,
  { resource, cache, selectorOf, component }: Variant<T>,
): Controller {
  const sets = informer(cache);
  const pods = informer(podCache);
  const expectations = new Expectations();
  const throttle = new StatusThrottle();
  const rejections = new RejectedPods();
  const podControl = new PodControl({
    ...{ client, expectations, ownerResource: resource },
    recorder: recorder(component),
  });

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const replicaSet = sets.getByKey(key);
    if (!replicaSet) {
      throttle.forget(key);
      return undefined;
    }
    const { uid = '' } = replicaSet.metadata ?? {};
    // Asked together with the cache: what is observed later, while others are waited for, is not in what is read here.
    const isCurrent = expectations.isSatisfied(uid, performance.now());
    const relatedPods = relatedTo(replicaSet);
    const claimed = await claimPods(replicaSet, signal);
    // A cache that lags behind what was done last counts too few or too many pods: the status may wait for it as well.
    if (!isCurrent) return EXPECTATIONS_TIMEOUT_MS;
    const plan = reconcileReplicaSet({ replicaSet, pods: claimed, relatedPods, now: Date.now() });
    const pauseMs = rejections.look(replicaSet, claimed, performance.now());
    const create = pauseMs > 0 ? 0 : plan.create;
    let failure;
    if (create > 0) {
      const pod = podOfTemplate(resource, replicaSet, replicaSet.spec?.template);
      failure = await podControl.create(replicaSet, Array<Pod>(create).fill(pod), signal);
    } else if (plan.remove.length > 0) failure = await podControl.delete(replicaSet, plan.remove, signal);
    // The events of what was done now come next, and with them the time for a status.
    if (!failure && (create > 0 || plan.remove.length > 0)) return undefined;
    const { status, availabilityInMs } = replicaSetStatus(replicaSet, plan.active, failure, Date.now());
    const now = performance.now();
    const waitMs = isOnTheWay(replicaSet, status) ? throttle.waitMs(key, now) : 0;
    if (waitMs === 0 && (await writeStatus(resource, replicaSet, status, { client, signal }))) throttle.wrote(key, now);
    if (failure) throw failure.error;
    const waits = [waitMs, plan.create > 0 ? pauseMs : 0].filter((ms) => ms > 0);
    const againInMs = Math.min(availabilityInMs, ...waits);
    return againInMs === Infinity ? undefined : againInMs;
  }

  function claimPods(replicaSet: T, signal: AbortSignal): Promise<PodView[]> {
    return claim(claimCandidates(pods, replicaSet).filter(isClaimable), {
      ...{ client, signal, owner: replicaSet, ownerResource: resource, resource: podResource },
      selector: selectorFrom(selectorOf(replicaSet)),
      claimableOf: (pod) => pod,
    });
  }

  function relatedTo({ metadata = {} }: T): PodView[] {
    const owner = controllerOf(metadata.ownerReferences);
    const family = owner ? sets.byIndex('controller', owner.uid) : [];
    const uids = family.length > 0 ? family.map((each) => each.metadata?.uid ?? '') : [metadata.uid ?? ''];
    return uids.flatMap((uid) => pods.byIndex('controller', uid)).filter(isActive);
  }

  return {
    watches: () => [
      watch(
        sets,
        ownKeys(queue, ({ metadata }) => {
          expectations.forget(metadata?.uid ?? '');
          rejections.forget(metadata?.uid ?? '');
        }),
      ),
      watch(
        pods,
        dependentHandlers<PodView>({
          ...{ queue, expectations, ownerResource: resource },
          claimableOf: (pod) => pod,
          concerns: concernsController,
          adopters: selectingOwners(sets, selectorOf),
        }),
      ),
    ],
    reconcile,
  };
}

/** Pods are still coming or going, so that a later status will say more: readers can wait a moment for it. */
function isOnTheWay(replicaSet: ReplicaSetLike, status: ReplicaSetStatus): boolean {
  const wanted = replicaSet.spec?.replicas ?? 1;
  const settled = status.replicas === wanted && status.availableReplicas === wanted;
  return !settled && status.observedGeneration === replicaSet.status?.observedGeneration;
}
