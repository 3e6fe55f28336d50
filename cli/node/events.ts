import type { Command } from 'commander';
import type { RecentEvent } from '../../agent/inspect/recent-events.ts';
import { humanDuration } from '../../api/machinery/duration.ts';
import { checkOutput, nodeCommand, onNode, type NodeFlags } from './node-command.ts';
import { table } from './table.ts';
import { print, printJson } from '../output.ts';

interface EventsFlags extends NodeFlags {
  readonly namespace?: string;
  readonly warnings?: true;
}

/** The latest at the end, as `kubectl events` prints them. */
export function eventsText(events: readonly RecentEvent[], wide: boolean, now: number): string {
  const rows = events.map(({ lastAt, firstAt, count, type, reason, kind, namespace, name, fieldPath, message }) => {
    const age = humanDuration(now - lastAt);
    const seen = count > 1 ? `${age} (x${count} over ${humanDuration(now - firstAt)})` : age;
    const about = `${kind.toLowerCase()}/${namespace ? `${namespace}/` : ''}${name}`;
    return [seen, type, reason, about, ...(wide ? [fieldPath || '-'] : []), message];
  });
  return table(['LAST SEEN', 'TYPE', 'REASON', 'OBJECT', ...(wide ? ['PART'] : []), 'MESSAGE'], rows);
}

const events = (name: string | undefined, flags: EventsFlags): Promise<void> =>
  onNode('events', flags, async ({ config, signal }) => {
    checkOutput(flags.output, 'json', 'wide');
    const { askAgent, AGENT_STOPPED } = await import('../../agent/inspect/local-agent.ts');
    const { parsePodName, podsNamed } = await import('../../agent/inspect/pod-name.ts');
    const { HostError } = await import('../../agent/host/host-error.ts');
    const wanted = name === undefined ? undefined : parsePodName(name, flags.namespace);
    const recent = await askAgent<{ items: readonly RecentEvent[] }>(config.dataDir, '/events', signal);
    if (!recent)
      throw new HostError(`${AGENT_STOPPED}, and it alone has events (kedge ps and kedge logs work without it)`);
    const ofType = recent.items
      .filter(({ type }) => flags.warnings !== true || type === 'Warning')
      .filter(({ namespace }) => flags.namespace === undefined || namespace === flags.namespace);
    const chosen = wanted
      ? podsNamed(
          ofType.filter(({ kind }) => kind === 'Pod'),
          wanted,
        )
      : ofType;
    if (flags.output === 'json') return printJson({ events: chosen });
    print(chosen.length === 0 ? 'no events' : eventsText(chosen, flags.output === 'wide', Date.now()));
  });

/** `kedge events`: what the agent has recorded last. */
export const eventsCommand = (): Command =>
  nodeCommand(
    'events',
    'print the Events that the agent has recorded since it started, also those that no api-server has',
  )
    .argument('[pod]', '[NAMESPACE/]NAME')
    .option('-n, --namespace <namespace>', 'of this namespace only')
    .option('--warnings', 'of type Warning only')
    .option('-o, --output <form>', 'json, or wide for containers')
    .action(events);
