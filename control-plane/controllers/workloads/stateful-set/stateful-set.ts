/** The StatefulSet controller: carries out what `plan.ts` decides. Upstream: pkg/controller/statefulset. */
import { selectorFrom } from '../../../../api/machinery/selectors.ts';
import { pods as podResource, statefulSets as resource } from '../../../../client/resources.gen.ts';
import { objectKey } from '../../../../client/informer.ts';
import { claimCache, controllerRevisionCache, podCache, statefulSetCache } from '../../caches/definitions.ts';
import { concernsController, type PodView } from '../../caches/pod-view.ts';
import type { ClaimView } from '../../caches/storage-views.ts';
import { claim, claimCandidates } from '../../framework/claim.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { dependentHandlers, selectingOwners } from '../../framework/dependents.ts';
import { Expectations, EXPECTATIONS_TIMEOUT_MS } from '../../framework/expectations.ts';
import { writeStatus } from '../../framework/status.ts';
import { ownKeys, watch } from '../../framework/watch.ts';
import { RevisionHistory } from '../history/history.ts';
import { surplusRevisions } from '../history/revision.ts';
import { FailedPodBackoff, failingSet } from '../failed-pod-backoff.ts';
import { StatusThrottle } from '../status-throttle.ts';
import { StatefulSetActions } from './actions.ts';
import { ordinalOf, ordinalOfClaim, replicasOf } from './identity.ts';
import { planStatefulSet, type StatefulSetPlan } from './plan.ts';
import { nameOf, revisionOf, type Revisions } from './pods.ts';
import { availabilityInMs, statefulSetStatus } from './status.ts';
import type { ControllerRevision, StatefulSet, StatefulSetStatus } from '../../../../api/types/apps/v1.gen.ts';

export const statefulSetController: ControllerDescriptor = { name: 'statefulset-controller', workers: 5, create };

