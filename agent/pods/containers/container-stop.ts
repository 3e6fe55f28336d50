/** Stops one container: the preStop hook first, within the same grace period. */
import { setTimeout } from 'node:timers/promises';
import { MAX_TIMER_MS } from '../../../client/deadline.ts';
import type { ActionOf } from '../sync/actions.ts';
import { CriError } from '../../cri/rpc-error.ts';
import { runHook } from './lifecycle-hooks.ts';
import { liveSandbox, type PodRuntime } from '../sync/observed.ts';
import { graceLeft } from '../sync/plan.ts';
import type { PodDependencies } from '../sync/pod-dependencies.ts';
import { podFields } from '../log-fields.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

/** A killed process ends at once, unless it is in uninterruptible sleep. */
const STUCK_AFTER_MS = 3_000;

export async function stopContainer(
  pod: Pod,
  runtime: PodRuntime,
  action: ActionOf<'stopContainer'>,
  dependencies: PodDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { observed, message } = action;
  dependencies.record(pod, 'Normal', 'Killing', message, observed.name);
  const startedAt = performance.now();
  await preStop(pod, runtime, action, dependencies, signal);
  const usedSeconds = Math.floor((performance.now() - startedAt) / 1000);
  const graceSeconds = graceLeft(action.graceSeconds, usedSeconds);
  const stopped = new AbortController();
  const watch = action.isLast
    ? freeStuckProcesses(pod, graceSeconds, dependencies, AbortSignal.any([signal, stopped.signal]))
    : undefined;
  try {
    await dependencies.cri.stopContainer(observed.id, graceSeconds, { signal });
  } catch (error) {
    if (!(error instanceof CriError && error.notFound)) throw error;
  } finally {
    stopped.abort(new Error('container has stopped'));
    await watch;
  }
}

/** Whatever processes of the pod wait for although they have been killed. Until the signal is aborted. */
async function freeStuckProcesses(
  pod: Pod,
  graceSeconds: number,
  { volumes, record, logger }: PodDependencies,
  signal: AbortSignal,
): Promise<void> {
  const recorded = new Set<string>();
  let waitMs = graceSeconds * 1000 + STUCK_AFTER_MS;
  while (await elapses(waitMs, signal)) {
    waitMs = STUCK_AFTER_MS;
    try {
      for (const source of await volumes.abortStuckRequests(pod.metadata?.uid ?? '', signal)) {
        if (recorded.has(source)) continue;
        recorded.add(source);
        const why = `NFS server of ${source} does not respond: aborted requests to it, which kept the pod from terminating`;
        record(pod, 'Warning', 'VolumeUnresponsive', why);
      }
    } catch (error) {
      if (!signal.aborted)
        logger.warn({ ...podFields(pod), err: error }, 'failed to abort requests of stuck processes');
    }
  }
}

/** Whether a time passes before the signal is aborted. */
async function elapses(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await setTimeout(Math.min(ms, MAX_TIMER_MS), undefined, { signal });
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

async function preStop(
  pod: Pod,
  runtime: PodRuntime,
  { observed, container, graceSeconds }: ActionOf<'stopContainer'>,
  { cri, record, environment, logger }: PodDependencies,
  signal: AbortSignal,
): Promise<void> {
  const handler = container?.lifecycle?.preStop;
  if (!handler || !container || graceSeconds === 0 || observed.state !== 'running') return;
  const podIP = liveSandbox(runtime)?.ips[0] ?? environment.hostIPs[0] ?? '';
  const limit = { limitMs: graceSeconds * 1000, signal };
  try {
    await runHook(handler, { container, containerId: observed.id, podIP }, cri, limit);
  } catch (error) {
    signal.throwIfAborted();
    // The hook's output may contain secrets: it stays on the node.
    logger.warn({ ...podFields(pod), container: container.name, err: error }, 'preStop hook failed');
    record(pod, 'Warning', 'FailedPreStopHook', 'PreStopHook failed', container.name);
  }
}
