import type { PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import type { PendingPod } from './pod-info.ts';

/** Whether the claim is one that the pod names. */
export const namesClaim = ({ namespace, claims }: PendingPod, { metadata }: PersistentVolumeClaim): boolean =>
  namespace === metadata?.namespace && claims.some(({ name, isEphemeral }) => !isEphemeral && name === metadata.name);

/** Whether the claim is one of the pod's, also of an ephemeral volume. */
export const hasClaim = ({ namespace, claims }: PendingPod, { metadata }: PersistentVolumeClaim): boolean =>
  namespace === metadata?.namespace && claims.some(({ name }) => name === metadata.name);
