export type PatchType = 'json' | 'merge' | 'strategic';

/** The media types of the patches that change an object field by field: https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply */
export const PATCH_MEDIA_TYPES: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

/** Of a configuration that is applied on the server. */
export const APPLY_MEDIA_TYPE = 'application/apply-patch+yaml';
