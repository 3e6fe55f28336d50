/** Which addresses of a Service a node is to announce. */
import { IpAddress } from '../../../api/domain/address.ts';
import {
  ANNOUNCING_NODE,
  isAnnounceable,
  isLoadBalanced,
  nodeThat,
  TAKEOVER_NODE,
} from '../../../api/domain/load-balancer.ts';
import type { Service } from '../../../api/types/core/v1.gen.ts';

/** Undefined for a Service that is not this node's to announce. */
export function announcedFacts(service: Service, nodeName: string): readonly string[] | undefined {
  const isOurs = [nodeThat(ANNOUNCING_NODE, service), nodeThat(TAKEOVER_NODE, service)].includes(nodeName);
  if (!isOurs || !isLoadBalanced(service)) return undefined;
  return (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode }) => {
    const address = ipMode === 'Proxy' ? undefined : IpAddress.parse(ip ?? '');
    return address && isAnnounceable(address) ? address.text : [];
  });
}
