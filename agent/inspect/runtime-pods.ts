/** The pods of this host, from the agent or, when there is none, from the runtime. */
import type { Pod } from '../../api/types/core/v1.gen.ts';
import type { AgentConfig } from '../config.ts';
import { CriClient } from '../cri/client.ts';
import { CriError } from '../cri/rpc-error.ts';
import { askAgent } from './local-agent.ts';
import { byName, podView, podViewsOfRuntime, type PodView, type RuntimeState } from './pod-view.ts';

/** A person waits for it; containerd answers within milliseconds, or not at all. */
const CALL_LIMIT_MS = 15_000;

export type PodsSource = 'agent' | 'runtime';

export interface HostPods {
  /** Who knows them: the runtime has no pod that has not started, and knows nothing of probes. */
  readonly source: PodsSource;
  readonly pods: readonly PodView[];
}

/** Throws CriError when neither answers. */
export async function hostPods(config: AgentConfig, signal: AbortSignal): Promise<HostPods> {
  const known = await askAgent<{ items: readonly Pod[] }>(config.dataDir, '/pods', signal);
  if (known) return { source: 'agent', pods: known.items.map(podView).sort(byName) };
  const state = await withRuntime(config, (cri) => runtimeState(cri, signal));
  return { source: 'runtime', pods: podViewsOfRuntime(state).sort(byName) };
}

/** Calls `use` with a client of the host's runtime, and closes it. */
export async function withRuntime<T>(
  { containerdSocket }: Pick<AgentConfig, 'containerdSocket'>,
  use: (cri: CriClient) => Promise<T>,
): Promise<T> {
  const cri = new CriClient(containerdSocket);
  try {
    return await use(cri);
  } finally {
    cri.close();
  }
}

/** Everything that the runtime says of pods. Throws CriError. */
export async function runtimeState(cri: CriClient, signal: AbortSignal): Promise<RuntimeState> {
  const options = { signal, limitMs: CALL_LIMIT_MS };
  const [sandboxes, containers] = await Promise.all([
    cri.listPodSandboxes({}, options),
    cri.listContainers({}, options),
  ]);
  const ready = sandboxes.filter(({ state }) => state === 'SANDBOX_READY');
  const [sandboxStatuses, containerStatuses] = await Promise.all([
    statuses(ready, (id) => cri.podSandboxStatus(id, options)),
    statuses(containers, (id) => cri.containerStatus(id, options)),
  ]);
  return { sandboxes, containers, sandboxStatuses, containerStatuses };
}

/** By id; without what has been removed meanwhile. */
async function statuses<S>(
  all: readonly { readonly id: string }[],
  read: (id: string) => Promise<S>,
): Promise<Map<string, S>> {
  const found = new Map<string, S>();
  const readOne = async ({ id }: { readonly id: string }): Promise<void> => {
    try {
      found.set(id, await read(id));
    } catch (error) {
      if (!(error instanceof CriError) || !error.notFound) throw error;
    }
  };
  await Promise.all(all.map(readOne));
  return found;
}
