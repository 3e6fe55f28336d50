import { CLUSTER_INFO } from '../../../api/domain/bootstrap-token.ts';
import { clusterKubeconfig } from '../../pki/kubeconfig.ts';
import { publishConfigMap, type PublishApi } from './published-config-map.ts';

/**
 * Publishes where the cluster is and what its CA is, for hosts that join: kubeadm's ConfigMap `kube-public/cluster-info`, which
 * anybody may read. `kedge join` does not trust it, and checks the CA against the hash of its public key; for others the bootstrap
 * signer signs it with the tokens that are for that.
 */
export async function publishClusterInfo(api: PublishApi, server: string, caCertificate: string): Promise<void> {
  const kubeconfig = clusterKubeconfig(server, caCertificate);
  await publishConfigMap(api, CLUSTER_INFO.namespace, CLUSTER_INFO.name, () => ({ kubeconfig }));
}
