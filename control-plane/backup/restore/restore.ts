/** Restores a backup: first all of it is read and checked, then the parts are prepared, then they are put in place. */
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { publicKeyHash } from '../../../api/domain/public-key-hash.ts';
import { writeFileAtomically } from '../../../daemon/atomic-file.ts';
import type { Logger } from '../../../client/logger.ts';
import { noticeIn, RESTORING } from '../../data-dir-notices.ts';
import { storeDirectory, type StoreSettings } from '../../open-store.ts';
import { readAuthority } from '../../pki/cluster-pki.ts';
import { CERTIFICATE_MODE, KEY_MODE } from '../../pki/pem-files.ts';
import { lockDirectory } from '../../store/embedded/directory-lock.ts';
import { hasStore } from '../../store/embedded/data-directory.ts';
import { openEmbeddedStore } from '../../store/embedded/embedded-store.ts';
import { StoreUnavailableError } from '../../store/store.ts';
import { syncDirectory } from '../archive/archive-file.ts';
import type { BackupSecret } from '../archive/envelope.ts';
import { BackupError, writeFailure } from '../backup-error.ts';
import type { BackupManifest } from '../manifest.ts';
import { readBackup } from '../read-backup.ts';
import { Copy } from './copy.ts';
import { discardStaging, formerStores, isThere, replaceParts, stagingIn } from './replace-parts.ts';
import { fillEmbedded, fillEtcd, type FillOptions } from './targets.ts';
import { Translation, type Place } from './translation.ts';

/**
 * How far revisions of a restored store are above those of the backup. What was handed out after the backup is unknown, but less: at
 * 1,000 writes a second, a billion is eleven days. etcd's documentation takes the same number.
 */
const REVISION_BUMP = 1_000_000_000;

export interface RestoreOptions {
  readonly file: string;
  readonly secret: BackupSecret | undefined;
  /** Of the server that is to use it. */
  readonly config: StoreSettings;
  /** The text of an EncryptionConfiguration with which values are read, and written to the store. */
  readonly encryption: string | undefined;
  /** Put what is there aside. */
  readonly force: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

export interface Restored {
  readonly manifest: BackupManifest;
  /** The lowest revision that the restored store gives. */
  readonly firstRevision: number;
  /** Where what was there before is kept. */
  readonly kept: readonly string[];
  /** The directory of the settings that were in the backup; undefined without any. */
  readonly settings: string | undefined;
}

/** Throws BackupError, PkiError or StoreUnavailableError: then nothing has been changed, or it can be run again. */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { file, secret, config, now } = options;
  const manifest = await readBackup(file, secret, {});
  const last = Math.max(manifest.revision, await lastRevisionIn(options)) + REVISION_BUMP;
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
  const { dataDir } = config;
  try {
    const staging = await stagingIn(dataDir);
    const kept = await (config.store === 'etcd' ? intoEtcd : intoEmbedded)(options, manifest, staging, last, stamp);
    const settings = path.join(dataDir, 'restored-settings');
    return { manifest, firstRevision: last + 1, kept, settings: (await isThere(settings)) ? settings : undefined };
  } catch (error) {
    await discardStaging(dataDir);
    throw writeFailure(dataDir, error);
  }
}

/** The latest revision of what is there. Throws BackupError unless it may be replaced, and nobody uses it. */
async function lastRevisionIn({ config, force, logger }: RestoreOptions): Promise<number> {
  const directory = storeDirectory(config);
  const pki = path.join(config.dataDir, 'pki');
  const isBrokenOff = (await noticeIn(config.dataDir, RESTORING)) !== undefined;
  const hasKeys = (await isThere(pki)) && (await readdir(pki)).length > 0;
  const hasObjects = await hasStore(directory);
  if ((hasKeys || hasObjects || isBrokenOff) && !force)
    throw new BackupError(
      `${config.dataDir} has a cluster already: give --force to put it aside, under another name in the same directory`,
    );
  let last = 0;
  for (const former of await formerStores(config.dataDir))
    if (await hasStore(former)) last = Math.max(last, await latestRevisionOf(former, logger));
  return last;
}

/** 0 when it cannot be read. Throws StoreUnavailableError while a server runs. */
async function latestRevisionOf(directory: string, logger: Logger): Promise<number> {
  await (await lockDirectory(directory)).close();
  try {
    const store = await openEmbeddedStore({ path: directory, compaction: false, logger });
    try {
      return store.latestRevision();
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    logger.warn({ err: error, path: directory }, 'a store that is replaced cannot be read');
    return 0;
  }
}

type Restorer = (
  options: RestoreOptions,
  manifest: BackupManifest,
  staging: string,
  lastRevision: number,
  stamp: string,
) => Promise<string[]>;

const intoEmbedded: Restorer = async (options, manifest, staging, lastRevision, stamp) => {
  const { dataDir } = options.config;
  const target: Place = { home: 'embedded', root: '/registry/' };
  const parts = new Set(['store']);
  await fillEmbedded(staging, fillOptions(options, lastRevision), async (store) => {
    for (const part of await copyTo(options, manifest, staging, target, store)) parts.add(part);
  });
  return replaceParts(dataDir, [...parts], stamp);
};

const intoEtcd: Restorer = async (options, manifest, staging, lastRevision, stamp) => {
  const { dataDir, etcdPrefix } = options.config;
  const target: Place = { home: 'etcd', root: `${etcdPrefix}/` };
  let parts: ReadonlySet<string> = new Set();
  let kept: string[] = [];
  await fillEtcd(
    options.config,
    target.root,
    fillOptions(options, lastRevision),
    async (store) => {
      parts = await copyTo(options, manifest, staging, target, store);
    },
    async () => {
      kept = await replaceParts(dataDir, [...parts], stamp);
    },
  );
  return kept;
};

const fillOptions = ({ file, force, now, signal, logger }: RestoreOptions, lastRevision: number): FillOptions => ({
  ...{ lastRevision, force, now, signal, logger },
  what: `a restore of ${path.basename(file)}`,
});

/** Writes objects to the store and files to the staging directory; returns the directories there. */
async function copyTo(
  { file, secret, encryption, now, signal }: RestoreOptions,
  manifest: BackupManifest,
  staging: string,
  target: Place,
  store: ConstructorParameters<typeof Copy>[0],
): Promise<Set<string>> {
  const copy = new Copy(store, new Translation(manifest, target, encryption, now), signal);
  const parts = new Set<string>();
  const again = await readBackup(file, secret, {
    file: async (name, content) => {
      const [part = '', base = ''] = name.split('/');
      const directory = part === 'pki' ? 'pki' : 'restored-settings';
      parts.add(directory);
      await mkdir(path.join(staging, directory), { recursive: true, mode: 0o700 });
      const mode = base.endsWith('.crt') ? CERTIFICATE_MODE : KEY_MODE;
      await writeFileAtomically(path.join(staging, directory, base), content, mode);
    },
    records: (records) => copy.add(records),
  });
  if (JSON.stringify(again) !== JSON.stringify(manifest))
    throw new BackupError(`${file} has changed while it was read`);
  await copy.verify(target);
  for (const part of parts) await syncDirectory(path.join(staging, part));
  const { certificate } = await readAuthority(path.join(staging, 'pki'));
  if (publicKeyHash(certificate) !== manifest.caHash)
    throw new BackupError(`${file}: the CA in the backup is not the one that its manifest names`);
  return parts;
}
