/**
 * Devices of plugins as the topology policy sees them: which NUMA nodes could give them, and which a pod is promised when the node takes it. Pure.
 * https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/#device-plugin-integration-with-the-topology-manager
 */
import { isSidecar } from '../../api/domain/pod-lifecycle.ts';
import { containerLimit, podRequest } from '../../api/domain/pod-resources.ts';
import type { Container, Pod } from '../../api/types/core/v1.gen.ts';
import { candidates, choose } from '../devices/plugins/choose-devices.ts';
import { hintsFor, maskOf, type Hint, type NodeMask } from './hints.ts';

/** The devices of one resource. */
export interface ResourceDevices {
  /** With whether they are healthy. */
  readonly devices: ReadonlyMap<string, boolean>;
  /** The NUMA nodes of those of which the plugin says that. */
  readonly nodes: ReadonlyMap<string, readonly number[]>;
  readonly held: readonly { readonly podUid: string; readonly container: string; readonly ids: readonly string[] }[];
}

/** By the name of the resource: those that a plugin of this node has provided. */
export type DeviceInventory = ReadonlyMap<string, ResourceDevices>;

/** Until a container is given its devices, which may be others of the same nodes: what its plugin prefers. */
export interface PromisedDevices {
  readonly podUid: string;
  readonly container: string;
  readonly resource: string;
  readonly ids: readonly string[];
  /** Absent: anywhere. */
  readonly nodes?: NodeMask;
}

const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';

/** Whether the plugin says where any of them are. */
export const haveNodes = ({ nodes }: ResourceDevices): boolean => [...nodes.values()].some((some) => some.length > 0);

/** The scheduler has made a ResourceClaim for it: a DRA driver provides the devices. */
const isFromClaim = ({ status }: Pod, container: Container, resource: string): boolean =>
  (status?.extendedResourceClaimStatus?.requestMappings ?? []).some(
    ({ containerName, resourceName }) => containerName === container.name && resourceName === resource,
  );

/** How many devices of which resources a container wants. */
export const devicesWanted = (pod: Pod, container: Container, inventory: DeviceInventory): Map<string, number> =>
  new Map(
    [...inventory.keys()].flatMap((resource): [string, number][] => {
      const needed = isFromClaim(pod, container, resource) ? 0 : containerLimit(container.resources, resource);
      return needed > 0 ? [[resource, needed]] : [];
    }),
  );

const idsOf = (some: readonly { readonly ids: readonly string[] }[]): ReadonlySet<string> =>
  new Set(some.flatMap(({ ids }) => ids));

interface Situation {
  readonly known: ResourceDevices;
  /** What containers of pods have or are promised of it. */
  readonly given: readonly { readonly podUid: string; readonly container: string; readonly ids: readonly string[] }[];
}

const situationOf = (resource: string, known: ResourceDevices, promised: readonly PromisedDevices[]): Situation => ({
  known,
  given: [...known.held, ...promised.filter((one) => one.resource === resource)],
});

/** Those of init containers that have ended when the container starts, unless another one of the pod has them by now. */
function passedOn(pod: Pod, container: string, { given }: Situation): ReadonlySet<string> {
  const inits = pod.spec?.initContainers ?? [];
  const at = inits.findIndex(({ name }) => name === container);
  const ended = new Set((at < 0 ? inits : inits.slice(0, at)).filter((one) => !isSidecar(one)).map(({ name }) => name));
  const own = given.filter(({ podUid }) => podUid === uidOf(pod));
  const mine = idsOf(own.filter((one) => ended.has(one.container)));
  return mine.difference(idsOf(own.filter((one) => !ended.has(one.container))));
}

/** Of each resource that has NUMA nodes, and that the container, or the pod as a whole, wants. */
export function deviceHints(
  pod: Pod,
  container: Container | undefined,
  inventory: DeviceInventory,
  promised: readonly PromisedDevices[],
  allNodes: NodeMask,
): readonly (readonly Hint[])[] {
  const wanted = container
    ? devicesWanted(pod, container, inventory)
    : new Map([...inventory.keys()].map((resource) => [resource, podRequest(pod.spec, resource)] as const));
  return [...wanted].flatMap(([resource, needed]) => {
    const known = inventory.get(resource);
    if (!known || needed === 0 || !haveNodes(known)) return [];
    return [hintsOf(pod, container, situationOf(resource, known, promised), needed, allNodes)];
  });
}

function hintsOf(
  pod: Pod,
  container: Container | undefined,
  situation: Situation,
  needed: number,
  allNodes: NodeMask,
): readonly Hint[] {
  const { known, given } = situation;
  const masks = (ids: Iterable<string>): NodeMask[] =>
    [...ids].map((id) => maskOf(known.nodes.get(id) ?? []) & allNodes);
  const all = masks(known.devices.keys());
  // Nodes without devices give none, and would only be looked at.
  const withDevices = all.reduce((sum, mask) => sum | mask, 0) || allNodes;
  const own = idsOf(
    given.filter((one) => one.podUid === uidOf(pod) && (!container || one.container === container.name)),
  );
  if (own.size > 0)
    return own.size === needed ? hintsFor({ all, free: masks(own), reusable: [] }, needed, withDevices) : [];
  const healthy = new Set([...known.devices].flatMap(([id, isHealthy]) => (isHealthy ? [id] : [])));
  const free = healthy.difference(idsOf(given));
  const reusable = container ? passedOn(pod, container.name, situation) : new Set<string>();
  if (free.size + reusable.size < needed) return [];
  return hintsFor(
    { all, free: masks(free), reusable: masks(reusable).filter((mask) => mask !== 0) },
    needed,
    withDevices,
  );
}

/** Promises a container devices of a resource, on the nodes as far as there are some. Undefined when there are not enough. */
export function promiseDevices(
  pod: Pod,
  container: Container,
  { resource, needed }: { readonly resource: string; readonly needed: number },
  inventory: DeviceInventory,
  promised: readonly PromisedDevices[],
  nodes: NodeMask | undefined,
): PromisedDevices | undefined {
  const known = inventory.get(resource);
  if (!known) return undefined;
  const situation = situationOf(resource, known, promised);
  const found = candidates({
    ...{ needed, devices: known.devices, taken: idsOf(situation.given) },
    reusable: passedOn(pod, container.name, situation),
    isNear: nearTo(nodes, known.nodes),
  });
  if (found.available.length < needed) return undefined;
  const ids = choose(needed, found);
  return { ...{ podUid: uidOf(pod), container: container.name, resource, ids }, ...(nodes !== undefined && { nodes }) };
}

/** Which devices are on one of the nodes; undefined where any will do. */
export const nearTo = (
  nodes: NodeMask | undefined,
  nodesOf: ReadonlyMap<string, readonly number[]>,
): ((id: string) => boolean) | undefined =>
  nodes === undefined ? undefined : (id) => (maskOf(nodesOf.get(id) ?? []) & nodes) !== 0;
