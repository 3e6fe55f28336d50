/**
 * The cluster's keys and certificates, in one folder with kubeadm's file names: created at the first start, validated and
 * reused afterwards. One CA signs server and client certificates. The control plane's certificates are renewed before they
 * expire. The CAs and the service account key are replaced when that is asked for (`ca-rotation.ts`); neither the CA nor that key is created
 * for a cluster that already exists.
 * https://kubernetes.io/docs/setup/best-practices/certificates/
 */
import { X509Certificate } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { publicKeyHash } from '../../api/domain/public-key-hash.ts';
import { carryOutRotation, readTrust, type Trust } from './ca-rotation.ts';
import {
  PkiError,
  parseCertificate,
  parsePrivateKey,
  readIfThere,
  readKeyPair,
  writeKeyPair,
  type KeyPair,
} from './pem-files.ts';
import { openServiceAccountKey, readOtherServiceAccountKeys } from './service-account-keys.ts';

const DAY_MS = 24 * 3600 * 1000;
const LIFETIME_MS = 365 * DAY_MS;
const RENEWED_BEFORE_END_MS = 30 * DAY_MS;

/** The name in the certificate by which aggregated API servers know the api-server. */
export const FRONT_PROXY_CLIENT = 'front-proxy-client';

export interface PkiOptions {
  /** `/var/lib/kedge/server/pki` */
  readonly directory: string;
  /** Names and addresses for the serving certificate; see `serverNames`. */
  readonly serverNames: readonly string[];
  /** Where the cluster's objects are, for messages; undefined when the cluster is new. */
  readonly store?: string;
  /** Whether the CA may be replaced now, if that has been asked for: at the start of a server, which hands it to all that need it. */
  readonly mayReplaceCa?: boolean;
  /** Milliseconds since the epoch. */
  readonly now?: number;
}

export interface ClusterPki {
  readonly directory: string;
  /** The CA that signs. */
  readonly ca: KeyPair;
  /** PEM: the CAs that are trusted; the one that signs is the first. */
  readonly bundle: string;
  /** `sha256:...` of the CA's public key. */
  readonly caHash: string;
  /** The api-server's serving certificate. */
  readonly serving: KeyPair;
  /** The client certificate of the api-server for the kubelet API. */
  readonly kubeletClient: KeyPair;
  /** Signs `frontProxyClient` alone, so that who has a certificate of the cluster's CA cannot speak for others. */
  readonly frontProxyCa: KeyPair;
  /** PEM: the CAs of front proxies that are trusted; the one that signs is the first. */
  readonly frontProxyBundle: string;
  /** By which aggregated API servers know the api-server. */
  readonly frontProxyClient: KeyPair;
  readonly admin: KeyPair;
  readonly controllerManager: KeyPair;
  readonly scheduler: KeyPair;
  /** PEM of the private key (ECDSA P-256) that signs service account tokens. */
  readonly serviceAccountKey: string;
  /** PEM of public keys that service account tokens are verified by, too. */
  readonly otherServiceAccountKeys: readonly string[];
}

/** The files of the certificates that are signed here for this server. */
const LEAVES = [
  ...['apiserver', 'apiserver-kubelet-client', 'front-proxy-client'],
  ...['admin', 'controller-manager', 'scheduler'],
];

type LeafUsage = 'client auth' | 'server auth';

export interface Leaf {
  readonly file: string;
  readonly commonName: string;
  readonly organizations?: readonly string[];
  readonly names?: readonly string[];
  readonly usage: LeafUsage | readonly LeafUsage[];
  /** PEM of what goes along with it. */
  readonly chain?: string;
  /** Whether it is made anew, even if the one that is there is good. */
  readonly isDue?: boolean;
}

/** Opens a CA; makes it when it is missing, unless `store` says where the objects of its cluster are. Throws PkiError. */
export async function openAuthority(
  directory: string,
  now: number,
  store: string | undefined,
  file = 'ca',
  commonName = 'kubernetes',
): Promise<KeyPair> {
  const [certificatePath, keyPath] = [join(directory, `${file}.crt`), join(directory, `${file}.key`)];
  const there = await readKeyPair(certificatePath, keyPath);
  if (there) {
    const certificate = parseCertificate(there.certificate, certificatePath);
    if (!certificate.ca) throw new PkiError(`${certificatePath} is not a CA certificate`);
    if (certificate.validToDate.getTime() <= now) {
      throw new PkiError(
        `${certificatePath} expired on ${certificate.validTo}; replace it with a renewed CA certificate`,
      );
    }
    return there;
  }
  // Reuse an existing key: issued certificates and pinned hashes remain valid.
  const key = await readIfThere(keyPath);
  if (key !== undefined) parsePrivateKey(key, keyPath);
  else if (store !== undefined) {
    throw new PkiError(
      `${certificatePath} and ${keyPath} are missing, but ${store} holds a cluster whose certificates they have signed; ` +
        'restore both from a backup or copy those of another server, or start with an empty store',
    );
  }
  const { createAuthority } = await import('./signing.ts');
  const made = await createAuthority(commonName, now, key);
  await writeKeyPair(certificatePath, keyPath, made);
  return made;
}

