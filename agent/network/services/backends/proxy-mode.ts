/** How Services are programmed into the kernel; names are kube-proxy's. */
export const PROXY_MODES = ['nftables', 'iptables', 'ipvs'] as const;
export type ProxyMode = (typeof PROXY_MODES)[number];
