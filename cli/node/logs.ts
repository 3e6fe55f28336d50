import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { parseDuration } from '../../api/machinery/duration.ts';
import { UsageError } from '../usage.ts';
import { nodeCommand, onNode, type NodeFlags } from './node-command.ts';

interface LogsFlags extends NodeFlags {
  readonly namespace?: string;
  readonly container?: string;
  readonly previous?: true;
  readonly follow?: true;
  readonly timestamps?: true;
  readonly tail?: string;
  readonly since?: string;
}

/** Throws SettingsError. */
export function tailLines(text: string | undefined): number | undefined {
  if (text === undefined || text === '-1') return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--tail must be a number of lines, not "${text}"`);
  return Number(text);
}

/** A duration before `now`, or a time. Throws SettingsError. */
export function sinceMs(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const before = parseDuration(text);
  const time = before === undefined ? Date.parse(text) : now - before;
  if (Number.isNaN(time) || (before !== undefined && before < 0))
    throw new UsageError(`--since must be a duration such as 10m, or a time, not "${text}"`);
  return time;
}

const logs = (pod: string, container: string | undefined, flags: LogsFlags): Promise<void> =>
  onNode('logs', flags, async ({ config, logger, signal }) => {
    const { logOf } = await import('../../agent/inspect/container-log.ts');
    const { parsePodName } = await import('../../agent/inspect/pod-name.ts');
    const output = await logOf(
      config,
      {
        pod: parsePodName(pod, flags.namespace),
        container: flags.container ?? container,
        previous: flags.previous === true,
        follow: flags.follow === true,
        timestamps: flags.timestamps === true,
        tailLines: tailLines(flags.tail),
        sinceMs: sinceMs(flags.since, Date.now()),
      },
      logger,
      signal,
    );
    await pipeline(output, process.stdout, { signal, end: false });
  });

/** `kedge logs`: what a container of this host has written. */
export const logsCommand = (): Command =>
  nodeCommand('logs', "print a container's log from its file; also when agent, runtime and api-server are stopped")
    .argument('<pod>', '[NAMESPACE/]NAME')
    .argument('[container]', 'the container, when the pod has several')
    .option('-n, --namespace <namespace>', "the pod's namespace")
    .option('-c, --container <container>', 'the container, when the pod has several')
    .option('-p, --previous', 'of the run before the latest one')
    .option('-f, --follow', 'go on until the container ends')
    .option('--timestamps', 'the time before each line')
    .option('--tail <lines>', 'the last lines only')
    .option('--since <duration>', 'what is not older than this: 10m, or a time')
    .action(logs);
