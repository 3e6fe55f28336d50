/** The `kedge` command. One file per subcommand; the daemons are loaded only when they are run. */
import { Command } from 'commander';
import { accessCommand } from './access.ts';
import { agentCommand } from './agent.ts';
import { backupCommand } from './backup.ts';
import { certsCommand } from './certs.ts';
import { consoleCommand } from './console.ts';
import { etcdCommand } from './etcd.ts';
import { hollowCommand } from './hollow.ts';
import { ingressCommand } from './ingress.ts';
import { ingressControllerCommand } from './ingress-controller.ts';
import { joinCommand } from './join.ts';
import { kubeconfigCommand } from './kubeconfig.ts';
import { bundleCommand } from './node/bundle.ts';
import { doctorCommand } from './node/doctor.ts';
import { eventsCommand } from './node/events.ts';
import { execCommand } from './node/exec.ts';
import { imagesCommand } from './node/images.ts';
import { logsCommand } from './node/logs.ts';
import { psCommand } from './node/ps.ts';
import { replayCommand } from './node/replay.ts';
import { statsCommand } from './node/stats.ts';
import { topCommand } from './node/top.ts';
import { whyCommand } from './node/why.ts';
import { proxyCommand } from './proxy.ts';
import { resetCommand } from './reset.ts';
import { runCommand } from './run-command.ts';
import { secretsEncryptCommand } from './secrets-encrypt.ts';
import { serverCommand } from './server.ts';
import { storeCommand } from './store.ts';
import { traceCommand } from './trace.ts';
import { tokenCommand } from './token.ts';
import { upgradeCommand } from './upgrade.ts';
import { versionCommand, withVersion } from './version.ts';

/** Runs the command line. A failure is printed to stderr and sets the exit code. */
export const runProgram = (): Promise<void> => runCommand(kedgeCommand());

/** The whole command line: every command with its options. */
export const kedgeCommand = (): Command =>
  withVersion(new Command('kedge'))
    .description('Kubernetes for real Linux hosts')
    // What follows the name of a subcommand is the subcommand's: `server join` has options of `server`, too.
    .enablePositionalOptions()
    .addCommand(serverCommand())
    .addCommand(agentCommand())
    .addCommand(joinCommand())
    .addCommand(psCommand())
    .addCommand(imagesCommand())
    .addCommand(logsCommand())
    .addCommand(execCommand())
    .addCommand(statsCommand())
    .addCommand(topCommand())
    .addCommand(eventsCommand())
    .addCommand(doctorCommand())
    .addCommand(whyCommand())
    .addCommand(replayCommand())
    .addCommand(bundleCommand())
    .addCommand(proxyCommand())
    .addCommand(traceCommand())
    .addCommand(resetCommand())
    .addCommand(upgradeCommand())
    .addCommand(tokenCommand())
    .addCommand(kubeconfigCommand())
    .addCommand(accessCommand())
    .addCommand(certsCommand())
    .addCommand(secretsEncryptCommand())
    .addCommand(backupCommand())
    .addCommand(etcdCommand())
    .addCommand(storeCommand())
    .addCommand(ingressCommand())
    .addCommand(ingressControllerCommand())
    .addCommand(consoleCommand())
    .addCommand(hollowCommand())
    .addCommand(versionCommand());
