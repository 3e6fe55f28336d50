import type { Kind } from '../kind.ts';

export type PatchType = 'json' | 'merge' | 'strategic';

/** The media types of the patches that change an object field by field: https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply */
export const PATCH_MEDIA_TYPES: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

/** Of a configuration that is applied on the server. */
export const APPLY_MEDIA_TYPE = 'application/apply-patch+yaml';

/** The types of patches that a kind takes: how lists merge strategically is said by the types of built-in kinds only. */
export const patchTypesOf = (kind: Pick<Kind, 'custom'> | undefined): string[] =>
  Object.entries(PATCH_MEDIA_TYPES)
    .filter(([type]) => type !== 'strategic' || kind?.custom === undefined)
    .map(([, mediaType]) => mediaType);
