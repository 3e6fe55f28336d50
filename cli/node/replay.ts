import { Option, type Command } from 'commander';
import type { Selection, TimeBound } from '../../agent/recorder/selection.ts';
import type { StoryLine } from '../../agent/recorder/story.ts';
import type { ReadRecord } from '../../agent/recorder/read-records.ts';
import { parseDuration } from '../../api/machinery/duration.ts';
import { UsageError } from '../usage.ts';
import { checkOutput, nodeCommand, onNode, type NodeFlags } from './node-command.ts';
import { print } from '../output.ts';

interface ReplayFlags extends NodeFlags {
  readonly pod?: string;
  readonly namespace?: string;
  readonly node?: true;
  readonly since?: string;
  readonly until?: string;
  readonly kind?: readonly string[];
  readonly follow?: true;
}

/** A time, or how long ago in ms. Throws SettingsError. */
export function timeGiven(flag: string, text: string): { readonly at: number } | { readonly ageMs: number } {
  const ageMs = parseDuration(text);
  if (ageMs !== undefined && ageMs >= 0) return { ageMs };
  const at = ageMs === undefined ? Date.parse(text) : NaN;
  if (!Number.isNaN(at)) return { at };
  throw new UsageError(`${flag} must be a duration such as 10m, or a time such as 2026-01-31T12:00:00Z, not "${text}"`);
}

/** Throws SettingsError. */
export function checkKinds(given: readonly string[], known: readonly string[]): void {
  const odd = given.find((one) => !known.includes(one));
  if (odd !== undefined) throw new UsageError(`--kind must be of ${known.join(', ')}, not "${odd}"`);
}

async function selectionOf(flags: ReplayFlags): Promise<Selection> {
  const { parsePodName } = await import('../../agent/inspect/pod-name.ts');
  const { boundBefore } = await import('../../agent/recorder/selection.ts');
  const { momentNow } = await import('../../agent/recorder/recorder.ts');
  const { readBootId } = await import('../../agent/host/boot-id.ts');
  const { KINDS } = await import('../../agent/recorder/stored.ts');
  const [now, boot] = [momentNow(), await readBootId()];
  const bound = (flag: string, text: string): TimeBound => {
    const given = timeGiven(flag, text);
    return 'at' in given ? given : boundBefore(given.ageMs, now, boot);
  };
  const { pod, namespace, node, since, until, kind } = flags;
  if (pod !== undefined && node) throw new UsageError('--pod and --node exclude each other');
  if (kind) checkKinds(kind, KINDS);
  return {
    ...(pod !== undefined && { pod: parsePodName(pod, namespace) }),
    ...(node && { nodeOnly: true }),
    ...(kind && { kinds: new Set(kind) }),
    ...(since !== undefined && { since: bound('--since', since) }),
    ...(until !== undefined && { until: bound('--until', until) }),
  };
}

const TIME_OF_DAY = [11, 23] as const;

/** Lines with the time of day, and one with the date where it changes; times are UTC, as in the agent's log. */
export class StoryText {
  #date = '';

  *lines({ at, subject, text }: StoryLine, clean: (text: string) => string): Generator<string> {
    if (at === undefined) {
      yield `${' '.repeat(TIME_OF_DAY[1] - TIME_OF_DAY[0])}  ${text}`;
      return;
    }
    const time = new Date(at).toISOString();
    if (!time.startsWith(this.#date) || this.#date === '') {
      this.#date = time.slice(0, TIME_OF_DAY[0] - 1);
      yield `${this.#date} (times are UTC)`;
    }
    yield `${time.slice(...TIME_OF_DAY)}  ${subject === '' ? '' : `${clean(subject)}  `}${clean(text)}`;
  }
}

const replay = (flags: ReplayFlags): Promise<void> =>
  onNode('replay', flags, async ({ config, logger, signal }) => {
    checkOutput(flags.output, 'text', 'json');
    const { RecordReader } = await import('../../agent/recorder/read-records.ts');
    const { recorderDirectory } = await import('../../agent/recorder/segments.ts');
    const { isSelected } = await import('../../agent/recorder/selection.ts');
    const { Story } = await import('../../agent/recorder/story.ts');
    const { followChanges } = await import('../../agent/recorder/follow.ts');
    const { oneLine } = await import('../../agent/recorder/redact.ts');
    const wanted = await selectionOf(flags);
    const directory = recorderDirectory(config.dataDir);
    const reader = new RecordReader(directory);
    const story = new Story();
    const text = new StoryText();
    let count = 0;
    const tell = (read: ReadRecord): void => {
      const isWanted = isSelected(read, wanted);
      const lines = [...story.tell(read, isWanted)];
      if (isWanted) count++;
      if (flags.output === 'json') {
        if (isWanted) print(JSON.stringify({ boot: read.life?.boot, agentAt: read.life?.agentAt, ...read.record }));
        return;
      }
      for (const line of lines)
        for (const one of text.lines(line, (words) => oneLine(words, MAX_CHARACTERS))) print(one);
    };
    const readAll = async (): Promise<void> => {
      for await (const read of reader.read()) {
        if (signal.aborted) return;
        tell(read);
      }
    };
    if (flags.follow) return followChanges(directory, readAll, signal);
    await readAll();
    if (count === 0) logger.warn({}, `nothing of that is recorded in ${directory}`);
    const { broken, unfinishedBytes } = reader;
    if (broken > 0 || unfinishedBytes > 0) {
      const half = unfinishedBytes > 0 ? 'the last line has no end' : '';
      const odd = broken > 0 ? `${broken} ${broken === 1 ? 'line is' : 'lines are'} no whole record` : '';
      logger.warn(
        {},
        `${[odd, half].filter(Boolean).join(', and ')}: the agent was killed while it wrote, or its disk was full`,
      );
    }
  });

/** Of a sentence: a plan with many actions, and a command with its words. */
const MAX_CHARACTERS = 2_000;

/** `kedge replay`: what the flight recorder has. */
export const replayCommand = (): Command =>
  nodeCommand('replay', 'tell what the agent has decided, done and seen, from its flight recorder; also after a crash')
    .option('--pod <pod>', 'of this pod only, [NAMESPACE/]NAME')
    .option('-n, --namespace <namespace>', "the pod's namespace")
    .option('--node', 'only what belongs to no pod')
    .option('--since <time>', 'not what is older than this: 10m, or a time')
    .option('--until <time>', 'not what is newer than this: 10m, or a time')
    .addOption(
      new Option('--kind <kinds...>', 'of these kinds only: plan, cri, program, exit and others').argParser(
        (value: string, before: readonly string[] = []) => [...before, ...value.split(',')],
      ),
    )
    .option('-f, --follow', 'go on with what is being recorded')
    .option('-o, --output <form>', 'text, or json with a record per line')
    .action(replay);
