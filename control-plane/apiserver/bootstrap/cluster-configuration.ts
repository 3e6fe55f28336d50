import { kubernetesVersion } from '../../../api/version.ts';
import { publishConfigMap, type PublishApi } from './published-config-map.ts';

const NAMESPACE = 'kube-system';
/** kubeadm's names, which network add-ons read, too; the Role kubeadm:nodes-kubeadm-config lets nodes read it. */
const NAME = 'kubeadm-config';
const KEY = 'ClusterConfiguration';

/** The network settings that all nodes share. */
export interface ClusterNetwork {
  /** As `10.42.0.0/16`, or as `10.42.0.0/16,fd00:42::/56`. */
  readonly podCidr: string;
  readonly serviceCidr: string;
  /** `cluster.local` */
  readonly dnsDomain: string;
}

/**
 * Publishes the addresses of pods and Services and the DNS domain, so that nodes need no settings for them, as kubeadm does:
 * https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/#kubeadm-k8s-io-v1beta4-Networking
 * The server's settings are authoritative: other values are overwritten when the server starts.
 */
export async function publishClusterConfiguration(
  api: PublishApi,
  { podCidr, serviceCidr, dnsDomain }: ClusterNetwork,
): Promise<void> {
  const text = `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: ${kubernetesVersion.gitVersion}
networking:
  dnsDomain: ${dnsDomain}
  podSubnet: ${podCidr}
  serviceSubnet: ${serviceCidr}
`;
  await publishConfigMap(api, NAMESPACE, NAME, () => ({ [KEY]: text }));
}
