import { clusterKubeconfig } from '../../pki/kubeconfig.ts';
import { publishConfigMap, type PublishApi } from './published-config-map.ts';

const NAMESPACE = 'kube-public';
const NAME = 'cluster-info';

/**
 * Publishes where the cluster is and what its CA is, for hosts that join: kubeadm's ConfigMap `kube-public/cluster-info`, which
 * anybody may read. Nobody has to trust it: who joins checks the CA against the hash of its public key, so it is not signed
 * with the bootstrap tokens as kubeadm's is.
 */
export async function publishClusterInfo(api: PublishApi, server: string, caCertificate: string): Promise<void> {
  const kubeconfig = clusterKubeconfig(server, caCertificate);
  await publishConfigMap(api, NAMESPACE, NAME, () => ({ kubeconfig }));
}
