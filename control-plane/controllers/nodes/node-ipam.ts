/**
 * The node IPAM controller: gives each node a part of the cluster's pod addresses, for as long as the node is there. Upstream:
 * pkg/controller/nodeipam.
 */
import { isNotFound } from '../../../api/machinery/status-error.ts';
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

const toNumber = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const toAddress = (value: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');

interface Range {
  readonly first: number;
  readonly size: number;
}

function parseRange(cidr: string): Range {
  const [address = '', prefix = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(prefix));
  return { first: Math.floor(toNumber(address) / size) * size, size };
}

/** The first part that overlaps none of the used ranges; undefined when all are taken. */
export function nextPodCidr(used: Iterable<string>, { clusterCidr, nodeMaskSize }: PodCidrOptions): string | undefined {
  const cluster = parseRange(clusterCidr);
  const size = 2 ** (32 - nodeMaskSize);
  const taken = new Set<number>();
  for (const cidr of used) {
    const range = parseRange(cidr);
    const from = Math.floor(range.first / size) * size;
    for (let part = from; part < range.first + range.size; part += size) taken.add(part);
  }
  for (let part = cluster.first; part < cluster.first + cluster.size; part += size) {
    if (!taken.has(part)) return `${toAddress(part)}/${nodeMaskSize}`;
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

function create({ client, informer, recorder, queue }: ControllerContext, options: PodCidrOptions): Controller {
  const nodes = informer(nodeCache);
  const events = recorder('cidrAllocator');
  /** Allocated, and perhaps not in the cache of the nodes yet: by node name. */
  const allocated = new Map<string, string>();

  async function reconcile(name: string, signal: AbortSignal): Promise<undefined> {
    const node = nodes.get('', name);
    if (!node || node.podCIDR || node.deleting) return;
    const used = nodes.list().flatMap(({ podCIDR }) => podCIDR || []);
    const podCIDR = allocated.get(name) ?? nextPodCidr([...used, ...allocated.values()], options);
    if (podCIDR === undefined) {
      const regarding = { kind: 'Node', apiVersion: 'v1', name, uid: node.uid };
      events.event(regarding, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`);
      throw new Error(`no free /${options.nodeMaskSize} left in ${options.clusterCidr} for node ${name}`);
    }
    allocated.set(name, podCIDR);
    const patch = { metadata: { uid: node.uid }, spec: { podCIDR, podCIDRs: [podCIDR] } };
    try {
      await client.patch(nodeResource, '', name, patch, { signal });
    } catch (error) {
      allocated.delete(name);
      if (!isNotFound(error)) throw error;
    }
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
