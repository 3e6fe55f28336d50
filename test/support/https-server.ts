/** A real HTTPS server on a free port of this machine, with a CA of its own, for tests of the client. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  BasicConstraintsExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

export interface Issued {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority for tests. */
export class TestCa {
  readonly cert: string;
  readonly #keys: webcrypto.CryptoKeyPair;
  private constructor(cert: string, keys: webcrypto.CryptoKeyPair) {
    this.cert = cert;
    this.#keys = keys;
  }

  static async create(name = 'CN=test-ca'): Promise<TestCa> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const cert = await X509CertificateGenerator.createSelfSigned({
      name,
      keys,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + DAY_MS),
      extensions: [new BasicConstraintsExtension(true)],
    });
    return new TestCa(cert.toString('pem'), keys);
  }

  async issue(subject: string): Promise<Issued> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const cert = await X509CertificateGenerator.create({
      subject,
      issuer: 'CN=test-ca',
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + DAY_MS),
      extensions: [new SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
    });
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    return { cert: cert.toString('pem'), key: PemConverter.encode(pkcs8, 'PRIVATE KEY') };
  }
}

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly ca: TestCa;
  readonly server: Server;
}

/** Requests client certificates of its CA, but does not require one. */
export async function startServer(listener: RequestListener): Promise<TestServer> {
  const ca = await TestCa.create();
  const { cert, key } = await ca.issue('CN=server');
  const server = createServer({ cert, key, ca: ca.cert, requestCert: true, rejectUnauthorized: false }, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca,
    server,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) body += chunk as string;
  return body;
}

export const silent = { debug() {}, info() {}, warn() {}, error() {} };
