/** Keys and certificates of an etcd that talks to clients with certificates only. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createAuthority, issueCertificate } from '../../control-plane/pki/signing.ts';
import type { KeyPair } from '../../control-plane/pki/pem-files.ts';

const DAY_MS = 24 * 3600 * 1000;

export interface ClientFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export class EtcdTls implements AsyncDisposable {
  readonly #directory: string;
  readonly client: ClientFiles;
  /** etcd's arguments. */
  readonly arguments: readonly string[];

  private constructor(directory: string, client: ClientFiles, args: readonly string[]) {
    this.#directory = directory;
    this.client = client;
    this.arguments = args;
  }

  static async create(): Promise<EtcdTls> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-etcd-tls-'));
    const file = (name: string): string => path.join(directory, name);
    const now = Date.now();
    const ca = await createAuthority('etcd-ca', now);
    const write = async (name: string, { certificate, key }: KeyPair): Promise<void> => {
      await writeFile(file(`${name}.crt`), certificate);
      await writeFile(file(`${name}.key`), key, { mode: 0o600 });
    };
    await write('ca', ca);
    const leaf = { usages: ['digital signature', 'server auth', 'client auth'], lifetimeMs: DAY_MS, now };
    await write('server', await issueCertificate(ca, { commonName: 'etcd', names: ['127.0.0.1'], ...leaf }));
    await write('client', await issueCertificate(ca, { commonName: 'kedge', ...leaf }));
    const stranger = await createAuthority('another-ca', now);
    await write('stranger', await issueCertificate(stranger, { commonName: 'kedge', ...leaf }));
    const client = { caFile: file('ca.crt'), certFile: file('client.crt'), keyFile: file('client.key') };
    return new EtcdTls(directory, client, [
      ...['--cert-file', file('server.crt'), '--key-file', file('server.key')],
      ...['--client-cert-auth', '--trusted-ca-file', file('ca.crt')],
    ]);
  }

  /** A client whose certificate is of another CA. */
  get stranger(): ClientFiles {
    const at = (name: string): string => path.join(this.#directory, name);
    return { caFile: this.client.caFile, certFile: at('stranger.crt'), keyFile: at('stranger.key') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}
