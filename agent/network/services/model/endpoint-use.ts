/** Why an endpoint of a Service gets no connections: in words, for people. Pure. */
import type { Endpoint, ServiceEntry, ServicePort } from './service-entry.ts';

/** Undefined for an endpoint that every new connection may be led to. */
export function whyNotUsed(
  endpoint: Endpoint,
  { cluster, local }: ServicePort,
  service: ServiceEntry,
): string | undefined {
  const { ready, serving, terminating } = endpoint;
  const isChosen = cluster.includes(endpoint);
  if (!isChosen && !local.includes(endpoint)) {
    if (!ready && terminating) return serving ? 'it terminates, and others are ready' : 'it terminates';
    if (!ready) return 'it is not ready';
    return 'it is for other nodes or zones';
  }
  const { internalPolicyLocal, externalPolicyLocal } = service;
  if (internalPolicyLocal && externalPolicyLocal && !endpoint.local)
    return 'it is on another node, and the policies are Local';
  if (internalPolicyLocal && !endpoint.local)
    return 'only from outside: it is on another node, and the internal policy is Local';
  if (externalPolicyLocal && !endpoint.local)
    return 'only from pods and this node: it is on another node, and the external policy is Local';
  if (!isChosen) return 'only under the policy Local: of all nodes, others are nearer';
  return undefined;
}
