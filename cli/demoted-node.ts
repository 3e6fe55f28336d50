/** The Node of a host that is no server any more: it has neither the label nor the taint of the control plane. */
import { setTimeout as delay } from 'node:timers/promises';
import { nodesAt, unmarkedNode } from '../api/domain/control-plane-node.ts';
import { isConflict, isNotFound, StatusError } from '../api/machinery/status-error.ts';
import type { Node } from '../api/types/core/v1.gen.ts';
import type { ApiClient } from '../client/api-client.ts';
import { ConnectionError } from '../client/connection-error.ts';
import { DeadlineError, withDeadline } from '../client/deadline.ts';
import { nodes } from '../client/resources.gen.ts';
import { openServer } from './cluster-access.ts';
import { SettingsError } from './settings.ts';

const LIMIT_MS = 10_000;
const AGAIN_MS = 200;

export interface Demotion {
  /** The administrator's kubeconfig. */
  readonly kubeconfig: string;
  /** URLs of the servers that are left: the first that answers is asked. */
  readonly servers: readonly string[];
  /** Of the host. */
  readonly address: string;
  readonly signal: AbortSignal;
}

/** Resolves with undefined when it is done, or with why it is not, in words of the last server: it can be done by hand then. */
export async function demoteNode({ kubeconfig, servers, address, signal }: Demotion): Promise<string | undefined> {
  let reason = 'no other server is known';
  for (const server of servers) {
    try {
      await using cluster = await openServer(kubeconfig, server);
      await withDeadline({ what: `the Node of ${address} at ${server}`, limitMs: LIMIT_MS, signal }, (within) =>
        demoteBy(cluster.client, address, within),
      );
      return undefined;
    } catch (error) {
      if (signal.aborted || !isPlain(error)) throw error;
      reason = error.message;
    }
  }
  return reason;
}

const isPlain = (error: unknown): error is Error =>
  [ConnectionError, StatusError, DeadlineError, SettingsError].some((plain) => error instanceof plain);

async function demoteBy(client: ApiClient, address: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const all = await client.listAll<Node>(nodes, { signal });
    const marked = Array.from(nodesAt(all, address), unmarkedNode).filter((node) => node !== undefined);
    if (marked.length === 0) return;
    try {
      for (const node of marked) await client.update(nodes, node, { signal });
    } catch (error) {
      // Its agent writes to it, too.
      if (!isConflict(error) && !isNotFound(error)) throw error;
      await delay(AGAIN_MS, undefined, { signal });
    }
  }
}
