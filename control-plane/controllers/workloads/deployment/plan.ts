/**
 * What a Deployment does next, given its ReplicaSets. Every decision looks at the state as it is; what is done shows up as
 * new state, and then the next decision is made. The rules are those of upstream's deployment controller.
 */
import { withCondition, findCondition } from '../../framework/conditions.ts';
import { controllerReference } from '../../framework/owner-references.ts';
import { isTerminated, type PodView } from '../../caches/pod-view.ts';
import {
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  desiredReplicasAnnotation,
  fenceposts,
  isRolling,
  newReplicaSetSize,
  oldestFirst,
  proportionalSizes,
  replicasOf,
  totalReplicas,
} from './numbers.ts';
import {
  TEMPLATE_HASH_LABEL,
  findNewReplicaSet,
  later,
  newReplicaSetAnnotations,
  nextRevision,
  revisionOf,
  templateHash,
} from './revision.ts';
import {
  PROGRESSING,
  calculateStatus,
  deadlineInMs,
  isComplete,
  pausedConditions,
  progressDeadlineMs,
  progressing,
  rolloutStatus,
} from './status.ts';
import { own } from '../../../../api/machinery/own.ts';
import { deployments } from '../../../../client/resources.gen.ts';
import type { Deployment, DeploymentStatus, ReplicaSet } from '../../../../api/types/apps/v1.gen.ts';

export interface DeploymentState {
  readonly deployment: Deployment;
  /** Those that the Deployment controls. */
  readonly replicaSets: readonly ReplicaSet[];
  /** The pods of these ReplicaSets; only strategy Recreate asks. */
  podsOf(replicaSet: ReplicaSet): readonly PodView[];
  readonly now: number;
}

export type DeploymentAction =
  | { readonly type: 'create'; readonly replicaSet: ReplicaSet }
  | {
      readonly type: 'update';
      readonly replicaSet: ReplicaSet;
      readonly annotations: Record<string, string>;
      readonly replicas: number;
      readonly minReadySeconds: number;
    }
  | { readonly type: 'delete'; readonly replicaSet: ReplicaSet };

export interface DeploymentPlan {
  readonly actions: readonly DeploymentAction[];
  /** Annotation deployment.kubernetes.io/revision, when it has to change. */
  readonly revision?: bigint;
  readonly status: DeploymentStatus;
  /** When to decide again though nothing has changed: the progress deadline. */
  readonly againInMs?: number;
}

export function reconcileDeployment(state: DeploymentState): DeploymentPlan {
  const conditions = pausedConditions(state.deployment, state.now);
  const deployment: Deployment = {
    ...state.deployment,
    status: { ...state.deployment.status, conditions: [...conditions] },
  };
  const rollout = new Rollout({ ...state, deployment });
  return rollout.plan();
}

/** One decision: what is there, and the actions that have been decided on so far. */
class Rollout {
  readonly #deployment: Deployment;
  readonly #state: DeploymentState;
  readonly #new: ReplicaSet | undefined;
  readonly #old: readonly ReplicaSet[];
  readonly #all: readonly ReplicaSet[];
  readonly #actions: DeploymentAction[] = [];

  constructor(state: DeploymentState) {
    this.#state = state;
    this.#deployment = state.deployment;
    this.#all = state.replicaSets;
    this.#new = findNewReplicaSet(state.deployment, state.replicaSets);
    this.#old = state.replicaSets.filter((replicaSet) => replicaSet !== this.#new);
  }