function create({ client, informer, recorder, queue }: ControllerContext): Controller {
  const sets = informer(statefulSetCache);
  const pods = informer(podCache);
  const claims = informer(claimCache);
  const history = new RevisionHistory({
    ...{ client, cache: informer(controllerRevisionCache), owners: sets },
    ...{ ownerResource: resource, hashLabel: 'controller.kubernetes.io/hash' },
  });
  const expectations = new Expectations();
  const throttle = new StatusThrottle();
  const backoff = new FailedPodBackoff();
  const actions = new StatefulSetActions({ client, expectations, recorder: recorder('statefulset-controller') });

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const set = sets.getByKey(key);
    if (!set) {
      throttle.forget(key);
      return undefined;
    }
    // Asked together with the cache: what is observed later, while others are waited for, is not in what is read here.
    const isCurrent = expectations.isSatisfied(set.metadata?.uid ?? '', performance.now());
    const controlled = await claimPods(set, signal);
    if (!isCurrent) return EXPECTATIONS_TIMEOUT_MS;
    const now = Date.now();
    if (set.metadata?.deletionTimestamp) {
      await writeStatus(resource, set, statusOfDeleted(set, controlled, now), { client, signal });
      return undefined;
    }
    const kept = await history.claim(set, signal);
    const revisions = await revisionsOf(set, kept, signal);
    const claimOf = (name: string): ClaimView | undefined => claims.get(set.metadata?.namespace ?? '', name);
    const plan = planStatefulSet({
      ...{ set, pods: controlled, claim: claimOf, revisions, now },
      backoffMs: (podName) => backoff.remainingMs(failingSet(set), podName, performance.now()),
    });
    const [outcome] = await Promise.allSettled([carryOut(set, plan, signal)]);
    const waitMs = await throttle.write(key, isOnTheWay(set, plan.status), () =>
      writeStatus(resource, set, plan.status, { client, signal }),
    );
    if (outcome.status === 'rejected') throw outcome.reason;
    await history.delete(unused(set, kept, revisions, controlled), signal);
    const againInMs = Math.min(waitMs, plan.againInMs, availabilityInMs(set, controlled, now));
    return againInMs === Infinity ? undefined : againInMs;
  }

  function claimPods(set: StatefulSet, signal: AbortSignal): Promise<PodView[]> {
    return claim(claimCandidates(pods, set), {
      ...{ client, signal, owner: set, ownerResource: resource, resource: podResource },
      selector: selectorFrom(set.spec?.selector),
      accepts: ({ name }) => ordinalOf(set, name) !== undefined,
      claimableOf: (pod) => pod,
    });
  }

  /** Makes the set's template the newest revision, and finds the one that its status names as current. */
  async function revisionsOf(
    set: StatefulSet,
    kept: readonly ControllerRevision[],
    signal: AbortSignal,
  ): Promise<Revisions> {
    const update = await history.sync(set, kept, signal);
    const { currentRevision: name } = set.status ?? {};
    if (!name || name === nameOf(update)) return { current: update, update };
    const current = kept.find((revision) => nameOf(revision) === name) ?? (await history.find(set, name, signal));
    return { current: current ?? update, update };
  }

  async function carryOut(
    set: StatefulSet,
    { stages, isOrdered }: StatefulSetPlan,
    signal: AbortSignal,
  ): Promise<void> {
    for (const stage of stages) {
      for (const action of stage)
        if (action.type === 'recreatePod' && action.pod.phase === 'Failed')
          backoff.failed(failingSet(set), action.pod.name, performance.now());
      await actions.carryOut(set, stage, { isOrdered, signal });
    }
  }

  return {
    watches: () => [
      watch(
        sets,
        ownKeys(queue, ({ metadata }) => {
          expectations.forget(metadata?.uid ?? '');
          backoff.forget(metadata?.uid ?? '');
        }),
      ),
      watch(
        pods,
        dependentHandlers<PodView>({
          ...{ queue, expectations, ownerResource: resource },
          claimableOf: (pod) => pod,
          concerns: concernsController,
          adopters: selectingOwners(sets, ({ spec }) => spec?.selector),
        }),
      ),
      watch(claims, {
        // Pods wait for claims that are being deleted, and owners of claims may have been changed.
        onUpdate: (_, claim) => wakeFor(claim),
        onDelete: (claim) => wakeFor(claim),
      }),
      history.watch(queue),
    ],
    reconcile,
  };

  function wakeFor({ namespace, name }: ClaimView): void {
    for (const set of sets.byIndex('namespace', namespace)) {
      if (ordinalOfClaim(set, name) !== undefined) queue.add(objectKey(namespace, set.metadata?.name ?? ''));
    }
  }
}

/** What is left is counted; its revisions may be gone already. */
function statusOfDeleted(set: StatefulSet, pods: readonly PodView[], now: number): StatefulSetStatus {
  const { currentRevision = '', updateRevision = '' } = set.status ?? {};
  return statefulSetStatus({ set, pods, replaced: new Set(), currentRevision, updateRevision, now });
}

/** What is kept beyond the history limit of revisions that no pod is of. */
function unused(
  { spec }: StatefulSet,
  kept: readonly ControllerRevision[],
  { current, update }: Revisions,
  pods: readonly PodView[],
): readonly ControllerRevision[] {
  const used = new Set([nameOf(current), nameOf(update), ...pods.map(revisionOf)]);
  return surplusRevisions(
    kept.filter((revision) => !used.has(nameOf(revision))),
    spec?.revisionHistoryLimit,
  );
}

/** Pods are still coming or going, so that a later status will say more: readers can wait a moment for it. */
function isOnTheWay(set: StatefulSet, status: StatefulSetStatus): boolean {
  const wanted = replicasOf(set);
  const isSettled = status.replicas === wanted && status.availableReplicas === wanted;
  return !isSettled && status.observedGeneration === set.status?.observedGeneration;
}
