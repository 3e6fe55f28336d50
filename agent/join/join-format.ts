/** The format of the values that a host joins a cluster with. */

/** The address of an api-server. */
export const SERVER = /^https:\/\/[^/]+\/?$/;
/** `ID.SECRET`: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */
export const TOKEN = /^[a-z0-9]{6}\.[a-z0-9]{16}$/;
/** The digest of a public key, as kubeadm's --discovery-token-ca-cert-hash. */
export const CA_HASH = /^sha256:[0-9a-f]{64}$/;
