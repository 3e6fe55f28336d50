/**
 * How much swap a container may use. Pure.
 * https://kubernetes.io/docs/concepts/cluster-administration/swap-memory-management/
 */
import { containerLimit, containerRequest, qosClassOf } from '../../api/domain/pod-resources.ts';
import { CLUSTER_CRITICAL } from '../../api/domain/system-priority.ts';
import { own } from '../../api/machinery/own.ts';
import type { HostSwap } from '../host/swap.ts';
import type { ResizeProblem } from '../pods/resize/resize-observer.ts';
import { CONFIG_SOURCE } from '../pods/labels.ts';
import type { Container, Pod } from '../../api/types/core/v1.gen.ts';

export const SWAP_BEHAVIORS = ['NoSwap', 'LimitedSwap'] as const;
export type SwapBehavior = (typeof SWAP_BEHAVIORS)[number];

export interface SwapHost extends HostSwap {
  readonly behavior: SwapBehavior;
  readonly cgroupVersion: 1 | 2;
  readonly memoryCapacityBytes: number;
}

/** The agent itself has written where a pod comes from. */
const isOfSystem = ({ metadata, spec }: Pod): boolean =>
  own(metadata?.annotations, CONFIG_SOURCE) === 'file' || (spec?.priority ?? 0) >= CLUSTER_CRITICAL.value;

/** As upstream: of pods that are neither critical nor static, Burstable ones, and of these, containers that ask for less memory than they may have. */
export function maySwap(pod: Pod, { resources }: Pick<Container, 'resources'>, host: SwapHost): boolean {
  if (host.behavior !== 'LimitedSwap' || !host.isLimitable || host.cgroupVersion === 1) return false;
  if (isOfSystem(pod) || qosClassOf(pod.spec) !== 'Burstable') return false;
  const request = containerRequest(resources, 'memory');
  return request > 0 && request !== containerLimit(resources, 'memory');
}

/**
 * The limit in bytes: of the host's swap, the part that the container requests of its memory. Undefined where cgroups cannot limit it, or
 * limit it together with memory (version 1).
 */
export function swapLimit(pod: Pod, container: Pick<Container, 'resources'>, host: SwapHost): number | undefined {
  if (!host.isLimitable || host.cgroupVersion === 1) return undefined;
  const request = containerRequest(container.resources, 'memory');
  if (!maySwap(pod, container, host) || request > host.memoryCapacityBytes) return 0;
  return Math.floor((request / host.memoryCapacityBytes) * host.capacityBytes);
}

/** Why a pod cannot be resized, in upstream's words; undefined when it can: the limit of its swap would change while it runs. */
export function swapResizeProblem(
  { wanted, allocated }: { readonly wanted: Pod; readonly allocated: Pod },
  host: SwapHost,
): ResizeProblem | undefined {
  const containersOf = ({ spec }: Pod): readonly Container[] => [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
  ];
  const before = new Map(containersOf(allocated).map((container) => [container.name, container]));
  const isSwapping = containersOf(wanted).some((container) => {
    const old = before.get(container.name);
    if (!old || containerRequest(old.resources, 'memory') === containerRequest(container.resources, 'memory'))
      return false;
    const policy = old.resizePolicy?.find(({ resourceName }) => resourceName === 'memory')?.restartPolicy;
    if (policy === 'RestartContainer') return false;
    return maySwap(wanted, container, host) || maySwap(allocated, old, host);
  });
  const message = 'In-place resize of containers with swap is not supported.';
  return isSwapping ? { detail: 'swap_limitation', message } : undefined;
}
