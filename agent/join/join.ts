/** How a node obtains its identity: its existing certificate, or a new one requested with a bootstrap token. */
import { X509Certificate, type KeyObject } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { msUntil } from '../../client/clock.ts';
import { NODES_GROUP, nodeUserName } from '../../api/domain/node-identity.ts';
import { ApiClient } from '../../client/api-client.ts';
import { StatusError } from '../../api/machinery/status-error.ts';
import { backoffMs } from '../../client/backoff.ts';
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import { fetchClusterCa } from './cluster-ca.ts';
import type { RequestedCertificate } from './certificate-request.ts';
import { JoinError } from './join-error.ts';
import { serverProblem, tokenProblem } from './join-format.ts';
import { checkNameIsFree } from './name-check.ts';
import type { CertifiedKey, NodeCertificates } from './node-certificates.ts';
import { requestCertificate } from './issuance.ts';

export interface JoinOptions {
  /** `https://HOST:6443` */
  readonly server: string;
  /** `ID.SECRET`; empty when the node is expected to have its certificate. */
  readonly token: string;
  /** `sha256:...`; empty when the node is expected to have its certificate. */
  readonly caHash: string;
  readonly nodeName: string;
  /** Distinguishes this host from another one with the same node name; called when it joins. */
  readonly self: () => Promise<{ readonly machineId: string; readonly addresses: readonly string[] }>;
  readonly certificates: NodeCertificates;
  readonly logger: Logger;
}

export interface Identity {
  /** PEM. */
  readonly ca: string;
  readonly client: CertifiedKey;
  /** Whether the certificate was issued just now. */
  readonly isNew: boolean;
}

const RETRY = { initialMs: 1_000, maxMs: 60_000 };

export const clientCertificate = (nodeName: string): RequestedCertificate => ({
  commonName: nodeUserName(nodeName),
  organization: NODES_GROUP,
});

export const servingCertificate = (nodeName: string, addresses: readonly string[]): RequestedCertificate => ({
  commonName: nodeUserName(nodeName),
  organization: NODES_GROUP,
  dnsNames: [nodeName],
  ipAddresses: [...addresses],
});

/** Throws JoinError or ConnectionError with a sentence for the operator. */
export async function obtainIdentity(options: JoinOptions, signal: AbortSignal): Promise<Identity> {
  const { server, token, caHash, nodeName, certificates, logger } = options;
  const wrongServer = serverProblem(server);
  if (wrongServer !== undefined) throw new JoinError(`server ${wrongServer}`);

  const pair = await certificates.read('client');
  const ca = await certificates.ca();
  const isOfAnother = ca !== undefined && !(await certificates.isOfCluster(caHash));
  if (pair && ca && !isOfAnother) {
    if (pair.user !== nodeUserName(nodeName)) {
      if (!token)
        throw new JoinError(
          `this host has joined as ${pair.user}; to join as node ${nodeName} a token is required (kedge token create)`,
        );
    } else if (msUntil(pair.validToMs) > 0) {
      if (token) logger.debug({}, 'node already has a certificate, ignoring token');
      return { ca, client: pair, isNew: false };
    } else if (!token) {
      throw new JoinError(
        `this node's certificate expired on ${new Date(pair.validToMs).toISOString()}: a new token is required (kedge token create)`,
      );
    }
  }
  if (!token && isOfAnother)
    throw new JoinError(
      'this node has joined another cluster than the one given by ca-hash: --token is required to join it',
    );
  if (!token)
    throw new JoinError('this node has not joined yet: --token and --ca-hash are required (kedge token create)');
  const wrongToken = tokenProblem(token);
  if (wrongToken !== undefined) throw new JoinError(`token ${wrongToken}`);
  if (!caHash) throw new JoinError('--ca-hash is required with --token, to verify the identity of the server');
  return join(options, signal);
}

/** Nothing of an earlier membership changes before the cluster has admitted the node. */
async function join(options: JoinOptions, signal: AbortSignal): Promise<Identity> {
  const { server, token, caHash, certificates, logger } = options;
  const ca = await fetchClusterCa(server, caHash, signal);
  // Only now is it certain that this cluster exists.
  if ((await certificates.ca()) !== undefined && !(await certificates.isOfCluster(caHash)))
    logger.warn({ caHash }, 'node certificate is from another cluster, joining the cluster given by ca-hash');
  const key = await certificates.pendingKey('client');
  let certificate: string;
  try {
    certificate = await usableCertificate(options, ca, key, signal);
  } catch (error) {
    if (!signal.aborted) await certificates.dropPendingKey('client');
    throw sentenceFor(error, server, token);
  }
  if (!(await certificates.isOfCluster(caHash))) await certificates.clear();
  await certificates.writeCa(ca);
  const pair = await certificates.store('client', certificate, key);
  logger.info({ server, until: new Date(pair.validToMs).toISOString() }, 'joined cluster');
  return { ca, client: pair, isNew: true };
}

