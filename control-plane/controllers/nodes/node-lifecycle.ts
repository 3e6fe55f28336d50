/**
 * The node lifecycle controller: notices nodes that have gone silent, and says so in conditions, taints and pods. Upstream:
 * pkg/controller/nodelifecycle.
 */
import { once } from 'node:events';
import { NODE_LEASE_NAMESPACE } from '../../../api/domain/node-identity.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import { referenceTo } from '../../../client/event-recorder.ts';
import { nodes as nodeResource, pods as podResource } from '../../../client/resources.gen.ts';
import { leaseCache, nodeCache, podCache } from '../caches/definitions.ts';
import { readyStatus, type NodeView } from '../caches/node-view.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { unlessNotFound } from '../framework/outcomes.ts';
import { watch } from '../framework/watch.ts';
import { EvictionRateLimiter } from './eviction-rate-limiter.ts';
import { desiredTaints, evictionMode, needsEviction, unknownConditions, zoneOf } from './node-health-plan.ts';
import type { NodeCondition } from '../../../api/types/core/v1.gen.ts';

/** Upstream's --node-monitor-period. */
const MONITOR_PERIOD_MS = 5_000;

/** `graceMs`: upstream's --node-monitor-grace-period; without a sign of life for so long a node counts as lost. */
export const nodeLifecycleController = (graceMs: number): ControllerDescriptor => ({
  name: 'node-lifecycle-controller',
  workers: 5,
  create: (context) => create(context, graceMs),
});

function create({ client, informer, recorder, queue }: ControllerContext, graceMs: number): Controller {
  const nodes = informer(nodeCache);
  const leases = informer(leaseCache);
  const pods = informer(podCache);
  const events = recorder('node-controller');
  /**
   * By node, when this process last saw a sign of life, by its monotonic clock: clocks of other hosts are not compared with ours, and
   * ours may be set. A host that was suspended has not listened meanwhile.
   */
  const lastSeenAt = new Map<string, number>();
  /** Nodes that have ceased to be ready, and whose pods have not been told yet. */
  const ceased = new Set<string>();
  const limiter = new EvictionRateLimiter();

  async function reconcile(name: string, signal: AbortSignal): Promise<number | undefined> {
    const node = nodes.get('', name);
    if (!node || node.deleting) return undefined;
    await reportSilence(node, signal);
    // An agent that still speaks may have its own view of its pods afterwards; one that is silent has none.
    if (readyStatus(node) === 'Unknown' || ceased.has(name)) await markPods(node, signal);
    ceased.delete(name);
    const mode = evictionMode(node, nodes.list());
    const waitMs = needsEviction(node) ? limiter.take(zoneOf(node), name, mode, performance.now()) : 0;
    const taints = desiredTaints(node, waitMs > 0 ? 'hold' : mode, Date.now());
    if (taints !== node.taints) {
      const patch = { metadata: { resourceVersion: node.resourceVersion }, spec: { taints } };
      await unlessNotFound(client.patch(nodeResource, '', name, patch, { signal }));
    }
    return waitMs > 0 ? waitMs : undefined;
  }

  const silence = (node: NodeView): readonly NodeCondition[] | undefined => {
    const now = performance.now();
    return unknownConditions(node, now - (lastSeenAt.get(node.name) ?? now), graceMs, Date.now());
  };

  async function reportSilence(node: NodeView, signal: AbortSignal): Promise<void> {
    const conditions = silence(node);
    if (!conditions) return;
    const patch = { metadata: { uid: node.uid }, status: { conditions } };
    const options = { type: 'strategic', subresource: 'status', signal } as const;
    await unlessNotFound(client.patch(nodeResource, '', node.name, patch, options));
    const regarding = { kind: 'Node', name: node.name, uid: node.uid, apiVersion: 'v1' };
    events.event(regarding, 'Normal', 'NodeNotReady', `Node ${node.name} status is now: NodeNotReady`);
  }

  /** Pods of a lost node are ready no more, so that Services leave them out. */
  async function markPods({ name }: NodeView, signal: AbortSignal): Promise<void> {
    const ready = pods.byIndex('node', name).filter((pod) => pod.ready);
    for (const pod of ready) {
      const condition = { type: 'Ready', status: 'False', lastTransitionTime: timeOf(Date.now()) };
      const options = { type: 'strategic', subresource: 'status', signal } as const;
      const patch = { metadata: { uid: pod.uid }, status: { conditions: [condition] } };
      await unlessNotFound(client.patch(podResource, pod.namespace, pod.name, patch, options));
      const { namespace, uid } = pod;
      const regarding = referenceTo('v1', 'Pod', { metadata: { namespace, name: pod.name, uid } });
      events.event(regarding, 'Warning', 'NodeNotReady', 'Node is not ready');
    }
  }

  return {
    watches: () => {
      // Whether pods may be evicted depends on the readiness of all nodes.
      const wakeAll = (): void => {
        for (const { name } of nodes.values()) queue.add(name);
      };
      return [
        watch(nodes, {
          onAdd: ({ name }) => {
            lastSeenAt.set(name, performance.now());
            wakeAll();
          },
          onUpdate: (old, node) => {
            if (heartbeat(old) !== heartbeat(node)) lastSeenAt.set(node.name, performance.now());
            if (readyStatus(old) === 'True' && readyStatus(node) !== 'True') ceased.add(node.name);
            if (readyStatus(old) !== readyStatus(node)) wakeAll();
            else queue.add(node.name);
          },
          onDelete: ({ name }) => {
            lastSeenAt.delete(name);
            ceased.delete(name);
            wakeAll();
          },
        }),
        watch(leases, {
          onUpdate: (old, lease) => {
            if (
              lease.namespace === NODE_LEASE_NAMESPACE &&
              lease.renewTime !== old.renewTime &&
              lastSeenAt.has(lease.name)
            ) {
              lastSeenAt.set(lease.name, performance.now());
            }
          },
        }),
      ];
    },
    reconcile,
    background: async ({ signal }) => {
      // Who was silent before this process started gets a full grace from now.
      for (const name of lastSeenAt.keys()) lastSeenAt.set(name, performance.now());
      const monitor = setInterval(() => {
        for (const node of nodes.values()) if (silence(node)) queue.add(node.name);
      }, MONITOR_PERIOD_MS);
      if (!signal.aborted) await once(signal, 'abort');
      clearInterval(monitor);
    },
  };
}

const heartbeat = ({ conditions }: NodeView): string =>
  conditions.map(({ lastHeartbeatTime }) => lastHeartbeatTime).join();
