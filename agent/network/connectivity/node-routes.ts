/**
 * Routes to the pods of the other nodes. On the same network the node that runs a pod is the gateway to it; nodes on other networks are
 * reached by the overlay.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Cidr, IpAddress } from '../../../api/domain/address.ts';
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
  readonly podCidr: string;
  readonly address: string;
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

const directHop = ({ address }: OverlayNode): Hop => ({ gateway: address.text });
const overlayHop = (node: OverlayNode): Hop => ({ gateway: gatewayOf(node), dev: OVERLAY_LINK });
const leadsTo = (route: Route | undefined, { gateway, dev }: Hop): boolean =>
  route?.gateway === gateway && (route.dev === OVERLAY_LINK) === (dev === OVERLAY_LINK);

/** Undefined for a node that has no podCIDR or address of IPv4 yet. */
function parsed({ podCidr, address }: NodeAddressing): OverlayNode | undefined {
  const node = { podCidr: Cidr.parse(podCidr), address: IpAddress.parse(address) };
  if (node.podCidr?.family !== 'IPv4' || node.address?.family !== 'IPv4') return undefined;
  return { podCidr: node.podCidr, address: node.address };
}

/** Where others claim the same, it is of the node that was there first. */
const bySeniority = (a: NodeAddressing, b: NodeAddressing): number =>
  compareText(a.since, b.since) || compareText(a.name, b.name);

export interface NodeRoutesOptions {
  readonly nodeName: string;
  /** Of the pods of all nodes. */
  readonly clusterCidr: Cidr;
  readonly nodes: () => readonly NodeAddressing[];
  readonly vxlan: VxlanMode;
  readonly overlay: Pick<Overlay, 'sync'>;
  readonly logger: Logger;
}

export class NodeRoutes {
  readonly #options: NodeRoutesOptions;
  #wake = Promise.withResolvers<void>();
  /** Nodes that were found to be behind a router, so that it is logged once. */
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
    const self = own && parsed(own);
    const others = this.#claims(
      self,
      all.filter((node) => node !== own),
    );
    const before = await ownRoutes(signal);
    const { hops, far, links } = await this.#hopsTo(others, before, signal);
    for (const dst of before.keys()) if (!hops.has(dst)) await deleteRoute({ dst, protocol: ROUTE_PROTOCOL }, signal);
    if (self) {
      const senders = [self, ...others].map(({ address }) => address);
      const mtus = await Promise.all(Array.from(links, (dev) => linkMtu(dev, signal)));
      await overlay.sync({ self, far, senders, underlayMtu: Math.min(...mtus) }, signal);
    }
    // Those by a link that was made anew are gone.
    const present = await ownRoutes(signal);
    for (const [dst, hop] of hops) {
      if (hop.dev !== undefined && !self) continue;
      if (!leadsTo(present.get(dst), hop)) await this.#replaceRoute(dst, hop, signal);
    }
  }

  /**
   * Nodes write their own Node: none may take another's pods, or packets that are no pods' at all, by the range that it claims. Returns
   * those whose claims are good.
   */
  #claims(self: OverlayNode | undefined, others: readonly NodeAddressing[]): OverlayNode[] {
    const { clusterCidr: cluster } = this.#options;
    const claimed = new ClaimedRanges();
    if (self) claimed.add(self.podCidr);
    return [...others].sort(bySeniority).flatMap((node) => {
      const claim = parsed(node);
      if (!claim) return [];
      const { podCidr } = claim;
      if (podCidr.length < cluster.length || !cluster.contains(podCidr.network))
        this.#warn(claim, `podCIDR of node is not in the pods' range ${cluster.text}`);
      else if (!claimed.add(podCidr)) this.#warn(claim, 'podCIDR of node overlaps with that of another');
      else return [claim];
      return [];
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
    others: readonly OverlayNode[],
    present: ReadonlyMap<string, Route>,
    signal: AbortSignal,
  ): Promise<{ hops: ReadonlyMap<string, Hop>; far: readonly OverlayNode[]; links: ReadonlySet<string> }> {
    const { vxlan } = this.#options;
    const hops = new Map<string, Hop>();
    const far: OverlayNode[] = [];
    const links = new Set<string>();
    for (const node of others) {
      const dst = node.podCidr.text;
      const isKnown = vxlan !== 'always' && leadsTo(present.get(dst), directHop(node));
      const way = isKnown ? undefined : await wayTo(node.address.text, signal);
      if (isKnown || (way?.isOnLink && vxlan !== 'always')) hops.set(dst, directHop(node));
      else if (way && vxlan !== 'never') {
        hops.set(dst, overlayHop(node));
        far.push(node);
        links.add(way.dev);
      } else
        this.#warn(node, way ? 'node is not on the local network, and vxlan is never' : 'no route leads to the node');
      if (hops.has(dst)) this.#unreachable.delete(node.address.text);
    }
    return { hops, far, links };
  }

  #warn({ podCidr, address }: OverlayNode, why: string): void {
    if (this.#unreachable.has(address.text)) return;
    this.#unreachable.add(address.text);
    const fields = { gateway: address.text, podCIDR: podCidr.text };
    this.#options.logger.warn(fields, `${why}: pods on it are unreachable from this node`);
  }
}

/** The agent's, by the range of addresses. */
const ownRoutes = async (signal: AbortSignal): Promise<ReadonlyMap<string, Route>> =>
  new Map(
    (await listRoutes(signal))
      .filter(({ protocol }) => protocol === String(ROUTE_PROTOCOL))
      .map((route) => [route.dst, route]),
  );
