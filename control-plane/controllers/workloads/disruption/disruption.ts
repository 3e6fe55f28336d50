/**
 * The controller of PodDisruptionBudgets: keeps in their status how many pods may be evicted, by which the eviction API decides.
 * It also takes back the mark of pods that were to be disrupted and were not. Upstream: pkg/controller/disruption.
 */
import { selectorFrom } from '../../../../api/machinery/selectors.ts';
import { isConflict, StatusError } from '../../../../api/machinery/status-error.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import { ConnectionError } from '../../../../client/connection-error.ts';
import { referenceTo } from '../../../../client/event-recorder.ts';
import { objectKey } from '../../../../client/informer.ts';
import { podDisruptionBudgets, pods as podResource } from '../../../../client/resources.gen.ts';
import {
  deploymentCache,
  podCache,
  podDisruptionBudgetCache,
  replicaSetCache,
  replicationControllerCache,
  statefulSetCache,
} from '../../caches/definitions.ts';
import { isTerminated, podView, type PodView } from '../../caches/pod-view.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { Interner } from '../../framework/interner.ts';
import { unlessGone, unlessNotFound } from '../../framework/outcomes.ts';
import { apiVersionOf, controllerOf } from '../../framework/owner-references.ts';
import { writeStatus } from '../../framework/status.ts';
import { ownKeys, watch } from '../../framework/watch.ts';
import { countsScale, failedStatus, planBudget } from './budget-plan.ts';
import { ScaleFinder } from './scale-finder.ts';
import type { ObjectReference } from '../../../../api/types/core/v1.gen.ts';
import type { PodDisruptionBudget } from '../../../../api/types/policy/v1.gen.ts';

export const disruptionController: ControllerDescriptor = { name: 'disruption-controller', workers: 5, create };

/** A pod that is marked for so long and not deleted was not disrupted. */
const STALE_MARK_MS = 120_000;
/** When the scale of a controller is unknown, it is asked for again: it may be a custom resource that is still to come. */
const RETRY_MS = 60_000;
const POD_PREFIX = 'pod ';

