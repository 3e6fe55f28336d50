/** The taint eviction controller: deletes pods that do not tolerate the NoExecute taints of their node (any longer). */
import { timeOf } from '../../../api/machinery/time.ts';
import { isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import { objectKey } from '../../../client/informer.ts';
import { createQueue, createRecorder, type ControllerContext } from '../context.ts';
import type { PodView } from '../pod-view.ts';
import { evictionTime } from './taint-eviction-plan.ts';
import { pods as podResource } from '../../../client/resources.gen.ts';

/** Follows nodes and pods until the signal is aborted. The informers run elsewhere. */
export async function runTaintEvictionController(context: ControllerContext): Promise<void> {
  const { client, informers, signal } = context;
  const queue = createQueue(context, 'taint-eviction');
  const recorder = createRecorder(context, 'taint-eviction-controller');
  /** Since when, in ms since the epoch, pods are known to have to go. */
  const noticed = new Map<string, number>();

  const hasNoExecute = (nodeName: string): boolean =>
    informers.nodes.get('', nodeName)?.taints.some(({ effect }) => effect === 'NoExecute') ?? false;
  informers.nodes.addHandlers({
    onAdd: ({ name }) => void (hasNoExecute(name) && wakePodsOf(name)),
    onUpdate: (old, { name, taints }) => void (old.taints !== taints && wakePodsOf(name)),
  });
  const wake = (pod: PodView, key: string): void => {
    if (pod.nodeName && hasNoExecute(pod.nodeName)) queue.add(key);
  };
  informers.pods.addHandlers({
    onAdd: wake,
    onUpdate: (old, pod, key) => {
      if (old.nodeName !== pod.nodeName || old.tolerations !== pod.tolerations) wake(pod, key);
    },
    onDelete: (_, key) => noticed.delete(key),
  });
  function wakePodsOf(node: string): void {
    for (const { namespace, name } of informers.pods.byIndex('node', node)) queue.add(objectKey(namespace, name));
  }

  async function sync(key: string): Promise<void> {
    const pod = informers.pods.getByKey(key);
    const node = pod && informers.nodes.get('', pod.nodeName);
    if (!pod || !node || pod.deleting) return;
    const regarding = { kind: 'Pod', apiVersion: 'v1', namespace: pod.namespace, name: pod.name, uid: pod.uid };
    const noticedAt = noticed.get(key) ?? Date.now();
    const at = evictionTime(node.taints, pod.tolerations, { createdAt: pod.createdAt, noticedAt });
    if (at === Infinity) {
      if (noticed.delete(key)) {
        recorder.event(regarding, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${key}`);
      }
      return;
    }
    const waitMs = at - Date.now();
    if (waitMs > 0) {
      noticed.set(key, noticedAt);
      queue.addAfter(key, waitMs);
      return;
    }
    recorder.event(regarding, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`);
    await evict(pod);
  }

  async function evict({ namespace, name, uid }: PodView): Promise<void> {
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
      message: 'Taint manager: deleting due to NoExecute taint',
      lastTransitionTime: timeOf(Date.now()),
    };
    const patch = { metadata: { uid }, status: { conditions: [condition] } };
    try {
      await client.patch(podResource, namespace, name, patch, { type: 'strategic', subresource: 'status', signal });
      await client.delete(podResource, namespace, name, { uid, signal });
    } catch (error) {
      // Another pod of that name by now, or none.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  await Promise.all([informers.nodes.hasSynced(), informers.pods.hasSynced()]);
  await queue.run(sync, signal);
}
