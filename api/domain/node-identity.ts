/** What a node is in the cluster besides its Node: a user of a group, and the holder of a Lease. */

/** https://kubernetes.io/docs/reference/access-authn-authz/node/ */
export const NODES_GROUP = 'system:nodes';
export const NODE_USER_PREFIX = 'system:node:';
export const nodeUserName = (node: string): string => `${NODE_USER_PREFIX}${node}`;

/** https://kubernetes.io/docs/concepts/architecture/leases/#node-heart-beats */
export const NODE_LEASE_NAMESPACE = 'kube-node-lease';
