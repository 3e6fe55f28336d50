/** What is done about processes that do not even end when they are killed. */
import { test } from 'tap';
import type { CriClient } from '../../../agent/cri/client.ts';
import { stopContainer } from '../../../agent/pods/containers/container-stop.ts';
import { NOTHING_RUNS, type ObservedContainer } from '../../../agent/pods/sync/observed.ts';
import type { PodDependencies } from '../../../agent/pods/sync/pod-dependencies.ts';

const ignore = (): void => undefined;
const observed = { id: 'c', name: 'main', state: 'running' } as ObservedContainer;
const pod = { metadata: { name: 'web', namespace: 'default', uid: 'u' } };
const { signal } = new AbortController();

interface Outcome {
  readonly attempts: number;
  readonly events: readonly string[];
}

/** Stops a container that ends when requests have been aborted for `needed` times. */
async function stopped(needed: number, isLast: boolean): Promise<Outcome> {
  const end = Promise.withResolvers<void>();
  const events: string[] = [];
  let attempts = 0;
  if (needed === 0) end.resolve();
  const cri: Pick<CriClient, 'stopContainer'> = { stopContainer: () => end.promise };
  const volumes = {
    async abortStuckRequests() {
      attempts += 1;
      if (attempts === 1) throw new Error('the helper did not answer');
      if (attempts >= needed) end.resolve();
      return ['nas:/data'];
    },
  };
  const record = (_: unknown, type: string, reason: string): number => events.push(`${type} ${reason}`);
  const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const dependencies = { cri, volumes, record, logger } as unknown as PodDependencies;
  const action = {
    kind: 'stopContainer',
    observed,
    graceSeconds: 0,
    isReplaced: false,
    isLast,
    message: 'Stopping container main',
  } as const;
  if (!isLast) setTimeout(end.resolve, 4_000);
  await stopContainer(pod, NOTHING_RUNS, action, dependencies, signal);
  return { attempts, events };
}

test('requests of killed processes are aborted until the container of a terminating pod has ended', async (t) => {
  const rows = [stopped(0, true), stopped(3, true), stopped(3, false)];
  const [healthy, stuck, restarted] = await Promise.all(rows);
  t.same(healthy, { attempts: 0, events: ['Normal Killing'] });
  t.same(
    stuck,
    { attempts: 3, events: ['Normal Killing', 'Warning VolumeUnresponsive'] },
    'after a failure, told once',
  );
  t.same(restarted, { attempts: 0, events: ['Normal Killing'] }, 'a pod that stays waits for its server');
});
