/** Bootstrap tokens and their Secrets: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */

export const BOOTSTRAP_TOKEN_NAMESPACE = 'kube-system';
/** The type of their Secrets. */
export const BOOTSTRAP_TOKEN_TYPE = 'bootstrap.kubernetes.io/token';
/** The group that the default policy allows to request a node certificate, besides the group of every token. */
export const JOINING_NODES_GROUP = 'system:bootstrappers:kubeadm:default-node-token';
/** The group that may ask once for what another server of the cluster needs, the keys of its CAs among it; of no node's token. */
export const JOINING_SERVERS_GROUP = 'system:bootstrappers:kedge:servers';
/** The user of a token; its ID follows. */
export const BOOTSTRAP_USER_PREFIX = 'system:bootstrap:';

/** `ID.SECRET`, with the two as groups. */
export const BOOTSTRAP_TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;

/** The name of a token's Secret. */
export const bootstrapSecretName = (id: string): string => `bootstrap-token-${id}`;

/** The ConfigMap, which anybody may read, that tells joining hosts where the cluster is and what its CA is. */
export const CLUSTER_INFO = { namespace: 'kube-public', name: 'cluster-info' } as const;
