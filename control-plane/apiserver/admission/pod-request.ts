import type { AdmissionRequest } from './plugin.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

/** The pod that is about to be written as a whole (not through a subresource); undefined for any other request. */
export function podOf({ kind, subresource, object }: AdmissionRequest): Pod | undefined {
  return kind.kind === 'Pod' && kind.group === '' && subresource === '' ? object : undefined;
}
