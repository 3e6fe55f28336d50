/** The DaemonSet controller: carries out what `plan.ts` decides. Upstream: pkg/controller/daemon. */
import { semanticallyEqual } from '../../../../api/machinery/deep-equal.ts';
import { selectorFrom } from '../../../../api/machinery/selectors.ts';
import { referenceTo } from '../../../../client/event-recorder.ts';
import { objectKey } from '../../../../client/informer.ts';
import { daemonSets as resource, pods as podResource } from '../../../../client/resources.gen.ts';
import { controllerRevisionCache, daemonSetCache, nodeCache, podCache } from '../../caches/definitions.ts';
import type { NodeView } from '../../caches/node-view.ts';
import { concernsController, type PodView } from '../../caches/pod-view.ts';
import { claim, claimCandidates } from '../../framework/claim.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { dependentHandlers, selectingOwners } from '../../framework/dependents.ts';
import { Expectations, EXPECTATIONS_TIMEOUT_MS } from '../../framework/expectations.ts';
import { apiVersionOf } from '../../framework/owner-references.ts';
import { writeStatus } from '../../framework/status.ts';
import { ownKeys, watch } from '../../framework/watch.ts';
import { RevisionHistory } from '../history/history.ts';
import { REVISION_LABEL, revisionsOf, surplusRevisions } from '../history/revision.ts';
import { FailedPodBackoff, failingSet } from '../failed-pod-backoff.ts';
import { PodControl, type PodControlFailure } from '../pod-control.ts';
import { StatusThrottle } from '../status-throttle.ts';
import { placementOf, podsOn } from './placement.ts';
import { planDaemonSet, targetOf, type DaemonSetPlan } from './plan.ts';
import type { ControllerRevision, DaemonSet, DaemonSetStatus } from '../../../../api/types/apps/v1.gen.ts';

export const daemonSetController: ControllerDescriptor = { name: 'daemonset-controller', workers: 2, create };

