/** The pod garbage collector: removes pods that nothing else will remove. Upstream: pkg/controller/podgc. */
import { timeOf } from '../../../api/machinery/time.ts';
import { nodes as nodeResource, pods as podResource } from '../../../client/resources.gen.ts';
import { nodeCache, podCache } from '../caches/definitions.ts';
import { isTerminated, type PodView } from '../caches/pod-view.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { unlessGone, unlessNotFound } from '../framework/outcomes.ts';
import { watch } from '../framework/watch.ts';

export const podGarbageCollector: ControllerDescriptor = {
  name: 'pod-garbage-collector-controller',
  workers: 1,
  create,
};

/** Upstream's --terminated-pod-gc-threshold. */
const TERMINATED_LIMIT = 12_500;
/** How long a node must have been missing before its pods are given up: upstream's quarantine. */
const QUARANTINE_MS = 40_000;
/** Pods that have ended are counted again at most this often. */
const COUNT_PERIOD_MS = 20_000;

/** Ended pods beyond the limit, oldest first. */
export function surplusTerminated(pods: Iterable<PodView>, limit: number): PodView[] {
  const terminated: PodView[] = [];
  for (const pod of pods) if (isTerminated(pod) && !pod.deleting) terminated.push(pod);
  if (terminated.length <= limit) return [];
  return terminated.sort((a, b) => a.createdAt - b.createdAt).slice(0, terminated.length - limit);
}

/** Deleted before it was bound to a node: no agent will ever confirm that it has gone. */
const isUnscheduledAndDeleting = (pod: PodView): boolean => pod.deleting && pod.nodeName === '';

const TERMINATED = 'terminated';
const nodeKey = (name: string): string => `node ${name}`;

function create({ client, informer, logger, queue }: ControllerContext): Controller {
  const pods = informer(podCache);
  const nodes = informer(nodeCache);

  /** Its pods are given up when it is still missing after a while. */
  const suspect = (nodeName: string): void => {
    if (nodeName && !nodes.get('', nodeName)) queue.addAfter(nodeKey(nodeName), QUARANTINE_MS);
  };

  async function reconcile(key: string, signal: AbortSignal): Promise<undefined> {
    if (key === TERMINATED) {
      for (const pod of surplusTerminated(pods.values(), TERMINATED_LIMIT)) await remove(pod, signal);
      return;
    }
    if (key.startsWith('node ')) return await collectOrphans(key.slice('node '.length), signal);
    const pod = pods.getByKey(key);
    if (pod && isUnscheduledAndDeleting(pod)) await remove(pod, signal);
  }

  async function collectOrphans(nodeName: string, signal: AbortSignal): Promise<undefined> {
    if (nodes.get('', nodeName)) return;
    // The cache may lag behind: a node that has just come must not lose its pods.
    if (await unlessNotFound(client.get(nodeResource, '', nodeName, { signal }))) return;
    for (const pod of pods.byIndex('node', nodeName)) {
      logger.info({ pod: `${pod.namespace}/${pod.name}`, node: nodeName }, 'deleting pod of removed node');
      if (!isTerminated(pod)) await unlessGone(markFailed(pod, signal));
      await remove(pod, signal);
    }
  }

  async function markFailed({ namespace, name, uid }: PodView, signal: AbortSignal): Promise<void> {
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByPodGC',
      message: 'PodGC: node no longer exists',
      lastTransitionTime: timeOf(Date.now()),
    };
    const patch = { metadata: { uid }, status: { phase: 'Failed', conditions: [condition] } };
    const options = { type: 'strategic', subresource: 'status', signal } as const;
    await client.patch(podResource, namespace, name, patch, options);
  }

  async function remove({ namespace, name, uid }: PodView, signal: AbortSignal): Promise<void> {
    await unlessGone(client.delete(podResource, namespace, name, { uid, gracePeriodSeconds: 0, signal }));
  }

  return {
    watches: () => [
      watch(pods, {
        onAdd: (pod, key) => {
          if (isUnscheduledAndDeleting(pod)) queue.add(key);
          if (nodes.isSynced) suspect(pod.nodeName);
          if (isTerminated(pod)) queue.addAfter(TERMINATED, COUNT_PERIOD_MS);
        },
        onUpdate: (old, pod, key) => {
          if (isUnscheduledAndDeleting(pod)) queue.add(key);
          if (old.nodeName !== pod.nodeName) suspect(pod.nodeName);
          if (isTerminated(pod) && !isTerminated(old)) queue.addAfter(TERMINATED, COUNT_PERIOD_MS);
        },
      }),
      watch(nodes, { onDelete: ({ name }) => suspect(name) }),
    ],
    reconcile,
    background: async () => {
      for (const { nodeName } of pods.values()) suspect(nodeName);
    },
  };
}
