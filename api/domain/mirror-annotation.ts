/**
 * Makes a pod the mirror of a static one; its value is the hash of the manifest. Only the node sets it on its own pods, and only when
 * it creates them: https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-config-mirror
 */
export const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
