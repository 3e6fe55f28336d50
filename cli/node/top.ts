import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Usage } from '../../agent/inspect/usage.ts';
import { UsageError } from '../usage.ts';
import { checkOutput, nodeCommand, onNode, type NodeFlags } from './node-command.ts';
import { milliCoresText, rateText } from './stats.ts';
import { bytesText, table } from './table.ts';
import { print, printJson } from '../output.ts';

interface TopFlags extends NodeFlags {
  readonly sort: string;
  readonly once?: true;
}

const REFRESH_MS = 2_000;
/** The cursor to the corner; the rest of a line, and of the screen, to be cleared. */
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_REST = '\u001b[J';
/** The alternate screen, and back to what was there before. */
const ENTER = '\u001b[?1049h';
const LEAVE = '\u001b[?1049l';

/** The node in the first line, then its pods, the largest first; where nobody knows of pods as a whole, containers. */
export function topText(usage: readonly Usage[], sort: string): string {
  const node = usage.find(({ pod }) => pod === '');
  const pods = usage.filter(({ pod, container }) => pod !== '' && container === '');
  const shown = pods.length > 0 ? pods : usage.filter(({ pod }) => pod !== '');
  const size = ({ milliCores = 0, memoryBytes }: Usage): number => (sort === 'memory' ? memoryBytes : milliCores);
  const rows = shown
    .toSorted((a, b) => size(b) - size(a))
    .map(({ namespace, pod, container, milliCores, memoryBytes, diskBytes, rxRate, txRate }) => [
      ...[`${namespace}/${pod}${container && ` ${container}`}`, milliCoresText(milliCores), bytesText(memoryBytes)],
      ...[bytesText(diskBytes), rateText(rxRate), rateText(txRate)],
    ]);
  const heading = table(['POD', 'CPU', 'MEMORY', 'DISK', 'RECEIVED', 'SENT'], rows);
  if (!node) return heading;
  const network = `received ${rateText(node.rxRate)}, sent ${rateText(node.txRate)}`;
  const host = `host: cpu ${milliCoresText(node.milliCores)}, memory ${bytesText(node.memoryBytes)}, disk ${bytesText(node.diskBytes)}, ${network}`;
  return `${host}\n\n${heading}`;
}

const top = (flags: TopFlags): Promise<void> =>
  onNode('top', flags, async ({ config, signal }) => {
    checkOutput(flags.output, 'json');
    if (flags.sort !== 'cpu' && flags.sort !== 'memory')
      throw new UsageError(`--sort must be cpu or memory, not "${flags.sort}"`);
    const { lookAtUsage } = await import('../../agent/inspect/usage-meter.ts');
    const { usageBetween } = await import('../../agent/inspect/usage.ts');
    const isLive = process.stdout.isTTY && flags.once !== true && flags.output === undefined;
    let { counters } = await lookAtUsage(config, signal);
    if (isLive) process.stdout.write(ENTER);
    try {
      do {
        await sleep(isLive ? REFRESH_MS : REFRESH_MS / 2, undefined, { signal });
        const next = await lookAtUsage(config, signal);
        const usage = usageBetween(counters, next.counters);
        ({ counters } = next);
        if (flags.output === 'json') printJson({ source: next.source, usage });
        else if (isLive) process.stdout.write(screen(topText(usage, flags.sort), process.stdout));
        else print(topText(usage, flags.sort));
      } while (isLive);
    } finally {
      if (isLive) process.stdout.write(LEAVE);
    }
  });

/** What fits on the terminal, over what was there before. */
function screen(text: string, { columns, rows }: { readonly columns: number; readonly rows: number }): string {
  const lines = text.split('\n').slice(0, rows - 1);
  return `${HOME}${lines.map((line) => `${line.slice(0, columns)}${CLEAR_LINE}\n`).join('')}${CLEAR_REST}`;
}

/** `kedge top`: what pods use, until Ctrl-C. */
export const topCommand = (): Command =>
  nodeCommand('top', "show what this host's pods use, every two seconds; once where stdout is no terminal")
    .option('--sort <by>', 'cpu or memory', 'cpu')
    .option('--once', 'once, also on a terminal')
    .option('-o, --output <form>', 'json')
    .action(top);
