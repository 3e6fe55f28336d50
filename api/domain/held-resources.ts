/**
 * What a pod holds while it is resized: until its node has given it what the spec says, what it had may still be used, and what it asks
 * for is to be kept for it, unless the node never can. The scheduler and quotas count the largest of them.
 * https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/
 */
import { semanticallyEqual } from '../machinery/deep-equal.ts';
import { own, setOwn } from '../machinery/own.ts';
import { compareQuantities } from '../machinery/quantity.ts';
import type {
  Container,
  ContainerStatus,
  Pod,
  PodSpec,
  PodStatus,
  ResourceRequirements,
} from '../types/core/v1.gen.ts';
import { isSidecar } from './pod-lifecycle.ts';

type Quantities = Record<string, string>;
/** What a node says that it has allocated, and what runs. */
type Given = Pick<ContainerStatus, 'allocatedResources' | 'resources'>;

const isInfeasible = ({ conditions = [] }: PodStatus): boolean =>
  conditions.some(({ type, reason }) => type === 'PodResizePending' && reason === 'Infeasible');

function largest(lists: readonly (Readonly<Quantities> | undefined)[]): Quantities {
  const most: Quantities = {};
  for (const list of lists)
    for (const [name, quantity] of Object.entries(list ?? {})) {
      const other = own(most, name);
      if (other === undefined || compareQuantities(other, quantity) < 0) setOwn(most, name, quantity);
    }
  return most;
}

function held(
  wanted: ResourceRequirements | undefined,
  { allocatedResources, resources }: Given,
  isRefused: boolean,
): ResourceRequirements | undefined {
  if (resources === undefined || semanticallyEqual(resources, wanted ?? {})) return wanted;
  const { requests, limits } = (isRefused ? undefined : wanted) ?? {};
  return {
    ...wanted,
    requests: largest([requests, allocatedResources, resources.requests]),
    limits: largest([limits, resources.limits]),
  };
}

/** The pod's spec with the resources that it holds; the spec itself when nothing of it is being resized. */
export function heldSpec({ spec, status }: Pod): PodSpec | undefined {
  if (!spec || !status) return spec;
  const { containerStatuses = [], initContainerStatuses = [] } = status;
  const given = new Map([...containerStatuses, ...initContainerStatuses].map((one) => [one.name, one]));
  const isRefused = isInfeasible(status);
  const ofContainer = (container: Container): Container => {
    const one = given.get(container.name);
    const resources = one && held(container.resources, one, isRefused);
    return !one || resources === container.resources ? container : { ...container, resources };
  };
  const { initContainers } = spec;
  const containers = spec.containers.map(ofContainer);
  // The other init containers have ended before anything could be resized.
  const inits = initContainers?.map((init) => (isSidecar(init) ? ofContainer(init) : init));
  const ofPod = spec.resources && held(spec.resources, status, isRefused);
  const isSame =
    ofPod === spec.resources &&
    containers.every((container, index) => container === spec.containers[index]) &&
    (inits ?? []).every((init, index) => init === initContainers?.[index]);
  return isSame
    ? spec
    : { ...spec, containers, ...(inits && { initContainers: inits }), ...(ofPod && { resources: ofPod }) };
}
