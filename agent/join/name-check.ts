/** Keeps two hosts from being the same Node: the second one to join under a name is rejected while the first one is alive. */
import { NODE_LEASE_NAMESPACE } from '../../api/domain/node-identity.ts';
import { StatusError } from '../../api/machinery/status-error.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { leases, nodes } from '../../client/resources.gen.ts';
import { JoinError } from './join-error.ts';
import type { Lease } from '../../api/types/coordination/v1.gen.ts';
import type { Node } from '../../api/types/core/v1.gen.ts';

/** Whether the Node is kept alive by another machine: its heartbeat is fresh and its address or machine is not ours. */
function isTakenBy(
  node: Node,
  lease: Lease | undefined,
  self: { machineId: string; addresses: readonly string[] },
  nowMs: number,
): boolean {
  const { renewTime = '', leaseDurationSeconds = 0 } = lease?.spec ?? {};
  const isAlive = nowMs - Date.parse(renewTime) < leaseDurationSeconds * 1000;
  const addresses = (node.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP');
  const machine = node.status?.nodeInfo?.machineID;
  return isAlive && (machine !== self.machineId || !addresses.some(({ address }) => self.addresses.includes(address)));
}

/** Throws JoinError when another host runs as this node. */
export async function checkNameIsFree(
  client: ApiClient,
  nodeName: string,
  self: { machineId: string; addresses: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  const [node, lease] = await Promise.all([
    find(() => client.get<Node>(nodes, '', nodeName, { signal })),
    find(() => client.get<Lease>(leases, NODE_LEASE_NAMESPACE, nodeName, { signal })),
  ]);
  if (!node || !isTakenBy(node, lease, self, Date.now())) return;
  const address = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? 'another host';
  throw new JoinError(
    `the name ${nodeName} is in use by a running node at ${address}: choose another host name, or another node-name (install.sh --node-name)`,
  );
}

/** Undefined also where it may not be read: then nothing is known against the name. */
async function find<T>(get: () => Promise<T>): Promise<T | undefined> {
  try {
    return await get();
  } catch (error) {
    if (error instanceof StatusError && (error.code === 404 || error.code === 403)) return undefined;
    throw error;
  }
}
