/**
 * Hollow nodes: many nodes of one process whose pods run nothing, to see how a cluster behaves at scale. What the control plane
 * sees of them is computed by the agent's own code; they have no node API, no events, no probes and no volumes.
 */
import type { ApiClient } from '../../client/api-client.ts';
import type { Logger } from '../../client/logger.ts';
import type { HollowConfig } from './config.ts';
import { HollowNodes } from './hollow-nodes.ts';
import { HollowPods } from './hollow-pods.ts';

/**
 * One for each purpose: leases must not wait behind the statuses of thousands of pods, as they do not on hosts of their own.
 */
export interface HollowClients {
  readonly nodes: ApiClient;
  readonly pods: ApiClient;
}

/** Runs until `signal` is aborted; Nodes and pods stay in the API as those of a host that has been switched off. */
export async function runHollowNodes(
  config: HollowConfig,
  clients: HollowClients,
  signal: AbortSignal,
  logger: Logger,
): Promise<void> {
  const { nodes: count, prefix, zones, leaseSeconds, completeAfterSeconds } = config;
  const nodes = new HollowNodes({
    ...{ client: clients.nodes, logger, prefix, count, zones, leaseSeconds },
    capacity: {
      cpu: config.cpu,
      memory: config.memory,
      pods: String(config.maxPods),
      'ephemeral-storage': config.disk,
    },
  });
  const pods = new HollowPods(
    { client: clients.pods, logger, nodes, completeAfterMs: completeAfterSeconds * 1000 },
    signal,
  );
  try {
    await Promise.all([nodes.run(signal, (node) => pods.nodeChanged(node)), pods.run()]);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
