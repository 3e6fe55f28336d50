/**
 * The taint eviction controller: deletes pods that do not tolerate the NoExecute taints of their node (any longer). Upstream:
 * pkg/controller/tainteviction.
 */
import { msUntil, wallTimeOf } from '../../../client/clock.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import { objectKey } from '../../../client/informer.ts';
import { pods as podResource } from '../../../client/resources.gen.ts';
import { nodeCache, podCache } from '../caches/definitions.ts';
import type { PodView } from '../caches/pod-view.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { unlessGone } from '../framework/outcomes.ts';
import { watch } from '../framework/watch.ts';
import { evictionTime } from './taint-eviction-plan.ts';

export const taintEvictionController: ControllerDescriptor = { name: 'taint-eviction-controller', workers: 5, create };

function create({ client, informer, recorder, queue }: ControllerContext): Controller {
  const nodes = informer(nodeCache);
  const pods = informer(podCache);
  const events = recorder('taint-eviction-controller');
  /** Since when, in moments of `performance.now()`, pods are known to have to go. */
  const noticed = new Map<string, number>();

  const hasNoExecute = (nodeName: string): boolean =>
    nodes.get('', nodeName)?.taints.some(({ effect }) => effect === 'NoExecute') ?? false;

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const pod = pods.getByKey(key);
    const node = pod && nodes.get('', pod.nodeName);
    if (!pod || !node || pod.deleting) return undefined;
    const regarding = { kind: 'Pod', apiVersion: 'v1', namespace: pod.namespace, name: pod.name, uid: pod.uid };
    const noticedAt = noticed.get(key) ?? performance.now();
    const at = evictionTime(node.taints, pod.tolerations, {
      createdAt: pod.createdAt,
      noticedAt: wallTimeOf(noticedAt),
    });
    if (at === Infinity) {
      if (noticed.delete(key)) {
        events.event(regarding, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${key}`);
      }
      return undefined;
    }
    const waitMs = msUntil(at);
    if (waitMs > 0) {
      noticed.set(key, noticedAt);
      return waitMs;
    }
    events.event(regarding, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`);
    await unlessGone(evict(pod, signal));
    return undefined;
  }

  async function evict({ namespace, name, uid }: PodView, signal: AbortSignal): Promise<void> {
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
      message: 'Taint manager: deleting due to NoExecute taint',
      lastTransitionTime: timeOf(Date.now()),
    };
    const patch = { metadata: { uid }, status: { conditions: [condition] } };
    await client.patch(podResource, namespace, name, patch, { type: 'strategic', subresource: 'status', signal });
    await client.delete(podResource, namespace, name, { uid, signal });
  }

  return {
    watches: () => {
      const wakePodsOf = (node: string): void => {
        for (const { namespace, name } of pods.byIndex('node', node)) queue.add(objectKey(namespace, name));
      };
      const wake = (pod: PodView, key: string): void => {
        if (pod.nodeName && hasNoExecute(pod.nodeName)) queue.add(key);
      };
      return [
        watch(nodes, {
          onAdd: ({ name }) => void (hasNoExecute(name) && wakePodsOf(name)),
          onUpdate: (old, { name, taints }) => void (old.taints !== taints && wakePodsOf(name)),
        }),
        watch(pods, {
          onAdd: wake,
          onUpdate: (old, pod, key) => {
            if (old.nodeName !== pod.nodeName || old.tolerations !== pod.tolerations) wake(pod, key);
          },
          onDelete: (_, key) => noticed.delete(key),
        }),
      ];
    },
    reconcile,
  };
}
