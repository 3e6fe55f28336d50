/**
 * The node IPAM controller: gives each node a part of the cluster's pod addresses, for as long as the node is there. Upstream:
 * pkg/controller/nodeipam.
 */
import { Cidr, IpAddress } from '../../../api/domain/address.ts';
import { StatusError, isNotFound } from '../../../api/machinery/status-error.ts';
import { nodes as nodeResource } from '../../../client/resources.gen.ts';
import { nodeCache } from '../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { watch } from '../framework/watch.ts';

export interface PodCidrOptions {
  /** IPv4, as `10.42.0.0/16`. */
  readonly clusterCidr: string;
  /** Prefix length of a node's part. */
  readonly nodeMaskSize: number;
}

/**
 * The first part that overlaps none of the used ranges; undefined when all are taken. Used ranges may be of any size and family, and
 * those that cannot be parsed take nothing: users may have written them.
 */
export function nextPodCidr(used: Iterable<string>, { clusterCidr, nodeMaskSize }: PodCidrOptions): string | undefined {
  const cluster = Cidr.parse(clusterCidr);
  const first = Cidr.parse(`${cluster?.network.text}/${nodeMaskSize}`);
  if (!cluster || !first) throw new RangeError(`${clusterCidr} has no parts of /${nodeMaskSize}`);
  const taken = new Set<bigint>();
  for (const text of used) {
    const range = Cidr.parse(text);
    if (range?.contains(cluster.network) && range.length <= cluster.length) return undefined;
    if (!range || !cluster.contains(range.network)) continue;
    const start = range.network.value - (range.network.value % first.size);
    for (let part = start; part < range.network.value + range.size; part += first.size) taken.add(part);
  }
  const end = cluster.network.value + cluster.size;
  for (let part = cluster.network.value; part < end; part += first.size) {
    if (!taken.has(part)) return `${IpAddress.of(cluster.family, part).text}/${nodeMaskSize}`;
  }
  return undefined;
}

/** What is allocated is read back from the nodes themselves. */
export const nodeIpamController = (options: PodCidrOptions): ControllerDescriptor => ({
  name: 'node-ipam-controller',
  // One at a time: what is allocated to one node must be seen when the next one asks.
  workers: 1,
  create: (context) => create(context, options),
});

/** How soon a node is looked at again for which no part is left, though no other node has gone. */
const EXHAUSTED_RETRY_MS = 60_000;

function create({ client, informer, logger, recorder, queue }: ControllerContext, options: PodCidrOptions): Controller {
  const nodes = informer(nodeCache);
  const events = recorder('cidrAllocator');
  /** Allocated, and perhaps not in the cache of the nodes yet: by node name. */
  const allocated = new Map<string, string>();

  async function reconcile(name: string, signal: AbortSignal): Promise<number | undefined> {
    const node = nodes.get('', name);
    if (!node || node.podCIDR || node.deleting) return undefined;
    const used = nodes.list().flatMap(({ podCIDR }) => podCIDR || []);
    const podCIDR = allocated.get(name) ?? nextPodCidr([...used, ...allocated.values()], options);
    if (podCIDR === undefined) {
      const regarding = { kind: 'Node', apiVersion: 'v1', name, uid: node.uid };
      events.event(regarding, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`);
      logger.warn({ node: name, ...options }, 'no pod CIDR left');
      return EXHAUSTED_RETRY_MS;
    }
    allocated.set(name, podCIDR);
    const patch = { metadata: { uid: node.uid }, spec: { podCIDR, podCIDRs: [podCIDR] } };
    try {
      await client.patch(nodeResource, '', name, patch, { signal });
    } catch (error) {
      // After a timeout it may have been written: another node must not get it then.
      if (error instanceof StatusError && error.code < 500) allocated.delete(name);
      if (!isNotFound(error)) throw error;
    }
    return undefined;
  }

  return {
    watches: () => [
      watch(nodes, {
        onAdd: ({ name, podCIDR }) => void (podCIDR || queue.add(name)),
        onUpdate: (_, { name, podCIDR }) => void (podCIDR ? allocated.delete(name) : queue.add(name)),
        onDelete: ({ name, podCIDR }) => {
          allocated.delete(name);
          // Its part is free again, and another node may be waiting for it.
          if (podCIDR) for (const node of nodes.values()) if (!node.podCIDR) queue.add(node.name);
        },
      }),
    ],
    reconcile,
  };
}
