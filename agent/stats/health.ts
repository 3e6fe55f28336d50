/** Health of the agent, for `/healthz` of the node API. */
import type { CriClient } from '../cri/client.ts';
import { CriError } from '../cri/rpc-error.ts';

export interface HealthOptions {
  readonly cri: Pick<CriClient, 'status' | 'socket'>;
  /** Names of pods whose workers are stuck in observing them. */
  readonly stuckPods: () => readonly string[];
}

/** Clients of /healthz have timeouts of a few seconds. */
const RUNTIME_LIMIT_MS = 2_000;
const NAMES_SHOWN = 3;

/** Why the agent is unhealthy; undefined when it is healthy. */
export async function unhealthy({ cri, stuckPods }: HealthOptions): Promise<string | undefined> {
  const reasons: string[] = [];
  try {
    const { conditions } = await cri.status({ limitMs: RUNTIME_LIMIT_MS });
    const runtime = conditions.find(({ type, status }) => type === 'RuntimeReady' && !status);
    if (runtime) reasons.push(`container runtime is not ready: ${runtime.message || runtime.reason}`);
  } catch (error) {
    if (!(error instanceof CriError)) throw error;
    reasons.push(`container runtime is not responding at ${cri.socket}: ${error.message}`);
  }
  const stuck = stuckPods();
  if (stuck.length > 0) {
    const shown = stuck.slice(0, NAMES_SHOWN).join(', ');
    const more = stuck.length > NAMES_SHOWN ? ` and ${stuck.length - NAMES_SHOWN} more` : '';
    reasons.push(`pod workers are stuck: ${shown}${more}`);
  }
  return reasons.length === 0 ? undefined : reasons.join('; ');
}
