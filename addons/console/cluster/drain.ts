/** Drains a node: evicts its pods, asks again where a budget refuses, and waits until they are gone. */
import { DeadlineError, withDeadline } from '../../../client/deadline.ts';
import { planDrain, type DrainPlan, type Leaving } from '../model/drain-plan.ts';
import type { KubeObject } from '../model/object.ts';
import { apiPath } from '../model/route.ts';
import { pause } from './follow.ts';
import { ApiError, call, messageOf, send } from './request.ts';

const PODS = { group: '', version: 'v1', resource: 'pods' };
export const DRAIN_MINUTES = 10;
/** As `kubectl drain` does it. */
const ASK_AGAIN_MS = 5_000;
const LOOK_AGAIN_MS = 1_000;

export type PodState =
  { readonly kind: 'waiting' | 'evicting' | 'gone' } | { readonly kind: 'blocked'; readonly message: string };

export async function readDrainPlan(node: string, signal: AbortSignal): Promise<DrainPlan> {
  const list = await call<{ items?: KubeObject[] }>('/api/v1/pods', {
    query: { fieldSelector: `spec.nodeName=${node}` },
    signal,
  });
  return planDrain(list.items ?? []);
}

/** Resolves with whether all are gone. Rejects only when the signal is aborted. */
export async function evictAll(
  pods: readonly Leaving[],
  tell: (uid: string, state: PodState) => void,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const gone = await withDeadline({ what: 'drain', limitMs: DRAIN_MINUTES * 60_000, signal }, (limit) =>
      Promise.all(pods.map((pod) => evict(pod, (state) => tell(pod.uid, state), limit))),
    );
    return gone.every(Boolean);
  } catch (error) {
    if (error instanceof DeadlineError) return false;
    throw error;
  }
}

async function evict(pod: Leaving, tell: (state: PodState) => void, signal: AbortSignal): Promise<boolean> {
  const { namespace, name, uid } = pod;
  for (let isEvicted = false; !signal.aborted;) {
    try {
      if (!isEvicted) {
        await send('POST', apiPath(PODS, namespace, name, 'eviction'), {
          apiVersion: 'policy/v1',
          kind: 'Eviction',
          metadata: { name, namespace },
          deleteOptions: { preconditions: { uid } },
        });
        isEvicted = true;
        tell({ kind: 'evicting' });
      }
      const current = await call<KubeObject>(apiPath(PODS, namespace, name), { signal });
      if (current.metadata?.uid !== uid) break;
      await pause(LOOK_AGAIN_MS, signal);
    } catch (error) {
      if (signal.aborted) return false;
      // Gone, or another one of its name is there already.
      if (error instanceof ApiError && (error.code === 404 || error.code === 409)) break;
      tell({ kind: 'blocked', message: messageOf(error) });
      await pause(ASK_AGAIN_MS, signal);
    }
  }
  if (signal.aborted) return false;
  tell({ kind: 'gone' });
  return true;
}
