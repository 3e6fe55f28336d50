/**
 * The certificates of the etcd that Kedge runs. They are of a CA of their own: who has a certificate of the cluster's, as every node does, must not
 * be a client of etcd. They lie beside the others in the PKI folder, so that backups and servers that join have the CA, too.
 */
import { mkdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { readTrust } from '../../../pki/ca-rotation.ts';
import { openAuthority, openLeaf } from '../../../pki/cluster-pki.ts';
import { CERTIFICATE_MODE, PkiError, readIfThere, writeAtomically } from '../../../pki/pem-files.ts';
import { serverNames } from '../../../pki/server-names.ts';
import type { TlsFiles } from './arguments.ts';

/** The CA's files, without their ends. */
export const ETCD_CA = 'etcd-ca';
export const ETCD_CA_FILES = [`${ETCD_CA}.crt`, `${ETCD_CA}.key`] as const;
/**
 * The CAs that are trusted, while a CA before is, too. Made of the CA's files (`pki/ca-rotation.ts`) for etcd, which reads one file, and when it
 * starts only.
 */
const BUNDLE = 'etcd-ca.bundle';
const MEMBER = 'etcd-member';
const CLIENT = 'etcd-client';
const DIRECTORY_MODE = 0o700;

export interface NamesOfHost {
  readonly clusterDomain: string;
  readonly serviceCidr: string;
  readonly clusterCidr: string;
}

export interface EtcdPkiOptions {
  readonly mayMakeCa?: boolean;
  readonly isDue?: boolean;
  /** Milliseconds since the epoch. */
  readonly now?: number;
}

const filesOf = (directory: string, name: string): TlsFiles => ({
  caFile: path.join(directory, BUNDLE),
  certFile: path.join(directory, `${name}.crt`),
  keyFile: path.join(directory, `${name}.key`),
});
/** Of the member, for clients and for peers. */
export const memberFiles = (pkiDirectory: string): TlsFiles => filesOf(pkiDirectory, MEMBER);
/** Of this host's servers and commands. An etcd that was started by a version without rotation has left no bundle. */
export async function clientFiles(pkiDirectory: string): Promise<TlsFiles> {
  const files = filesOf(pkiDirectory, CLIENT);
  const hasBundle = (await readIfThere(files.caFile)) !== undefined;
  return hasBundle ? files : { ...files, caFile: path.join(pkiDirectory, `${ETCD_CA}.crt`) };
}

export const hasEtcdCa = async (pkiDirectory: string): Promise<boolean> =>
  (await readIfThere(path.join(pkiDirectory, `${ETCD_CA}.crt`))) !== undefined;

/** Whether this host's servers have what they need to be clients. */
export const hasClient = async (pkiDirectory: string): Promise<boolean> =>
  (await readIfThere(filesOf(pkiDirectory, CLIENT).certFile)) !== undefined;

/**
 * Makes what is missing and renews what is about to expire, or of a CA before: etcd reads its certificate again for each connection. Throws PkiError.
 * @param mayMakeCa whether this is the first member of a cluster that is new
 * @param isDue whether certificates are renewed that are still good
 */
export async function openEtcdPki(
  directory: string,
  address: string,
  { clusterDomain, serviceCidr, clusterCidr }: NamesOfHost,
  { mayMakeCa = false, isDue = false, now = Date.now() }: EtcdPkiOptions = {},
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
  if (!mayMakeCa && !(await hasEtcdCa(directory)))
    throw new PkiError(
      `${path.join(directory, `${ETCD_CA}.crt`)} is missing: restore it and its key from a backup, or copy those of another server`,
    );
  const ca = await openAuthority(directory, now, undefined, ETCD_CA, ETCD_CA);
  const { bundle, chain } = await readTrust(directory, ca.certificate, ETCD_CA);
  const { caFile } = memberFiles(directory);
  if ((await readIfThere(caFile)) !== bundle) await writeAtomically(caFile, bundle, CERTIFICATE_MODE);
  // A peer is asked for a name of the address that it comes from.
  const interfaces = os.networkInterfaces();
  const all = serverNames({ hostname: os.hostname(), interfaces, clusterDomain, serviceCidr, podCidr: clusterCidr });
  const names = [...new Set([...all.filter((name) => !name.startsWith('kubernetes')), address])].sort();
  await openLeaf(
    directory,
    { file: MEMBER, commonName: MEMBER, names, usage: ['server auth', 'client auth'], chain, isDue },
    ca,
    now,
  );
  await openLeaf(directory, { file: CLIENT, commonName: CLIENT, usage: 'client auth', chain, isDue }, ca, now);
}
