/**
 * Makes a host a server of a cluster from what another server has given: all of it is written beside first and put into place then, so that
 * a crash leaves a host that has not joined, or one that the same command completes.
 */
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ServerBundle } from '../../api/domain/server-join.ts';
import { publicKeyHash } from '../../api/domain/public-key-hash.ts';
import { OVERLAP_FILES } from '../pki/ca-rotation.ts';
import { SERVICE_ACCOUNT_KEY_FILES } from '../pki/service-account-keys.ts';
import {
  CERTIFICATE_MODE,
  KEY_MODE,
  parseCertificate,
  PkiError,
  readIfThere,
  readKeyPair,
  writeAtomically,
} from '../pki/pem-files.ts';
import { ETCD_CA_FILES } from '../store/etcd/managed/certificates.ts';
import { etcdDirectory, writeEndpoints } from '../store/etcd/managed/member-record.ts';
import { hasStore } from '../store/embedded/data-directory.ts';

const DIRECTORY_MODE = 0o700;
/** In the data directory. */
const STAGE = 'joining';
const PKI = 'pki';
/** Files that settings name. */
const SHARED = 'shared';
const CONFIGURATION = 'server.yaml';

/** What every server has to have from the others; with `serviceAccountKey` of cluster-pki.ts. */
const PKI_FILES: readonly string[] = ['ca.crt', 'ca.key', 'front-proxy-ca.crt', 'front-proxy-ca.key', 'sa.key'];

/** `received`: a former attempt has got everything and not finished. */
export type Standing = 'new' | 'received' | 'joined';

/** How far the host is. Throws PkiError, with a sentence for the operator, when it belongs to another cluster. */
export async function standingOf(dataDir: string, caHash: string): Promise<Standing> {
  for (const [directory, standing] of [
    [join(dataDir, STAGE, PKI), 'received'],
    [join(dataDir, PKI), 'joined'],
  ] as const) {
    const path = join(directory, 'ca.crt');
    const ca = await readIfThere(path);
    if (ca === undefined) continue;
    parseCertificate(ca, path);
    if (publicKeyHash(ca) === caHash) return standing;
    throw new PkiError(
      `${directory} has the certificates of another cluster: remove that first (scripts/clean-host.sh), or give another --data-dir`,
    );
  }
  if (await hasStore(join(dataDir, 'store')))
    throw new PkiError(
      `${join(dataDir, 'store')} has the objects of a cluster of this host: remove that first (scripts/clean-host.sh), or give another --data-dir`,
    );
  return 'new';
}

/** Where the file of a setting is on this host. @param key the setting as it is written in files */
export const sharedFile = (dataDir: string, key: string): string => join(dataDir, SHARED, key);

export interface Received {
  readonly dataDir: string;
  readonly caHash: string;
  readonly pki: ServerBundle['pki'];
  /** By the settings as they are written in files. */
  readonly files: ReadonlyMap<string, string>;
  /** The text of the server's configuration file. */
  readonly configuration: string;
  /** Client URLs of the members of an etcd that Kedge runs; none of another. */
  readonly etcdMembers: readonly string[];
}

/** Nothing is in its place yet when this returns. Throws PkiError. */
export async function receive({ dataDir, caHash, pki, files, configuration, etcdMembers }: Received): Promise<void> {
  const stage = join(dataDir, STAGE);
  const making = `${stage}.new`;
  await rm(making, { recursive: true, force: true });
  for (const folder of [PKI, SHARED]) await mkdir(join(making, folder), { recursive: true, mode: DIRECTORY_MODE });
  const given = new Map(Object.entries(pki));
  const isManaged = etcdMembers.length > 0;
  const needed = [...PKI_FILES, ...(isManaged ? ETCD_CA_FILES : [])];
  for (const name of [...needed, ...OVERLAP_FILES, ...SERVICE_ACCOUNT_KEY_FILES]) {
    const text = given.get(name);
    if (text === undefined && !needed.includes(name)) continue;
    if (text === undefined) throw new PkiError(`the server has not given ${name}: is it of another version?`);
    await writeAtomically(join(making, PKI, name), text, name.endsWith('.key') ? KEY_MODE : CERTIFICATE_MODE);
  }
  const authority = await readKeyPair(join(making, PKI, 'ca.crt'), join(making, PKI, 'ca.key'));
  if (!authority || publicKeyHash(authority.certificate) !== caHash)
    throw new PkiError(`the server has given another CA than that of ${caHash}`);
  for (const [key, text] of files) await writeAtomically(join(making, SHARED, key), text, KEY_MODE);
  await writeAtomically(join(making, CONFIGURATION), configuration, KEY_MODE);
  if (isManaged) await writeEndpoints(making, etcdMembers);
  await rm(stage, { recursive: true, force: true });
  await rename(making, stage);
}

/** Puts what was received into place; the keys last, by which the host is known to have joined. Throws PkiError or errors of the file system. */
export async function adopt(dataDir: string, configFile: string): Promise<void> {
  const stage = join(dataDir, STAGE);
  if (await isThere(join(stage, SHARED))) {
    await rm(join(dataDir, SHARED), { recursive: true, force: true });
    await rename(join(stage, SHARED), join(dataDir, SHARED));
  }
  const etcd = etcdDirectory(stage);
  if (await isThere(etcd)) {
    // What a member of before has left.
    await rm(etcdDirectory(dataDir), { recursive: true, force: true });
    await rename(etcd, etcdDirectory(dataDir));
  }
  await mkdir(dirname(configFile), { recursive: true });
  await writeAtomically(configFile, await readFile(join(stage, CONFIGURATION), 'utf8'), KEY_MODE);
  // Leaves of an installation that has never been a cluster would keep the folder from being replaced.
  await rm(join(dataDir, PKI), { recursive: true, force: true });
  await rename(join(stage, PKI), join(dataDir, PKI));
  await rm(stage, { recursive: true });
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );

/** Removes what an attempt that failed has left, and folders that it has made. */
export async function abandon(dataDir: string): Promise<void> {
  await rm(join(dataDir, `${STAGE}.new`), { recursive: true, force: true });
  if ((await isThere(dataDir)) && (await readdir(dataDir)).length === 0) await rm(dataDir, { recursive: true });
}
