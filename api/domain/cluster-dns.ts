/**
 * The cluster's DNS, which each agent serves on its own node: the Service by which tools and stock kubelets find it, and the ConfigMap
 * with its settings. The label of the Service keeps proxies from
 * redirecting its address: https://kubernetes.io/docs/reference/labels-annotations-taints/#service-kubernetes-io-service-proxy-name
 */
export const CLUSTER_DNS = { namespace: 'kube-system', name: 'kube-dns' } as const;
export const SERVICE_PROXY_LABEL = 'service.kubernetes.io/service-proxy-name';
/** Who serves a Service with this value of the label. */
export const DNS_PROXY_NAME = 'kedge-dns';
export const DNS_PORT = 53;
