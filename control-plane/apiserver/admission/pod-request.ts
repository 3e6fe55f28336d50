import type { Pod } from '../../../api/core/pod.ts';
import type { AdmissionRequest } from './plugin.ts';

/** The pod that is about to be written as a whole (not through a subresource); undefined for any other request. */
export function podOf({ kind, subresource, object }: AdmissionRequest): Pod | undefined {
  return kind.kind === 'Pod' && kind.group === '' && subresource === '' ? object : undefined;
}
