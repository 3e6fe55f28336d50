/** Command lines of `kedge` in documents, and what the command line itself says of them. */
import { CommanderError, type Command } from 'commander';
import { kedgeCommand } from '../../../cli/program.ts';
import { givenSettings, type Settings, type SettingsDeclaration } from '../../../cli/settings.ts';
import { ingressSettings } from '../../../addons/ingress/config.ts';
import { agentSettings } from '../../../agent/config.ts';
import { hollowSettings } from '../../../agent/hollow/config.ts';
import { serverSettings } from '../../../control-plane/config.ts';
import type { SettingRule } from '../../../daemon/setting-rules.ts';
import { codeOf } from '../../support/markdown.ts';

/** What names the program: installed, built, and from the sources. */
const PROGRAM = /^(?:(?:dist\/|\/usr\/local\/bin\/)?kedge|scripts\/node\.sh cli\/main\.ts)(?= |$)/;
/** What comes before a program: a prompt, sudo, and variables of its environment. */
const BEFORE = /^(?:[$#] )?(?:sudo )?(?:[A-Z_]+=\S* )*/;
const ELLIPSIS = '...';
/** What stands for a value: `FILE`, `<file>`, `...`. */
const PLACEHOLDER = /^(?:[A-Z][A-Z0-9_-]*|<.*>|\.\.\.)$/;

function commandsOf(command: Command, name = ''): Map<string, Command> {
  const found = new Map<string, Command>();
  for (const below of command.commands) {
    const whole = `${name} ${below.name()}`.trimStart();
    found.set(whole, below);
    for (const [other, deeper] of commandsOf(below, whole)) found.set(other, deeper);
  }
  return found;
}

/** The whole command line, of which every command does nothing but say that it was meant. */
class Parser {
  readonly #program = kedgeCommand();
  #meant: Command | undefined;
  /** Each by its whole name, `server join`; not the program itself. */
  readonly commands = commandsOf(this.#program);

  constructor() {
    for (const command of [this.#program, ...this.commands.values()])
      command
        .exitOverride()
        .configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
        .action(() => void (this.#meant = command));
  }

  /** The command that `words` mean; undefined when they ask for help or the version. Throws CommanderError. */
  parse(words: readonly string[]): Command | undefined {
    this.#meant = undefined;
    this.#program.parse(words, { from: 'user' });
    return this.#meant;
  }
}
const parser = new Parser();

export const commands: ReadonlyMap<string, Command> = parser.commands;

export interface CommandLine {
  /** What follows the name of the program. */
  readonly words: readonly string[];
  /** In a sentence: it may leave out what the command cannot do without. */
  readonly isMention: boolean;
  readonly line: number;
}

const TOKEN =
  /\s*(?:(?<comment>#.*)|(?<operator>&&|\|\||[;|&)]|\d?>+&?)|(?<word>(?:'[^']*'|"[^"]*"|\\.|[^\s'";|&()<>]|<[^>\s]*>|\((?=s\)))+))/y;

/** The words of a shell's command up to the first operator, without a comment at its end; and what comes after the operator. */
function shellWords(text: string): { words: string[]; rest: string } {
  const words: string[] = [];
  const token = new RegExp(TOKEN);
  for (let found = token.exec(text); found; found = token.exec(text)) {
    const { comment, operator, word = '' } = found.groups ?? {};
    if (comment !== undefined) break;
    if (operator !== undefined) return { words, rest: text.slice(token.lastIndex) };
    words.push(word.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
  }
  return { words, rest: '' };
}

const PROMPT = /^\s*[$#] /;

/**
 * Those of `text`, which is a shell's: of each line, of each part of a pipeline, and of what it substitutes. Where the first line has a
 * prompt, lines without one are output.
 */
export function commandLinesOf(text: string, isMention: boolean, firstLine: number): CommandLine[] {
  const found: CommandLine[] = [];
  const isSession = PROMPT.test(text);
  const look = (command: string, line: number): void => {
    const bare = command.trimStart().replace(BEFORE, '');
    const [program] = PROGRAM.exec(bare) ?? [];
    const { words, rest } = shellWords(program === undefined ? bare : bare.slice(program.length));
    if (program !== undefined) found.push({ words, isMention, line });
    if (rest !== '') look(rest, line);
    for (const [, substituted = ''] of command.matchAll(/\$\(([^()]*)\)/g)) look(substituted, line);
  };
  let before = '';
  for (const [index, each] of text.split('\n').entries()) {
    if (isSession && before === '' && !PROMPT.test(each)) continue;
    const line = before + each;
    before = line.endsWith('\\') ? line.slice(0, -1) : '';
    if (before === '') look(line, firstLine + index);
  }
  return found;
}

/** All that a Markdown document has. */
export function commandLinesOfMarkdown(markdown: string): CommandLine[] {
  const { blocks, inline } = codeOf(markdown);
  return [
    ...blocks.flatMap(({ text, line }) => commandLinesOf(text, false, line)),
    ...inline.flatMap(({ text, line }) => commandLinesOf(text, true, line)),
  ];
}

/** `[--user NAME]` is what may be left out, `list|rotate` one of several, `...` anything: the lines that it stands for. */
function spelledOut(words: readonly string[]): string[][] {
  const plain = words
    .map((word) => word.replace(/^\[(?=[^\]]*\]?$)/, '').replace(/(?<!\[[^\]]*)\]$/, ''))
    .filter((word, index) => word !== ELLIPSIS || words[index - 1]?.startsWith('-') === true);
  return plain.reduce<string[][]>(
    (lines, word) => {
      const alternatives = /^[a-z-]+(\|[a-z-]+)+$/.test(word) ? word.split('|') : [word];
      return lines.flatMap((line) => alternatives.map((each) => [...line, each]));
    },
    [[]],
  );
}

/** Codes of Commander for what a sentence may leave out. */
const INCOMPLETE: ReadonlySet<string> = new Set([
  'commander.missingArgument',
  'commander.missingMandatoryOptionValue',
  'commander.optionMissingArgument',
  'commander.help',
]);
const SUCCESS: ReadonlySet<string> = new Set(['commander.helpDisplayed', 'commander.version']);

/** It has nothing to do without one of its subcommands. */
export const isGroup = ({ commands, options }: Command): boolean => commands.length > 0 && options.length === 0;

/** By the name of the command. Each declares settings of its own type, of which nothing here knows. */
export const DAEMONS: ReadonlyMap<string, SettingsDeclaration<Settings>> = new Map(
  Object.entries({
    server: serverSettings,
    agent: agentSettings,
    'ingress-controller': ingressSettings,
    hollow: hollowSettings,
  }) as unknown as [string, SettingsDeclaration<Settings>][],
);

/** What is wrong with settings together, each judged beside the others. */
export async function settingsProblems(
  declaration: SettingsDeclaration<Settings>,
  given: Readonly<Record<string, unknown>>,
): Promise<string[]> {
  const found = await givenSettings(declaration, given, {});
  const settings = {
    ...declaration.defaults,
    ...Object.fromEntries([...found].map(([name, { value }]) => [name, value])),
  };
  return [...found].flatMap(([name, { where, value }]) => {
    const rule = declaration.rules[name] as SettingRule<unknown, Settings> | undefined;
    const problem = typeof value === 'string' && PLACEHOLDER.test(value) ? undefined : rule?.(value, settings);
    return problem === undefined ? [] : [`${where} ${problem}`];
  });
}

/** Why the command line would not take this, without running it; empty when it would. */
export async function problemsOf({ words, isMention }: Pick<CommandLine, 'words' | 'isMention'>): Promise<string[]> {
  const problems: string[] = [];
  for (const line of spelledOut(words)) {
    let parsed: Command | undefined;
    try {
      parsed = parser.parse(line);
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (!SUCCESS.has(error.code) && !(isMention && INCOMPLETE.has(error.code))) problems.push(error.message);
    }
    if (parsed && !isMention && isGroup(parsed)) problems.push('a subcommand is missing');
    const settings = parsed?.parent?.parent === null ? DAEMONS.get(parsed.name()) : undefined;
    if (parsed && settings && !isMention) {
      // Not read: the file is of another host.
      const flags = Object.fromEntries(Object.entries(parsed.opts()).filter(([name]) => name !== 'config'));
      problems.push(...(await settingsProblems(settings, flags)));
    }
  }
  return problems;
}
