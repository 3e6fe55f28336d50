/** The store that the settings name, with what depends on which it is. */
import path from 'node:path';
import { configMaps } from '../api/kinds/core/config-map.ts';
import { own } from '../api/machinery/own.ts';
import type { ConfigMap } from '../api/types/core/v1.gen.ts';
import type { Logger } from '../client/logger.ts';
import type { Exposition } from '../daemon/metrics/exposition.ts';
import { followFile } from '../daemon/reloaded-file.ts';
import { readBundle } from './apiserver/access/issued-by.ts';
import { CLIENT_CA, CLIENT_CA_CONFIG_MAP } from './apiserver/bootstrap/extension-authentication.ts';
import { GROUPED_KEYS, upstreamKeys, type KeyLayout } from './apiserver/catalogue/key-layout.ts';
import { StoredObjects, UndecodableError } from './apiserver/storage/cache/stored-objects.ts';
import type { ServerConfig } from './config.ts';
import type { ClusterPki } from './pki/cluster-pki.ts';
import { PkiError } from './pki/pem-files.ts';
import { MOVED, mustBeRestored, mustNotBeMoved, noticeIn } from './data-dir-notices.ts';
import { hasStore } from './store/embedded/data-directory.ts';
import { EncryptedStore } from './store/encrypted/encrypted-store.ts';
import { MeasuredStore } from './store/etcd/measured-store.ts';
import type { EtcdStore } from './store/etcd/etcd-store.ts';
import type { Members } from './store/etcd/members.ts';
import { asHome } from './store/etcd/home-record.ts';
import { sizeOfFile, type StorageSize } from './store/storage-size.ts';
import { StoreUnavailableError, type Store, type StoredValue } from './store/store.ts';

export interface OpenedStore {
  readonly store: Store;
  readonly keys: KeyLayout;
  /** The memory-mapped file of an embedded store. */
  readonly dataFile: string | undefined;
  /** The store without encryption over it: what backups are made of. */
  readonly plain: Store;
  /** Of the calls of a store elsewhere. */
  readonly writeMetrics?: (to: Exposition) => void;
  readonly size: StorageSize;
  /** Of etcd. */
  readonly members?: Members;
}

export type StoreSettings = Pick<
  ServerConfig,
  | 'dataDir'
  | 'store'
  | 'etcdServers'
  | 'etcdCafile'
  | 'etcdCertfile'
  | 'etcdKeyfile'
  | 'etcdPrefix'
  | 'etcdCompactionIntervalSeconds'
  | 'encryptionProviderConfig'
>;

/** Of the embedded store. */
export const storeDirectory = ({ dataDir }: Pick<StoreSettings, 'dataDir'>): string => path.join(dataDir, 'store');

/** With what is to be encrypted in it. */
export async function openStore(config: StoreSettings, signal: AbortSignal, logger: Logger): Promise<OpenedStore> {
  const opened = await openPlainStore(config, signal, logger);
  try {
    return { ...opened, store: await encryptedStore(opened, config, signal, logger) };
  } catch (error) {
    await opened.store.close();
    throw error;
  }
}

/** The store itself, when nothing is to be encrypted. */
async function encryptedStore(
  { store, keys }: OpenedStore,
  { encryptionProviderConfig: file }: StoreSettings,
  signal: AbortSignal,
  logger: Logger,
): Promise<Store> {
  if (!file) return store;
  let encrypted: EncryptedStore | undefined;
  const use = async (configuration: string): Promise<void> => {
    if (encrypted) await encrypted.reconfigure(configuration);
    else encrypted = await EncryptedStore.open({ store, keys, configuration, logger });
  };
  await followFile({ file, what: 'encryption configuration', use, logger, signal });
  return encrypted ?? store;
}

