import type { Pod } from '../../api/types/core/v1.gen.ts';

/** The fields by which every log line names its pod. */
export const podFields = ({ metadata }: Pod): { readonly pod: string; readonly podUID: string | undefined } => ({
  pod: `${metadata?.namespace}/${metadata?.name}`,
  podUID: metadata?.uid,
});
