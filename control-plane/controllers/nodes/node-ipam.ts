/**
 * The node IPAM controller: gives each node a part of the cluster's pod addresses, for as long as the node is there. Upstream:
 * pkg/controller/nodeipam.
 */
import { Cidr, IpAddress, type IpFamily } from '../../../api/domain/address.ts';
import { clusterRanges } from '../../../api/domain/cluster-ranges.ts';
import { StatusError, isNotFound } from '../../../api/machinery/status-error.ts';
import { nodes as nodeResource } from '../../../client/resources.gen.ts';
import { nodeCache } from '../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { watch } from '../framework/watch.ts';

export interface PodRange {
  readonly range: Cidr;
  /** Prefix length of a node's part. */
  readonly nodeMaskSize: number;
}

/** @param clusterCidr as `10.42.0.0/16`, or two of different families; throws RangeError for others. */
export const podRanges = (
  clusterCidr: string,
  nodeMaskSizes: Readonly<Record<IpFamily, number>>,
): readonly PodRange[] =>
  clusterRanges(clusterCidr).map((range) => ({ range, nodeMaskSize: nodeMaskSizes[range.family] }));

/**
 * The first part that overlaps none of the used ranges; undefined when all are taken. Used ranges may be of any size and family, and
 * those that cannot be parsed take nothing: users may have written them.
 */
export function nextPodCidr(used: Iterable<string>, { range: cluster, nodeMaskSize }: PodRange): string | undefined {
  const first = Cidr.parse(`${cluster.network.text}/${nodeMaskSize}`);
  if (!first) throw new RangeError(`${cluster.text} has no parts of /${nodeMaskSize}`);
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

/**
 * What the node has, and a part of each range of whose family it has none; undefined when one has none left, or when it has all.
 * What it has is kept, in its order: a cluster that gets a second family adds to it.
 */
export function completedPodCidrs(
  present: readonly string[],
  used: readonly string[],
  ranges: readonly PodRange[],
): readonly string[] | undefined {
  const wanted = lacking(present, ranges);
  const parts = wanted.flatMap((range) => nextPodCidr(used, range) ?? []);
  return wanted.length > 0 && parts.length === wanted.length ? [...present, ...parts] : undefined;
}

/** The ranges that the node has no part of. A value that cannot be parsed may be of any family: nothing is added to it. */
function lacking(present: readonly string[], ranges: readonly PodRange[]): readonly PodRange[] {
  const families = new Set(present.map((text) => Cidr.parse(text)?.family));
  return families.has(undefined) ? [] : ranges.filter(({ range }) => !families.has(range.family));
}

/** What is allocated is read back from the nodes themselves. */
export const nodeIpamController = (ranges: readonly PodRange[]): ControllerDescriptor => ({
  name: 'node-ipam-controller',
  // One at a time: what is allocated to one node must be seen when the next one asks.
  workers: 1,
  create: (context) => create(context, ranges),
});

/** How soon a node is looked at again for which no part is left, though no other node has gone. */
const EXHAUSTED_RETRY_MS = 60_000;

function create(
  { client, informer, logger, recorder, queue }: ControllerContext,
  ranges: readonly PodRange[],
): Controller {
  const nodes = informer(nodeCache);
  const events = recorder('cidrAllocator');
  /** Allocated, and perhaps not in the cache of the nodes yet: by node name. */
  const allocated = new Map<string, readonly string[]>();
  const isComplete = (podCIDRs: readonly string[]): boolean => lacking(podCIDRs, ranges).length === 0;

  async function reconcile(name: string, signal: AbortSignal): Promise<number | undefined> {
    const node = nodes.get('', name);
    if (!node || isComplete(node.podCIDRs) || node.deleting) return undefined;
    const used = [...nodes.list().map(({ podCIDRs }) => podCIDRs), ...allocated.values()].flat();
    const podCIDRs = allocated.get(name) ?? completedPodCidrs(node.podCIDRs, used, ranges);
    if (podCIDRs === undefined) {
      const regarding = { kind: 'Node', apiVersion: 'v1', name, uid: node.uid };
      events.event(regarding, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`);
      logger.warn({ node: name, ranges: ranges.map(({ range }) => range.text) }, 'no pod CIDR left');
      return EXHAUSTED_RETRY_MS;
    }
    allocated.set(name, podCIDRs);
    const patch = { metadata: { uid: node.uid }, spec: { podCIDR: podCIDRs[0], podCIDRs } };
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
        onAdd: ({ name, podCIDRs }) => void (isComplete(podCIDRs) || queue.add(name)),
        onUpdate: (_, { name, podCIDRs }) => void (isComplete(podCIDRs) ? allocated.delete(name) : queue.add(name)),
        onDelete: ({ name, podCIDRs }) => {
          allocated.delete(name);
          // Its parts are free again, and another node may be waiting for one.
          if (podCIDRs.length > 0)
            for (const node of nodes.values()) if (!isComplete(node.podCIDRs)) queue.add(node.name);
        },
      }),
    ],
    reconcile,
  };
}
