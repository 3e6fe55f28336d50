/**
 * Follows the Nodes: this one's podCIDR is written to the CNI configuration, the others' become routes. Every node may read its own
 * Node; where it may not list the others, it has no routes to their pods, and still a network for its own.
 */
import { Cidr, IpAddress } from '../../api/domain/address.ts';
import { rangeOf } from '../../api/domain/cluster-ranges.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { Informer } from '../../client/informer.ts';
import type { Logger } from '../../client/logger.ts';
import { nodes } from '../../client/resources.gen.ts';
import { writeCniConfig, type CniNetwork } from './cni-config.ts';
import { NodeRoutes, type NodeAddressing, type VxlanMode } from './connectivity/node-routes.ts';
import { Overlay } from './connectivity/overlay.ts';
import type { Nft } from './netfilter/nft.ts';
import { NO_WATCH, type RuleWatch } from './netfilter/rule-watch.ts';
import type { Node } from '../../api/types/core/v1.gen.ts';

export interface PodNetworkOptions extends Omit<CniNetwork, 'podCidrs'> {
  readonly client: ApiClient;
  readonly nodeName: string;
  readonly cniConfDir: string;
  /** The ranges of the pods of all nodes, as configured on this node: those of other families are not used here. */
  readonly podRanges: readonly Cidr[];
  /** Whether routes to the other nodes' pods are set on this host. */
  readonly hostRoutes: boolean;
  /** Which nodes are reached by VXLAN, where `hostRoutes` is set. */
  readonly vxlan: VxlanMode;
  readonly vxlanPort: number;
  readonly nft: Nft;
  /** Run by others. */
  readonly watch?: RuleWatch;
  /** Called when the CNI configuration has been written: the runtime is about to have a network. */
  readonly onConfigured: () => void;
  /** Called when this host's Node was deleted. */
  readonly onNodeDeleted: () => void;
  /** Called when the node may not list the other nodes. */
  readonly onForbidden: () => void;
  readonly logger: Logger;
}

/** What is kept of a Node. */
export const addressingOf = ({ metadata, spec, status }: Node): NodeAddressing => ({
  name: metadata?.name ?? '',
  podCidrs: spec?.podCIDRs ?? [],
  addresses: (status?.addresses ?? []).flatMap(({ type, address }) => (type === 'InternalIP' ? address : [])),
  since: String(metadata?.creationTimestamp ?? ''),
});

const isSame = (a: NodeAddressing, b: NodeAddressing): boolean =>
  a.podCidrs.join() === b.podCidrs.join() && a.addresses.join() === b.addresses.join();

export class PodNetwork {
  readonly #options: PodNetworkOptions;
  #others: () => readonly NodeAddressing[] = () => [];
  readonly #configured = Promise.withResolvers<void>();
  #podCidrs: readonly Cidr[] = [];
  /** Undefined without an overlay. */
  #overlayMtu: number | undefined;
  /** Writes follow each other; the last one has the podCIDRs of the latest Node. */
  #writing: Promise<void> = Promise.resolve();

  constructor(options: PodNetworkOptions) {
    this.#options = options;
  }

  /** The addresses of the other nodes, as far as they are known: none without `hostRoutes`. */
  get otherNodes(): readonly IpAddress[] {
    const others = this.#others().filter(({ name }) => name !== this.#options.nodeName);
    return others.flatMap(({ addresses }) => addresses.flatMap((text) => IpAddress.parse(text) ?? []));
  }

  /** Resolves when the CNI configuration is written for the first time since the agent started. */
  get configured(): Promise<void> {
    return this.#configured.promise;
  }

