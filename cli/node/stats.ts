import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { AgentConfig } from '../../agent/config.ts';
import type { PodsSource } from '../../agent/inspect/runtime-pods.ts';
import type { Usage } from '../../agent/inspect/usage.ts';
import { checkOutput, nodeCommand, onNode, type NodeFlags } from './node-command.ts';
import { bytesText, table } from './table.ts';
import { complain, print, printJson } from '../output.ts';

interface StatsFlags extends NodeFlags {
  readonly namespace?: string;
}

/** CPU is what was used between two looks this far apart. */
const INTERVAL_MS = 1_000;

/** Looks twice. */
export async function measure(
  config: AgentConfig,
  signal: AbortSignal,
): Promise<{ readonly source: PodsSource; readonly usage: readonly Usage[] }> {
  const { lookAtUsage } = await import('../../agent/inspect/usage-meter.ts');
  const { usageBetween } = await import('../../agent/inspect/usage.ts');
  const before = await lookAtUsage(config, signal);
  await sleep(INTERVAL_MS, undefined, { signal });
  const { source, counters } = await lookAtUsage(config, signal);
  return { source, usage: usageBetween(before.counters, counters) };
}

export const milliCoresText = (milliCores: number | undefined): string =>
  milliCores === undefined ? '-' : `${milliCores}m`;
export const rateText = (rate: number | undefined): string => (rate === undefined ? '-' : `${bytesText(rate)}/s`);

/** A line for each pod and each of its containers. */
export function statsText(usage: readonly Usage[]): string {
  const rows = usage.map(({ namespace, pod, container, milliCores, memoryBytes, diskBytes, rxRate, txRate }) => [
    ...[namespace, pod, container || '-', milliCoresText(milliCores), bytesText(memoryBytes), bytesText(diskBytes)],
    ...[rateText(rxRate), rateText(txRate)],
  ]);
  return table(['NAMESPACE', 'POD', 'CONTAINER', 'CPU', 'MEMORY', 'DISK', 'RECEIVED', 'SENT'], rows);
}

const stats = (name: string | undefined, flags: StatsFlags): Promise<void> =>
  onNode('stats', flags, async ({ config, signal }) => {
    checkOutput(flags.output, 'json');
    const { parsePodName, podsNamed, thePod } = await import('../../agent/inspect/pod-name.ts');
    const wanted = name === undefined ? undefined : parsePodName(name, flags.namespace);
    const { source, usage } = await measure(config, signal);
    const ofPods = usage
      .filter(({ pod }) => pod !== '')
      .filter(({ namespace }) => flags.namespace === undefined || namespace === flags.namespace)
      .map((one) => ({ ...one, name: one.pod }));
    if (wanted && podsNamed(ofPods, wanted).length === 0) thePod(ofPods, wanted);
    const chosen = wanted ? podsNamed(ofPods, wanted) : ofPods;
    if (flags.output === 'json') return printJson({ source, usage: chosen.map(({ name: _, ...one }) => one) });
    if (source === 'runtime') {
      const { AGENT_STOPPED } = await import('../../agent/inspect/local-agent.ts');
      complain(`${AGENT_STOPPED}; this is what the container runtime has measured`);
    }
    print(chosen.length === 0 ? 'no pods' : statsText(chosen));
  });

/** `kedge stats`: what pods use, once. */
export const statsCommand = (): Command =>
  nodeCommand('stats', "print what this host's pods and containers use, measured for a second")
    .argument('[pod]', '[NAMESPACE/]NAME')
    .option('-n, --namespace <namespace>', 'of this namespace only')
    .option('-o, --output <form>', 'json')
    .action(stats);
