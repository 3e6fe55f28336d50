/**
 * One pod's CPU and memory: what its spec asks for, what the node has allocated to it, and what its containers run with. An agent after
 * this one reads the last from the status and from the containers themselves; what was not yet given is asked for again.
 */
import { podLimits } from '../../resources/compute.ts';
import type { CgroupLimits } from '../../host/cgroup-tree.ts';
import { containerIDOf } from '../status/container-id.ts';
import type { PodRuntime } from '../sync/observed.ts';
import type { AppliedSizes } from './resize-plan.ts';
import type { PendingResize, ResizeRefusal } from './resize-review.ts';
import { haveSameSizes, sizesFromStatus, sizesOf, withSizes } from './sizes.ts';
import type { Pod, ResourceRequirements } from '../../../api/types/core/v1.gen.ts';

/** For the conditions PodResizePending and PodResizeInProgress. */
export interface ResizeState {
  readonly pending?: ResizeRefusal & { readonly generation: number | undefined };
  readonly inProgress?: { readonly error?: string; readonly generation: number | undefined };
}

export class PodSizes {
  #wanted: Pod;
  #allocated: Pod;
  /** By what the API calls a container's id. */
  readonly #applied = new Map<string, ResourceRequirements>();
  #podApplied: ResourceRequirements | undefined;
  #limits: CgroupLimits;
  #pendingSince: number | undefined;
  #refusal: ResizeState['pending'];
  #inProgress: ResizeState['inProgress'];

  constructor(pod: Pod) {
    this.#wanted = pod;
    this.#allocated = withSizes(pod, sizesFromStatus(pod));
    this.#limits = podLimits(this.#allocated);
    this.#podApplied = this.#allocated.spec?.resources;
    const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
    for (const { containerID, resources } of [...containerStatuses, ...initContainerStatuses])
      if (containerID && resources) this.#applied.set(containerID, resources);
    this.#notePending();
  }

  /** As its spec says. */
  get wanted(): Pod {
    return this.#wanted;
  }

  /** With what is allocated to it. */
  get pod(): Pod {
    return this.#allocated;
  }

  /** What waits for the node to give it. */
  get pending(): PendingResize | undefined {
    if (this.#pendingSince === undefined) return undefined;
    return { wanted: this.#wanted, allocated: this.#allocated, since: this.#pendingSince };
  }

  get state(): ResizeState {
    return { pending: this.#refusal, inProgress: this.#inProgress };
  }

  update(pod: Pod): void {
    this.#wanted = pod;
    this.#allocated = haveSameSizes(pod, this.#allocated) ? pod : withSizes(pod, sizesOf(this.#allocated));
    this.#notePending();
  }

  /** The node gives what is pending. */
  allocate(): void {
    this.#allocated = this.#wanted;
    this.#inProgress = { generation: this.#wanted.metadata?.generation };
    this.#notePending();
  }

  /** Returns whether the answer is a new one. */
  refuse(refusal: ResizeRefusal): boolean {
    const generation = this.#wanted.metadata?.generation;
    const before = this.#refusal;
    this.#refusal = { ...refusal, generation };
    return before?.reason !== refusal.reason || before.generation !== generation;
  }

  applied({ containers }: PodRuntime): AppliedSizes {
    const sizes = new Map<string, ResourceRequirements>();
    for (const { id, resources } of containers) {
      const size = this.#applied.get(containerIDOf(id)) ?? resources;
      if (size) sizes.set(id, size);
    }
    return { containers: sizes, pod: this.#podApplied, limits: this.#limits };
  }

  hasApplied(containerId: string, resources: ResourceRequirements): void {
    this.#applied.set(containerIDOf(containerId), resources);
  }

  hasSetLimits(limits: CgroupLimits): void {
    this.#limits = limits;
  }

  /** Returns whether it is another error than before. */
  hasFailed(error: string): boolean {
    const before = this.#inProgress;
    this.#inProgress = { generation: before?.generation ?? this.#allocated.metadata?.generation, error };
    return before?.error !== error;
  }

  /** Everything has what is allocated to it. Returns whether a resize has ended with it. */
  isDone({ containers }: PodRuntime): boolean {
    const known = new Set(containers.map(({ id }) => containerIDOf(id)));
    for (const id of this.#applied.keys()) if (!known.has(id)) this.#applied.delete(id);
    this.#podApplied = this.#allocated.spec?.resources;
    const wasInProgress = this.#inProgress !== undefined;
    this.#inProgress = undefined;
    return wasInProgress;
  }

  #notePending(): void {
    if (haveSameSizes(this.#wanted, this.#allocated)) {
      this.#pendingSince = undefined;
      this.#refusal = undefined;
    } else {
      this.#pendingSince ??= Date.now();
    }
  }
}
