/**
 * The finalizers of objects of storage that are kept while they are used. Admission adds them; a controller of each removes them.
 * https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
 */
export const CLAIM_PROTECTION = 'kubernetes.io/pvc-protection';
export const VOLUME_PROTECTION = 'kubernetes.io/pv-protection';
export const ATTRIBUTES_CLASS_PROTECTION = 'kubernetes.io/vac-protection';
