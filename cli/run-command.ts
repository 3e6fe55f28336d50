import type { Command } from 'commander';
import { complain } from './output.ts';
import { userMessage } from './plain-errors.ts';

/** Runs a command line. A failure is printed to stderr and sets the exit code. */
export async function runCommand(program: Command): Promise<void> {
  try {
    await program.parseAsync();
  } catch (error) {
    const sentence = userMessage(error);
    if (sentence === undefined) console.error(error);
    else complain(sentence);
    process.exitCode = 1;
  }
}
