/** Pods for end-to-end tests: of the image that every node carries, and quick to end. */
import type { Container, Pod } from '../../api/types/core/v1.gen.ts';

export const HELLO_IMAGE = 'kedge.local/hello:1.0';

/** A pod that ends as soon as it is told to, of one container that sleeps unless it is given something to do. */
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
 * Whether no process of the pod was started twice. A container whose start was broken off, which the runtime reports as
 * StartError, never ran.
 */
export const ranOnce = ({ status }: Pod): boolean =>
  (status?.containerStatuses ?? []).every(
    ({ restartCount, lastState }) => restartCount === 0 || lastState?.terminated?.reason === 'StartError',
  );

/** The lives of a pod's containers: two that are the same are the same processes. */
export const lives = ({ status }: Pod): Running[] =>
  (status?.containerStatuses ?? []).map(({ containerID, restartCount, state }) => ({
    containerID,
    restartCount,
    startedAt: state?.running?.startedAt ?? undefined,
  }));
