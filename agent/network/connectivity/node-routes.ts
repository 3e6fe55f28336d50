/**
 * Routes to the pods of the other nodes. On the same network the node that runs a pod is the gateway to it; nodes on other networks are
 * reached by the overlay.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Cidr, IpAddress, type IpFamily } from '../../../api/domain/address.ts';
import { familiesOf, rangeOf } from '../../../api/domain/cluster-ranges.ts';
import { backoffMs } from '../../../client/backoff.ts';
import type { Logger } from '../../../client/logger.ts';
import { compareText } from '../../../api/machinery/compare-text.ts';
import { Outage } from '../../../client/outage.ts';
import { deleteRoute, linkMtu, listRoutes, replaceRoute, wayTo, type Route } from '../../host/links.ts';
import { ProgramError } from '../../host/run.ts';
import { ClaimedRanges } from './claimed-ranges.ts';
import { gatewayOf, OVERLAY_LINK, type Overlay, type OverlayNode } from './overlay.ts';

/** What is kept of a Node for routes. */
export interface NodeAddressing {
  readonly name: string;
  readonly podCidrs: readonly string[];
  /** Its own, in its order. */
  readonly addresses: readonly string[];
  /** When the node came into being, in RFC 3339. */
  readonly since: string;
}

/** Which nodes are reached by VXLAN. */
export const VXLAN_MODES = ['auto', 'always', 'never'] as const;
export type VxlanMode = (typeof VXLAN_MODES)[number];

/** The protocol number of the agent's routes; the kernel and iproute2 give it no meaning of their own. */
export const ROUTE_PROTOCOL = 107;
const RETRY = { initialMs: 1_000, maxMs: 60_000 };
/** How often it is checked that nobody has removed routes, the overlay or its guard. */
const CHECK_INTERVAL_MS = 60_000;

interface Hop {
  readonly gateway: string;
  /** The overlay's; undefined for what the gateway's address says. */
  readonly dev?: string;
}

/** A node of which all that is said here is known, in the families that this node has pods of. */
interface RoutedNode {
  readonly podCidrs: readonly Cidr[];
  /** The first one of each family. */
  readonly addresses: readonly IpAddress[];
}

const addressOf = ({ addresses }: RoutedNode, family: IpFamily): IpAddress | undefined =>
  addresses.find((address) => address.family === family);
/** As the overlay has it; undefined for one that it cannot reach. */
const overlayNode = (node: RoutedNode): OverlayNode | undefined => {
  const address = addressOf(node, 'IPv4');
  return address && { podCidrs: node.podCidrs, address };
};
const overlayHop = (podCidr: Cidr): Hop => ({ gateway: gatewayOf(podCidr), dev: OVERLAY_LINK });
const leadsTo = (route: Route | undefined, { gateway, dev }: Hop): boolean =>
  route?.gateway === gateway && (route.dev === OVERLAY_LINK) === (dev === OVERLAY_LINK);

/** Undefined for a node that has no podCIDR of the families, or no address yet. */
function parsed({ podCidrs, addresses }: NodeAddressing, families: readonly IpFamily[]): RoutedNode | undefined {
  const ranges = podCidrs.flatMap((text) => Cidr.parse(text) ?? []);
  const node = {
    podCidrs: families.flatMap((family) => rangeOf(family, ranges) ?? []),
    addresses: addresses.flatMap((text) => IpAddress.parse(text) ?? []),
  };
  return node.podCidrs.length > 0 && node.addresses.length > 0 ? node : undefined;
}

/** Where others claim the same, it is of the node that was there first. */
const bySeniority = (a: NodeAddressing, b: NodeAddressing): number =>
  compareText(a.since, b.since) || compareText(a.name, b.name);

export interface NodeRoutesOptions {
  readonly nodeName: string;
  /** Of the pods of all nodes: one, or one of each IP family. */
  readonly podRanges: readonly Cidr[];
  readonly nodes: () => readonly NodeAddressing[];
  readonly vxlan: VxlanMode;
  readonly overlay: Pick<Overlay, 'sync'>;
  readonly logger: Logger;
}

export class NodeRoutes {
  readonly #options: NodeRoutesOptions;
  #wake = Promise.withResolvers<void>();
  /** Ranges of pods to which nothing leads, so that it is logged once. */
  readonly #unreachable = new Set<string>();

  constructor(options: NodeRoutesOptions) {
    this.#options = options;
  }

  /** The nodes may have changed. */
  wake(): void {
    this.#wake.resolve();
  }

