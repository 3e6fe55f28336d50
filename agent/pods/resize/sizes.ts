/**
 * CPU and memory of a pod's containers, as far as they can change while the pod runs. Pure.
 * https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/
 */
import { isSidecar } from '../../../api/domain/pod-lifecycle.ts';
import { amountOf } from '../../../api/domain/pod-resources.ts';
import { semanticallyEqual } from '../../../api/machinery/deep-equal.ts';
import { own } from '../../../api/machinery/own.ts';
import { containerLimits } from '../../resources/compute.ts';
import type { CgroupLimits } from '../../host/cgroup-tree.ts';
import type { Container, Pod, PodSpec, ResourceRequirements } from '../../../api/types/core/v1.gen.ts';

const RESIZED = ['cpu', 'memory'] as const;
type Resized = (typeof RESIZED)[number];

/** What a pod is given: the resources of its containers by their names, and those of the pod as a whole. */
export interface Sizes {
  readonly pod: ResourceRequirements | undefined;
  readonly containers: ReadonlyMap<string, ResourceRequirements>;
}

export function sizesOf({ spec }: Pod): Sizes {
  const containers = new Map<string, ResourceRequirements>();
  for (const { name, resources = {} } of [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])])
    containers.set(name, resources);
  return { pod: spec?.resources, containers };
}

/** The pod with these sizes. Containers that have none here keep their own. */
export function withSizes(pod: Pod, { pod: resources, containers }: Sizes): Pod {
  const { spec } = pod;
  if (!spec) return pod;
  const sized = (container: Container): Container => {
    const size = containers.get(container.name);
    return size === undefined || size === container.resources ? container : { ...container, resources: size };
  };
  const { initContainers } = spec;
  const sizedSpec: PodSpec = { ...spec, containers: spec.containers.map(sized) };
  if (initContainers) sizedSpec.initContainers = initContainers.map(sized);
  if (resources === undefined) delete sizedSpec.resources;
  else sizedSpec.resources = resources;
  return { ...pod, spec: sizedSpec };
}

/**
 * What is allocated to a pod that an earlier agent has run: what the status says that its containers run with, or have when they start
 * again. Of one that has never run the spec counts.
 */
export function sizesFromStatus(pod: Pod): Sizes {
  const containers = new Map(sizesOf(pod).containers);
  const { containerStatuses = [], initContainerStatuses = [], resources } = pod.status ?? {};
  for (const { name, containerID, resources: size } of [...containerStatuses, ...initContainerStatuses])
    if (containerID !== undefined && size !== undefined && containers.has(name)) containers.set(name, size);
  return { pod: pod.spec?.resources && (resources ?? pod.spec.resources), containers };
}

export const haveSameSizes = (a: Pod, b: Pod): boolean => {
  const [before, after] = [sizesOf(a), sizesOf(b)];
  const isSame = ([name, size]: [string, ResourceRequirements]): boolean =>
    semanticallyEqual(size, before.containers.get(name));
  return semanticallyEqual(before.pod, after.pod) && [...after.containers].every(isSame);
};

const amount = (quantities: Readonly<Record<string, string>> | undefined, name: Resized): number => {
  const quantity = own(quantities, name);
  return quantity === undefined ? 0 : amountOf(name, quantity);
};

const isResized = (name: Resized, a: ResourceRequirements | undefined, b: ResourceRequirements | undefined): boolean =>
  amount(a?.requests, name) !== amount(b?.requests, name) || amount(a?.limits, name) !== amount(b?.limits, name);

/** Whether a container that runs with `applied`, in a pod as it was `before`, has to change. */
export function needsResize(pod: Pod, container: Container, before: Pod, applied: ResourceRequirements): boolean {
  if (RESIZED.some((name) => isResized(name, applied, container.resources))) return true;
  // What the container does not limit the pod does.
  return !areSameLimits(containerLimits(before, { resources: applied }), containerLimits(pod, container));
}

/** Whether the container is restarted to be given what has changed. Init containers that are no sidecars never are. */
export function needsRestart(container: Container, applied: ResourceRequirements, isInit: boolean): boolean {
  if (isInit && !isSidecar(container)) return false;
  return (container.resizePolicy ?? []).some(
    ({ resourceName, restartPolicy }) =>
      restartPolicy === 'RestartContainer' &&
      RESIZED.some((name) => name === resourceName && isResized(name, applied, container.resources)),
  );
}

export const areSameLimits = (a: CgroupLimits, b: CgroupLimits): boolean =>
  a.cpuShares === b.cpuShares && a.cpuQuota === b.cpuQuota && a.memoryBytes === b.memoryBytes;

const larger = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : Math.max(a, b);

/** Limits within which a cgroup has room for what either allows. */
export function widerLimits(a: CgroupLimits, b: CgroupLimits): CgroupLimits {
  const [cpuQuota, memoryBytes] = [larger(a.cpuQuota, b.cpuQuota), larger(a.memoryBytes, b.memoryBytes)];
  return {
    cpuShares: Math.max(a.cpuShares, b.cpuShares),
    cpuPeriod: a.cpuPeriod,
    ...(cpuQuota !== undefined && { cpuQuota }),
    ...(memoryBytes !== undefined && { memoryBytes }),
    // They cannot change while a pod runs.
    ...(b.hugePages && { hugePages: b.hugePages }),
  };
}
