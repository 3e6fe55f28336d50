/** Which devices of a resource a container gets. Pure. */

export interface DeviceChoice {
  readonly needed: number;
  /** Of the whole resource, with whether they are healthy. */
  readonly devices: ReadonlyMap<string, boolean>;
  /** Those of containers of all pods. */
  readonly taken: ReadonlySet<string>;
  /** Those of the pod's containers that have ended for good, and whose devices pass on to this one. */
  readonly reusable: ReadonlySet<string>;
  /** Whether a device is on the NUMA nodes that the container is to have its resources of; absent: all are. */
  readonly isNear?: (id: string) => boolean;
}

export interface Candidates {
  /** Healthy, and free or reusable, in an order that does not change: those that are near, and others only where these do not do. */
  readonly available: readonly string[];
  /** Those of them that are taken in any case. */
  readonly mustInclude: readonly string[];
  /** How many of the available ones are near. */
  readonly near: number;
}

export function candidates({ needed, devices, taken, reusable, isNear = () => true }: DeviceChoice): Candidates {
  const healthy = [...devices].flatMap(([id, isHealthy]) => (isHealthy ? id : [])).sort();
  const passedOn = healthy.filter((id) => reusable.has(id)).slice(0, needed);
  const available = healthy.filter((id) => reusable.has(id) || !taken.has(id));
  const near = available.filter(isNear);
  const kept = new Set([...passedOn, ...near]);
  if (kept.size >= needed)
    return { available: available.filter((id) => kept.has(id)), mustInclude: passedOn, near: near.length };
  return {
    available: [...kept, ...available.filter((id) => !kept.has(id))],
    mustInclude: [...kept],
    near: near.length,
  };
}

/**
 * As many as needed; fewer when there are not enough.
 * @param preferred what the plugin would take, in its order; others are taken when that does not do
 */
export function choose(
  needed: number,
  { available, mustInclude }: Candidates,
  preferred: readonly string[] = [],
): readonly string[] {
  const known = new Set(available);
  const inOrder = [...mustInclude, ...preferred.filter((id) => known.has(id)), ...available];
  return [...new Set(inOrder)].slice(0, needed);
}
