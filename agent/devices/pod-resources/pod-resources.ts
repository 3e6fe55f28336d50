/**
 * What the pod resources API says: which devices, CPUs and memory the containers of this node have. Pure.
 * https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/#monitoring-device-plugin-resources
 */
import { isPodTerminal, isSidecar } from '../../../api/domain/pod-lifecycle.ts';
import type { Container, Pod } from '../../../api/types/core/v1.gen.ts';
import type { HeldClaim } from '../device-claims.ts';
import type { KnownDevice } from '../plugins/device-resources.ts';
import type { MemoryBlock } from '../../topology/memory-assignment.ts';

/** What is known of containers and of the node. */
export interface ResourceFacts {
  devicesOf(podUid: string, container: string): readonly KnownDevice[];
  claimsOf(pod: Pod, container: Container): readonly HeldClaim[];
  /** Its own; none for a container that shares those of the node. */
  cpusOf(podUid: string, container: string): readonly number[];
  /** Guaranteed to it, of NUMA nodes. */
  memoryOf(podUid: string, container: string): readonly MemoryBlock[];
  /** Of the node. */
  healthyDevices(): readonly KnownDevice[];
  /** Those that containers may have for themselves; none where no container can. */
  allocatableCpus(): readonly number[];
  /** What containers may be guaranteed; none where no container is. */
  allocatableMemory(): readonly MemoryBlock[];
}

/** As upstream: a message for each device, and each of its NUMA nodes. */
const describeDevices = (devices: readonly KnownDevice[]): object[] =>
  devices.flatMap(({ resource: resourceName, id, nodes }) => {
    const device = { resourceName, deviceIds: [id] };
    return nodes.length === 0 ? [device] : nodes.map((ID) => ({ ...device, topology: { nodes: [{ ID }] } }));
  });

const describeMemory = ({ nodes, resource, bytes }: MemoryBlock): object => ({
  ...{ memoryType: resource, size: bytes },
  topology: { nodes: nodes.map((ID) => ({ ID })) },
});

const describeClaim = ({ namespace, claim, devices }: HeldClaim): object => ({
  claimName: claim,
  claimNamespace: namespace,
  claimResources: devices.map(({ driver, poolName, deviceName, cdiDeviceIds }) => ({
    ...{ cdiDevices: cdiDeviceIds.map((name) => ({ name })), driverName: driver, poolName, deviceName },
  })),
});

/** Init containers have what they have for a moment only, and are left out. */
export function podResources(pod: Pod, facts: ResourceFacts): object {
  const { uid = '', name = '', namespace = '' } = pod.metadata ?? {};
  const containers = [...(pod.spec?.initContainers ?? []).filter(isSidecar), ...(pod.spec?.containers ?? [])];
  return {
    ...{ name, namespace },
    containers: containers.map((container) => ({
      name: container.name,
      devices: describeDevices(facts.devicesOf(uid, container.name)),
      cpuIds: facts.cpusOf(uid, container.name),
      memory: facts.memoryOf(uid, container.name).map(describeMemory),
      dynamicResources: facts.claimsOf(pod, container).map(describeClaim),
    })),
  };
}

/** Those that have not ended. */
export const listedPods = (pods: readonly Pod[]): readonly Pod[] => pods.filter(({ status }) => !isPodTerminal(status));

export const allocatableResources = (facts: ResourceFacts): object => ({
  devices: describeDevices(facts.healthyDevices()),
  cpuIds: facts.allocatableCpus(),
  memory: facts.allocatableMemory().map(describeMemory),
});
