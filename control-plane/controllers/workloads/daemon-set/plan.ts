/**
 * What a DaemonSet does next, given the nodes and its pods. The rules are those of upstream's daemon set controller:
 * https://kubernetes.io/docs/tasks/manage-daemon/update-daemon-set/
 */
import { scaledValue } from '../../../../api/machinery/int-or-string.ts';
import { compareText } from '../../../../api/machinery/compare-text.ts';
import { own } from '../../../../api/machinery/own.ts';
import type { NodeView } from '../../caches/node-view.ts';
import { availableInMs, isTerminated, type PodView } from '../../caches/pod-view.ts';
import { REVISION_LABEL } from '../history/revision.ts';
import { placementOf, TEMPLATE_GENERATION_LABEL, templateGenerationOf, type Placement } from './placement.ts';
import type { DaemonSet, DaemonSetStatus } from '../../../../api/types/apps/v1.gen.ts';

/** At most so many pods are created, and as many deleted, in one round. */
const BURST_REPLICAS = 250;

export interface DaemonSetState {
  readonly set: DaemonSet;
  readonly nodes: Iterable<NodeView>;
  /** Those that it controls. */
  readonly pods: readonly PodView[];
  /** The hashes of the revision that pods are to be of; one, unless a template has several revisions. */
  readonly hashes: ReadonlySet<string>;
  /** For how many ms yet a failed pod of this node is left alone, so that one that always fails is not made anew all the time. */
  backoffMs(nodeName: string): number;
  readonly now: number;
}

export interface DaemonSetPlan {
  /** The nodes that a pod is to be created for. */
  readonly create: readonly string[];
  readonly remove: readonly PodView[];
  /** Of these: pods that have ended. There is an event about each, and those of failed ones are backed off from. */
  readonly ended: readonly PodView[];
  readonly status: DaemonSetStatus;
  /** When to decide again though nothing has changed; Infinity for never. */
  readonly againInMs: number;
}

export function planDaemonSet(state: DaemonSetState): DaemonSetPlan {
  const round = new Round(state);
  return round.plan();
}

/** The node that a pod is on, or is to be bound to. */
export const targetOf = ({ nodeName, pinnedTo }: PodView): string => nodeName || pinnedTo;

/** A node as the set sees it; of a node that is gone there are pods only. */
interface Place extends Placement {
  readonly name: string;
  readonly exists: boolean;
  /** The one that counts first; those that are only kept by their finalizers are no pods any more. */
  readonly pods: readonly PodView[];
}

/** At most one pod of either kind that is not being deleted; undefined when there are more. */
interface Generations {
  readonly fresh: PodView | undefined;
  readonly old: PodView | undefined;
}

class Round {
  readonly #state: DaemonSetState;
  readonly #set: DaemonSet;
  readonly #places: readonly Place[];
  readonly #generation: string | undefined;
  readonly #create: string[] = [];
  readonly #remove: PodView[] = [];
  readonly #ended: PodView[] = [];
  #againInMs = Infinity;

  constructor(state: DaemonSetState) {
    this.#state = state;
    this.#set = state.set;
    this.#places = placesOf(state);
    this.#generation = templateGenerationOf(state.set);
  }

  plan(): DaemonSetPlan {
    for (const place of this.#places) this.#manage(place);
    // An update begins where every node has what it is to have.
    if (this.#create.length === 0 && this.#remove.length === 0) this.#update();
    const status = this.#status();
    const remove = this.#remove.slice(0, BURST_REPLICAS);
    return {
      create: this.#create.slice(0, BURST_REPLICAS),
      remove,
      ended: this.#ended.filter((pod) => remove.includes(pod)),
      status,
      againInMs: this.#againInMs,
    };
  }

  #isUpdated({ labels }: PodView): boolean {
    return (
      this.#state.hashes.has(own(labels, REVISION_LABEL) ?? '') ||
      (this.#generation !== undefined && own(labels, TEMPLATE_GENERATION_LABEL) === this.#generation)
    );
  }

  #isAvailable(pod: PodView): boolean {
    const ms = availableInMs(pod, this.#set.spec?.minReadySeconds ?? 0, this.#state.now);
    if (ms > 0) this.#againInMs = Math.min(this.#againInMs, ms);
    return ms === 0;
  }

  #limit(key: 'maxSurge' | 'maxUnavailable', total: number): number {
    const { type, rollingUpdate } = this.#set.spec?.updateStrategy ?? {};
    return type === 'RollingUpdate' ? scaledValue(rollingUpdate?.[key] ?? 0, total, 'up') : 0;
  }

  /** Each node that should have a pod gets one, and what should not be there goes. */
  #manage(place: Place): void {
    if (!place.exists) {
      // Nobody else deletes those: they have never been on a node.
      for (const pod of place.pods) if (!pod.nodeName && !pod.deleting) this.#remove.push(pod);
    } else if (place.shouldRun && place.pods.length === 0) this.#create.push(place.name);
    else if (place.mayStay) this.#prune(place);
    else for (const pod of place.pods) if (!pod.deleting) this.#remove.push(pod);
  }

