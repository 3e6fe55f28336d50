/**
 * Pods of nodes that share no network with this one are reached by VXLAN: their packets travel in UDP datagrams from node to node. All
 * that nodes have to know of each other is in their Node objects: the addresses of a node's link are the first ones of its podCIDRs, and
 * its MAC is made of one of them. The datagrams are IPv4, whatever the pods' packets are.
 */
import type { Cidr, IpAddress } from '../../../api/domain/address.ts';
import { rangeOf } from '../../../api/domain/cluster-ranges.ts';
import type { Logger } from '../../../client/logger.ts';
import { deleteLink } from '../../host/links.ts';
import { isProgramMissing } from '../../host/run.ts';
import { ensureVxlan, replaceVxlanPeers, type VxlanPeer } from '../../host/vxlan.ts';
import type { Nft, NftTable } from '../netfilter/nft.ts';
import type { WatchedChain } from '../netfilter/rule-watch.ts';

export interface OverlayNode {
  /** At least one, and one of each IP family at most. */
  readonly podCidrs: readonly Cidr[];
  /** Of IPv4, at which other nodes reach it. */
  readonly address: IpAddress;
}

export interface OverlayState {
  readonly self: OverlayNode;
  readonly far: readonly OverlayNode[];
  /** The IPv4 addresses of all nodes. */
  readonly senders: readonly IpAddress[];
  /** Of the links by which these are reached, in bytes. */
  readonly underlayMtu: number;
}

export interface OverlayOptions {
  readonly nft: Nft;
  /** UDP. The same on all nodes. */
  readonly port: number;
  /** The pods'. */
  readonly bridgeName: string;
  readonly logger: Logger;
  /** Called when there is an overlay with another MTU than before, in bytes; with undefined when there is none any more. */
  readonly onMtu: (mtu: number | undefined) => void;
}

export const OVERLAY_LINK = 'kedge.vxlan';
const VNI = 107;
/** Of the outer IPv4, UDP and VXLAN headers and the inner Ethernet header. */
const OVERHEAD_BYTES = 50;
/** Locally administered, unicast; four octets of the address follow. */
const MAC_PREFIX = '0a:6b';
const GUARD_CHAIN = 'input';
const GUARD: NftTable = { family: 'inet', name: 'kedge-overlay' };
const OCTETS = [24n, 16n, 8n, 0n];

/** The gateway to the pods of a node that have addresses of the range. */
export const gatewayOf = (podCidr: Cidr): string => podCidr.network.text;
const gatewaysOf = ({ podCidrs }: OverlayNode): readonly string[] => podCidrs.map(gatewayOf);

/** Of the range of IPv4, which old agents know alone, or else of what tells a node's range of IPv6 from that of another. */
function macOf({ podCidrs }: OverlayNode): string {
  const ofIPv4 = rangeOf('IPv4', podCidrs);
  const [first] = podCidrs;
  const value = ofIPv4 ? ofIPv4.network.value : (first?.network.value ?? 0n) / (first?.size ?? 1n);
  const octets = OCTETS.map((bits) => ((value >> bits) & 0xffn).toString(16).padStart(2, '0'));
  return [MAC_PREFIX, ...octets].join(':');
}

const peerOf = (node: OverlayNode): VxlanPeer => ({
  ...{ gateways: gatewaysOf(node), mac: macOf(node), remote: node.address.text },
});

export class Overlay {
  readonly watched: readonly WatchedChain[] = ['input', 'forward', 'output'].map((chain) => ({
    ...{ family: GUARD.family, table: GUARD.name, chain },
  }));
  readonly #options: OverlayOptions;
  #mtu: number | undefined;
  /** Whether there may be a link, of this process or of an earlier one. */
  #mayExist = true;
  #isUnguarded = false;
  #guarded: string | undefined;

  constructor(options: OverlayOptions) {
    this.#options = options;
  }

  /**
   * Makes `far` the nodes that are reached by the overlay; without any, there is none.
   * @throws ProgramError; then it is to be called again
   */
  async sync({ self, far, senders, underlayMtu }: OverlayState, signal: AbortSignal): Promise<void> {
    if (far.length === 0) return this.#remove(signal);
    const mtu = underlayMtu - OVERHEAD_BYTES;
    this.#mayExist = true;
    // Nobody gets in before it is known who may.
    await this.#guard(senders);
    const { port } = this.#options;
    const link = { name: OVERLAY_LINK, id: VNI, local: self.address.text, port, mac: macOf(self), mtu };
    await ensureVxlan(link, gatewaysOf(self), signal);
    await replaceVxlanPeers(OVERLAY_LINK, far.map(peerOf), signal);
    this.#tellMtu(mtu);
  }

  async #remove(signal: AbortSignal): Promise<void> {
    if (!this.#mayExist) return;
    await removeOverlay(this.#options.nft, signal);
    this.#mayExist = false;
    this.#guarded = undefined;
    this.#tellMtu(undefined);
  }

  #tellMtu(mtu: number | undefined): void {
    if (mtu === this.#mtu) return;
    this.#mtu = mtu;
    this.#options.onMtu(mtu);
  }

  /**
   * What is in the datagrams is taken for pods' traffic: nodes alone may send it, and nobody in their name. Whoever may make a Service
   * with a node as its endpoint would have what others send to it masqueraded as this node's.
   */
  async #guard(nodes: readonly IpAddress[]): Promise<void> {
    const { nft, port, bridgeName, logger } = this.#options;
    const input = guardInput(nodes, port, bridgeName);
    try {
      // Another program may have flushed it.
      if (input === this.#guarded && (await nft.hasRules(GUARD, GUARD_CHAIN))) return;
      await nft.apply(input);
      this.#guarded = input;
    } catch (error) {
      if (!isProgramMissing(error)) throw error;
      const message = 'nft is missing on this host: whoever can send UDP to it can send packets to its pods';
      if (!this.#isUnguarded) logger.warn({ err: error, port }, message);
      this.#isUnguarded = true;
    }
  }
}

function guardInput(nodes: readonly IpAddress[], port: number, bridgeName: string): string {
  const table = `${GUARD.family} ${GUARD.name}`;
  const elements = [...new Set(nodes.map(({ text }) => text))].sort().join(', ');
  return `add table ${table}
delete table ${table}
table ${table} {
  set nodes { type ipv4_addr; elements = { ${elements} }; }
  chain ${GUARD_CHAIN} {
    type filter hook input priority filter - 10;
    udp dport ${port} ip saddr != @nodes counter drop comment "not from a node"
  }
  chain forward {
    type filter hook forward priority filter - 10;
    iifname "${bridgeName}" udp dport ${port} ip daddr @nodes counter drop comment "pods in the name of their node"
    udp dport ${port} ip daddr @nodes ip saddr != @nodes counter drop comment "others in the name of this node"
  }
  chain output {
    type filter hook output priority filter - 10;
    udp dport ${port} ip daddr @nodes ip saddr != @nodes counter drop comment "the same, by way of IPVS"
  }
}
`;
}

/** Removes what any agent has made of it on this host. */
export async function removeOverlay(nft: Nft, signal: AbortSignal): Promise<void> {
  await deleteLink(OVERLAY_LINK, signal);
  await nft.removeTable(GUARD);
}
