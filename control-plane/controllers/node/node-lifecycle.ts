/** The node lifecycle controller: notices nodes that have gone silent, and says so in conditions, taints and pods. */
import { timeOf } from '../../../api/machinery/time.ts';
import { isNotFound } from '../../../api/machinery/status-error.ts';
import { referenceTo } from '../../../client/event-recorder.ts';
import { createQueue, createRecorder, type ControllerContext } from '../context.ts';
import type { NodeView } from '../node-view.ts';
import { EvictionPace } from './eviction-pace.ts';
import { desiredTaints, evictionMode, needsTurn, readyStatus, silentConditions, zoneOf } from './node-health-plan.ts';
import { nodes as nodeResource, pods as podResource } from '../../../client/resources.gen.ts';

/** Where agents renew their Leases. */
const LEASE_NAMESPACE = 'kube-node-lease';
/** Upstream's --node-monitor-period. */
const MONITOR_PERIOD_MS = 5_000;

/** Follows nodes and their Leases until the signal is aborted. The informers run elsewhere. */
export async function runNodeLifecycleController(context: ControllerContext, graceMs: number): Promise<void> {
  const { client, informers, signal } = context;
  const queue = createQueue(context, 'node-lifecycle');
  const recorder = createRecorder(context, 'node-controller');
  /** By node, when this process last saw a sign of life: clocks of other hosts are not compared with ours. */
  const heardAt = new Map<string, number>();
  /** Nodes that have ceased to be ready, and whose pods have not been told yet. */
  const ceased = new Set<string>();
  const pace = new EvictionPace();

  informers.nodes.addHandlers({
    onAdd: ({ name }) => {
      heardAt.set(name, Date.now());
      wakeAll();
    },
    onUpdate: (old, node) => {
      if (heartbeat(old) !== heartbeat(node)) heardAt.set(node.name, Date.now());
      if (readyStatus(old) === 'True' && readyStatus(node) !== 'True') ceased.add(node.name);
      // Whether pods may be evicted depends on the readiness of all.
      if (readyStatus(old) !== readyStatus(node)) wakeAll();
      else queue.add(node.name);
    },
    onDelete: ({ name }) => {
      heardAt.delete(name);
      ceased.delete(name);
      wakeAll();
    },
  });
  informers.leases.addHandlers({
    onUpdate: (old, lease) => {
      if (lease.namespace === LEASE_NAMESPACE && lease.renewTime !== old.renewTime && heardAt.has(lease.name)) {
        heardAt.set(lease.name, Date.now());
      }
    },
  });
  function wakeAll(): void {
    for (const { name } of informers.nodes.values()) queue.add(name);
  }

  async function sync(name: string): Promise<void> {
    const node = informers.nodes.get('', name);
    if (!node || node.deleting) return;
    await reportSilence(node);
    // An agent that still speaks may have its own view of its pods afterwards; one that is silent has none.
    if (readyStatus(node) === 'Unknown' || ceased.has(name)) await markPods(node);
    ceased.delete(name);
    const now = Date.now();
    const mode = evictionMode(node, informers.nodes.list());
    const waitMs = needsTurn(node) ? pace.take(zoneOf(node), name, mode, now) : 0;
    if (waitMs > 0) queue.addAfter(name, waitMs);
    const taints = desiredTaints(node, waitMs > 0 ? 'hold' : mode, now);
    if (taints === node.taints) return;
    const patch = { metadata: { resourceVersion: node.resourceVersion }, spec: { taints } };
    await ignoringNotFound(client.patch(nodeResource, '', name, patch, { signal }));
  }

  async function reportSilence(node: NodeView): Promise<void> {
    const conditions = silentConditions(node, heardAt.get(node.name) ?? Date.now(), graceMs, Date.now());
    if (!conditions) return;
    const patch = { status: { conditions } };
    const options = { type: 'strategic', subresource: 'status', signal } as const;
    await ignoringNotFound(client.patch(nodeResource, '', node.name, patch, options));
    const regarding = { kind: 'Node', name: node.name, uid: node.uid, apiVersion: 'v1' };
    recorder.event(regarding, 'Normal', 'NodeNotReady', `Node ${node.name} status is now: NodeNotReady`);
  }

  /** Pods of a lost node are ready no more, so that Services leave them out. */
  async function markPods({ name }: NodeView): Promise<void> {
    const ready = informers.pods.byIndex('node', name).filter((pod) => pod.ready);
    for (const pod of ready) {
      const condition = { type: 'Ready', status: 'False', lastTransitionTime: timeOf(Date.now()) };
      const options = { type: 'strategic', subresource: 'status', signal } as const;
      const patch = { metadata: { uid: pod.uid }, status: { conditions: [condition] } };
      await ignoringNotFound(client.patch(podResource, pod.namespace, pod.name, patch, options));
      const { namespace, uid } = pod;
      const regarding = referenceTo('v1', 'Pod', { metadata: { namespace, name: pod.name, uid } });
      recorder.event(regarding, 'Warning', 'NodeNotReady', 'Node is not ready');
    }
  }

  await Promise.all([informers.nodes.hasSynced(), informers.leases.hasSynced(), informers.pods.hasSynced()]);
  // Who was silent before this process started gets a full grace from now.
  for (const name of heardAt.keys()) heardAt.set(name, Date.now());
  const monitor = setInterval(() => {
    const now = Date.now();
    for (const node of informers.nodes.values()) {
      if (silentConditions(node, heardAt.get(node.name) ?? now, graceMs, now)) queue.add(node.name);
    }
  }, MONITOR_PERIOD_MS);
  try {
    await queue.run(sync, signal);
  } finally {
    clearInterval(monitor);
  }
}

const heartbeat = ({ conditions }: NodeView): string =>
  conditions.map(({ lastHeartbeatTime }) => lastHeartbeatTime).join();

async function ignoringNotFound(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
