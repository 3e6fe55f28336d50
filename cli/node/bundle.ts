import { resolve } from 'node:path';
import type { Command } from 'commander';
import { nodeCommand, onNode, type NodeFlags } from './node-command.ts';
import { timeGiven } from './replay.ts';
import { complain, print, printable } from '../output.ts';
import { bytesText } from './table.ts';

interface BundleFlags extends NodeFlags {
  readonly since?: string;
}

const DEFAULT_SINCE = '24h';

/** `20260131T120000Z`: what may be in the name of a file. */
const stamp = (now: number): string => new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');

const bundle = (flags: BundleFlags): Promise<void> =>
  onNode('bundle', flags, async ({ config, signal }) => {
    const { writeBundle } = await import('../../agent/inspect/bundle/main.ts');
    const { nodeNameOf } = await import('../../agent/config.ts');
    const now = Date.now();
    const since = timeGiven('--since', flags.since ?? DEFAULT_SINCE);
    const sinceMs = 'at' in since ? since.at : now - since.ageMs;
    const file = resolve(flags.output ?? `kedge-bundle-${nodeNameOf(config)}-${stamp(now)}.tar.gz`);
    const { bytes, parts, missing } = await writeBundle({ config, file, sinceMs }, signal);
    for (const [name, why] of missing) complain(`without ${name}: ${printable(why)}`);
    print(
      `${file}: ${parts} files, ${bytesText(bytes)}. Values of variables, commands and secrets are taken out; look through it before you pass it on.`,
    );
  });

/** `kedge bundle`: what a report of a problem needs, in one file. */
export const bundleCommand = (): Command =>
  nodeCommand(
    'bundle',
    'pack what a report of a problem needs into one file, without secrets; also when agent, runtime and api-server are stopped',
  )
    .option('--output <file>', 'the file to write; kedge-bundle-NODE-TIME.tar.gz in this directory when absent')
    .option('--since <time>', `logs and records from then on: 2h, or a time (default: ${DEFAULT_SINCE})`)
    .action(bundle);
