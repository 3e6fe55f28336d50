/** Pods for end-to-end tests: of an image that every node carries, and quick to terminate. */
import type { Container, Pod } from '../../api/types/core/v1.gen.ts';

export const HELLO_IMAGE = 'kedge.local/hello:1.0';

/** A pod with one container that terminates immediately on deletion; it sleeps by default. */
export const pod = (
  name: string,
  container: Partial<Container> = {},
  spec: Partial<NonNullable<Pod['spec']>> = {},
): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: name } },
  spec: {
    terminationGracePeriodSeconds: 1,
    ...spec,
    containers: [{ name: 'c', image: HELLO_IMAGE, command: ['sleep', '100000'], ...container }],
  },
});

export interface Running {
  readonly containerID: string | undefined;
  readonly restartCount: number;
  readonly startedAt: string | undefined;
}

/**
 * Whether no process of the pod was started twice. A container whose start was aborted, which the runtime reports as
 * StartError, never ran.
 */
export const ranOnce = ({ status }: Pod): boolean =>
  (status?.containerStatuses ?? []).every(
    ({ restartCount, lastState }) => restartCount === 0 || lastState?.terminated?.reason === 'StartError',
  );

/** Identifies the processes of a pod's containers: equal values mean that none was restarted. */
export const lives = ({ status }: Pod): Running[] =>
  (status?.containerStatuses ?? []).map(({ containerID, restartCount, state }) => ({
    containerID,
    restartCount,
    startedAt: state?.running?.startedAt ?? undefined,
  }));
