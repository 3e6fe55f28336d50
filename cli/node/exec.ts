import type { Command } from 'commander';
import type { SessionStreams, TerminalSize } from '../../agent/inspect/container-session.ts';
import { nodeCommand, onNode, type NodeFlags } from './node-command.ts';
import { complain } from '../output.ts';

interface ExecFlags extends NodeFlags {
  readonly namespace?: string;
  readonly container?: string;
  readonly stdin?: true;
  readonly tty?: true;
}

/** The terminal of this process as the container's: raw, so that every key goes there. `restore` gives it back. */
function openTerminal(): { readonly terminal: NonNullable<SessionStreams['terminal']>; readonly restore: () => void } {
  const { stdin, stdout } = process;
  const before = stdin.isRaw;
  stdin.setRawMode(true);
  return {
    terminal: (resized: (size: TerminalSize) => void, signal) => {
      const tell = (): void => resized({ columns: stdout.columns, rows: stdout.rows });
      tell();
      stdout.on('resize', tell);
      signal.addEventListener('abort', () => stdout.removeListener('resize', tell), { once: true });
    },
    restore: () => void stdin.setRawMode(before),
  };
}

const exec = (pod: string, command: readonly string[], flags: ExecFlags): Promise<void> =>
  onNode('exec', flags, async ({ config, logger, signal }) => {
    const { parsePodName } = await import('../../agent/inspect/pod-name.ts');
    const { execInPod } = await import('../../agent/inspect/pod-command.ts');
    const hasTerminal = flags.tty === true && process.stdin.isTTY && process.stdout.isTTY;
    if (flags.tty === true && !hasTerminal) complain('stdin or stdout is no terminal, so the command gets none');
    const opened = hasTerminal ? openTerminal() : undefined;
    try {
      process.exitCode = await execInPod(
        config,
        { pod: parsePodName(pod, flags.namespace), container: flags.container, command },
        {
          stdin: flags.stdin === true ? process.stdin : undefined,
          ...{ stdout: process.stdout, stderr: process.stderr, terminal: opened?.terminal },
        },
        logger,
        signal,
      );
    } finally {
      opened?.restore();
      // A terminal or pipe that is still open would keep the process.
      if (flags.stdin === true) process.stdin.destroy();
    }
  });

/** `kedge exec`: runs a command in a container of this host. */
export const execCommand = (): Command =>
  nodeCommand(
    'exec',
    'run a command in a container, and exit with its code; also when agent and api-server are stopped',
  )
    .argument('<pod>', '[NAMESPACE/]NAME')
    .argument('<command...>', 'the command and its arguments, after --')
    .option('-n, --namespace <namespace>', "the pod's namespace")
    .option('-c, --container <container>', 'the container, when the pod has several')
    .option('-i, --stdin', 'pass stdin to the command')
    .option('-t, --tty', 'give the command a terminal')
    .action(exec);