/** The certificate that the cluster issues to this host, once it is verified that the host can use it. */
async function usableCertificate(
  { server, token, nodeName, self, logger }: JoinOptions,
  ca: string,
  key: KeyObject,
  signal: AbortSignal,
): Promise<string> {
  await using joining = new ApiClient({ server, ca, token });
  const certificate = await requestCertificate(joining, 'client', clientCertificate(nodeName), key, logger, signal);
  const { validFromDate } = new X509Certificate(certificate);
  if (msUntil(validFromDate.getTime()) > 0)
    throw new JoinError(
      `the issued certificate is valid from ${validFromDate.toISOString()}, which is in the future by this host's clock: set the clock`,
    );
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  await using node = new ApiClient({ server, ca, cert: certificate, key: pem });
  await checkNameIsFree(node, nodeName, await self(), signal);
  return certificate;
}

function sentenceFor(error: unknown, server: string, token: string): unknown {
  if (!(error instanceof StatusError)) return error;
  // The part before the dot is the token's ID, not its secret.
  const id = token.slice(0, token.indexOf('.'));
  if (error.code === 401)
    return new JoinError(
      `${server} does not accept the token ${id}: it is invalid or has expired; create another one with "kedge token create"`,
      { cause: error },
    );
  if (error.code === 403)
    return new JoinError(`the token ${id} does not allow a node to join: ${error.message}`, { cause: error });
  return error;
}

/** Why the node API has no certificate, as in the condition. */
export interface ServingCertificateProblem {
  readonly reason: 'NodeAPIStarting' | 'ServingCertificatePending' | 'ServingCertificateUnavailable';
  readonly message: string;
}

/** For a certificate request that is pending approval. */
export const pendingApproval = (request: string): ServingCertificateProblem => ({
  reason: 'ServingCertificatePending',
  message: `certificate signing request ${request} is pending approval (kubectl certificate approve ${request})`,
});

/**
 * The serving certificate of the node API, requested with the node's own identity. Retries until it has one: pods run
 * without it. `onProblem` is called with the reason why there is none yet.
 */
export async function obtainServingCertificate(
  client: ApiClient,
  certificates: NodeCertificates,
  nodeName: string,
  addresses: readonly string[],
  logger: Logger,
  signal: AbortSignal,
  onProblem?: (problem: ServingCertificateProblem) => void,
): Promise<CertifiedKey> {
  const there = await certificates.read('serving');
  if (there && msUntil(there.validToMs) > 0 && [nodeName, ...addresses].every((one) => there.names.includes(one)))
    return there;
  const outage = new Outage({ logger });
  for (let failures = 1; ; failures++) {
    try {
      const wanted = servingCertificate(nodeName, addresses);
      const onWaiting = (request: string): void => onProblem?.(pendingApproval(request));
      return await renew(client, 'serving', certificates, wanted, logger, signal, onWaiting);
    } catch (error) {
      signal.throwIfAborted();
      onProblem?.({ reason: 'ServingCertificateUnavailable', message: (error as Error).message });
      const retryMs = Math.round(backoffMs(RETRY, failures));
      outage.failed(error, { retryMs }, 'failed to obtain serving certificate for node API');
      await delay(retryMs, undefined, { signal });
    }
  }
}

/** Obtains a certificate for a new key and stores both. */
export async function renew(
  client: ApiClient,
  purpose: 'client' | 'serving',
  certificates: NodeCertificates,
  wanted: RequestedCertificate,
  logger: Logger,
  signal: AbortSignal,
  onWaiting?: (request: string) => void,
): Promise<CertifiedKey> {
  const key = await certificates.pendingKey(purpose);
  try {
    const certificate = await requestCertificate(client, purpose, wanted, key, logger, signal, onWaiting);
    return await certificates.store(purpose, certificate, key);
  } catch (error) {
    // Denied: the next attempt creates another request.
    if (error instanceof JoinError) await certificates.dropPendingKey(purpose);
    throw error;
  }
}
