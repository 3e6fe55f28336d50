/**
 * The cloud node controller of bare metal: what the controllers of a cloud do for Nodes, by an inventory of hosts. It initializes Nodes
 * that agents with `cloud-provider: external` have registered, and deletes those whose hosts are gone. Upstream:
 * staging/src/k8s.io/cloud-provider/controllers/node and nodelifecycle.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Outage } from '../../../client/outage.ts';
import { nodes as nodeResource } from '../../../client/resources.gen.ts';
import { readConfigurationFile } from '../../../daemon/configuration-file.ts';
import { nodeCache } from '../caches/definitions.ts';
import type { NodeView } from '../caches/node-view.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { unlessGone, unlessNotFound } from '../framework/outcomes.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import { planCloudNode, type CloudNodeChange } from './cloud-node-plan.ts';
import { readInventory, type Host } from '../../inventory.ts';
import type { Node } from '../../../api/types/core/v1.gen.ts';

/** How often the file is read again. */
const REREAD_MS = 30_000;

/** @param file of the inventory; '' for none: then there is nothing to do. */
export const cloudNodeController = (file: string, rereadMs = REREAD_MS): ControllerDescriptor => ({
  name: 'cloud-node-controller',
  workers: 1,
  create: (context) => (file ? create(context, file, rereadMs) : IDLE),
});

const IDLE: Controller = { watches: () => [], reconcile: async () => undefined };

function create(context: ControllerContext, file: string, rereadMs: number): Controller {
  const { client, informer, logger, recorder, queue } = context;
  const nodes = informer(nodeCache);
  const events = recorder('cloud-node-controller');
  /** Undefined until it has been read: nothing is deleted by an inventory that nobody knows. */
  let hosts: ReadonlyMap<string, Host> | undefined;

  async function reconcile(name: string, signal: AbortSignal): Promise<undefined> {
    const node = nodes.get('', name);
    if (!node || !hosts) return;
    const plan = planCloudNode(node, hosts.get(name), Date.now());
    if (plan === 'nothing') return;
    const regarding = { kind: 'Node', apiVersion: 'v1', name, uid: node.uid };
    if (plan === 'unknown host') {
      events.event(regarding, 'Warning', 'HostNotInInventory', `The inventory has no host ${name}`);
      return;
    }
    if (plan === 'delete') {
      const message = `Deleting node ${name} because its host is not in the inventory`;
      events.event(regarding, 'Normal', 'DeletingNode', message);
      logger.info({ node: name }, 'deleting a node whose host is not in the inventory');
      await unlessGone(client.delete(nodeResource, '', name, { uid: node.uid, signal }));
      return;
    }
    await write(node, plan, signal);
  }

  async function write(node: NodeView, change: CloudNodeChange, signal: AbortSignal): Promise<void> {
    const { labels, providerID, taints, addresses } = change;
    const { name, uid } = node;
    // Lists are written as a whole: only where they are as they were read.
    let { resourceVersion } = node;
    if (addresses) {
      const patch = { metadata: { uid, resourceVersion }, status: { addresses } };
      const options = { subresource: 'status', signal } as const;
      const written = await unlessNotFound(client.patch<Node>(nodeResource, '', name, patch, options));
      if (!written) return;
      resourceVersion = written.metadata?.resourceVersion ?? '';
    }
    if (!labels && providerID === undefined && !taints) return;
    const metadata = { uid, resourceVersion, ...(labels && { labels }) };
    const spec = { ...(providerID !== undefined && { providerID }), ...(taints && { taints }) };
    await unlessNotFound(client.patch(nodeResource, '', name, { metadata, spec }, { signal }));
  }

  return {
    watches: () => [watch(nodes, ownKeys(queue))],
    reconcile,
    background: async ({ signal }) => {
      const outage = new Outage({ logger });
      let last: Buffer | undefined;
      while (!signal.aborted) {
        try {
          const text = await readConfigurationFile(file, 'inventory');
          if (!last?.equals(text)) {
            hosts = readInventory(text.toString());
            for (const { name } of nodes.values()) queue.add(name);
          }
          last = text;
          outage.ended({ file }, 'inventory is read again');
        } catch (error) {
          // What it said last is still true.
          outage.failed(error, { file }, 'inventory cannot be read');
        }
        await delay(rereadMs, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}
