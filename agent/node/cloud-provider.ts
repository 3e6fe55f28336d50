/**
 * What the agent leaves to a cloud's controllers, as the kubelet with `--cloud-provider=external`.
 * https://kubernetes.io/docs/tasks/administer-cluster/running-cloud-controller/
 */
import { PROVIDED_NODE_IP, UNINITIALIZED_TAINT } from '../../api/domain/cloud-provider.ts';
import type { NodeAddress, NodeStatus, Taint } from '../../api/types/core/v1.gen.ts';

/** The one cloud provider: whoever knows the hosts is not a part of the agent. */
export const EXTERNAL = 'external';

interface CloudSettings {
  readonly cloudProvider: string;
  readonly nodeIp: string;
}

/** Whose business the Node's addresses are: the agent's own, or those of somebody else, to whom the agent may have a suggestion. */
export type Addressing = 'own' | 'suggested' | 'external';

export function addressingBy({ cloudProvider, nodeIp }: CloudSettings): Addressing {
  if (!cloudProvider) return 'own';
  return nodeIp ? 'suggested' : 'external';
}

/** No pods until somebody has said where the host is. */
export const cloudTaints = ({ cloudProvider }: CloudSettings): Taint[] =>
  cloudProvider ? [{ key: UNINITIALIZED_TAINT, value: 'true', effect: 'NoSchedule' }] : [];

export const cloudAnnotations = ({ nodeIp }: CloudSettings): Record<string, string> =>
  nodeIp ? { [PROVIDED_NODE_IP]: nodeIp } : {};

/** The addresses that are reported; undefined when they are left to others: what these have set is not touched. */
export function reportedAddresses(
  own: readonly NodeAddress[],
  addressing: Addressing,
  held: NodeStatus | undefined,
): NodeAddress[] | undefined {
  const isSet = (held?.addresses ?? []).length > 0;
  return addressing === 'external' || (addressing === 'suggested' && isSet) ? undefined : [...own];
}
