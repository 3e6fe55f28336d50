import type { IpFamily } from '../../../../api/domain/address.ts';
import type { Sysctl } from '../kernel-tuning.ts';

/** The setting with which node ports are served on 127.0.0.1: only behind the rule that keeps others from the addresses of loopback. */
export const LOOPBACK_NODE_PORTS: Readonly<Record<IpFamily, readonly Sysctl[]>> = {
  IPv4: [{ key: 'net.ipv4.conf.all.route_localnet', value: '1', without: 'node ports are unavailable on 127.0.0.1' }],
  IPv6: [],
};