  /** Keeps the routes in sync until the signal is aborted; they stay in force then. */
  async run(signal: AbortSignal): Promise<void> {
    const outage = new Outage(this.#options);
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    for (let failures = 0; !signal.aborted;) {
      this.#wake = Promise.withResolvers<void>();
      const woken = new AbortController();
      try {
        await this.#sync(signal);
        failures = 0;
        outage.ended({}, 'route sync recovered');
        const quiet = delay(CHECK_INTERVAL_MS, undefined, { signal: woken.signal, ref: false }).catch(() => undefined);
        await Promise.race([this.#wake.promise, stopped, quiet]);
      } catch (error) {
        if (signal.aborted) return;
        outage.failed(error, {}, 'failed to sync routes to pods on other nodes');
        await delay(backoffMs(RETRY, ++failures), undefined, { signal }).catch(() => undefined);
      } finally {
        woken.abort();
      }
    }
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const { nodeName, nodes, overlay } = this.#options;
    const all = nodes();
    const own = all.find(({ name }) => name === nodeName);
    const self = own && parsed(own, this.#families);
    const ownEnd = self && overlayNode(self);
    const others = this.#claims(
      self,
      all.filter((node) => node !== own),
    );
    const before = await ownRoutes(this.#families, signal);
    const { hops, far, links } = await this.#hopsTo(others, before, signal);
    for (const dst of before.keys()) if (!hops.has(dst)) await deleteRoute({ dst, protocol: ROUTE_PROTOCOL }, signal);
    if (ownEnd) {
      const senders = [ownEnd, ...others.flatMap((node) => overlayNode(node) ?? [])].map(({ address }) => address);
      const mtus = await Promise.all(Array.from(links, (dev) => linkMtu(dev, signal)));
      await overlay.sync({ self: ownEnd, far, senders, underlayMtu: Math.min(...mtus) }, signal);
    }
    // Those by a link that was made anew are gone.
    const present = await ownRoutes(this.#families, signal);
    for (const [dst, hop] of hops) {
      if (hop.dev !== undefined && !ownEnd) continue;
      if (!leadsTo(present.get(dst), hop)) await this.#replaceRoute(dst, hop, signal);
    }
  }

  /**
   * Nodes write their own Node: none may take another's pods, or packets that are no pods' at all, by the ranges that it claims. Returns
   * the claims that are good.
   */
  #claims(self: RoutedNode | undefined, others: readonly NodeAddressing[]): RoutedNode[] {
    const { podRanges } = this.#options;
    const claimed = new ClaimedRanges();
    for (const podCidr of self?.podCidrs ?? []) claimed.add(podCidr);
    return [...others].sort(bySeniority).flatMap((node) => {
      const claim = parsed(node, this.#families);
      if (!claim) return [];
      const podCidrs = claim.podCidrs.filter((podCidr) => {
        const cluster = rangeOf(podCidr.family, podRanges);
        if (!cluster || podCidr.length < cluster.length || !cluster.contains(podCidr.network))
          this.#warn(claim, podCidr, `podCIDR of node is not in the pods' range ${cluster?.text}`);
        else if (!claimed.add(podCidr)) this.#warn(claim, podCidr, 'podCIDR of node overlaps with that of another');
        else return true;
        return false;
      });
      return podCidrs.length > 0 ? [{ ...claim, podCidrs }] : [];
    });
  }

  /** What is wrong with one node's address keeps no other from getting its route. */
  async #replaceRoute(dst: string, hop: Hop, signal: AbortSignal): Promise<void> {
    try {
      await replaceRoute({ dst, ...hop, protocol: ROUTE_PROTOCOL }, signal);
    } catch (error) {
      if (!(error instanceof ProgramError) || error.exitCode === null) throw error;
      const fields = { gateway: hop.gateway, podCIDR: dst, err: error };
      this.#options.logger.warn(
        fields,
        'kernel rejects the route to a node: pods on it are unreachable from this node',
      );
    }
  }

  /** What leads to each podCIDR; the nodes that are reached by the overlay, and the links that lead to them. */
  async #hopsTo(
    others: readonly RoutedNode[],
    present: ReadonlyMap<string, Route>,
    signal: AbortSignal,
  ): Promise<{ hops: ReadonlyMap<string, Hop>; far: readonly OverlayNode[]; links: ReadonlySet<string> }> {
    const hops = new Map<string, Hop>();
    const far = new Set<OverlayNode>();
    const links = new Set<string>();
    for (const node of others) {
      const end = overlayNode(node);
      for (const podCidr of node.podCidrs) {
        const direct = await this.#directHop(node, podCidr, present, signal);
        const way = direct || !end ? undefined : await wayTo(end.address.text, signal);
        if (direct) hops.set(podCidr.text, direct);
        else if (way && end && this.#options.vxlan !== 'never') {
          hops.set(podCidr.text, overlayHop(podCidr));
          far.add(end);
          links.add(way.dev);
        } else
          this.#warn(
            ...([node, podCidr] as const),
            way ? 'node is not on the local network, and vxlan is never' : 'no route leads to the node',
          );
        if (hops.has(podCidr.text)) this.#unreachable.delete(podCidr.text);
      }
    }
    return { hops, far: [...far], links };
  }

  /** Through the node itself, where it is a neighbour by an address of the same family. */
  async #directHop(
    node: RoutedNode,
    podCidr: Cidr,
    present: ReadonlyMap<string, Route>,
    signal: AbortSignal,
  ): Promise<Hop | undefined> {
    const address = this.#options.vxlan === 'always' ? undefined : addressOf(node, podCidr.family);
    if (!address) return undefined;
    const hop = { gateway: address.text };
    if (leadsTo(present.get(podCidr.text), hop)) return hop;
    return (await wayTo(address.text, signal))?.isOnLink ? hop : undefined;
  }

  get #families(): readonly IpFamily[] {
    return familiesOf(this.#options.podRanges);
  }

  #warn({ addresses }: RoutedNode, podCidr: Cidr, why: string): void {
    if (this.#unreachable.has(podCidr.text)) return;
    this.#unreachable.add(podCidr.text);
    const fields = { gateway: addresses.map(({ text }) => text).join(), podCIDR: podCidr.text };
    this.#options.logger.warn(fields, `${why}: pods on it are unreachable from this node`);
  }
}

/** The agent's, by the range of addresses. */
async function ownRoutes(families: readonly IpFamily[], signal: AbortSignal): Promise<ReadonlyMap<string, Route>> {
  const all = await Promise.all(families.map((family) => listRoutes(family, signal)));
  const own = all.flat().filter(({ protocol }) => protocol === String(ROUTE_PROTOCOL));
  return new Map(own.map((route) => [route.dst, route]));
}
