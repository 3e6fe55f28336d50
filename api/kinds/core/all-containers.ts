/** All containers of a pod, in the order in which upstream visits them. */
import type { Container, EphemeralContainer, PodSpec } from '../../types/core/v1.gen.ts';

export type AnyContainer = Container | EphemeralContainer;

const FIELDS = ['initContainers', 'containers', 'ephemeralContainers'] as const;
const NONE: readonly AnyContainer[] = [];

/** None of the lists has to be there: a pod that is not valid gets here, too. */
export function allContainers(spec: Partial<PodSpec>): readonly AnyContainer[] {
  const { initContainers, containers, ephemeralContainers } = spec;
  // Most pods have no others.
  if (!initContainers?.length && !ephemeralContainers?.length) return containers ?? NONE;
  return [...(initContainers ?? NONE), ...(containers ?? NONE), ...(ephemeralContainers ?? NONE)];
}

/**
 * The path of one of them, made once there is something to say about it.
 * @param place its index in `allContainers` @param path of the pod spec
 */
export function containerPath(spec: Partial<PodSpec>, place: number, path = 'spec'): string {
  let index = place;
  for (const field of FIELDS) {
    const { length } = spec[field] ?? NONE;
    if (index < length) return `${path}.${field}[${index}]`;
    index -= length;
  }
  throw new RangeError(`the pod has no container ${place}`);
}