/** The names in a certificate's subjectAltName, sorted. */
function namesIn(certificate: X509Certificate): string[] {
  return (certificate.subjectAltName ?? '')
    .split(', ')
    .filter((entry) => entry !== '')
    .map((entry) => entry.slice(entry.indexOf(':') + 1))
    .sort();
}

/** Normalizes IPv6 addresses, which programs spell differently. */
const canonicalName = (name: string): string =>
  name.includes(':') ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name.toLowerCase();

const sameNames = (left: readonly string[], right: readonly string[]): boolean =>
  JSON.stringify([...left].map(canonicalName).sort()) === JSON.stringify([...right].map(canonicalName).sort());

function isFit(pem: string, leaf: Leaf, ca: X509Certificate, now: number): boolean {
  const certificate = new X509Certificate(pem);
  return (
    pem.trim().endsWith((leaf.chain ?? '').trim()) &&
    (pem.match(/-----BEGIN CERTIFICATE-----/g) ?? []).length === (leaf.chain ? 2 : 1) &&
    certificate.validToDate.getTime() - now > RENEWED_BEFORE_END_MS &&
    certificate.verify(ca.publicKey) &&
    (!leaf.names || sameNames(namesIn(certificate), leaf.names))
  );
}

/** Opens a certificate that `ca` has signed; makes or renews it when that is due. Throws PkiError. */
export async function openLeaf(directory: string, leaf: Leaf, ca: KeyPair, now: number): Promise<KeyPair> {
  const [certificatePath, keyPath] = [join(directory, `${leaf.file}.crt`), join(directory, `${leaf.file}.key`)];
  const there = await readKeyPair(certificatePath, keyPath);
  if (there && !leaf.isDue && isFit(there.certificate, leaf, new X509Certificate(ca.certificate), now)) {
    return there;
  }
  const { issueCertificate } = await import('./signing.ts');
  const issued = await issueCertificate(ca, {
    commonName: leaf.commonName,
    organizations: leaf.organizations,
    names: leaf.names,
    usages: ['digital signature', 'key encipherment', ...[leaf.usage].flat()],
    lifetimeMs: LIFETIME_MS,
    now,
  });
  const made = { ...issued, certificate: issued.certificate + (leaf.chain ?? '') };
  await writeKeyPair(certificatePath, keyPath, made);
  return made;
}

/**
 * Opens the PKI; creates what is missing and renews what is about to expire. A running server calls it once a day: it costs a
 * few file reads when nothing is to be renewed. Throws PkiError.
 */
export async function openPki(options: PkiOptions): Promise<ClusterPki> {
  const { directory, serverNames, store, mayReplaceCa = false, now = Date.now() } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await carryOutRotation(directory, LEAVES, mayReplaceCa, now);
  const ca = await openAuthority(directory, now, store);
  const { bundle, chain } = await readTrust(directory, ca.certificate);
  // No identity of the cluster hangs on this one: it is made anew when it is missing.
  const frontProxyCa = await openAuthority(directory, now, undefined, 'front-proxy-ca', 'front-proxy-ca');
  const frontProxy = await readTrust(directory, frontProxyCa.certificate, 'front-proxy-ca');
  const leaf = (file: string, commonName: string, ...organizations: string[]): Promise<KeyPair> =>
    openLeaf(directory, { file, commonName, organizations, usage: 'client auth', chain }, ca, now);
  return {
    directory,
    ...{ ca, bundle },
    caHash: publicKeyHash(ca.certificate),
    serving: await openLeaf(
      directory,
      { file: 'apiserver', commonName: 'kube-apiserver', names: serverNames, usage: 'server auth', chain },
      ca,
      now,
    ),
    // Bound to system:kubelet-api-admin by the default policy, instead of to everything by system:masters.
    kubeletClient: await leaf('apiserver-kubelet-client', 'kube-apiserver-kubelet-client'),
    frontProxyCa,
    frontProxyBundle: frontProxy.bundle,
    frontProxyClient: await openLeaf(
      directory,
      {
        file: 'front-proxy-client',
        commonName: FRONT_PROXY_CLIENT,
        usage: 'client auth',
        chain: frontProxy.chain,
      },
      frontProxyCa,
      now,
    ),
    admin: await leaf('admin', 'kubernetes-admin', 'system:masters'),
    controllerManager: await leaf('controller-manager', 'system:kube-controller-manager'),
    scheduler: await leaf('scheduler', 'system:kube-scheduler'),
    serviceAccountKey: await openServiceAccountKey(directory, store),
    otherServiceAccountKeys: await readOtherServiceAccountKeys(directory),
  };
}

/** Reads the CA of a PKI folder. Throws PkiError when it does not exist. */
export async function readAuthority(directory: string): Promise<KeyPair> {
  const pair = await readKeyPair(join(directory, 'ca.crt'), join(directory, 'ca.key'));
  if (!pair) throw new PkiError(`${join(directory, 'ca.crt')} is missing: there is no cluster CA on this host`);
  return pair;
}

/** Reads the CAs of a PKI folder that are trusted, PEM; the one that signs is the first. Throws PkiError when there are none. */
export const readBundleOf = async (directory: string): Promise<Trust['bundle']> =>
  (await readTrust(directory, (await readAuthority(directory)).certificate)).bundle;
