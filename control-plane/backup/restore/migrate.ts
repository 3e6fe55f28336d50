/** Moves the objects of a cluster, whose servers are stopped, between the embedded store and etcd. */
import path from 'node:path';
import type { Logger } from '../../../client/logger.ts';
import { writeFileAtomically } from '../../../daemon/atomic-file.ts';
import { MOVED, noticeIn } from '../../data-dir-notices.ts';
import { openEtcd, openPlainStore, storeDirectory, type StoreSettings } from '../../open-store.ts';
import { hasStore } from '../../store/embedded/data-directory.ts';
import { readHomeRecord, writeHomeRecord } from '../../store/etcd/home-record.ts';
import type { Store } from '../../store/store.ts';
import { syncDirectory } from '../archive/archive-file.ts';
import { BackupError, writeFailure } from '../backup-error.ts';
import { pagesOf, sourceOf, type Home } from '../store-pages.ts';
import { ContentSum, Copy } from './copy.ts';
import { discardStaging, replaceParts, stagingIn } from './replace-parts.ts';
import { fillEmbedded, fillEtcd, mustHaveNoServers, type FillOptions } from './targets.ts';
import { Translation, type Place } from './translation.ts';

export interface MigrateOptions {
  readonly from: Home;
  readonly to: Home;
  /** Of the server: what is about etcd, whichever `store` says. */
  readonly config: StoreSettings;
  /** The text of the server's EncryptionConfiguration. */
  readonly encryption: string | undefined;
  readonly force: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

export interface Migrated {
  readonly sum: Pick<ContentSum, 'count' | 'bytes' | 'hash'>;
  /** The latest revision of the source: those of the target are above. */
  readonly lastRevision: number;
  /** It had been moved before, and only the source did not say so yet. */
  readonly wasDone: boolean;
}

/**
 * Throws BackupError or StoreUnavailableError: then the source is what servers use, and this may be run again. The source says that it
 * has been moved only when the target is complete and compared.
 */
export async function migrateStore(options: MigrateOptions): Promise<Migrated> {
  const { from, to, config, signal, logger } = options;
  if (from === to) throw new BackupError(`the objects are in ${to} already, if --from is right`);
  if (from === 'embedded' && !(await hasStore(storeDirectory(config))))
    throw new BackupError(`${config.dataDir} has no embedded store: there is nothing to move`);
  const { store, keys } = await openPlainStore({ ...config, store: from }, signal, logger);
  try {
    const source: Place = { home: from, root: keys.root };
    if (from === 'etcd') await mustHaveNoServers(store, keys.root, whereIs(from, config));
    return await (to === 'etcd' ? toEtcd : toEmbedded)(options, source, store);
  } catch (error) {
    if (to === 'embedded') await discardStaging(config.dataDir);
    throw writeFailure(config.dataDir, error);
  } finally {
    await store.close();
  }
}

type Mover = (options: MigrateOptions, source: Place, store: Store) => Promise<Migrated>;

const toEtcd: Mover = async (options, source, store) => {
  const { config, now, signal } = options;
  const lastRevision = await store.latestRevision();
  const target: Place = { home: 'etcd', root: `${config.etcdPrefix}/` };
  const done = await doneBefore(options, source, store, target, lastRevision);
  const directory = storeDirectory(config);
  const mark = async (): Promise<void> => {
    const where = `${whereIs('etcd', config)} at ${new Date(now).toISOString()}`;
    await writeFileAtomically(path.join(directory, MOVED), `${where}\n`, 0o600);
    await syncDirectory(directory);
  };
  if (done) {
    await mark();
    return { sum: done, lastRevision, wasDone: true };
  }
  let sum = new ContentSum();
  await fillEtcd(
    config,
    target.root,
    fillOptions(options, `a move from ${directory}`, lastRevision),
    async (into) => {
      sum = await copyAll(options, source, store, target, into);
    },
    async () => signal.throwIfAborted(),
  );
  await mark();
  return { sum, lastRevision, wasDone: false };
};

/** The sum of a target that was completed, where the source does not say so: the process was killed in between. */
async function doneBefore(
  { config, encryption, now, signal, logger }: MigrateOptions,
  source: Place,
  store: Store,
  target: Place,
  lastRevision: number,
): Promise<ContentSum | undefined> {
  const into = await openEtcd({ ...config, etcdCompactionIntervalSeconds: 0 }, target.root, signal, logger);
  try {
    const record = await readHomeRecord(into, target.root);
    if (record?.state !== 'in-use' || record.sourceRevision !== lastRevision) return undefined;
    const copy = new Copy(into, new Translation(source, target, encryption, now), signal);
    for await (const { records } of pagesOf(sourceOf(store, source.home, source.root), signal)) copy.count(records);
    await copy.verify(target);
    return copy.sum;
  } finally {
    await into.close();
  }
}

const toEmbedded: Mover = async (options, source, store) => {
  const { config, now } = options;
  const directory = storeDirectory(config);
  if ((await hasStore(directory)) && (await noticeIn(directory, MOVED)) === undefined && !options.force)
    throw new BackupError(`${directory} has objects: give --force to put them aside, under another name`);
  const lastRevision = await store.latestRevision();
  const target: Place = { home: 'embedded', root: '/registry/' };
  const staging = await stagingIn(config.dataDir);
  let sum = new ContentSum();
  await fillEmbedded(staging, fillOptions(options, '', lastRevision), async (into) => {
    sum = await copyAll(options, source, store, target, into);
  });
  await mustHaveNoServers(store, source.root, whereIs('etcd', config));
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
  await replaceParts(config.dataDir, ['store'], stamp);
  await writeHomeRecord(store, source.root, {
    ...{ state: 'moved', revisionOffset: 0, what: directory, at: new Date(now).toISOString() },
  });
  return { sum, lastRevision, wasDone: false };
};

/** Copies, and compares the target with the source as it is then: whoever has written to the source meanwhile is noticed. */
async function copyAll(
  { encryption, now, signal }: MigrateOptions,
  source: Place,
  store: Store,
  target: Place,
  into: Store,
): Promise<ContentSum> {
  const translation = new Translation(source, target, encryption, now);
  const copy = new Copy(into, translation, signal);
  for await (const { records } of pagesOf(sourceOf(store, source.home, source.root), signal)) await copy.add(records);
  const again = new Copy(into, translation, signal);
  for await (const { records } of pagesOf(sourceOf(store, source.home, source.root), signal)) again.count(records);
  await again.verify(target);
  return copy.sum;
}

const fillOptions = (
  { force, now, signal, logger }: MigrateOptions,
  what: string,
  lastRevision: number,
): FillOptions => ({
  ...{ what, lastRevision, force, now, signal, logger },
});

const whereIs = (home: Home, config: StoreSettings): string =>
  home === 'etcd' ? `etcd at ${config.etcdServers.join(', ')}` : storeDirectory(config);
