/** How long a client keeps its endpoint, in seconds: https://kubernetes.io/docs/reference/networking/virtual-ips/#session-stickiness-timeout */
export const DEFAULT_AFFINITY_SECONDS = 10_800;
export const MAX_AFFINITY_SECONDS = 86_400;