function create({ client, informer, recorder, queue }: ControllerContext): Controller {
  const sets = informer(daemonSetCache);
  const pods = informer(podCache);
  const nodes = informer(nodeCache);
  const history = new RevisionHistory({
    ...{ client, cache: informer(controllerRevisionCache), owners: sets },
    ...{ ownerResource: resource, hashLabel: REVISION_LABEL },
  });
  const expectations = new Expectations();
  const throttle = new StatusThrottle();
  const backoff = new FailedPodBackoff();
  const events = recorder('daemonset-controller');
  const podControl = new PodControl({ client, expectations, ownerResource: resource, recorder: events });

  const record = (set: DaemonSet, type: 'Normal' | 'Warning', reason: string, message: string): void =>
    events.event(referenceTo(apiVersionOf(resource), resource.kind, set), type, reason, message);

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const set = sets.getByKey(key);
    if (!set) {
      throttle.forget(key);
      return undefined;
    }
    if (selectorFrom(set.spec?.selector ?? {}).empty) {
      const message = 'This daemon set is selecting all pods. A non-empty selector is required.';
      record(set, 'Warning', 'SelectingAll', message);
      return undefined;
    }
    // Its history may be gone before its pods: what is left says nothing.
    if (set.metadata?.deletionTimestamp) return undefined;
    // Asked together with the cache: what is observed later, while others are waited for, is not in what is read here.
    const isCurrent = expectations.isSatisfied(set.metadata?.uid ?? '', performance.now());
    const controlled = await claimPods(set, signal);
    if (!isCurrent) return EXPECTATIONS_TIMEOUT_MS;
    const kept = await history.claim(set, signal);
    const current = await history.sync(set, kept, signal);
    const now = Date.now();
    const plan = planDaemonSet({
      ...{ set, nodes: nodes.values(), pods: controlled, hashes: hashesOf(set, [...kept, current]), now },
      backoffMs: (node) => backoff.remainingMs(failingSet(set), node, performance.now()),
    });
    const failure = await carryOut(set, plan, hashOf(current), signal);
    const waitMs = await throttle.write(key, isOnTheWay(set, plan.status), () =>
      writeStatus(resource, set, plan.status, { client, signal }),
    );
    if (failure) throw failure.error;
    await history.delete(unused(set, kept, controlled), signal);
    const againInMs = Math.min(waitMs, plan.againInMs);
    return againInMs === Infinity ? undefined : againInMs;
  }

  function claimPods(set: DaemonSet, signal: AbortSignal): Promise<PodView[]> {
    return claim(claimCandidates(pods, set), {
      ...{ client, signal, owner: set, ownerResource: resource, resource: podResource },
      selector: selectorFrom(set.spec?.selector),
      claimableOf: (pod) => pod,
    });
  }

  /** Resolves with why not everything was done. */
  async function carryOut(
    set: DaemonSet,
    plan: DaemonSetPlan,
    hash: string,
    signal: AbortSignal,
  ): Promise<PodControlFailure | undefined> {
    for (const pod of plan.ended) recordEnded(set, pod);
    const failures = [
      plan.create.length > 0 && (await podControl.create(set, plan.create.map(podsOn(set, hash)), signal)),
      plan.remove.length > 0 && (await podControl.delete(set, plan.remove, signal)),
    ];
    return failures.find((failure) => failure !== false && failure !== undefined) || undefined;
  }

  function recordEnded(set: DaemonSet, pod: PodView): void {
    const [node, name] = [targetOf(pod), `${pod.namespace}/${pod.name}`];
    if (pod.phase === 'Failed') {
      backoff.failed(failingSet(set), node, performance.now());
      const message = `Found failed daemon pod ${name} on node ${node}, will try to kill it`;
      record(set, 'Warning', 'FailedDaemonPod', message);
    } else {
      const message = `Found succeeded daemon pod ${name} on node ${node}, will try to delete it`;
      record(set, 'Normal', 'SucceededDaemonPod', message);
    }
  }

  /** Wakes the sets for which the node is another one than before. */
  function wakeFor(old: NodeView | undefined, node: NodeView | undefined): void {
    for (const [key, set] of setsByKey()) {
      const placement = placementOf(set);
      const [before, now] = [old, node].map((each) => each && placement(each));
      if (before?.shouldRun !== now?.shouldRun || before?.mayStay !== now?.mayStay) queue.add(key);
    }
  }

  function* setsByKey(): Iterable<readonly [string, DaemonSet]> {
    for (const set of sets.values()) {
      yield [objectKey(set.metadata?.namespace, set.metadata?.name ?? ''), set];
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
          concerns: (old, pod) => concernsController(old, pod) || old.nodeName !== pod.nodeName,
          adopters: selectingOwners(sets, ({ spec }) => spec?.selector),
        }),
      ),
      watch(nodes, {
        onAdd: (node) => wakeFor(undefined, node),
        onUpdate: (old, node) => {
          if (!semanticallyEqual(old.labels, node.labels) || !semanticallyEqual(old.taints, node.taints)) {
            wakeFor(old, node);
          }
        },
        onDelete: (node) => wakeFor(node, undefined),
      }),
      history.watch(queue),
    ],
    reconcile,
  };
}

const hashOf = ({ metadata }: ControllerRevision): string => metadata?.labels?.[REVISION_LABEL] ?? '';

/** Adopted revisions may be of the same template. */
const hashesOf = (set: DaemonSet, revisions: readonly ControllerRevision[]): ReadonlySet<string> =>
  new Set(revisionsOf(set.spec?.template, revisions).map(hashOf).filter(Boolean));

/** What is kept beyond the history limit of revisions, without those that pods are of. */
function unused(
  { spec }: DaemonSet,
  kept: readonly ControllerRevision[],
  pods: readonly PodView[],
): readonly ControllerRevision[] {
  const current = new Set(revisionsOf(spec?.template, kept));
  const used = new Set(pods.map(({ labels }) => labels[REVISION_LABEL]));
  const old = kept.filter((revision) => !current.has(revision));
  const free = old.filter((revision) => !used.has(hashOf(revision)));
  // Those in use count, too.
  return surplusRevisions(free, Math.max(0, (spec?.revisionHistoryLimit ?? 10) - (old.length - free.length)));
}

/** Pods are still coming or going, so that a later status will say more: readers can wait a moment for it. */
function isOnTheWay(set: DaemonSet, status: DaemonSetStatus): boolean {
  const isSettled =
    status.updatedNumberScheduled === status.desiredNumberScheduled &&
    status.numberAvailable === status.desiredNumberScheduled;
  return !isSettled && status.observedGeneration === set.status?.observedGeneration;
}
