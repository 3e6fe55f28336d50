/** Raises the revisions of an etcd above all that clients may know of the cluster that it comes from. */
import { upstreamKeys } from '../control-plane/apiserver/catalogue/key-layout.ts';
import type { ServerConfig } from '../control-plane/config.ts';
import { openEtcd } from '../control-plane/open-store.ts';
import { readHomeRecord, writeHomeRecord } from '../control-plane/store/etcd/home-record.ts';
import type { Logger } from '../client/logger.ts';

/**
 * What was acknowledged and is lost had revisions that clients know: those that come have to be above them, also above those of an earlier
 * recovery, which a snapshot knows nothing of. So they begin with the time: no etcd makes ten revisions in a millisecond for long.
 */
const REVISIONS_PER_MS = 10;
const FIRST_MS = Date.UTC(2020, 0);
/** As `kedge backup restore` does. */
const REVISION_BUMP = 1_000_000_000;

/**
 * Clients that know a revision from before list again, and wait for no events that were lost. May be killed and done again. Throws
 * StoreUnavailableError. @param config with the URLs of etcd @param what is done, for the record
 */
export async function raiseRevisions(
  config: ServerConfig,
  what: string,
  signal: AbortSignal,
  logger: Logger,
): Promise<void> {
  const { root } = upstreamKeys(config.etcdPrefix);
  const store = await openEtcd({ ...config, etcdCompactionIntervalSeconds: 0 }, root, signal, logger);
  try {
    const former = await readHomeRecord(store, root);
    const now = Date.now();
    const revisionOffset = Math.max((former?.revisionOffset ?? 0) + REVISION_BUMP, (now - FIRST_MS) * REVISIONS_PER_MS);
    const record = former ?? ({ state: 'in-use', what } as const);
    await writeHomeRecord(store, root, { ...record, revisionOffset, at: new Date(now).toISOString() });
  } finally {
    await store.close();
  }
}
