/** Looks at what is used on this host, by the agent or, when there is none, by the runtime. */
import type { AgentConfig } from '../config.ts';
import { askAgent } from './local-agent.ts';
import { withRuntime, type PodsSource } from './runtime-pods.ts';
import { countersOfRuntime, countersOfSummary, type Counters, type SummaryShown } from './usage.ts';

export interface Look {
  readonly source: PodsSource;
  readonly counters: readonly Counters[];
}

/** Throws CriError when neither answers. */
export async function lookAtUsage(config: AgentConfig, signal: AbortSignal): Promise<Look> {
  const summary = await askAgent<SummaryShown>(config.dataDir, '/stats/summary', signal);
  if (summary) return { source: 'agent', counters: countersOfSummary(summary, Date.now()) };
  const stats = await withRuntime(config, (cri) => cri.listContainerStats({ signal }));
  return { source: 'runtime', counters: countersOfRuntime(stats) };
}
