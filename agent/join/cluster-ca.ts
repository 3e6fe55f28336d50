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
  const ca = certificateIn(server, text);
  const found = publicKeyHash(ca);
  if (found !== hash)
    throw new JoinError(
      `the CA of ${server} has the hash ${found}, not ${hash}: it is another cluster, or the connection is intercepted`,
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

function certificateIn(server: string, kubeconfig: string): X509Certificate {
  const info = parse(kubeconfig) as ClusterInfo | null;
  const data = info?.clusters?.[0]?.cluster?.['certificate-authority-data'];
  try {
    return new X509Certificate(Buffer.from(data ?? '', 'base64'));
  } catch (error) {
    throw new JoinError(`ConfigMap kube-public/cluster-info of ${server} has no valid CA certificate`, {
      cause: error,
    });
  }
}
