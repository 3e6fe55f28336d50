import { CommanderError, type Command } from 'commander';
import { complain, confess } from './output.ts';
import { userMessage } from './plain-errors.ts';
import { EXIT_FAILED, reportUsage, UsageError, usageExitCode } from './usage.ts';

/** Runs a command line. A failure is printed to stderr and sets the exit code: 2 for wrong usage, otherwise 1. */
export async function runCommand(program: Command): Promise<void> {
  let running = program;
  program.hook('preAction', (_, command) => void (running = command));
  reportUsage(program);
  try {
    await program.parseAsync();
  } catch (error) {
    tellFailure(error, running);
  }
}

/** @param running the command that has failed */
function tellFailure(error: unknown, running: Command): void {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode;
    return;
  }
  const sentence = userMessage(error);
  if (sentence === undefined) confess(error);
  else complain(sentence);
  process.exitCode = error instanceof UsageError ? usageExitCode(running) : EXIT_FAILED;
}

/**
 * An action after which the process ends, whether or not it has failed: a gRPC connection whose TLS handshake a server has not answered stays
 * open when its client is closed, and would keep the process until somebody ends it.
 */
export const ending =
  <A extends unknown[]>(act: (...args: A) => Promise<void>) =>
  async (...args: [...A, Command]): Promise<void> => {
    try {
      await act(...(args as unknown as A));
    } catch (error) {
      tellFailure(error, args.at(-1) as Command);
    }
    process.exit();
  };
