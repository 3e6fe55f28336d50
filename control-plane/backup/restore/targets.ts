/** Where objects are copied to: a new embedded store beside its place, or an etcd that says that it is being filled. */
import path from 'node:path';
import type { Logger } from '../../../client/logger.ts';
import { openEtcd, type StoreSettings } from '../../open-store.ts';
import { openEmbeddedStore } from '../../store/embedded/embedded-store.ts';
import { homeRecordKey, readHomeRecord, writeHomeRecord, type HomeRecord } from '../../store/etcd/home-record.ts';
import type { Store } from '../../store/store.ts';
import { BackupError } from '../backup-error.ts';
import { empty } from './copy.ts';

export interface FillOptions {
  /** What is copied, for messages: `a restore of FILE`. */
  readonly what: string;
  /** All revisions that clients have been told are not above this one. */
  readonly lastRevision: number;
  /** Replace what is there. */
  readonly force: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** Fills a new store in the directory. When it rejects, what is there is to be removed. */
export async function fillEmbedded(
  staging: string,
  { lastRevision }: FillOptions,
  fill: (store: Store) => Promise<void>,
): Promise<void> {
  const directory = path.join(staging, 'store');
  const store = await openEmbeddedStore({ path: directory, startRevision: lastRevision, compaction: false });
  try {
    await fill(store);
  } finally {
    await store.close();
  }
}

/**
 * Fills an etcd. Until `fill` and `place` have resolved, no server uses it, and this may be called again.
 * @param place what has to be done before servers may use it
 */
export async function fillEtcd(
  config: StoreSettings,
  root: string,
  options: FillOptions,
  fill: (store: Store) => Promise<void>,
  place: () => Promise<void>,
): Promise<void> {
  const { signal, logger, what, lastRevision, now } = options;
  const store = await openEtcd({ ...config, etcdCompactionIntervalSeconds: 0 }, root, signal, logger);
  try {
    const where = `etcd at ${config.etcdServers.join(', ')}`;
    await mustHaveNoServers(store, root, where);
    await mustBeEmpty(store, root, where, options.force);
    // One that has come further than all revisions that clients know needs no offset.
    const revisionOffset = (await store.latestRevision()) > lastRevision ? 0 : lastRevision;
    const record: HomeRecord = {
      ...{ state: 'filling', revisionOffset, what, at: new Date(now).toISOString() },
      sourceRevision: lastRevision,
    };
    await writeHomeRecord(store, root, record);
    await empty(store, root, homeRecordKey(root), signal);
    await fill(store);
    await mustHaveNoServers(store, root, where);
    await place();
    await writeHomeRecord(store, root, { ...record, state: 'in-use' });
  } finally {
    await store.close();
  }
}

/** Throws BackupError when servers of the cluster are alive: they would write what is not copied. */
export async function mustHaveNoServers(store: Store, root: string, where: string): Promise<void> {
  const prefix = `${root}masterleases/`;
  const { items } = await store.list(prefix);
  if (items.length === 0) return;
  const addresses = items.map(({ key }) => key.slice(prefix.length)).join(', ');
  throw new BackupError(
    `servers of ${where} are running (${addresses}): stop them; one that was killed counts as running for 15 s`,
  );
}

async function mustBeEmpty(store: Store, root: string, where: string, force: boolean): Promise<void> {
  const record = await readHomeRecord(store, root);
  if (record?.state === 'filling') return;
  const { items, remaining = 0 } = await store.list(root, { limit: 1, count: true });
  if (items.length === 0) return;
  if (record?.state !== 'moved')
    throw new BackupError(
      `${where} has ${items.length + remaining} objects below ${root}: use an empty etcd, or another etcd-prefix`,
    );
  if (!force)
    throw new BackupError(
      `${where} still has the objects that were moved to ${record.what} at ${record.at}: give --force to replace them`,
    );
}
