/** The `kedge` command. Each subcommand is a file; the daemons are loaded only when they are asked for. */
import { isMainThread, workerData } from 'node:worker_threads';
import { Command } from 'commander';
import { ProgramError } from '../agent/host/run.ts';
import { StatusError } from '../api/machinery/status-error.ts';
import { ConnectionError } from '../client/connection-error.ts';
import { TokenFileError } from '../control-plane/apiserver/authentication/static-tokens.ts';
import { PkiError } from '../control-plane/pki/pem-files.ts';
import { agentHelperCommands } from './agent-helpers.ts';
import { agentCommand } from './agent.ts';
import { kubeconfigCommand } from './kubeconfig.ts';
import { resetCommand } from './reset.ts';
import { serverCommand } from './server.ts';
import { SettingsError } from './settings.ts';
import { tokenCommand } from './token.ts';
import { versionCommand } from './version.ts';

async function main(): Promise<void> {
  if (!isMainThread) {
    // The server runs its roles on threads of this same program.
    const { runRoleThread } = await import('../control-plane/role-thread.ts');
    return runRoleThread(workerData);
  }
  const program = new Command('kedge')
    .description('Kubernetes for real Linux hosts')
    .addCommand(serverCommand())
    .addCommand(agentCommand())
    .addCommand(resetCommand())
    .addCommand(tokenCommand())
    .addCommand(kubeconfigCommand())
    .addCommand(versionCommand());
  for (const helper of agentHelperCommands()) program.addCommand(helper, { hidden: true });
  await program.parseAsync();
}

/** Failures that say everything in their one sentence; any other is a defect and shows where it happened. */
const speaksForItself = (error: unknown): error is Error =>
  error instanceof SettingsError ||
  error instanceof StatusError ||
  error instanceof ConnectionError ||
  error instanceof ProgramError ||
  error instanceof PkiError ||
  error instanceof TokenFileError;

try {
  await main();
} catch (error) {
  console.error(speaksForItself(error) ? `kedge: ${error.message}` : error);
  process.exitCode = 1;
}
