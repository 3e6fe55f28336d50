/** Pods that the node rejects although they are bound to it, with the kubelet's reasons and messages. */
import { MEMORY_PRESSURE_TAINT } from '../../../api/domain/taints.ts';
import { hostPortsConflict, hostPorts, type HostPort } from '../../../api/domain/host-ports.ts';
import { amountOf, podRequest, qosClassOf, requestedResources } from '../../../api/domain/pod-resources.ts';
import { isExtendedResource, type ResourceList } from '../../../api/domain/resource-names.ts';
import { quantityValue } from '../../../api/machinery/quantity.ts';
import type { Pressure } from '../../node/pressure.ts';
import { isCritical, type SourcedPod } from '../sources/pod-source.ts';
import type { Verdict } from '../status/status-input.ts';
import { own } from '../../../api/machinery/own.ts';
import type { NodeFeatures, Pod } from '../../../api/types/core/v1.gen.ts';

export interface NodeView {
  readonly allocatable: ResourceList;
  readonly pressures: readonly Pressure[];
  readonly features: NodeFeatures;
  /** The host is being shut down. */
  readonly isShuttingDown?: boolean;
}

/** Namespaced by the kernel, and of no consequence to the node and to other pods. */
const SAFE_SYSCTLS: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
]);

const OS = 'linux';
const OS_LABEL = 'kubernetes.io/os';

/** Why the node rejects the pod; undefined when it admits it. `others` are the admitted pods that have not finished. */
export function admission(sourced: SourcedPod, others: readonly Pod[], node: NodeView): Verdict | undefined {
  const { pod } = sourced;
  const refusal =
    (node.isShuttingDown ? SHUTDOWN : undefined) ??
    underPressure(sourced, node.pressures) ??
    withSysctls(pod) ??
    ofAnotherSystem(pod) ??
    withStrictGroups(pod, node.features) ??
    withoutRoom(sourced, others, node);
  return refusal && { ...refusal, rejects: true };
}

interface Refusal {
  readonly reason: string;
  readonly message: string;
}

const SHUTDOWN: Refusal = {
  reason: 'NodeShutdown',
  message: 'Pod was rejected as the node is shutting down.',
};

function underPressure(sourced: SourcedPod, pressures: readonly Pressure[]): Refusal | undefined {
  const { pod } = sourced;
  if (pressures.length === 0 || isCritical(sourced)) return undefined;
  if (pressures.length === 1 && pressures[0] === 'MemoryPressure') {
    // Under memory pressure only best-effort pods that do not tolerate it are rejected.
    if (qosClassOf(pod.spec) !== 'BestEffort' || toleratesMemoryPressure(pod)) return undefined;
  }
  return { reason: 'Evicted', message: `The node had condition: [${pressures.join(' ')}]. ` };
}

const toleratesMemoryPressure = ({ spec }: Pod): boolean =>
  (spec?.tolerations ?? []).some(
    ({ key, operator, effect }) =>
      (key === MEMORY_PRESSURE_TAINT || (!key && operator === 'Exists')) && (!effect || effect === 'NoSchedule'),
  );

function withSysctls({ spec }: Pod): Refusal | undefined {
  for (const { name: written } of spec?.securityContext?.sysctls ?? []) {
    // `net/ipv4/...` is another way to write it.
    const name = written.includes('/') && !written.includes('.') ? written.replaceAll('/', '.') : written;
    const shares = name.startsWith('net.') ? spec?.hostNetwork && 'hostNet' : spec?.hostIPC && 'hostIPC';
    if (!SAFE_SYSCTLS.has(name)) {
      return { reason: 'SysctlForbidden', message: `forbidden sysctl: "${name}" not allowlisted` };
    }
    if (shares) {
      const message = `forbidden sysctl: "${name}" not allowed with ${shares === 'hostNet' ? 'host net' : 'host ipc'} enabled`;
      return { reason: 'SysctlForbidden', message };
    }
  }
  return undefined;
}

function ofAnotherSystem({ metadata, spec }: Pod): Refusal | undefined {
  if ((metadata?.labels?.[OS_LABEL] ?? OS) !== OS) {
    const message = `Failed to admit pod as the \`${OS_LABEL}\` label doesn't match node label`;
    return { reason: 'PodOSSelectorNodeLabelDoesNotMatch', message };
  }
  if ((spec?.os?.name ?? OS) !== OS) {
    return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" };
  }
  return undefined;
}

/** It would run with the groups of its image. */
function withStrictGroups({ spec }: Pod, features: NodeFeatures): Refusal | undefined {
  if (spec?.securityContext?.supplementalGroupsPolicy !== 'Strict' || features.supplementalGroupsPolicy)
    return undefined;
  const message = 'SupplementalGroupsPolicy=Strict is not supported in this node';
  return { reason: 'SupplementalGroupsPolicyNotSupported', message };
}

function withoutRoom(sourced: SourcedPod, others: readonly Pod[], { allocatable }: NodeView): Refusal | undefined {
  const { pod } = sourced;
  // Those that the node needs are not counted; what they use is somebody else's loss.
  if (isCritical(sourced)) return undefined;
  const short = (resource: string, requested: number, used: number, capacity: number): Refusal => ({
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  });
  const slots = allocatable['pods'] === undefined ? Infinity : quantityValue(allocatable['pods']);
  if (others.length + 1 > slots) return short('pods', 1, others.length, slots);
  for (const resource of requestedResources(pod.spec)) {
    // An extended resource that another writer has put on the Node: only the scheduler counts it.
    if (isExtendedResource(resource) && own(allocatable, resource) === undefined) continue;
    const requested = podRequest(pod.spec, resource);
    const used = others.reduce((sum, { spec }) => sum + podRequest(spec, resource), 0);
    const capacity = amountOf(resource, own(allocatable, resource) ?? '0');
    if (requested > 0 && requested + used > capacity) return short(resource, requested, used, capacity);
  }
  const portsOf = ({ spec }: Pod): readonly HostPort[] => (spec ? hostPorts(spec) : []);
  const taken = others.flatMap(portsOf);
  if (portsOf(pod).some((wanted) => taken.some((port) => hostPortsConflict(port, wanted)))) {
    const why = "node(s) didn't have free ports for the requested pod ports";
    return { reason: 'NodePorts', message: `Predicate NodePorts failed: ${why}` };
  }
  return undefined;
}
