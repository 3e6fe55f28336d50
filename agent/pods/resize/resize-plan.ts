/** What a pod lacks of the sizes that are allocated to it. Pure. */
import type { CgroupLimits } from '../../host/cgroup-tree.ts';
import { podLimits } from '../../resources/compute.ts';
import { newestContainer, type ObservedContainer, type PodRuntime } from '../sync/observed.ts';
import { areSameLimits, needsResize, needsRestart, widerLimits, withSizes } from './sizes.ts';
import type { Container, Pod, ResourceRequirements } from '../../../api/types/core/v1.gen.ts';

/** What runs with what. */
export interface AppliedSizes {
  /** By container id; of those that are not here the spec has not changed since they were created. */
  readonly containers: ReadonlyMap<string, ResourceRequirements>;
  /** The pod-level resources that the containers' limits were computed with. */
  readonly pod: ResourceRequirements | undefined;
  /** The limits of the pod's cgroup. */
  readonly limits: CgroupLimits;
}

export interface ResizedContainer {
  readonly observed: ObservedContainer;
  readonly container: Container;
}

export interface ResizePlan {
  readonly updates: readonly ResizedContainer[];
  /** The ids of running containers that are replaced, because their policy says so. */
  readonly restarts: ReadonlySet<string>;
  /** For the pod's cgroup, once the updates are done. */
  readonly limits: CgroupLimits;
  /** The cgroup has to grow before a container can start in it. */
  readonly needsRoom: boolean;
  /** Everything that runs has what is allocated to it. */
  readonly isDone: boolean;
}

export function planResize(pod: Pod, runtime: PodRuntime, applied: AppliedSizes): ResizePlan {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const before = withSizes(pod, { pod: applied.pod, containers: new Map() });
  const updates: ResizedContainer[] = [];
  const restarts = new Set<string>();
  for (const container of [...containers, ...initContainers]) {
    const observed = newestContainer(runtime, container.name);
    if (observed?.state !== 'running') continue;
    const size = applied.containers.get(observed.id) ?? container.resources ?? {};
    if (!needsResize(pod, container, before, size)) continue;
    if (needsRestart(container, size, initContainers.includes(container))) restarts.add(observed.id);
    else updates.push({ observed, container });
  }
  const wanted = podLimits(pod);
  const wider = widerLimits(applied.limits, wanted);
  // What is replaced still runs within its old limits.
  const limits = restarts.size > 0 ? wider : wanted;
  return {
    ...{ updates, restarts, limits },
    needsRoom: !areSameLimits(wider, applied.limits),
    isDone: updates.length === 0 && restarts.size === 0 && areSameLimits(wanted, applied.limits),
  };
}
