/** Obtains a certificate from the cluster: creates a CertificateSigningRequest and waits for its certificate. */
import { createHash, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER } from '../../api/domain/signer-names.ts';
import { isAlreadyExists, StatusError } from '../../api/machinery/status-error.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { backoffMs } from '../../client/backoff.ts';
import { ConnectionError } from '../../client/connection-error.ts';
import type { Logger } from '../../client/logger.ts';
import { certificateSigningRequests } from '../../client/resources.gen.ts';
import { certificateRequest, type RequestedCertificate } from './certificate-request.ts';
import { JoinError } from './join-error.ts';
import type { CertificateSigningRequest } from '../../api/types/certificates/v1.gen.ts';

export type Purpose = 'client' | 'serving';

const SIGNER = {
  client: KUBELET_CLIENT_SIGNER,
  serving: KUBELET_SERVING_SIGNER,
} as const;
/** An ECDSA key cannot encipher keys, so there are only these two usages. */
const USAGES = {
  client: ['digital signature', 'client auth'],
  serving: ['digital signature', 'server auth'],
} as const;
/** What does not work without the certificate. */
const CONSEQUENCE = {
  client: 'the host cannot join the cluster, or leaves it when its current certificate expires',
  serving: 'logs, exec, attach, port-forward and metrics of this node are unavailable',
} as const;
/** When to log that the request is still pending. */
const PATIENCE_MS = 10_000;
const RETRY = { initialMs: 500, maxMs: 15_000 };
const WATCH_SECONDS = 300;

/**
 * Resolves with the certificate chain in PEM. The request is named after the key: created again after a crash, it is the
 * same one. Waits for approval without limit; `onWaiting` is called with the name of one that stays pending. Throws
 * JoinError when it is denied, StatusError when it may not be created.
 */
export async function requestCertificate(
  client: ApiClient,
  purpose: Purpose,
  wanted: RequestedCertificate,
  key: KeyObject,
  logger: Logger,
  signal: AbortSignal,
  onWaiting?: (request: string) => void,
): Promise<string> {
  const publicKey = createPublicKey(key);
  const digest = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' }));
  const name = `node-csr-${purpose}-${digest.digest('hex').slice(0, 32)}`;
  const request: CertificateSigningRequest = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: {
      request: Buffer.from(certificateRequest(wanted, publicKey, key)).toString('base64'),
      signerName: SIGNER[purpose],
      usages: [...USAGES[purpose]],
    },
  };
  try {
    await client.create(certificateSigningRequests, request, { signal });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  const patience = setTimeout(() => {
    logger.warn(
      { request: name, consequence: CONSEQUENCE[purpose] },
      `certificate signing request is pending approval: kubectl certificate approve ${name}`,
    );
    onWaiting?.(name);
  }, PATIENCE_MS);
  try {
    const certificate = await waitForCertificate(client, name, signal);
    if (!new X509Certificate(certificate).checkPrivateKey(key))
      throw new JoinError(`the certificate issued for ${name} does not match this node's key`);
    return certificate;
  } finally {
    clearTimeout(patience);
  }
}

/** The certificate, once it is there. Throws JoinError for a request that was denied. */
function certificateOf({ metadata, status }: CertificateSigningRequest): string | undefined {
  for (const { type, message, reason } of status?.conditions ?? []) {
    if (type === 'Denied' || type === 'Failed')
      throw new JoinError(
        `certificate signing request ${metadata?.name ?? ''} was ${type === 'Denied' ? 'denied' : 'not signed'}: ${message || reason || 'no reason given'}`,
      );
  }
  return status?.certificate ? Buffer.from(status.certificate, 'base64').toString() : undefined;
}

async function waitForCertificate(client: ApiClient, name: string, signal: AbortSignal): Promise<string> {
  const fieldSelector = `metadata.name=${name}`;
  for (let failures = 0; ;) {
    try {
      const { items, metadata } = await client.list(certificateSigningRequests, { fieldSelector, signal });
      if (items.length === 0) throw new JoinError(`certificate signing request ${name} was deleted`);
      for (const item of items) {
        const certificate = certificateOf(item);
        if (certificate) return certificate;
      }
      const { resourceVersion } = metadata;
      const issued = await watchForCertificate(client, { fieldSelector, resourceVersion }, signal);
      if (issued) return issued;
      failures = 0;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ConnectionError) && !(error instanceof StatusError && error.code >= 410)) throw error;
      await delay(backoffMs(RETRY, ++failures), undefined, { signal });
    }
  }
}

/** Undefined when the watch ended without one. */
async function watchForCertificate(
  client: ApiClient,
  selection: { fieldSelector: string; resourceVersion: string | undefined },
  signal: AbortSignal,
): Promise<string | undefined> {
  const found = new AbortController();
  let certificate: string | undefined;
  try {
    await client.watch(
      certificateSigningRequests,
      { ...selection, timeoutSeconds: WATCH_SECONDS, signal: AbortSignal.any([signal, found.signal]) },
      ({ type, object }) => {
        if (type === 'BOOKMARK') return;
        certificate = certificateOf(object);
        if (certificate) found.abort();
      },
    );
  } catch (error) {
    if (!found.signal.aborted) throw error;
  }
  return certificate;
}