  plan(): DeploymentPlan {
    const { now } = this.#state;
    const { metadata, spec } = this.#deployment;
    if (metadata?.deletionTimestamp) return { actions: [], status: this.#counted() };
    const revision = this.#syncRevision();
    if (spec?.paused || this.#isScaling()) {
      this.#scale();
      if (spec?.paused) this.#cleanUp();
      return { actions: this.#actions, revision, status: this.#counted() };
    }
    const created = isRolling(this.#deployment) ? this.#roll() : this.#recreate();
    const status = rolloutStatus(this.#deployment, this.#all, this.#new, now);
    const shown = this.#withNewReplicaSet(status, created);
    return {
      actions: this.#actions,
      revision: created ? nextRevision(this.#old) : revision,
      status: shown,
      againInMs: deadlineInMs(this.#deployment, shown, now),
    };
  }

  #counted(): DeploymentStatus {
    return calculateStatus(this.#deployment, this.#all, this.#new, this.#state.now);
  }

  /** That a new ReplicaSet was made or found again is the first progress of a rollout. */
  #withNewReplicaSet(status: DeploymentStatus, created: ReplicaSet | undefined): DeploymentStatus {
    if (progressDeadlineMs(this.#deployment) === undefined) return status;
    const isShown = findCondition(this.#deployment.status?.conditions, PROGRESSING) !== undefined;
    const name = (created ?? this.#new)?.metadata?.name;
    const condition = created
      ? progressing('True', 'NewReplicaSetCreated', `Created new replica set "${name}"`, this.#state.now)
      : progressing('True', 'FoundNewReplicaSet', `Found new replica set "${name}"`, this.#state.now);
    if (!created && (isShown || !this.#new || findCondition(status.conditions, PROGRESSING))) return status;
    return { ...status, conditions: [...withCondition(status.conditions, condition)] };
  }

  /** The new ReplicaSet carries the highest revision, and the Deployment the revision of its new ReplicaSet. */
  #syncRevision(): bigint | undefined {
    if (!this.#new) return undefined;
    const revision = later(nextRevision(this.#old), revisionOf(this.#new));
    const annotations = newReplicaSetAnnotations(this.#deployment, this.#new, revision);
    const minReadySeconds = this.#deployment.spec?.minReadySeconds ?? 0;
    const current = this.#new.metadata?.annotations ?? {};
    const differs = Object.entries(annotations).some(([key, value]) => own(current, key) !== value);
    if (differs || (this.#new.spec?.minReadySeconds ?? 0) !== minReadySeconds) {
      this.#update(this.#new, replicasOf(this.#new), annotations);
    }
    return revisionOf(this.#deployment) === revision ? undefined : revision;
  }

  #update(replicaSet: ReplicaSet, replicas: number, annotations: Record<string, string>): void {
    const minReadySeconds =
      replicaSet === this.#new
        ? (this.#deployment.spec?.minReadySeconds ?? 0)
        : (replicaSet.spec?.minReadySeconds ?? 0);
    const pending = this.#actions.findIndex((action) => action.type === 'update' && action.replicaSet === replicaSet);
    const update = { type: 'update', replicaSet, replicas, annotations, minReadySeconds } as const;
    if (pending >= 0) this.#actions[pending] = update;
    else this.#actions.push(update);
  }

  /** False when the ReplicaSet has that size and the annotations that go with it. */
  #resize(replicaSet: ReplicaSet, replicas: number): boolean {
    const annotations = this.#sizeAnnotations();
    const current = replicaSet.metadata?.annotations ?? {};
    const isAnnotated = Object.entries(annotations).every(([key, value]) => own(current, key) === value);
    if (replicasOf(replicaSet) === replicas && isAnnotated) return false;
    const pending = this.#actions.find((action) => action.type === 'update' && action.replicaSet === replicaSet);
    const base = pending?.type === 'update' ? pending.annotations : current;
    this.#update(replicaSet, replicas, { ...base, ...annotations });
    return replicasOf(replicaSet) !== replicas;
  }

  #sizeAnnotations(): Record<string, string> {
    const wanted = replicasOf(this.#deployment);
    return {
      [DESIRED_REPLICAS]: String(wanted),
      [MAX_REPLICAS]: String(wanted + fenceposts(this.#deployment).maxSurge),
    };
  }

  #active(replicaSets: readonly ReplicaSet[]): ReplicaSet[] {
    return replicaSets.filter((replicaSet) => replicasOf(replicaSet) > 0);
  }

  /** The Deployment's size has changed since its ReplicaSets were sized. */
  #isScaling(): boolean {
    const wanted = replicasOf(this.#deployment);
    return this.#active(this.#all).some((replicaSet) => {
      const desired = desiredReplicasAnnotation(replicaSet);
      return desired !== undefined && desired !== wanted;
    });
  }

  #scale(): void {
    const wanted = replicasOf(this.#deployment);
    const active = this.#active(this.#all);
    if (active.length <= 1) {
      const only = active[0] ?? this.#new ?? oldestFirst(this.#old).at(-1);
      if (only) this.#resize(only, wanted);
      return;
    }
    const isSaturated =
      this.#new &&
      desiredReplicasAnnotation(this.#new) === wanted &&
      replicasOf(this.#new) === wanted &&
      this.#new.status?.availableReplicas === wanted;
    if (isSaturated) {
      for (const replicaSet of this.#active(this.#old)) this.#resize(replicaSet, 0);
      return;
    }
    if (!isRolling(this.#deployment)) return;
    for (const [replicaSet, size] of proportionalSizes(this.#deployment, active)) this.#resize(replicaSet, size);
  }

  /** Returns the ReplicaSet that is to be created, if one is. */
  #roll(): ReplicaSet | undefined {
    if (!this.#new) return this.#create();
    const size = replicasOf(this.#new);
    const wanted = replicasOf(this.#deployment);
    const next = size > wanted ? wanted : newReplicaSetSize(this.#deployment, this.#all, size);
    if (this.#resize(this.#new, next)) return undefined;
    if (this.#shrinkOld()) return undefined;
    if (isComplete(this.#deployment, this.#counted())) this.#cleanUp();
    return undefined;
  }

  /** Takes away as many old pods as can go: those that are not available first, whatever the order of their ReplicaSets. */
  #shrinkOld(): boolean {
    const old = oldestFirst(this.#active(this.#old));
    const available = ({ status }: ReplicaSet): number => status?.availableReplicas ?? 0;
    const minAvailable = replicasOf(this.#deployment) - fenceposts(this.#deployment).maxUnavailable;
    const newUnavailable = replicasOf(this.#new!) - available(this.#new!);
    let unhealthyLeft = totalReplicas(this.#all) - minAvailable - newUnavailable;
    if (old.length === 0 || unhealthyLeft <= 0) return false;
    const sizes = new Map(old.map((replicaSet) => [replicaSet, replicasOf(replicaSet)]));
    for (const replicaSet of old) {
      const unhealthy = Math.max(0, Math.min(unhealthyLeft, replicasOf(replicaSet) - available(replicaSet)));
      sizes.set(replicaSet, replicasOf(replicaSet) - unhealthy);
      unhealthyLeft -= unhealthy;
    }
    // A ReplicaSet that has just been made smaller still counts pods that are about to go.
    const staying = this.#all.map((replicaSet) => Math.min(available(replicaSet), replicasOf(replicaSet)));
    let healthyLeft = staying.reduce((sum, count) => sum + count, 0) - minAvailable;
    for (const replicaSet of old) {
      const size = sizes.get(replicaSet)!;
      const healthy = Math.max(0, Math.min(healthyLeft, size));
      sizes.set(replicaSet, size - healthy);
      healthyLeft -= healthy;
    }
    let changed = false;
    for (const [replicaSet, size] of sizes)
      if (size !== replicasOf(replicaSet)) changed = this.#resize(replicaSet, size) || changed;
    return changed;
  }

  /** Nothing new starts before everything old has gone. */
  #recreate(): ReplicaSet | undefined {
    const old = this.#active(this.#old);
    for (const replicaSet of old) this.#resize(replicaSet, 0);
    if (old.length > 0) return undefined;
    const isRunning = (replicaSet: ReplicaSet): boolean =>
      (replicaSet.status?.replicas ?? 0) > 0 || this.#state.podsOf(replicaSet).some((pod) => !isTerminated(pod));
    if (this.#old.some(isRunning)) return undefined;
    if (!this.#new) return this.#create();
    this.#resize(this.#new, replicasOf(this.#deployment));
    if (isComplete(this.#deployment, this.#counted())) this.#cleanUp();
    return undefined;
  }

  #create(): ReplicaSet {
    const { metadata, spec, status } = this.#deployment;
    const hash = templateHash(spec?.template, status?.collisionCount);
    const labels = { ...spec?.template?.metadata?.labels, [TEMPLATE_HASH_LABEL]: hash };
    const replicaSet: ReplicaSet = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        namespace: metadata?.namespace,
        name: `${metadata?.name}-${hash}`,
        labels,
        annotations: {
          ...newReplicaSetAnnotations(this.#deployment, undefined, nextRevision(this.#old)),
          ...this.#sizeAnnotations(),
        },
        ownerReferences: [controllerReference(deployments, this.#deployment)],
      },
      spec: {
        replicas: newReplicaSetSize(this.#deployment, this.#all, 0),
        minReadySeconds: spec?.minReadySeconds ?? 0,
        selector: {
          ...spec?.selector,
          matchLabels: { ...spec?.selector?.matchLabels, [TEMPLATE_HASH_LABEL]: hash },
        },
        template: { ...spec?.template, metadata: { ...spec?.template?.metadata, labels } },
      },
    };
    this.#actions.push({ type: 'create', replicaSet });
    return replicaSet;
  }

  /** Old ReplicaSets beyond the history limit, lowest revisions first, when nothing of them is left. */
  #cleanUp(): void {
    const limit = this.#deployment.spec?.revisionHistoryLimit;
    if (limit === undefined || limit === null) return;
    const old = this.#old.filter(({ metadata }) => !metadata?.deletionTimestamp);
    const surplus = [...old]
      .sort((a, b) => Number(revisionOf(a) - revisionOf(b)))
      .slice(0, Math.max(0, old.length - limit));
    for (const replicaSet of surplus) {
      const { metadata, status } = replicaSet;
      const isSeen = (metadata?.generation ?? 0) <= (status?.observedGeneration ?? 0);
      if ((status?.replicas ?? 0) === 0 && replicasOf(replicaSet) === 0 && isSeen) {
        this.#actions.push({ type: 'delete', replicaSet });
      }
    }
  }
}
