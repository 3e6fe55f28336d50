/** A real api-server in this process, with its store on disk, and a signer of certificate requests controlled by the test. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { certificateSigningRequests } from '../../api/kinds/certificates/certificate-signing-request.ts';
import { secrets } from '../../api/kinds/core/secret.ts';
import { newBootstrapToken, secretOf, tokenText } from '../../cli/bootstrap-token.ts';
import { ApiClient } from '../../client/api-client.ts';
import { Informer } from '../../client/informer.ts';
import { startApiServer } from '../../control-plane/apiserver/main.ts';
import { defaultServerConfig } from '../../control-plane/config.ts';
import type { ClusterPki } from '../../control-plane/pki/cluster-pki.ts';
import { parseCertificateRequest } from '../../api/kinds/certificates/certificate-request.ts';
import { signCertificateRequest } from '../../control-plane/pki/signing.ts';
import { openEmbeddedStore } from '../../control-plane/store/embedded/embedded-store.ts';
import { openTestPki } from './test-pki.ts';

export interface ControlPlane extends AsyncDisposable {
  readonly server: string;
  readonly pki: ClusterPki;
  /** Authenticated as cluster-admin. */
  readonly admin: ApiClient;
  readonly directory: string;
  /** Creates a token `ID.SECRET`; `expiresAt` is in milliseconds since the epoch. */
  token(expiresAt: number): Promise<string>;
  /** How future requests are handled. */
  verdict: 'sign' | 'deny' | 'wait';
  /** Applies the verdict to an existing request. */
  judge(name: string): Promise<void>;
  /** Lifetime of signed certificates. */
  lifetimeSeconds: number;
}

const logger = pino({ level: 'silent' });

export async function startControlPlane(): Promise<ControlPlane> {
  const directory = await mkdtemp(join(tmpdir(), 'agent-host-server-'));
  const stop = new AbortController();
  const pki = await openTestPki(join(directory, 'pki'));
  const store = await openEmbeddedStore({ path: join(directory, 'store'), logger });
  const config = {
    ...defaultServerConfig,
    disable: ['ingress'],
    port: 0,
    bindAddress: '127.0.0.1',
    advertiseAddress: '127.0.0.1',
  };
  const api = await startApiServer({
    ...{ config, pki, store, logger, signal: stop.signal },
    frontProxyClient: () => pki.frontProxyClient,
    kubeletIdentity: () => ({
      cert: pki.kubeletClient.certificate,
      key: pki.kubeletClient.key,
      ca: pki.ca.certificate,
    }),
  });
  const server = `https://127.0.0.1:${api.port}`;
  const ca = pki.ca.certificate;
  const admin = new ApiClient({ server, ca, cert: pki.admin.certificate, key: pki.admin.key });
  const plane: ControlPlane = {
    server,
    pki,
    admin,
    directory,
    verdict: 'sign',
    judge,
    lifetimeSeconds: 3600,
    async token(expiresAt) {
      const token = newBootstrapToken('', expiresAt);
      await admin.create(secrets, secretOf(token));
      return tokenText(token);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await signing;
      await admin[Symbol.asyncDispose]();
      await api.close();
      await store.close();
      await rm(directory, { recursive: true });
    },
  };

  const requests = new Informer({ client: admin, resource: certificateSigningRequests, logger });
  async function judge(name: string): Promise<void> {
    if (plane.verdict === 'wait') return;
    const request = await admin.get(certificateSigningRequests, '', name);
    const type = plane.verdict === 'sign' ? 'Approved' : 'Denied';
    const conditions = [{ type, status: 'True', reason: 'Test', message: 'the test says so' }];
    const judged = { ...request, status: { ...request.status, conditions } };
    const approved = await admin.updateSubresource(certificateSigningRequests, 'approval', judged);
    if (plane.verdict === 'deny') return;
    const certificate = await signCertificateRequest(parseCertificateRequest(request.spec.request), {
      ca: pki.ca,
      usages: request.spec.usages ?? [],
      durationSeconds: plane.lifetimeSeconds,
    });
    const status = { ...approved.status, certificate: Buffer.from(certificate).toString('base64') };
    await admin.updateStatus(certificateSigningRequests, { ...approved, status });
  }
  requests.addHandlers({ onAdd: (_, key) => void judge(key) });
  const signing = requests.run(stop.signal);
  await requests.hasSynced();
  return plane;
}
