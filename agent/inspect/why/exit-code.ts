/** What exit codes mean, by the conventions of shells and runtimes. Pure. */
import { constants } from 'node:os';

const MEANINGS: ReadonlyMap<number, string> = new Map([
  [126, 'the command is no program that can be run'],
  [127, 'a command was not found'],
  [128, 'the runtime could not start it'],
]);
/** A process that a signal has ended counts from here. */
const SIGNALED = 128;
const WORDS: ReadonlyMap<string, string> = new Map([
  ['SIGKILL', 'killed from outside, or by the kernel for want of memory'],
  ['SIGSEGV', 'a fault of the program'],
  ['SIGABRT', 'the program gave up'],
  ['SIGBUS', 'a fault of the program, or a file that was cut short'],
  ['SIGILL', 'made for another processor'],
  ['SIGTERM', 'it was asked to stop'],
]);

/** `SIGKILL: ...`; undefined for a code that only its program knows. */
export function exitMeaning(code: number): string | undefined {
  const signal = Object.entries(constants.signals).find(([, number]) => number === code - SIGNALED)?.[0];
  const words = signal === undefined ? undefined : WORDS.get(signal);
  return MEANINGS.get(code) ?? (signal && (words ? `${signal}: ${words}` : signal));
}

/** `exit code 137 (SIGKILL: ...)`. */
export function exitText(code: number): string {
  const meaning = exitMeaning(code);
  return `exit code ${code}${meaning === undefined ? '' : ` (${meaning})`}`;
}
