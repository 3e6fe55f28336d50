/** The Nodes and Leases of hollow nodes: as an agent keeps those of its host, but with one watch for all of them. */
import { ZONE_LABEL } from '../../api/domain/topology-labels.ts';
import { randomUUID } from 'node:crypto';
import { release } from 'node:os';
import { Cidr } from '../../api/domain/address.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { Informer } from '../../client/informer.ts';
import type { Logger } from '../../client/logger.ts';
import { nodes } from '../../client/resources.gen.ts';
import type { HostFacts } from '../host/host-facts.ts';
import { Heartbeat } from '../node/heartbeat.ts';
import { NodeRegistration, type FollowNode } from '../node/node-registration.ts';
import type { NodeObservation } from '../node/node-status.ts';
import { hollowAddress } from './addresses.ts';
import type { ResourceList } from '../../api/domain/resource-names.ts';
import type { Node } from '../../api/types/core/v1.gen.ts';

/** The label of every hollow node; its value is the prefix of their names. */
export const HOLLOW_LABEL = 'kedge.io/hollow';

/** How many nodes are registered at the same time. */
const REGISTERING = 32;

/** Of a node that is well and has no images. */
const WELL: NodeObservation = {
  problems: [],
  pressure: {},
  images: [],
  features: {},
  nodeApi: { status: 'False', reason: 'Hollow', message: 'a hollow node has no node API' },
  volumesInUse: [],
  devices: { capacity: {}, allocatable: {} },
};

export interface HollowNodesOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  readonly prefix: string;
  readonly count: number;
  /** The nodes are spread evenly over so many zones. */
  readonly zones: number;
  readonly capacity: ResourceList;
  readonly leaseSeconds: number;
}

/** A node's part in running pods: its addresses. */
export class HollowNode {
  readonly name: string;
  readonly address: string;
  readonly #taken = new Set<string>();
  #podCidr: Cidr | undefined;

  constructor(name: string, address: string) {
    this.name = name;
    this.address = address;
  }

  /** The controllers have assigned it its range of pods' addresses. */
  assigned(podCidr: string | undefined): void {
    if (podCidr !== undefined) this.#podCidr = Cidr.parse(podCidr);
  }

  /** A free address for a pod; undefined while the node has none. */
  take(): string | undefined {
    const range = this.#podCidr;
    if (!range) return undefined;
    // The network's own address, the bridge's, and the last are not for pods.
    for (let index = 2n; index < range.size - 1n; index++) {
      const address = range.at(index)?.text ?? '';
      if (this.#taken.has(address)) continue;
      this.#taken.add(address);
      return address;
    }
    return undefined;
  }

  giveBack(address: string): void {
    this.#taken.delete(address);
  }
}

export class HollowNodes {
  readonly #options: HollowNodesOptions;
  readonly #byName = new Map<string, HollowNode>();
  readonly #informer: Informer<Node>;

  constructor(options: HollowNodesOptions) {
    const { client, logger, prefix, count } = options;
    this.#options = options;
    for (let index = 0; index < count; index++) {
      const node = new HollowNode(`${prefix}-${index}`, hollowAddress(index));
      this.#byName.set(node.name, node);
    }
    this.#informer = new Informer({ client, logger, resource: nodes, labelSelector: `${HOLLOW_LABEL}=${prefix}` });
  }

  get(name: string | undefined): HollowNode | undefined {
    return this.#byName.get(name ?? '');
  }

  /** Registers the nodes and keeps them alive until the signal is aborted. `onChange`: a node may have got its addresses. */
  async run(signal: AbortSignal, onChange: (node: HollowNode) => void): Promise<void> {
    const { logger, count, prefix } = this.#options;
    const seen = new Map<string, (node: Node) => void>();
    const forgotten = new Map<string, () => void>();
    const see = (object: Node): void => {
      const node = this.get(object.metadata?.name);
      if (!node) return;
      node.assigned(object.spec?.podCIDR);
      seen.get(node.name)?.(object);
      onChange(node);
    };
    this.#informer.addHandlers({
      onAdd: see,
      onUpdate: (_, object) => see(object),
      onDelete: (object) => forgotten.get(object.metadata?.name ?? '')?.(),
    });
    const watching = this.#informer.run(signal);
    const kept: Promise<void>[] = [];
    const waiting = [...this.#byName.values()].entries();
    const register = async (): Promise<void> => {
      for (const [index, node] of waiting) {
        const registration = this.#registration(node, index, (toSee) => {
          seen.set(node.name, toSee);
          return watching;
        });
        forgotten.set(node.name, () => registration.forget());
        await registration.register(signal);
        const { client, leaseSeconds } = this.#options;
        const nodeUid = (): string | undefined => registration.uid;
        const heartbeat = new Heartbeat({ client, logger, nodeName: node.name, nodeUid, leaseSeconds });
        kept.push(registration.run(signal), heartbeat.run(signal));
      }
    };
    await Promise.all(Array.from({ length: REGISTERING }, register));
    logger.info({ nodes: count, prefix }, 'hollow nodes registered');
    await Promise.all([watching, ...kept]);
  }

  #registration(node: HollowNode, index: number, follow: FollowNode): NodeRegistration {
    const { client, logger, prefix, zones, capacity } = this.#options;
    return new NodeRegistration({
      client,
      logger: withoutNews(logger),
      labels: { [HOLLOW_LABEL]: prefix, ...(zones > 0 && { [ZONE_LABEL]: `zone-${index % zones}` }) },
      annotations: {},
      taints: [],
      description: {
        name: node.name,
        addresses: [node.address],
        addressing: 'own',
        port: 0,
        facts: hollowFacts(),
        runtimeVersion: 'hollow://1',
        capacity,
        allocatable: capacity,
      },
      observe: () => Promise.resolve(WELL),
      // Thousands of nodes that become ready are no news.
      record: () => undefined,
      follow,
    });
  }
}

/** That one of thousands of nodes has been registered is for debugging. */
const withoutNews = (logger: Logger): Logger => ({
  debug: (fields, message) => logger.debug(fields, message),
  info: (fields, message) => logger.debug(fields, message),
  warn: (fields, message) => logger.warn(fields, message),
  error: (fields, message) => logger.error(fields, message),
});

/** Each is a machine of its own. */
const hollowFacts = (): HostFacts => ({
  osImage: 'hollow',
  kernelVersion: release(),
  machineId: randomUUID().replaceAll('-', ''),
  systemUuid: randomUUID(),
  bootId: randomUUID(),
});