  /** Until the signal is aborted; network and routes stay in force then. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, nodeName, hostRoutes, logger, onNodeDeleted } = this.#options;
    const own = new Informer({
      ...{ client, resource: nodes, logger, select: addressingOf },
      fieldSelector: `metadata.name=${nodeName}`,
    });
    own.addHandlers({
      onAdd: ({ podCidrs }) => this.#configure(podCidrs),
      onUpdate: (_, { podCidrs }) => this.#configure(podCidrs),
      onDelete: () => onNodeDeleted(),
    });
    await Promise.all([own.run(signal), hostRoutes ? this.#routeToOthers(signal) : undefined]);
    await this.#writing;
  }

  async #routeToOthers(signal: AbortSignal): Promise<void> {
    const {
      client,
      nodeName,
      podRanges,
      vxlan,
      vxlanPort: port,
      nft,
      watch = NO_WATCH,
      bridgeName,
      logger,
      onForbidden,
    } = this.#options;
    const all = new Informer({ client, resource: nodes, logger, select: addressingOf, onForbidden });
    this.#others = () => all.list();
    const overlay = new Overlay({ nft, port, bridgeName, logger, onMtu: (mtu) => this.#setOverlayMtu(mtu) });
    const routes = new NodeRoutes({ nodeName, podRanges, nodes: () => all.list(), vxlan, overlay, logger });
    watch.onRemoved(overlay.watched, () => routes.wake());
    all.addHandlers({
      onAdd: () => routes.wake(),
      onUpdate: (old, place) => isSame(old, place) || routes.wake(),
      onDelete: () => routes.wake(),
    });
    const following = all.run(signal);
    // Before the first list is in, the routes that are there would look like those of nodes that have gone.
    await all.hasSynced().catch(() => undefined);
    await Promise.all([following, signal.aborted ? undefined : routes.run(signal)]);
  }

  /** Pods that are there already learn it from the kernel, packet by packet (path MTU discovery). */
  #setOverlayMtu(mtu: number | undefined): void {
    this.#overlayMtu = mtu;
    if (this.#podCidrs.length > 0) this.#write();
  }

  #configure(texts: readonly string[]): void {
    const { podRanges, logger } = this.#options;
    // Those of a family that this host lacks, or that a node's own settings leave out, are nobody's here.
    const podCidrs = texts
      .flatMap((text) => Cidr.parse(text) ?? [])
      .filter(({ family }) => rangeOf(family, podRanges) !== undefined);
    if (podCidrs.length === 0 || podCidrs.join() === this.#podCidrs.join()) return;
    this.#podCidrs = podCidrs;
    for (const podCidr of podCidrs) {
      const warning = rangeWarning(podRanges, podCidr);
      if (warning !== undefined) logger.warn({ clusterCidr: podRanges.join(), podCidr: podCidr.text }, warning);
    }
    this.#write();
  }

  #write(): void {
    const podCidrs = this.#podCidrs;
    const { cniConfDir, onConfigured, logger, bridgeName, stateDir } = this.#options;
    const network = { bridgeName, stateDir, mtu: this.#options.mtu || (this.#overlayMtu ?? 0) };
    this.#writing = this.#writing
      .then(async () => {
        if (await writeCniConfig(cniConfDir, { ...network, podCidrs }))
          logger.info({ podCidrs: podCidrs.map(({ text }) => text), mtu: network.mtu }, 'pod network configured');
        this.#configured.resolve();
        onConfigured();
      })
      .catch((error: unknown) => {
        this.#podCidrs = [];
        logger.error({ err: error }, 'failed to write CNI configuration');
      });
  }
}

/** A sentence for the operator when the cluster assigned this node a podCIDR outside of the range of its family. */
export function rangeWarning(podRanges: readonly Cidr[], podCidr: Cidr): string | undefined {
  const range = rangeOf(podCidr.family, podRanges);
  if (!range || range.contains(podCidr.network)) return undefined;
  return (
    `cluster-cidr is ${range.text} here, but this cluster gives the node's pods addresses of ${podCidr.text}: set it to the ` +
    "cluster's; until then, the pods reach nothing outside of the cluster"
  );
}
