/** Routes to the pods of the other nodes on the same network: the node that runs a pod is the gateway to it. */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../client/backoff.ts';
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import { deleteRoute, isOnLink, listRoutes, replaceRoute, type Route } from '../host/links.ts';

/** What is kept of a Node for routes. */
export interface NodeAddressing {
  readonly name: string;
  readonly podCidr: string;
  readonly address: string;
}

/** The protocol number of the agent's routes; the kernel and iproute2 give it no meaning of their own. */
export const ROUTE_PROTOCOL = 107;
const RETRY = { initialMs: 1_000, maxMs: 60_000 };

export interface RouteChanges {
  readonly replace: readonly { dst: string; gateway: string }[];
  readonly remove: readonly string[];
}

/** What to change so that exactly the wanted routes exist; those of other programs are left alone. */
function routeChanges(wanted: ReadonlyMap<string, string>, present: readonly Route[]): RouteChanges {
  const ours = new Map(
    present.filter(({ protocol }) => protocol === String(ROUTE_PROTOCOL)).map(({ dst, gateway }) => [dst, gateway]),
  );
  return {
    replace: [...wanted]
      .filter(([dst, gateway]) => ours.get(dst) !== gateway)
      .map(([dst, gateway]) => ({ dst, gateway })),
    remove: [...ours.keys()].filter((dst) => !wanted.has(dst)),
  };
}

/** The podCIDRs of the other nodes, each with its node's address. */
const wantedRoutes = (nodes: readonly NodeAddressing[], self: string): Map<string, string> =>
  new Map(
    nodes
      .filter(({ name, podCidr, address }) => name !== self && podCidr !== '' && address !== '')
      .map(({ podCidr, address }) => [podCidr, address]),
  );

export interface NodeRoutesOptions {
  readonly nodeName: string;
  readonly nodes: () => readonly NodeAddressing[];
  readonly logger: Logger;
}

export class NodeRoutes {
  readonly #options: NodeRoutesOptions;
  #wake = Promise.withResolvers<void>();
  /** Gateways that were found to be behind a router, so that it is logged once. */
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
      try {
        await this.#sync(signal);
        failures = 0;
        outage.ended({}, 'route sync recovered');
        await Promise.race([this.#wake.promise, stopped]);
      } catch (error) {
        if (signal.aborted) return;
        outage.failed(error, {}, 'failed to sync routes to pods on other nodes');
        await delay(backoffMs(RETRY, ++failures), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const { nodeName, nodes, logger } = this.#options;
    const wanted = wantedRoutes(nodes(), nodeName);
    const { replace, remove } = routeChanges(wanted, await listRoutes(signal));
    for (const dst of remove) await deleteRoute({ dst, protocol: ROUTE_PROTOCOL }, signal);
    for (const { dst, gateway } of replace) {
      if (await isOnLink(gateway, signal)) {
        await replaceRoute({ dst, gateway, protocol: ROUTE_PROTOCOL }, signal);
        this.#unreachable.delete(gateway);
      } else if (!this.#unreachable.has(gateway)) {
        this.#unreachable.add(gateway);
        logger.warn(
          { gateway, podCIDR: dst },
          'node is not on the local network: pods on it are unreachable from this node',
        );
      }
    }
  }
}
