import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import { clusterKubeconfig } from '../../pki/kubeconfig.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { ConfigMap } from '../../../api/types/core/v1.gen.ts';

const NAMESPACE = 'kube-public';
const NAME = 'cluster-info';

/**
 * Publishes where the cluster is and what its CA is, for hosts that join: kubeadm's ConfigMap `kube-public/cluster-info`, which
 * anybody may read. Nobody has to trust it: who joins checks the CA against the hash of its public key, so it is not signed
 * with the bootstrap tokens as kubeadm's is.
 */
export async function publishClusterInfo(
  api: Pick<LocalApi, 'get' | 'create' | 'update'>,
  server: string,
  caCertificate: string,
): Promise<void> {
  const data = { kubeconfig: clusterKubeconfig(server, caCertificate) };
  const present = api.get(configMaps, NAMESPACE, NAME);
  if (!present) {
    const info: ConfigMap = { metadata: { namespace: NAMESPACE, name: NAME }, data };
    await api.create(configMaps, info);
  } else if (!deepEqual(present.data?.['kubeconfig'], data.kubeconfig)) {
    await api.update(configMaps, { ...present, data: { ...present.data, ...data } });
  }
}
