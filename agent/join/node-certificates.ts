/**
 * The node's certificates on disk, in `<data dir>/pki`: the cluster's CA, and a file each for the client and the serving
 * certificate that holds chain and key together, so that a pair is replaced in one step.
 */
import { createPrivateKey, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { IpAddress } from '../../api/domain/address.ts';
import { writeFileAtomically } from '../../daemon/atomic-file.ts';
import { PUBLIC_KEY_HASH, publicKeyHash } from '../../api/domain/public-key-hash.ts';
import type { Credentials } from '../../client/transport.ts';
import { readTextIfThere } from '../host/files.ts';
import { authoritiesIn } from './cluster-ca.ts';
import { JoinError } from './join-error.ts';
import type { Purpose } from './issuance.ts';

const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;
const DIRECTORY_MODE = 0o700;

export interface CertifiedKey {
  /** PEM: the certificate and what comes between it and the CA. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
  readonly validFromMs: number;
  readonly validToMs: number;
  /** The subject's common name: `system:node:NAME`. */
  readonly user: string;
  /** The subject's alternative names; addresses in canonical form. */
  readonly names: readonly string[];
}

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----\n?/;

function parsePair(text: string, path: string): CertifiedKey {
  const certificate = text.match(CERTIFICATES)?.join('') ?? '';
  const key = PRIVATE_KEY.exec(text)?.[0] ?? '';
  try {
    const leaf = new X509Certificate(certificate);
    if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('the key does not match the certificate');
    return {
      certificate,
      key,
      validFromMs: leaf.validFromDate.getTime(),
      validToMs: leaf.validToDate.getTime(),
      user: /^CN=(.*)$/m.exec(leaf.subject)?.[1] ?? '',
      names: (leaf.subjectAltName ?? '').split(', ').map((entry) => {
        const name = entry.slice(entry.indexOf(':') + 1);
        return IpAddress.parse(name)?.text ?? name;
      }),
    };
  } catch (error) {
    throw new JoinError(
      `${path} has no valid certificate and key (${(error as Error).message}); remove it and join again with a token`,
      { cause: error },
    );
  }
}

export class NodeCertificates {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  #pathOf(purpose: Purpose): string {
    return join(this.directory, `${purpose}.pem`);
  }

  /** PEM; undefined before the node has joined. */
  ca(): Promise<string | undefined> {
    return readTextIfThere(join(this.directory, 'ca.crt'));
  }

  async writeCa(pem: string): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: DIRECTORY_MODE });
    await writeFileAtomically(join(this.directory, 'ca.crt'), pem, PUBLIC_MODE);
  }

  /** The same cluster has other CAs. The hashes of those before still name it: settings have the one that this host has joined with. */
  async replaceCas(pem: string): Promise<void> {
    const hashes = new Set([...(await this.#hashes()), ...authoritiesIn(pem).map(publicKeyHash)]);
    await writeFileAtomically(this.#hashFile, [...hashes, ''].join('\n'), PUBLIC_MODE);
    await this.writeCa(pem);
  }

  get #hashFile(): string {
    return join(this.directory, 'ca-hashes');
  }

  /** Of all CAs that the cluster is known to have or have had. */
  async #hashes(): Promise<string[]> {
    const [ca, before] = [await this.ca(), await readTextIfThere(this.#hashFile)];
    return [
      ...(ca === undefined ? [] : authoritiesIn(ca).map(publicKeyHash)),
      ...(before ?? '').trim().split('\n'),
    ].filter((hash) => PUBLIC_KEY_HASH.test(hash));
  }

  /** Undefined when there is none. Throws JoinError for a file that cannot be used. */
  async read(purpose: Purpose): Promise<CertifiedKey | undefined> {
    const path = this.#pathOf(purpose);
    const text = await readTextIfThere(path);
    return text === undefined ? undefined : parsePair(text, path);
  }

  /**
   * The key of a certificate that has been requested and not issued yet. It is kept, so that after a crash the same request is
   * found again and no other one created.
   */
  async pendingKey(purpose: Purpose): Promise<KeyObject> {
    const path = join(this.directory, `${purpose}.key.pending`);
    const there = await readTextIfThere(path);
    if (there !== undefined) return createPrivateKey(there);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    await mkdir(this.directory, { recursive: true, mode: DIRECTORY_MODE });
    await writeFileAtomically(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), SECRET_MODE);
    return privateKey;
  }

  /** Stores the certificate of the pending key in place of the current pair. */
  async store(purpose: Purpose, certificate: string, key: KeyObject): Promise<CertifiedKey> {
    const text = `${certificate.trimEnd()}\n${key.export({ type: 'pkcs8', format: 'pem' }).toString()}`;
    await writeFileAtomically(this.#pathOf(purpose), text, SECRET_MODE);
    await this.dropPendingKey(purpose);
    return parsePair(text, this.#pathOf(purpose));
  }

  async dropPendingKey(purpose: Purpose): Promise<void> {
    await rm(join(this.directory, `${purpose}.key.pending`), { force: true });
  }

  /** Removes the membership of the cluster. */
  async clear(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Whether a CA of the cluster that this host has joined has the hash; an empty hash matches any. */
  async isOfCluster(hash: string): Promise<boolean> {
    return (await this.ca()) !== undefined && (hash === '' || (await this.#hashes()).includes(hash));
  }
}

export const clientCredentials = (ca: string, pair: CertifiedKey): Credentials => ({
  ca,
  cert: pair.certificate,
  key: pair.key,
});
