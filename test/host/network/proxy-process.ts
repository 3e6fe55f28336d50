/** An agent's service proxy as a process of its own, in the network namespace that it is started in. Its arguments are JSON. */
import { Iptables } from '../../../agent/network/netfilter/iptables.ts';
import { Netfilter } from '../../../agent/network/netfilter/netfilter.ts';
import { Nft } from '../../../agent/network/netfilter/nft.ts';
import { NftWatch } from '../../../agent/network/netfilter/rule-watch.ts';
import { ServiceCache } from '../../../agent/network/service-cache.ts';
import type { ProxyMode } from '../../../agent/network/services/backends/proxy-mode.ts';
import { DEFAULT_IPVS, ipvsHost } from '../../../agent/network/services/backends/ipvs/ipvs-host.ts';
import { backendsOf } from '../../../agent/network/services/backends/proxy-modes.ts';
import { ServiceProxy } from '../../../agent/network/services/service-proxy.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { CLUSTER_CIDR, SERVICE_CIDR, UNOBSERVED } from '../../support/service-entries.ts';

export interface ProxyArguments {
  readonly server: string;
  readonly mode: ProxyMode;
  readonly dataDir: string;
}

const { server, mode, dataDir } = JSON.parse(process.argv[2]!) as ProxyArguments;
const stop = new AbortController();
const { signal } = stop;
process.on('SIGTERM', () => stop.abort());
const print =
  (level: string) =>
  (fields: object, message: string): void =>
    console.log(JSON.stringify({ level, message, ...fields, ...('err' in fields && { err: String(fields.err) }) }));
const logger = { debug: print('debug'), info: print('info'), warn: print('warn'), error: print('error') };
const client = new ApiClient({ server });
const nft = new Nft(signal);
const netfilter = new Netfilter(new Iptables('IPv4', signal));
const { backend, retired } = backendsOf(mode, {
  clusterCidr: CLUSTER_CIDR,
  netfilter,
  nft,
  ipvs: ipvsHost('IPv4', DEFAULT_IPVS, signal),
});
const watch = new NftWatch(nft, logger);
const cache = new ServiceCache({ client, logger, nodeName: 'node-0', families: [backend.family] });
const proxy = new ServiceProxy({
  ...{ cache, logger, nodeName: 'node-0', serviceRanges: [SERVICE_CIDR], dataDir, watch },
  ...{ events: { event: () => undefined }, backends: [backend], retired },
  ...UNOBSERVED,
});
await Promise.all([cache.run(signal), proxy.run(signal), watch.run(signal)]);
await client[Symbol.asyncDispose]();
