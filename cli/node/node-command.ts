/** What the commands that look at this host have in common: root, the agent's settings, the form of the output, an end on Ctrl-C. */
import { Command } from 'commander';
import type { AgentConfig } from '../../agent/config.ts';
import type { Logger } from '../../client/logger.ts';
import { requireRoot } from '../daemon.ts';
import { complain } from '../output.ts';
import { NODE_CONFIG_HELP, nodeSettings } from '../node-settings.ts';
import { UsageError } from '../usage.ts';

export interface NodeFlags {
  readonly config?: string;
  readonly output?: string;
}

export interface NodeContext {
  readonly config: AgentConfig;
  /** To stderr: stdout is for what was asked for. */
  readonly logger: Logger;
  /** Aborted on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

const say = (fields: object, message: string): void => {
  const { err } = fields as { readonly err?: unknown };
  complain(`${message}${err instanceof Error ? `: ${err.message}` : ''}`);
};
const nothing = (): void => undefined;
const stderrLogger: Logger = { debug: nothing, info: nothing, warn: say, error: say };

/** A command with `--config`, for root. */
export const nodeCommand = (name: string, description: string): Command =>
  new Command(name).description(description).option('--config <file>', NODE_CONFIG_HELP);

/** Runs `act` as root with the agent's settings. A stop by a signal is no failure of its own: the exit code is that of the signal. */
export async function onNode(
  command: string,
  flags: NodeFlags,
  act: (context: NodeContext) => Promise<void>,
): Promise<void> {
  requireRoot(command, "asks this host's agent and container runtime");
  const config = await nodeSettings(flags.config);
  const stop = new AbortController();
  const stopped = (code: number) => () => {
    process.exitCode = code;
    stop.abort();
  };
  process.once('SIGINT', stopped(130)).once('SIGTERM', stopped(143));
  // `kedge logs | head` has seen enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    stop.abort();
  });
  try {
    await act({ config, logger: stderrLogger, signal: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

/** Throws SettingsError unless the form is one of these, or none is given. */
export function checkOutput(output: string | undefined, ...forms: readonly string[]): void {
  if (output !== undefined && !forms.includes(output))
    throw new UsageError(`--output must be ${forms.join(' or ')}, not "${output}"`);
}
