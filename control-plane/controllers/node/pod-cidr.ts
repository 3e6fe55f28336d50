/** The node IPAM controller: gives each node a part of the cluster's pod addresses, for as long as the node is there. */
import { isNotFound } from '../../../api/machinery/status-error.ts';
import { createQueue, createRecorder, type ControllerContext } from '../context.ts';
import { nodes as nodeResource } from '../../../client/resources.gen.ts';

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

/** Follows nodes until the signal is aborted. What is given out is read back from the nodes themselves. */
export async function runPodCidrController(context: ControllerContext, options: PodCidrOptions): Promise<void> {
  const { client, informers, signal } = context;
  // One at a time: what is given to one node must be seen when the next one asks.
  const queue = createQueue(context, 'node-ipam', 1);
  const recorder = createRecorder(context, 'cidrAllocator');
  /** Given out, and perhaps not in the picture of the nodes yet: by node name. */
  const given = new Map<string, string>();
  informers.nodes.addHandlers({
    onAdd: ({ name, podCIDR }) => void (podCIDR || queue.add(name)),
    onUpdate: (_, { name, podCIDR }) => void (podCIDR ? given.delete(name) : queue.add(name)),
    onDelete: ({ name, podCIDR }) => {
      given.delete(name);
      // Its part is free again, and another node may be waiting for it.
      if (podCIDR) for (const node of informers.nodes.values()) if (!node.podCIDR) queue.add(node.name);
    },
  });

  async function sync(name: string): Promise<void> {
    const node = informers.nodes.get('', name);
    if (!node || node.podCIDR || node.deleting) return;
    const used = informers.nodes.list().flatMap(({ podCIDR }) => podCIDR || []);
    const podCIDR = given.get(name) ?? nextPodCidr([...used, ...given.values()], options);
    if (podCIDR === undefined) {
      const regarding = { kind: 'Node', apiVersion: 'v1', name, uid: node.uid };
      recorder.event(regarding, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`);
      throw new Error(`no free /${options.nodeMaskSize} left in ${options.clusterCidr} for node ${name}`);
    }
    given.set(name, podCIDR);
    const patch = { metadata: { uid: node.uid }, spec: { podCIDR, podCIDRs: [podCIDR] } };
    try {
      await client.patch(nodeResource, '', name, patch, { signal });
    } catch (error) {
      given.delete(name);
      if (!isNotFound(error)) throw error;
    }
  }

  await informers.nodes.hasSynced();
  await queue.run(sync, signal);
}
