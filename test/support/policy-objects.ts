/** Pods, namespaces and policies as the agent's compiler takes them, made of API objects. */
import { compile } from '../../agent/network/policy/compile.ts';
import { dnsFacts, podFacts, type PodFacts } from '../../agent/network/policy/pod-facts.ts';
import { policyFacts } from '../../agent/network/policy/policy-facts.ts';
import type { TableContent } from '../../agent/network/policy/table-content.ts';
import type { Labels } from '../../api/machinery/selectors.ts';
import type { ContainerPort, Pod } from '../../api/types/core/v1.gen.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../../api/types/networking/v1.gen.ts';

export interface PodShape {
  readonly namespace?: string;
  readonly labels?: Labels;
  readonly ips: readonly string[];
  readonly ports?: readonly ContainerPort[];
  readonly node?: string;
  readonly hostNetwork?: boolean;
}

export const podOf = (shape: PodShape): Pod => {
  const { namespace = 'default', labels = {}, ips, ports = [], node = 'node-0', hostNetwork } = shape;
  return {
    metadata: { namespace, name: `p-${ips[0]}`, uid: `uid-${ips[0]}`, labels: { ...labels } },
    spec: { nodeName: node, hostNetwork, containers: [{ name: 'main', ports: [...ports] }] },
    status: { phase: 'Running', podIPs: ips.map((address) => ({ ip: address })) },
  };
};

export const policyOf = (spec: NetworkPolicySpec, { namespace = 'default', name = 'policy' } = {}): NetworkPolicy => ({
  metadata: { namespace, name, uid: `uid-${namespace}-${name}` },
  spec: { podSelector: {}, ...spec },
});

export interface ClusterShape {
  readonly policies: readonly NetworkPolicy[];
  readonly namespaces?: Readonly<Record<string, Labels>>;
  readonly pods: readonly PodShape[];
  /** Where the agents serve the cluster's DNS. */
  readonly dns?: readonly string[];
  /** The node whose table it is. */
  readonly node?: string;
}

/** What the agent of `node` puts into its table. */
export function contentOf({ policies, namespaces = {}, pods, dns = [], node = 'node-0' }: ClusterShape): TableContent {
  const all: PodFacts[] = pods.map((pod) => podFacts(podOf(pod)));
  return compile({
    policies: policies.map((policy) => policyFacts(policy)),
    namespaces: new Map(Object.entries(namespaces)),
    pods: [...all, dnsFacts(dns)],
    local: all.filter((pod) => pod.node === node),
  });
}