  #prune(place: Place): void {
    const running: PodView[] = [];
    let waits = false;
    for (const pod of place.pods) {
      if (pod.deleting) continue;
      if (!isTerminated(pod)) running.push(pod);
      else if (!this.#end(pod, place.name)) waits = true;
    }
    if (this.#limit('maxSurge', 1) === 0) {
      // One that works goes when that which stays works, too: the first, unless it still waits for its node, which may have no room for it.
      const [first] = running;
      const kept = first?.nodeName ? first : (running.find(({ ready }) => ready) ?? first);
      for (const pod of running) if (pod !== kept && (kept?.ready || !pod.ready)) this.#remove.push(pod);
    } else if (running.length > 0) this.#pruneSurge(running);
    // A pod beside one that is backed off from would fail at once as well, and so on.
    else if (place.shouldRun && !waits) this.#create.push(place.name);
  }

  /** Returns false for a pod that is left alone for now. */
  #end(pod: PodView, nodeName: string): boolean {
    const waitMs = pod.phase === 'Failed' ? this.#state.backoffMs(nodeName) : 0;
    if (waitMs > 0) {
      this.#againInMs = Math.min(this.#againInMs, waitMs);
      return false;
    }
    this.#ended.push(pod);
    this.#remove.push(pod);
    return true;
  }

  /** An old pod stays beside a new one only while it is ready and the new one is not available yet. */
  #pruneSurge(running: readonly PodView[]): void {
    const [fresh, ...freshSurplus] = running.filter((pod) => this.#isUpdated(pod));
    const [old, ...oldSurplus] = running.filter((pod) => !this.#isUpdated(pod));
    for (const pod of [...freshSurplus, ...oldSurplus]) this.#remove.push(pod);
    if (fresh && old && (!old.ready || this.#isAvailable(fresh))) this.#remove.push(old);
  }

  #update(): void {
    if (this.#set.spec?.updateStrategy?.type !== 'RollingUpdate') return;
    const desired = this.#places.filter(({ shouldRun }) => shouldRun).length;
    const maxSurge = this.#limit('maxSurge', desired);
    if (maxSurge > 0) this.#surge(maxSurge, desired);
    // Both may round to 0, or were stored so.
    else this.#replace(Math.max(1, this.#limit('maxUnavailable', desired)));
  }

  #generationsOn({ pods }: Place): Generations | undefined {
    const staying = pods.filter(({ deleting }) => !deleting);
    const [fresh, ...moreFresh] = staying.filter((pod) => this.#isUpdated(pod));
    const [old, ...moreOld] = staying.filter((pod) => !this.#isUpdated(pod));
    return moreFresh.length + moreOld.length > 0 ? undefined : { fresh, old };
  }

  /** Takes old pods away, as many as may be unavailable; those that are not available anyway in any case. */
  #replace(maxUnavailable: number): void {
    let unavailable = 0;
    const candidates: PodView[] = [];
    for (const place of this.#places) {
      if (!place.shouldRun && place.pods.length === 0) continue;
      const { fresh, old } = this.#generationsOn(place) ?? {};
      if (old && !fresh) {
        if (this.#isAvailable(old)) candidates.push(old);
        else {
          this.#remove.push(old);
          unavailable++;
        }
      } else if (!fresh || old || !this.#isAvailable(fresh)) unavailable++;
    }
    for (const pod of candidates.slice(0, Math.max(0, maxUnavailable - unavailable))) this.#remove.push(pod);
  }

  /** Creates new pods beside old ones, as many as may be surplus; beside those that are not available in any case. */
  #surge(maxSurge: number, desired: number): void {
    let surging = 0;
    let available = 0;
    const candidates: string[] = [];
    const displaced: PodView[] = [];
    for (const place of this.#places) {
      const generations = this.#generationsOn(place);
      if (!generations) {
        surging++;
        continue;
      }
      const { fresh, old } = generations;
      const isFreshAvailable = fresh !== undefined && this.#isAvailable(fresh);
      const isOldAvailable = old !== undefined && this.#isAvailable(old);
      if (old ? isOldAvailable : isFreshAvailable) available++;
      if (!old) continue;
      if (fresh) {
        if (isFreshAvailable) this.#remove.push(old);
        else surging++;
      } else if (!place.shouldRun) (isOldAvailable ? displaced : this.#remove).push(old);
      else if (isOldAvailable) candidates.push(place.name);
      else this.#create.push(place.name);
    }
    for (const name of candidates.slice(0, Math.max(0, maxSurge - surging))) this.#create.push(name);
    // A pod whose node is not wanted any more goes when those elsewhere can do its work.
    for (const pod of displaced.slice(0, Math.max(0, available - desired))) this.#remove.push(pod);
  }

  #status(): DaemonSetStatus {
    const wanted = this.#places.filter(({ shouldRun }) => shouldRun);
    const firsts = wanted.flatMap(({ pods }) => counted(pods) ?? []);
    const numberAvailable = firsts.filter((pod) => this.#isAvailable(pod)).length;
    const { collisionCount, conditions } = this.#set.status ?? {};
    return {
      observedGeneration: this.#set.metadata?.generation ?? 0,
      desiredNumberScheduled: wanted.length,
      currentNumberScheduled: firsts.length,
      numberMisscheduled: this.#places.filter(({ exists, shouldRun, pods }) => exists && !shouldRun && pods.length > 0)
        .length,
      numberReady: firsts.filter(({ ready }) => ready).length,
      updatedNumberScheduled: firsts.filter((pod) => this.#isUpdated(pod)).length,
      numberAvailable,
      numberUnavailable: wanted.length - numberAvailable,
      ...(collisionCount !== undefined && { collisionCount }),
      ...(conditions && { conditions }),
    };
  }
}

/**
 * The oldest first. By nothing that changes, as whether they are scheduled, which upstream asks first: two controllers that see it at
 * different moments would each delete the pod that the other keeps.
 */
const bySeniority = (a: PodView, b: PodView): number => a.createdAt - b.createdAt || compareText(a.name, b.name);

/** The pod of a node that the status counts: the first; the one that works instead, while that is not scheduled or of the same second. */
function counted([first, ...others]: readonly PodView[]): PodView | undefined {
  if (!first || first.ready) return first;
  return others.find((pod) => pod.ready && (!first.nodeName || pod.createdAt === first.createdAt)) ?? first;
}

/** By name, so that every round, and every controller that is at work, comes to the same decision. */
function placesOf({ set, nodes, pods }: DaemonSetState): Place[] {
  const byNode = new Map<string, PodView[]>();
  for (const pod of pods) {
    const name = targetOf(pod);
    if (!name || (pod.deleting && isTerminated(pod))) continue;
    const there = byNode.get(name);
    if (there) there.push(pod);
    else byNode.set(name, [pod]);
  }
  for (const there of byNode.values()) there.sort(bySeniority);
  const placement = placementOf(set);
  const places: Place[] = [];
  for (const node of nodes) {
    places.push({ name: node.name, exists: true, pods: byNode.get(node.name) ?? [], ...placement(node) });
    byNode.delete(node.name);
  }
  for (const [name, left] of byNode) {
    places.push({ name, exists: false, pods: left, shouldRun: false, mayStay: false });
  }
  return places.sort((a, b) => compareText(a.name, b.name));
}
