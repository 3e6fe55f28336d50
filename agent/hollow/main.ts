/**
 * Hollow nodes: many nodes of one process whose pods run nothing, to see how a cluster behaves at scale. What the control plane
 * sees of them is computed by the agent's own code; they have no node API, no events, no probes and no volumes.
 */
import type { ApiClient } from '../../client/api-client.ts';
import type { Logger } from '../../client/logger.ts';
import { readHostFacts } from '../host/host-facts.ts';
import { ownCommand } from '../host/own-command.ts';
import type { HollowConfig } from './config.ts';
import { HollowNodes } from './hollow-nodes.ts';
import { HollowPods } from './hollow-pods.ts';

/** Runs until `signal` is aborted; Nodes and pods stay in the API as those of a host that has been switched off. */
export async function runHollowNodes(
  config: HollowConfig,
  client: ApiClient,
  signal: AbortSignal,
  logger: Logger,
): Promise<void> {
  const { nodes: count, prefix, zones, leaseSeconds, completeAfterSeconds } = config;
  const nodes = new HollowNodes({
    ...{ client, logger, prefix, count, zones, leaseSeconds },
    capacity: {
      cpu: config.cpu,
      memory: config.memory,
      pods: String(config.maxPods),
      'ephemeral-storage': config.disk,
    },
    facts: await readHostFacts(ownCommand('host-facts'), signal),
  });
  const pods = new HollowPods({ client, logger, nodes, completeAfterMs: completeAfterSeconds * 1000 }, signal);
  try {
    await Promise.all([nodes.run(signal, (node) => pods.nodeChanged(node)), pods.run()]);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
