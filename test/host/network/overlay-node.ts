/** A node's routes and its overlay, in the network namespace that it is started in, until SIGTERM. Its arguments are JSON. */
import { Nft } from '../../../agent/network/netfilter/nft.ts';
import { NftWatch } from '../../../agent/network/netfilter/rule-watch.ts';
import { NodeRoutes, type NodeAddressing, type VxlanMode } from '../../../agent/network/connectivity/node-routes.ts';
import { Overlay } from '../../../agent/network/connectivity/overlay.ts';
import { CLUSTER_CIDR, IPV6_CLUSTER_CIDR } from '../../support/service-entries.ts';

interface Arguments {
  readonly nodeName: string;
  readonly nodes: readonly NodeAddressing[];
  readonly vxlan: VxlanMode;
}

const { nodeName, nodes, vxlan } = JSON.parse(process.argv[2]!) as Arguments;
const stop = new AbortController();
const { signal } = stop;
const alive = setInterval(() => undefined, 2 ** 30);
process.on('SIGTERM', () => {
  clearInterval(alive);
  stop.abort();
});
const print = (fields: object, message: string): void => console.log(JSON.stringify({ message, ...fields }));
const logger = { debug: print, info: print, warn: print, error: print };
const nft = new Nft(signal);
const watch = new NftWatch(nft, logger);
const overlay = new Overlay({
  ...{ nft, port: 8472, bridgeName: 'pods', logger },
  onMtu: (mtu) => print({ mtu }, 'overlay'),
});
const routes = new NodeRoutes({
  nodeName,
  podRanges: [CLUSTER_CIDR, IPV6_CLUSTER_CIDR],
  nodes: () => nodes,
  vxlan,
  overlay,
  logger,
});
watch.onRemoved(overlay.watched, () => routes.wake());
await Promise.all([routes.run(signal), watch.run(signal)]);
