/** All containers of a pod, in the order in which upstream visits them. */
import type { Container, EphemeralContainer, PodSpec } from '../../types/core/v1.gen.ts';

export type AnyContainer = Container | EphemeralContainer;

/**
 * Each with its path. None of the lists has to be there: a pod that is not valid gets here, too.
 * @param path of the pod spec
 */
export const allContainers = (spec: Partial<PodSpec>, path = 'spec'): (readonly [AnyContainer, string])[] =>
  (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((field) =>
    (spec[field] ?? []).map((container: AnyContainer, index) => [container, `${path}.${field}[${index}]`] as const),
  );
