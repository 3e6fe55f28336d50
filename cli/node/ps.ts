import type { Command } from 'commander';
import type { ContainerView, PodView } from '../../agent/inspect/pod-view.ts';
import { ageOf } from '../../api/machinery/duration.ts';
import { checkOutput, nodeCommand, onNode, type NodeFlags } from './node-command.ts';
import { table } from './table.ts';
import { complain, print, printJson } from '../output.ts';

interface PsFlags extends NodeFlags {
  readonly namespace?: string;
}

/** What is wrong comes first: a reason says more than a state. */
function stateOf(pod: PodView, container: ContainerView | undefined): string {
  if (!container) return pod.phase;
  const { state, reason, exitCode } = container;
  if (state === 'running') return pod.phase === 'Terminating' ? 'Terminating' : 'Running';
  const code = exitCode === undefined ? '' : ` (${exitCode})`;
  if (state === 'exited') return `${reason || 'Exited'}${code}`;
  return reason || `${state.charAt(0).toUpperCase()}${state.slice(1)}`;
}

const HEADING = ['NAMESPACE', 'POD', 'CONTAINER', 'STATE', 'READY', 'RESTARTS', 'AGE'];
const WIDE = ['IP', 'CONTAINER ID', 'IMAGE', 'POD UID'];
const SHORT_ID = 13;

/** A line per container; a pod without one has a line, too. */
export function psText(pods: readonly PodView[], wide: boolean, now: number): string {
  const rows = pods.flatMap((pod) => {
    const row = (container: ContainerView | undefined): string[] => {
      const ready = container?.ready === undefined ? '-' : container.ready ? 'yes' : 'no';
      const shown = [pod.namespace, pod.name, container?.name ?? '-', stateOf(pod, container), ready];
      const age = ageOf(container?.state === 'running' ? container.startedAt : pod.startedAt, now);
      shown.push(String(container?.restarts ?? '-'), age);
      if (wide) shown.push(pod.ip || '-', container?.id.slice(0, SHORT_ID) || '-', container?.image ?? '-', pod.uid);
      return shown;
    };
    return pod.containers.length === 0 ? [row(undefined)] : pod.containers.map(row);
  });
  return table(wide ? [...HEADING, ...WIDE] : HEADING, rows);
}

const ps = (name: string | undefined, flags: PsFlags): Promise<void> =>
  onNode('ps', flags, async ({ config, signal }) => {
    checkOutput(flags.output, 'json', 'wide');
    const { hostPods } = await import('../../agent/inspect/runtime-pods.ts');
    const { parsePodName, podsNamed, thePod } = await import('../../agent/inspect/pod-name.ts');
    const wanted = name === undefined ? undefined : parsePodName(name, flags.namespace);
    const { source, pods } = await hostPods(config, signal);
    if (wanted && podsNamed(pods, wanted).length === 0) thePod(pods, wanted);
    const chosen = wanted
      ? podsNamed(pods, wanted)
      : pods.filter(({ namespace }) => flags.namespace === undefined || namespace === flags.namespace);
    if (flags.output === 'json') return printJson({ source, pods: chosen });
    if (source === 'runtime') {
      const { AGENT_STOPPED } = await import('../../agent/inspect/local-agent.ts');
      complain(`${AGENT_STOPPED}; this is what the container runtime has`);
    }
    print(chosen.length === 0 ? 'no pods' : psText(chosen, flags.output === 'wide', Date.now()));
  });

/** `kedge ps`: the pods of this host. */
export const psCommand = (): Command =>
  nodeCommand('ps', "list this host's pods and containers; also when agent and api-server are stopped")
    .argument('[pod]', '[NAMESPACE/]NAME')
    .option('-n, --namespace <namespace>', 'of this namespace only')
    .option('-o, --output <form>', 'json, or wide for addresses, ids and images')
    .action(ps);
