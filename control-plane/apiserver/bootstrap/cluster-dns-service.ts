import { CLUSTER_DNS_INDEX } from '../../../api/domain/address.ts';
import { clusterRanges } from '../../../api/domain/cluster-ranges.ts';
import { CLUSTER_DNS, DNS_PORT, DNS_PROXY_NAME, SERVICE_PROXY_LABEL } from '../../../api/domain/cluster-dns.ts';
import { services } from '../../../api/kinds/core/service.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import { makeOnce } from './made-once.ts';

/**
 * Makes the Service of the cluster's DNS, which the agents serve at its address: the tenth of the primary range of Services, as kubeadm's. A
 * cluster that has another Service of its name or with its address has its DNS elsewhere, and keeps it. Throws StatusError.
 */
export async function offerClusterDns(
  api: Pick<LocalApi, 'get' | 'list' | 'create' | 'update'>,
  serviceCIDR: string,
): Promise<void> {
  const address = clusterRanges(serviceCIDR)[0].at(CLUSTER_DNS_INDEX)?.text;
  if (address === undefined) return;
  await makeOnce(api, 'kedge.io/cluster-dns', async () => {
    if (api.list(services).some(({ spec }) => spec?.clusterIP === address)) return;
    await api.create(services, {
      metadata: {
        ...CLUSTER_DNS,
        labels: {
          'k8s-app': 'kube-dns',
          'kubernetes.io/cluster-service': 'true',
          'kubernetes.io/name': 'KubeDNS',
          [SERVICE_PROXY_LABEL]: DNS_PROXY_NAME,
        },
      },
      spec: {
        type: 'ClusterIP',
        clusterIP: address,
        ports: [
          { name: 'dns', protocol: 'UDP', port: DNS_PORT, targetPort: DNS_PORT },
          { name: 'dns-tcp', protocol: 'TCP', port: DNS_PORT, targetPort: DNS_PORT },
        ],
      },
    });
  });
}
