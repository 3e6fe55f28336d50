/**
 * Wrong usage of the command line, in one form: one sentence on stderr, and exit code 2. Commands that look for something have 2 for
 * what they have found; there, wrong usage is 1, as whatever keeps them from looking.
 */
import type { Command, CommanderError } from 'commander';
import { suggestion } from './nearest.ts';
import { complain } from './output.ts';
import { SettingsError } from './settings-error.ts';

export const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** What was typed cannot be meant: a flag's value, or flags that exclude each other. */
export class UsageError extends SettingsError {}

const lookers = new WeakSet<Command>();

/** Says that a command exits with 2 when it has found something. */
export function exitsWithFindings(command: Command): Command {
  lookers.add(command);
  return command;
}

export const usageExitCode = (command: Command): number => (lookers.has(command) ? EXIT_FAILED : EXIT_USAGE);

const fullName = (command: Command): string =>
  command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name();

/** Commander's message and suggestion in one sentence. */
function sentence(message: string, command: Command): string {
  const [what = '', suggested] = message.trim().split('\n');
  const [, meant] = /^\(Did you mean (.+)\?\)$/.exec(suggested ?? '') ?? [];
  // Commander compares the option with its value.
  const [, option] = /^error: unknown option '(--[^=]+)=/.exec(what) ?? [];
  const flags = command.options.flatMap(({ long }) => long ?? []);
  const hint =
    (meant !== undefined && `; did you mean ${meant}?`) ||
    (option !== undefined && suggestion(option, flags)) ||
    `; ${fullName(command)} --help says what there is`;
  return `${what.replace(/^error: /, '').replace(/\.$/, '')}${hint}`;
}

/** Has a command and those below it throw CommanderError instead of ending the process, with the exit code that is to be used. */
export function reportUsage(command: Command): void {
  command.configureOutput({ outputError: (message) => complain(sentence(message, command)) });
  command.exitOverride((error: CommanderError) => {
    if (error.exitCode !== 0) error.exitCode = usageExitCode(command);
    throw error;
  });
  for (const below of command.commands) reportUsage(below);
}
