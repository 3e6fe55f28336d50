/**
 * What a StatefulSet does next, given its pods, their claims and its revisions. The rules are those of upstream's stateful set
 * controller: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#deployment-and-scaling-guarantees
 */
import { scaledValue } from '../../../../api/machinery/int-or-string.ts';
import { isTerminated, type PodView } from '../../caches/pod-view.ts';
import type { ClaimView } from '../../caches/storage-views.ts';
import { claimNames, claimOwnership, claimVolumes, isStale, newClaims, type Ownership } from './claims.ts';
import { endOf, ordinalOf, podNameOf, replicasOf, startOf } from './identity.ts';
import { identityLabels, isMember, nameOf, newPod, partitionOf, revisionOf, type Revisions } from './pods.ts';
import { isAvailable, isReady, statefulSetStatus } from './status.ts';
import type { StatefulSet, StatefulSetStatus } from '../../../../api/types/apps/v1.gen.ts';
import type { PersistentVolumeClaim, Pod, Volume } from '../../../../api/types/core/v1.gen.ts';

/** At most so many pods are created, and as many removed, in one round. */
const BURST_REPLICAS = 500;

export interface StatefulSetState {
  readonly set: StatefulSet;
  /** Those that it controls. */
  readonly pods: readonly PodView[];
  /** The claim of that name, in the set's namespace. */
  claim(name: string): ClaimView | undefined;
  readonly revisions: Revisions;
  /** For how many ms yet a failed pod of this name is left alone, so that one that always fails is not made anew all the time. */
  backoffMs(podName: string): number;
  readonly now: number;
}

export type StatefulSetAction =
  /** The claims, which do not exist yet, come first. */
  | { readonly type: 'createPod'; readonly pod: Pod; readonly claims: readonly PersistentVolumeClaim[] }
  | { readonly type: 'createClaims'; readonly podName: string; readonly claims: readonly PersistentVolumeClaim[] }
  /** A pod cannot be created before a claim that is being deleted is gone. */
  | { readonly type: 'awaitClaim'; readonly podName: string; readonly claimName: string }
  | { readonly type: 'ownClaim'; readonly claim: ClaimView; readonly ownership: Ownership }
  | {
      readonly type: 'updatePod';
      readonly pod: PodView;
      readonly labels: Record<string, string>;
      readonly volumes: readonly Volume[];
    }
  | { readonly type: 'deletePod'; readonly pod: PodView }
  /** A pod that has ended goes, and the next round makes it anew. */
  | { readonly type: 'recreatePod'; readonly pod: PodView };

export interface StatefulSetPlan {
  /** One after the other, each only when all actions of the one before have succeeded. */
  readonly stages: readonly (readonly StatefulSetAction[])[];
  /** The actions of a stage are one after the other, too. */
  readonly isOrdered: boolean;
  readonly status: StatefulSetStatus;
  /** When to decide again though nothing has changed; Infinity for never. */
  readonly againInMs: number;
}

export const planStatefulSet = (state: StatefulSetState): StatefulSetPlan => new Round(state).plan();

/** What is to be done about one ordinal, and whether those after it have to wait. */
interface Step {
  readonly actions: readonly StatefulSetAction[];
  readonly blocks: boolean;
}

class Round {
  readonly #state: StatefulSetState;
  readonly #set: StatefulSet;
  readonly #isOrdered: boolean;
  readonly #replicas = new Map<number, PodView>();
  /** Surplus pods, highest ordinals first. */
  readonly #condemned: { readonly ordinal: number; readonly pod: PodView }[] = [];
  #againInMs = Infinity;

