import { readPorts, type ServerConfig } from './config.ts';

/** Ports that no load balancer may have on the nodes' own addresses: what nodes answer on themselves, and what NodePort Services may have. */
export const reservedPorts = ({
  loadBalancerReservedPorts,
  serviceNodePortRange,
  port,
}: Pick<ServerConfig, 'loadBalancerReservedPorts' | 'serviceNodePortRange' | 'port'>): {
  first: number;
  last: number;
}[] => [...[...loadBalancerReservedPorts, serviceNodePortRange].map(readPorts), { first: port, last: port }];
