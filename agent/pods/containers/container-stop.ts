/** Stops one container: the preStop hook first, within the same grace period. */
import type { ActionOf } from '../sync/actions.ts';
import { CriError } from '../../cri/rpc-error.ts';
import { runHook } from './lifecycle-hooks.ts';
import { liveSandbox, type PodRuntime } from '../sync/observed.ts';
import { graceLeft } from '../sync/plan.ts';
import type { PodDependencies } from '../sync/pod-dependencies.ts';
import { podFields } from '../log-fields.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export async function stopContainer(
  pod: Pod,
  runtime: PodRuntime,
  action: ActionOf<'stopContainer'>,
  dependencies: PodDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { observed, message } = action;
  dependencies.record(pod, 'Normal', 'Killing', message, observed.name);
  const startedAt = Date.now();
  await preStop(pod, runtime, action, dependencies, signal);
  const usedSeconds = Math.floor((Date.now() - startedAt) / 1000);
  try {
    await dependencies.cri.stopContainer(observed.id, graceLeft(action.graceSeconds, usedSeconds), { signal });
  } catch (error) {
    if (!(error instanceof CriError && error.notFound)) throw error;
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
