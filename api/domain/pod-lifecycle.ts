/** https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ */
import type { Container } from '../types/core/v1.gen.ts';

/** `terminationGracePeriodSeconds` of a pod that does not set it. */
export const DEFAULT_GRACE_SECONDS = 30;

/** Whether all containers have ended and none will be started again: upstream's `IsPodTerminal`. */
export const isPodTerminal = (status: { readonly phase?: string } | undefined): boolean =>
  status?.phase === 'Succeeded' || status?.phase === 'Failed';

/**
 * Whether an init container runs for as long as the pod does:
 * https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
 */
export const isSidecar = ({ restartPolicy }: Pick<Container, 'restartPolicy'>): boolean => restartPolicy === 'Always';
