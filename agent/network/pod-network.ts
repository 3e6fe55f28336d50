/** Follows the Nodes: this one's podCIDR makes the pods' network here, the others' make routes. */
import type { Node } from '../../api/core/node.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { Informer } from '../../client/informer.ts';
import type { Logger } from '../../client/logger.ts';
import { nodes } from '../../client/resources.ts';
import { writeCniConfig, type PodNetwork as CniNetwork } from './cni-config.ts';
import { NodeRoutes, type NodePlace } from './node-routes.ts';

export interface PodNetworkOptions extends Omit<CniNetwork, 'podCidr'> {
  readonly client: ApiClient;
  readonly nodeName: string;
  readonly cniConfDir: string;
  /** Whether routes to the other nodes' pods are set on this host. */
  readonly hostRoutes: boolean;
  /** The CNI configuration has been written: the runtime is about to have a network. */
  readonly onConfigured: () => void;
  /** Somebody deleted this host's Node. */
  readonly onNodeDeleted: () => void;
  readonly logger: Logger;
}

/** What is kept of a Node. */
const placeOf = ({ metadata, spec, status }: Node): NodePlace => ({
  name: metadata?.name ?? '',
  podCidr: spec?.podCIDR ?? '',
  address: status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '',
});

const isSame = (a: NodePlace, b: NodePlace): boolean => a.podCidr === b.podCidr && a.address === b.address;

export class PodNetwork {
  readonly #options: PodNetworkOptions;
  readonly #configured = Promise.withResolvers<void>();
  #podCidr = '';
  /** Writes follow each other; the last one says what the last Node said. */
  #writing: Promise<void> = Promise.resolve();

  constructor(options: PodNetworkOptions) {
    this.#options = options;
  }

  /** Resolves when the pods' network is written down for the first time since the agent started. */
  get configured(): Promise<void> {
    return this.#configured.promise;
  }

  /** Until the signal is aborted; network and routes stay in force then. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, nodeName, hostRoutes, logger, onNodeDeleted } = this.#options;
    const informer = new Informer({ client, resource: nodes, logger, select: placeOf });
    const routes = new NodeRoutes({ nodeName, nodes: () => informer.list(), logger });
    const seen = (place: NodePlace): void => {
      if (place.name === nodeName) this.#configure(place.podCidr);
      else routes.wake();
    };
    informer.addHandlers({
      onAdd: seen,
      onUpdate: (old, place) => isSame(old, place) || seen(place),
      onDelete: ({ name }) => (name === nodeName ? onNodeDeleted() : routes.wake()),
    });
    const following = informer.run(signal);
    await informer.hasSynced().catch(() => undefined);
    await Promise.all([following, hostRoutes && !signal.aborted ? routes.run(signal) : undefined]);
    await this.#writing;
  }

  #configure(podCidr: string): void {
    if (podCidr === '' || podCidr === this.#podCidr) return;
    this.#podCidr = podCidr;
    const { cniConfDir, onConfigured, logger, ...network } = this.#options;
    this.#writing = this.#writing
      .then(async () => {
        if (await writeCniConfig(cniConfDir, { ...network, podCidr }))
          logger.info({ podCidr }, 'pod network configured');
        this.#configured.resolve();
        onConfigured();
      })
      .catch((error: unknown) => {
        this.#podCidr = '';
        logger.error({ err: (error as Error).message }, "cannot write the pods' network configuration");
      });
  }
}