/** Loads the one that is used only: each brings a library of its own. */
export async function openPlainStore(config: StoreSettings, signal: AbortSignal, logger: Logger): Promise<OpenedStore> {
  await mustBeRestored(config.dataDir);
  if (config.store === 'etcd') {
    const keys = upstreamKeys(config.etcdPrefix);
    const opened = await openEtcd(config, keys.root, signal, logger);
    try {
      const home = await asHome(opened, keys.root, `etcd at ${config.etcdServers.join(', ')}`);
      const store = new MeasuredStore(home, keys.resourceIn);
      const { members } = opened;
      const { sizeOfEtcd } = await import('./store/etcd/etcd-size.ts');
      const size = sizeOfEtcd(members, signal);
      return { store, keys, dataFile: undefined, plain: store, writeMetrics: store.metrics.write, size, members };
    } catch (error) {
      await opened.close();
      throw error;
    }
  }
  await mustNotBeMoved(storeDirectory(config));
  const { openEmbeddedStore } = await import('./store/embedded/embedded-store.ts');
  const store = await openEmbeddedStore({ path: storeDirectory(config), logger });
  return { store, keys: GROUPED_KEYS, dataFile: store.dataFile, plain: store, size: sizeOfFile(store.dataFile) };
}

/** Whatever it says of itself (`etcd/home-record.ts`). */
export async function openEtcd(
  config: StoreSettings,
  root: string,
  signal: AbortSignal,
  logger: Logger,
): Promise<EtcdStore> {
  const { openEtcdStore } = await import('./store/etcd/open-etcd-store.ts');
  return openEtcdStore({
    servers: config.etcdServers,
    caFile: config.etcdCafile,
    certFile: config.etcdCertfile,
    keyFile: config.etcdKeyfile,
    root,
    compactionIntervalMs: config.etcdCompactionIntervalSeconds * 1000,
    logger,
    signal,
  });
}

/** Where the objects of a cluster are, for messages; undefined when the cluster is new. */
export async function existingCluster(
  config: StoreSettings,
  opened: OpenedStore | undefined,
): Promise<string | undefined> {
  if (config.store !== 'etcd') return (await hasStore(storeDirectory(config))) ? storeDirectory(config) : undefined;
  const { items } = (await opened?.store.list(opened.keys.root, { limit: 1 })) ?? { items: [] };
  return items.length > 0 ? `etcd at ${config.etcdServers.join(', ')}` : undefined;
}

/**
 * Throws PkiError when the objects in etcd are of a cluster with another CA: its nodes and tokens would be unknown to this server, and
 * this server's to the others.
 */
export async function checkSameCluster(
  config: StoreSettings,
  { store, keys }: OpenedStore,
  { directory, bundle: ours }: Pick<ClusterPki, 'directory' | 'bundle'>,
  logger: Logger,
): Promise<void> {
  const stored = await store.get(`${keys.prefixOf(configMaps)}kube-system/${CLIENT_CA_CONFIG_MAP}`);
  if (!stored) return;
  const { data = {} } = publishedIn(stored, logger) ?? {};
  const bundle = own(data, CLIENT_CA) ?? '';
  // One that has just been rotated has the one before beside it.
  if (bundle === '' || readBundle(ours).some((ca) => bundle.includes(ca.toString().trim()))) return;
  throw new PkiError(
    `${path.join(directory, 'ca.crt')} is not the CA of the cluster in etcd at ${config.etcdServers.join(', ')}; ` +
      `copy the files of one of its servers to ${directory}, or use another etcd or etcd-prefix`,
  );
}

/** Throws StoreUnavailableError when etcd is empty and this host has objects of its own: they would seem to be lost. */
export async function mustHaveMoved(config: StoreSettings, opened: OpenedStore | undefined): Promise<void> {
  const directory = storeDirectory(config);
  if (!(await hasStore(directory)) || (await noticeIn(directory, MOVED)) !== undefined) return;
  if ((await existingCluster(config, opened)) !== undefined) return;
  throw new StoreUnavailableError(
    `etcd is empty, and the objects of this host are in ${directory}: kedge store migrate --from embedded --to etcd moves them; ` +
      `to begin a new cluster, remove that directory`,
  );
}

/** Undefined for one that cannot be read: it does not say that the cluster is another. */
function publishedIn({ key, value, unreadable }: StoredValue, logger: Logger): ConfigMap | undefined {
  try {
    if (unreadable !== undefined) throw new UndecodableError(unreadable);
    return new StoredObjects(configMaps).read(value).object;
  } catch (error) {
    if (!(error instanceof UndecodableError)) throw error;
    logger.error({ err: error, key }, 'it is not known which CA the cluster in etcd has');
    return undefined;
  }
}