  constructor(state: StatefulSetState) {
    this.#state = state;
    this.#set = state.set;
    this.#isOrdered = state.set.spec?.podManagementPolicy !== 'Parallel';
    for (const pod of state.pods) {
      const ordinal = ordinalOf(this.#set, pod.name);
      if (ordinal === undefined) continue;
      if (ordinal >= startOf(this.#set) && ordinal < endOf(this.#set)) this.#replicas.set(ordinal, pod);
      else this.#condemned.push({ ordinal, pod });
    }
    this.#condemned.sort((a, b) => b.ordinal - a.ordinal);
  }

  plan(): StatefulSetPlan {
    const stages = this.#set.metadata?.deletionTimestamp ? [] : this.#stages();
    return { stages, isOrdered: this.#isOrdered, status: this.#status(stages), againInMs: this.#againInMs };
  }

  #stages(): (readonly StatefulSetAction[])[] {
    const replicas = this.#provide();
    if (replicas.blocks) return [replicas.actions];
    const claims = this.#condemned.flatMap(({ ordinal, pod }) => this.#ownClaims(ordinal, pod, true));
    const removed = this.#remove();
    const stages = [replicas.actions, claims, removed.actions];
    return removed.blocks ? stages : [...stages, this.#update()];
  }

  #status(stages: readonly (readonly StatefulSetAction[])[]): StatefulSetStatus {
    const { pods, revisions, now } = this.#state;
    const { current, update } = revisions;
    const replaced = new Set((stages[3] ?? []).flatMap((action) => (action.type === 'deletePod' ? action.pod : [])));
    return statefulSetStatus({
      ...{ set: this.#set, pods, replaced, now },
      ...{ currentRevision: nameOf(current), updateRevision: nameOf(update) },
    });
  }

  #isUnavailable(pod: PodView): boolean {
    return pod.deleting || !isAvailable(pod, this.#set, this.#state.now);
  }

  /** Every ordinal gets its pod. In order, each waits until those before it are available. */
  #provide(): Step {
    const actions: StatefulSetAction[] = [];
    let created = 0;
    // There may be far more ordinals than pods can be created in a round: none beyond those is looked at.
    for (let ordinal = startOf(this.#set); ordinal < endOf(this.#set) && created < BURST_REPLICAS; ordinal++) {
      const pod = this.#replicas.get(ordinal);
      const step = pod ? this.#keep(ordinal, pod) : this.#create(ordinal);
      if (!pod) created++;
      for (const action of step.actions) actions.push(action);
      if (this.#isOrdered && step.blocks) return { actions, blocks: true };
    }
    return { actions, blocks: false };
  }

  #create(ordinal: number): Step {
    const claims = claimNames(this.#set, ordinal).flatMap((name) => this.#state.claim(name) ?? []);
    if (claims.some((claim) => isStale(claim, this.#set, ordinal))) return { actions: [], blocks: true };
    const gone = claims.find(({ deleting }) => deleting);
    const action: StatefulSetAction = gone
      ? { type: 'awaitClaim', podName: podNameOf(this.#set, ordinal), claimName: gone.name }
      : {
          type: 'createPod',
          pod: newPod(this.#set, this.#state.revisions, ordinal),
          claims: this.#missingClaims(ordinal),
        };
    return { actions: [action], blocks: true };
  }

  #keep(ordinal: number, pod: PodView): Step {
    if (isTerminated(pod)) return { actions: this.#end(pod), blocks: true };
    const actions: StatefulSetAction[] = [];
    const missing = pod.phase === 'Pending' ? this.#missingClaims(ordinal) : [];
    if (missing.length > 0) actions.push({ type: 'createClaims', podName: pod.name, claims: missing });
    const blocks = !isReady(pod) || this.#isUnavailable(pod);
    if (blocks && this.#isOrdered) return { actions, blocks };
    for (const action of this.#ownClaims(ordinal, pod, false)) actions.push(action);
    if (!pod.deleting && !isMember(pod, this.#set, ordinal)) {
      const [labels, volumes] = [identityLabels(this.#set, ordinal), claimVolumes(this.#set, ordinal)];
      actions.push({ type: 'updatePod', pod, labels, volumes });
    }
    return { actions, blocks };
  }

  /** Whatever its exit code: a pod that was evicted, or whose node was shut down, may have succeeded. */
  #end(pod: PodView): readonly StatefulSetAction[] {
    if (pod.deleting) return [];
    const waitMs = pod.phase === 'Failed' ? this.#state.backoffMs(pod.name) : 0;
    if (waitMs === 0) return [{ type: 'recreatePod', pod }];
    this.#againInMs = Math.min(this.#againInMs, waitMs);
    return [];
  }

  #missingClaims(ordinal: number): PersistentVolumeClaim[] {
    return newClaims(this.#set, ordinal).filter(({ metadata }) => !this.#state.claim(metadata?.name ?? ''));
  }

  #ownClaims(ordinal: number, pod: PodView, isCondemned: boolean): StatefulSetAction[] {
    return claimNames(this.#set, ordinal).flatMap((name): StatefulSetAction[] => {
      const claim = this.#state.claim(name);
      const ownership = claim && claimOwnership(claim, this.#set, pod, isCondemned);
      return ownership ? [{ type: 'ownClaim', claim, ownership }] : [];
    });
  }

  /** Takes surplus pods away. In order, from the highest ordinal on, each when the one before is gone. */
  #remove(): Step {
    const staying = this.#condemned.filter(({ pod }) => !pod.deleting);
    if (!this.#isOrdered) {
      const removed = staying.slice(0, BURST_REPLICAS);
      return { actions: removed.map(({ pod }) => ({ type: 'deletePod', pod })), blocks: false };
    }
    const [first] = this.#condemned;
    if (!first) return { actions: [], blocks: false };
    // One that is not available waits, unless it is the only one: what is left of the set is no more broken than it was.
    const lowest = this.#condemned.findLast(({ pod }) => this.#isUnavailable(pod));
    const isHealthy = isReady(first.pod) && !this.#isUnavailable(first.pod);
    const canGo = !first.pod.deleting && (isHealthy || first === lowest);
    return { actions: canGo ? [{ type: 'deletePod', pod: first.pod }] : [], blocks: true };
  }

  #update(): StatefulSetAction[] {
    const { type, rollingUpdate } = this.#set.spec?.updateStrategy ?? {};
    if (type === 'OnDelete') return [];
    const { maxUnavailable } = rollingUpdate ?? {};
    if (maxUnavailable === undefined) return this.#updateNext();
    return this.#updateSome(Math.max(1, scaledValue(maxUnavailable, replicasOf(this.#set), 'down')));
  }

  #isOutdated(pod: PodView): boolean {
    return revisionOf(pod) !== nameOf(this.#state.revisions.update) && !pod.deleting;
  }

  /** From the highest ordinal down, one pod when all above it are updated and available. */
  #updateNext(): StatefulSetAction[] {
    const first = startOf(this.#set) + partitionOf(this.#set);
    for (let ordinal = endOf(this.#set) - 1; ordinal >= first; ordinal--) {
      const pod = this.#replicas.get(ordinal);
      if (pod && this.#isOutdated(pod)) return [{ type: 'deletePod', pod }];
      if (!pod || this.#isUnavailable(pod)) return [];
    }
    return [];
  }

  /** As many pods as may be unavailable and are not yet, from the highest ordinal down. */
  #updateSome(maxUnavailable: number): StatefulSetAction[] {
    const pods = [...this.#replicas].sort(([a], [b]) => b - a);
    const available = pods.filter(([, pod]) => !this.#isUnavailable(pod)).length;
    const room = Math.max(0, maxUnavailable - (replicasOf(this.#set) - available));
    const first = startOf(this.#set) + partitionOf(this.#set);
    return pods
      .filter(([ordinal, pod]) => ordinal >= first && this.#isOutdated(pod))
      .slice(0, room)
      .map(([, pod]) => ({ type: 'deletePod', pod }));
  }
}