function create({ client, informer, recorder, queue }: ControllerContext): Controller {
  const budgets = informer(podDisruptionBudgetCache);
  const pods = informer(podCache);
  const scales = new ScaleFinder({
    client,
    deployments: informer(deploymentCache),
    replicaSets: informer(replicaSetCache),
    replicationControllers: informer(replicationControllerCache),
    statefulSets: informer(statefulSetCache),
  });
  const events = recorder('controllermanager');

  const budgetsOf = ({ namespace, labels }: PodView): PodDisruptionBudget[] =>
    budgets.byIndex('namespace', namespace).filter(({ spec }) => selectorFrom(spec?.selector).matches(labels));

  function wake(pod: PodView): PodDisruptionBudget[] {
    const found = budgetsOf(pod);
    for (const { metadata } of found) queue.add(objectKey(metadata?.namespace, metadata?.name ?? ''));
    return found;
  }

  /** The pod has come, or has got other labels. */
  function welcome(pod: PodView): void {
    const [first, ...more] = wake(pod);
    if (!first || more.length === 0) return;
    const name = `${JSON.stringify(pod.namespace)}/${JSON.stringify(pod.name)}`;
    const chosen = JSON.stringify(first.metadata?.name ?? '');
    const message = `Pod ${name} matches multiple PodDisruptionBudgets.  Chose ${chosen} arbitrarily.`;
    events.event(podReference(pod), 'Warning', 'MultiplePodDisruptionBudgets', message);
  }

  const watchMark = (pod: PodView, key: string): void => {
    const leftMs = staleInMs(pod, Date.now());
    if (leftMs < Infinity) queue.addAfter(`${POD_PREFIX}${key}`, leftMs);
  };

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    if (key.startsWith(POD_PREFIX)) return await unmark(key.slice(POD_PREFIX.length), signal);
    const budget = budgets.getByKey(key);
    if (!budget) return undefined;
    try {
      return await sync(budget, signal);
    } catch (error) {
      if (isConflict(error) || signal.aborted) throw error;
      await writeStatus(podDisruptionBudgets, budget, failedStatus(budget, (error as Error).message, Date.now()), {
        client,
        signal,
      });
      if (error instanceof StatusError || error instanceof ConnectionError) throw error;
      return RETRY_MS;
    }
  }

  async function sync(budget: PodDisruptionBudget, signal: AbortSignal): Promise<number | undefined> {
    const { metadata, spec } = budget;
    const selector = selectorFrom(spec?.selector);
    const selected = pods
      .byIndex('namespace', metadata?.namespace ?? '')
      .filter(({ labels }) => selector.matches(labels));
    if (selected.length === 0) record(budget, 'Normal', 'NoPods', 'No matching pods found');
    const expected = await expectedPods(budget, selected, signal);
    const { status, notDeleted, againInMs } = planBudget({ budget, pods: selected, expected, now: Date.now() });
    for (const pod of notDeleted) {
      const message = `Pod was expected by PDB ${metadata?.namespace}/${metadata?.name} to be deleted but it wasn't`;
      events.event(podReference(pod), 'Warning', 'NotDeleted', message);
    }
    await writeStatus(podDisruptionBudgets, budget, status, { client, signal });
    return againInMs;
  }

  async function expectedPods(
    budget: PodDisruptionBudget,
    selected: readonly PodView[],
    signal: AbortSignal,
  ): Promise<number> {
    if (budget.spec?.minAvailable === undefined && budget.spec?.maxUnavailable === undefined) return 0;
    if (!countsScale(budget.spec)) return selected.length;
    try {
      const unmanaged = selected.filter(({ owners }) => !controllerOf(owners));
      if (unmanaged.length > 0) record(budget, 'Warning', 'UnmanagedPods', unmanagedMessage(budget));
      return await totalScale(selected, signal);
    } catch (error) {
      const message = `Failed to calculate the number of expected pods: ${(error as Error).message}`;
      record(budget, 'Warning', 'CalculateExpectedPodCountFailed', message);
      throw error;
    }
  }

  /** Of all controllers of the pods, each once. */
  async function totalScale(selected: readonly PodView[], signal: AbortSignal): Promise<number> {
    const asked = new Set<string>();
    const replicasByUid = new Map<string, number>();
    for (const { name, namespace, owners } of selected) {
      const owner = controllerOf(owners);
      if (!owner || asked.has(owner.uid)) continue;
      asked.add(owner.uid);
      const scale = await scales.find(owner, namespace, signal);
      if (!scale) throw new Error(`found no controllers for pod ${JSON.stringify(name)}`);
      replicasByUid.set(scale.uid, scale.replicas);
    }
    return [...replicasByUid.values()].reduce((sum, replicas) => sum + replicas, 0);
  }

  /** Takes back the mark, unless it has been made anew, or the pod is going after all. */
  async function unmark(key: string, signal: AbortSignal): Promise<number | undefined> {
    const cached = pods.getByKey(key);
    if (!cached) return undefined;
    const leftMs = staleInMs(cached, Date.now());
    if (leftMs > 0) return leftMs === Infinity ? undefined : leftMs;
    const { namespace, name } = cached;
    const pod = await unlessNotFound(client.get(podResource, namespace, name, { signal }));
    if (!pod || staleInMs(podView(pod, new Interner()), Date.now()) > 0) return undefined;
    const condition = {
      ...{ type: 'DisruptionTarget', status: 'False', reason: null, message: null },
      lastTransitionTime: timeOf(Date.now()),
    };
    const { uid, resourceVersion } = pod.metadata ?? {};
    const patch = { metadata: { uid, resourceVersion }, status: { conditions: [condition] } };
    const options = { type: 'strategic', subresource: 'status', signal } as const;
    // One that changes at this moment is looked at again with its event.
    await unlessGone(client.patch(podResource, namespace, name, patch, options));
    return undefined;
  }

  function record(budget: PodDisruptionBudget, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const regarding = referenceTo(apiVersionOf(podDisruptionBudgets), podDisruptionBudgets.kind, budget);
    events.event(regarding, type, reason, message);
  }

  return {
    watches: () => [
      watch(budgets, ownKeys(queue)),
      watch(pods, {
        onAdd: (pod, key) => {
          welcome(pod);
          watchMark(pod, key);
        },
        onUpdate: (old, pod, key) => {
          if (old.labels !== pod.labels) {
            wake(old);
            welcome(pod);
          } else if (concernsBudget(old, pod)) wake(pod);
          if (old.disruptedAt !== pod.disruptedAt) watchMark(pod, key);
        },
        onDelete: wake,
      }),
    ],
    reconcile,
  };
}

const concernsBudget = (old: PodView, pod: PodView): boolean =>
  old.ready !== pod.ready || old.deleting !== pod.deleting || old.controllerUid !== pod.controllerUid;

/** In how many ms the mark of a pod that was to be disrupted is stale; Infinity when it has none, or is on its way out. */
function staleInMs(pod: PodView, now: number): number {
  if (pod.disruptedAt === 0 || pod.deleting || isTerminated(pod)) return Infinity;
  return Math.max(0, pod.disruptedAt + STALE_MARK_MS - now);
}

const podReference = ({ namespace, name, uid }: PodView): ObjectReference => ({
  ...{ apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
});

const unmanagedMessage = ({ spec }: PodDisruptionBudget): string =>
  `Pods selected by this PodDisruptionBudget (selector: ${JSON.stringify(spec?.selector)}) were found to be unmanaged. ` +
  'As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. ' +
  'To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.';
