/** The pod garbage collector: removes pods that nothing else will remove. */
import { timeOf } from '../../api/machinery/time.ts';
import { isConflict, isNotFound } from '../../api/machinery/status-error.ts';
import { createQueue, type ControllerContext } from './context.ts';
import { isTerminated, type PodView } from './pod-view.ts';
import { nodes as nodeResource, pods as podResource } from '../../client/resources.gen.ts';

/** Upstream's --terminated-pod-gc-threshold. */
export const TERMINATED_LIMIT = 12_500;
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

/** Told to go before it was bound to a node: no agent will ever confirm that it has gone. */
export const isUnscheduledAndDeleting = (pod: PodView): boolean => pod.deleting && pod.nodeName === '';

const TERMINATED = 'terminated';
const nodeKey = (name: string): string => `node ${name}`;

/** Follows pods and nodes until the signal is aborted. The informers run elsewhere. */
export async function runPodGarbageCollector(context: ControllerContext): Promise<void> {
  const { client, informers, logger, signal } = context;
  const queue = createQueue(context, 'pod-garbage-collector', 1);
  const suspect = (nodeName: string): void => {
    if (nodeName && !informers.nodes.get('', nodeName)) queue.addAfter(nodeKey(nodeName), QUARANTINE_MS);
  };
  informers.pods.addHandlers({
    onAdd: (pod, key) => {
      if (isUnscheduledAndDeleting(pod)) queue.add(key);
      if (informers.nodes.isSynced) suspect(pod.nodeName);
      if (isTerminated(pod)) queue.addAfter(TERMINATED, COUNT_PERIOD_MS);
    },
    onUpdate: (old, pod, key) => {
      if (isUnscheduledAndDeleting(pod)) queue.add(key);
      if (old.nodeName !== pod.nodeName) suspect(pod.nodeName);
      if (isTerminated(pod) && !isTerminated(old)) queue.addAfter(TERMINATED, COUNT_PERIOD_MS);
    },
  });
  informers.nodes.addHandlers({ onDelete: ({ name }) => suspect(name) });

  async function sync(key: string): Promise<void> {
    if (key === TERMINATED) {
      for (const pod of surplusTerminated(informers.pods.values(), TERMINATED_LIMIT)) await remove(pod);
      return;
    }
    if (key.startsWith('node ')) return await collectOrphans(key.slice('node '.length));
    const pod = informers.pods.getByKey(key);
    if (pod && isUnscheduledAndDeleting(pod)) await remove(pod);
  }

  async function collectOrphans(nodeName: string): Promise<void> {
    if (informers.nodes.get('', nodeName) || (await isThere(nodeName))) return;
    for (const pod of informers.pods.byIndex('node', nodeName)) {
      logger.info({ pod: `${pod.namespace}/${pod.name}`, node: nodeName }, 'deleting pod of removed node');
      if (!isTerminated(pod)) await markFailed(pod);
      await remove(pod);
    }
  }

  /** The picture may lag behind: a node that has just come must not lose its pods. */
  async function isThere(nodeName: string): Promise<boolean> {
    try {
      await client.get(nodeResource, '', nodeName, { signal });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  async function markFailed({ namespace, name, uid }: PodView): Promise<void> {
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByPodGC',
      message: 'PodGC: node no longer exists',
      lastTransitionTime: timeOf(Date.now()),
    };
    const patch = { metadata: { uid }, status: { phase: 'Failed', conditions: [condition] } };
    const options = { type: 'strategic', subresource: 'status', signal } as const;
    await ignoringGone(client.patch(podResource, namespace, name, patch, options));
  }

  const remove = ({ namespace, name, uid }: PodView): Promise<void> =>
    ignoringGone(client.delete(podResource, namespace, name, { uid, gracePeriodSeconds: 0, signal }));

  await Promise.all([informers.pods.hasSynced(), informers.nodes.hasSynced()]);
  for (const { nodeName } of informers.pods.values()) suspect(nodeName);
  await queue.run(sync, signal);
}

/** Another pod of that name by now, or none. */
async function ignoringGone(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}
