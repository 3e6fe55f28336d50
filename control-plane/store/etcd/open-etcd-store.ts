/** Opens the store on etcd: credentials, the members, and what has to be true of them before a server starts. */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../../client/backoff.ts';
import type { Logger } from '../../../client/logger.ts';
import { StoreUnavailableError } from '../store.ts';
import { readCredentials, type CredentialFiles } from './credentials.ts';
import { Endpoint, EndpointError } from './endpoint.ts';
import { EtcdStore } from './etcd-store.ts';
import { Members } from './members.ts';
import type { StatusResponse } from './messages.ts';
import { hasReliableProgress } from './progress.ts';
import { hasNoLeader } from './rpc-failure.ts';

export interface OpenEtcdOptions extends CredentialFiles {
  /** URLs of the members' clients, as https://10.0.0.1:2379. */
  readonly servers: readonly string[];
  /** What the keys of all objects begin with. */
  readonly root: string;
  /** Milliseconds between compactions; 0: this server never compacts. */
  readonly compactionIntervalMs: number;
  readonly callLimitMs?: number;
  readonly logger?: Logger;
  readonly signal: AbortSignal;
}

/** How long a member has to tell its status when the server starts. */
const STATUS_LIMIT_MS = 5_000;
/** How long members that respond may elect a leader: one election takes a second or two, and may fail. */
const ELECTION_LIMIT_MS = 30_000;
const ELECTION_LOOK = { initialMs: 100, maxMs: 1_000 };

/**
 * Throws StoreUnavailableError, with a message for the operator, when no member responds, or they are not of one cluster; the
 * error of the file system when a PEM file cannot be read.
 */
export async function openEtcdStore(options: OpenEtcdOptions): Promise<EtcdStore> {
  const { servers, root, compactionIntervalMs, callLimitMs, logger, signal } = options;
  const accessTo = await readCredentials(options);
  const members = new Members(servers.map((url) => new Endpoint(url, accessTo(url))));
  try {
    const statuses = await statusesWithLeader(members, signal, logger);
    const failed = statuses.filter((status) => status instanceof EndpointError);
    const found = statuses.flatMap((status) => (status instanceof EndpointError ? [] : [status]));
    if (found.length === 0) throw new StoreUnavailableError(failed.map(({ message }) => message).join('; '));
    for (const error of failed) logger?.warn({ err: error }, 'a member of etcd does not respond');
    // Of a member that is away, it is not known: the slower way is right with every version.
    const hasProgress = failed.length === 0 && found.every(({ version }) => hasReliableProgress(version));
    logger?.info({ servers, version: found[0]?.version, hasProgress }, 'etcd is the store');
    return new EtcdStore({
      members,
      hasProgress,
      root,
      compactionIntervalMs,
      ...(callLimitMs && { callLimitMs }),
      ...(logger && { logger }),
    });
  } catch (error) {
    members.close();
    throw error;
  }
}

/** A server that starts while the others elect a leader, as when its host was the leader's, waits for the outcome. */
async function statusesWithLeader(
  members: Members,
  signal: AbortSignal,
  logger: Logger | undefined,
): Promise<readonly (StatusResponse | EndpointError)[]> {
  const startedAt = performance.now();
  for (let failures = 1; ; failures++) {
    const statuses = await members.statuses(STATUS_LIMIT_MS, signal);
    const failed = statuses.filter((status) => status instanceof EndpointError);
    const isElecting = failed.length === statuses.length && failed.some(({ details }) => hasNoLeader(details));
    if (!isElecting || performance.now() - startedAt > ELECTION_LIMIT_MS) return statuses;
    if (failures === 1) logger?.info({}, 'waiting for the members of etcd to elect a leader');
    await delay(backoffMs(ELECTION_LOOK, failures), undefined, { signal });
  }
}
