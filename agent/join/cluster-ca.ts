/** Reads the cluster's CA from a server that is not trusted yet, and trusts it when its public key has the expected hash. */
import { X509Certificate } from 'node:crypto';
import { parse } from 'yaml';
import { CLUSTER_INFO } from '../../api/domain/bootstrap-token.ts';
import { publicKeyHash } from '../../api/domain/public-key-hash.ts';
import { StatusError } from '../../api/machinery/status-error.ts';
import { ApiClient } from '../../client/api-client.ts';
import { configMaps } from '../../client/resources.gen.ts';
import { JoinError } from './join-error.ts';
import { caHashProblem } from './join-format.ts';
import type { ConfigMap } from '../../api/types/core/v1.gen.ts';

/**
 * The CA's certificate in PEM, from the ConfigMap that is published for joining nodes (kube-public/cluster-info). Throws
 * JoinError when its key does not match `hash`, ConnectionError when the server cannot be reached.
 */
export async function fetchClusterCa(server: string, hash: string, signal: AbortSignal): Promise<string> {
  const problem = caHashProblem(hash);
  if (problem !== undefined) throw new JoinError(`ca-hash ${problem}`);
  const text = await readClusterInfo(server, signal);
  const authorities = publishedBy(server, text);
  // Only that one is known to be the cluster's; those beside it are learned from the server that it vouches for.
  const ca = authorities.find((authority) => publicKeyHash(authority) === hash);
  if (!ca)
    throw new JoinError(
      `the CA of ${server} has the hash ${authorities.map(publicKeyHash).join(' or ')}, not ${hash}: it is another cluster, or the connection is intercepted`,
    );
  const now = Date.now();
  if (ca.validFromDate.getTime() > now)
    throw new JoinError(
      `this host's clock (${new Date(now).toISOString()}) is before the start of the cluster CA's validity (${ca.validFromDate.toISOString()}): set the clock`,
    );
  if (ca.validToDate.getTime() < now)
    throw new JoinError(
      `the cluster's CA has expired (this host's clock: ${new Date(now).toISOString()}): it was valid until ${ca.validToDate.toISOString()}`,
    );
  return ca.toString();
}

async function readClusterInfo(server: string, signal: AbortSignal): Promise<string> {
  // Nothing of this connection is used without a check against the hash.
  await using client = new ApiClient({ server, insecureSkipTlsVerify: true });
  try {
    const info = await client.get<ConfigMap>(configMaps, CLUSTER_INFO.namespace, CLUSTER_INFO.name, { signal });
    return info.data?.['kubeconfig'] ?? '';
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    throw new JoinError(`failed to get ConfigMap kube-public/cluster-info from ${server}: ${error.message}`, {
      cause: error,
    });
  }
}

interface ClusterInfo {
  readonly clusters?: readonly { readonly cluster?: { readonly 'certificate-authority-data'?: string } }[];
}

function publishedBy(server: string, kubeconfig: string): X509Certificate[] {
  try {
    return authoritiesIn(kubeconfig, 'kubeconfig');
  } catch (error) {
    throw new JoinError(`ConfigMap kube-public/cluster-info of ${server} has no valid CA certificate`, {
      cause: error,
    });
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM bundle, or of the one in a kubeconfig, in their order. Throws an Error when there are none. */
export function authoritiesIn(text: string, form: 'pem' | 'kubeconfig' = 'pem'): X509Certificate[] {
  const info = form === 'kubeconfig' ? (parse(text) as ClusterInfo | null) : undefined;
  const data = info?.clusters?.[0]?.cluster?.['certificate-authority-data'];
  const pem = form === 'pem' ? text : Buffer.from(data ?? '', 'base64').toString();
  const found = (pem.match(CERTIFICATE) ?? []).map((certificate) => new X509Certificate(certificate));
  if (found.length === 0) throw new Error('it has no CA certificate');
  return found;
}
