/**
 * Publishes where the cluster is and what its CA is, for hosts that join: kubeadm's ConfigMap `kube-public/cluster-info`, which
 * anybody may read. `kedge join` does not trust it, and checks the CA against the hash of its public key; for others the bootstrap
 * signer signs it with the tokens that are for that.
 */
import { CLUSTER_INFO } from '../../../api/domain/bootstrap-token.ts';
import { own } from '../../../api/machinery/own.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { clusterKubeconfig, serverInKubeconfig } from '../../pki/kubeconfig.ts';
import { publishConfigMap, type PublishApi } from './published-config-map.ts';

export interface Servers {
  /** URLs of those that are alive. */
  readonly alive: readonly string[];
  /** This one's. */
  readonly own: string;
}

/**
 * The server that is to be named: the one that is, while it is alive, so that several do not take turns; otherwise this one. Pure.
 * @param named undefined when none is, or not as this server writes it
 */
export const serverToName = (named: string | undefined, { alive, own }: Servers): string =>
  named !== undefined && alive.includes(named) ? named : own;

/** When a server starts: with its CA, too, which may have been replaced. Throws StatusError. */
export async function publishClusterInfo(api: PublishApi, servers: Servers, caCertificate: string): Promise<void> {
  await publishConfigMap(api, CLUSTER_INFO.namespace, CLUSTER_INFO.name, (present) => ({
    kubeconfig: clusterKubeconfig(serverToName(serverIn(present), servers), caCertificate),
  }));
}

/**
 * While it runs: a server that has gone is not named for long. Nothing else is changed, and not what others have written: of the CA, a server that was
 * started before a rotation knows less than the one that has published it. Throws StatusError.
 */
export async function keepClusterInfo(api: PublishApi, servers: Servers, caCertificate: string): Promise<void> {
  const named = serverIn(api.get(configMaps, CLUSTER_INFO.namespace, CLUSTER_INFO.name)?.data ?? {});
  if (named === undefined || serverToName(named, servers) === named) return;
  await publishClusterInfo(api, servers, caCertificate);
}

const serverIn = (data: Readonly<Record<string, string>>): string | undefined =>
  serverInKubeconfig(own(data, 'kubeconfig') ?? '');
