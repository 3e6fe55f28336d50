/** Opens the store on etcd: credentials, the members, and what has to be true of them before a server starts. */
import { readFile } from 'node:fs/promises';
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import type { Logger } from '../../../client/logger.ts';
import { StoreUnavailableError } from '../store.ts';
import { Endpoint, EndpointError } from './endpoint.ts';
import { EtcdStore } from './etcd-store.ts';
import { Members } from './members.ts';
import { hasReliableProgress } from './progress.ts';

export interface EtcdConnection {
  /** URLs of the members' clients, as https://10.0.0.1:2379. */
  readonly servers: readonly string[];
  /** PEM files; '' for none. Without a CA, those of the system are trusted. */
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface OpenEtcdOptions extends EtcdConnection {
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

/**
 * Throws StoreUnavailableError, with a message for the operator, when no member responds, or they are not of one cluster; the
 * error of the file system when a PEM file cannot be read.
 */
export async function openEtcdStore(options: OpenEtcdOptions): Promise<EtcdStore> {
  const { servers, root, compactionIntervalMs, callLimitMs, logger, signal } = options;
  const secure = servers.some((url) => url.startsWith('https:')) ? await secureCredentials(options) : undefined;
  const members = new Members(
    servers.map((url) => new Endpoint(url, url.startsWith('https:') && secure ? secure : credentials.createInsecure())),
  );
  try {
    const statuses = await members.statuses(STATUS_LIMIT_MS, signal);
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

async function secureCredentials({ caFile, certFile, keyFile }: EtcdConnection): Promise<ChannelCredentials> {
  const read = async (file: string): Promise<Buffer | null> => (file ? readFile(file) : null);
  const [ca, key, cert] = await Promise.all([read(caFile), read(keyFile), read(certFile)]);
  try {
    return credentials.createSsl(ca, key, cert);
  } catch (error) {
    const files = [caFile, certFile, keyFile].filter(Boolean).join(', ');
    throw new StoreUnavailableError(`etcd's credentials in ${files} cannot be used: ${(error as Error).message}`);
  }
}
