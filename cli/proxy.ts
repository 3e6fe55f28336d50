import { Command } from 'commander';
import { agentSettings } from '../agent/config.ts';
import { daemonLogger } from '../daemon/daemon-logger.ts';
import { daemonSettings } from './daemon-settings.ts';
import { requireRoot, runTask } from './daemon.ts';
import { NODE_CONFIG_HELP, nodeSettings } from './node-settings.ts';
import { listingText } from './proxy-listing-text.ts';
import { settingsFlags } from './settings.ts';
import { exitsWithFindings, UsageError } from './usage.ts';
import { requireStoppedAgent } from './stopped-agent.ts';
import { print, printJson } from './output.ts';

/** What the kernel has is not what it should have; 1 is that of a command that failed. */
const EXIT_DIFFERENT = 2;

const cleanupCommand = (): Command =>
  settingsFlags(
    new Command('cleanup').description(
      'remove Services from the kernel, in whatever modes they were written, after the agent has been stopped; pods keep running',
    ),
    agentSettings,
  ).action(async (flags: Record<string, unknown>) => {
    requireRoot('proxy cleanup', 'removes rules of the kernel');
    const config = await daemonSettings(agentSettings, flags);
    await requireStoppedAgent('kedge proxy cleanup', config);
    const { cleanUpProxy } = await import('../agent/proxy-cleanup.ts');
    await runTask('proxy cleanup', config, (signal, logger) => cleanUpProxy(config, signal, logger));
  });

interface ShowFlags {
  readonly all?: true;
  readonly output: string;
  readonly config?: string;
}

async function show(service: string | undefined, flags: ShowFlags): Promise<void> {
  requireRoot('proxy show', "reads the kernel's rules");
  if ((service === undefined) !== (flags.all === true))
    throw new UsageError('name a Service, [NAMESPACE/]NAME, or give --all');
  if (flags.output !== 'text' && flags.output !== 'json')
    throw new UsageError(`--output must be text or json, not "${flags.output}"`);
  const config = await nodeSettings(flags.config);
  const { showProxy } = await import('../agent/proxy-show.ts');
  const { signal } = new AbortController();
  const listing = await showProxy(
    config,
    service === undefined ? undefined : named(service),
    signal,
    daemonLogger('kedge-proxy', 'error'),
  );
  if (flags.output === 'json') printJson(listing);
  else print(listingText(listing));
  const isSame = listing.problems.length === 0 && listing.services.every(({ differences }) => differences.length === 0);
  if (!isSame) process.exitCode = EXIT_DIFFERENT;
}

function named(service: string): { namespace: string; name: string } {
  const [, namespace = 'default', name] = /^(?:([a-z0-9-]{1,63})\/)?([a-z0-9-]{1,63})$/.exec(service) ?? [];
  if (name === undefined) throw new UsageError(`a Service is named [NAMESPACE/]NAME, not ${JSON.stringify(service)}`);
  return { namespace, name };
}

const showCommand = (): Command =>
  exitsWithFindings(new Command('show'))
    .description(
      "show a Service's addresses and endpoints beside the rules that the kernel of this node has for it, and how they differ; " +
        `exits with ${EXIT_DIFFERENT} when they do`,
    )
    .argument('[service]', '[NAMESPACE/]NAME')
    .option('--all', 'all Services of the cluster')
    .option('-o, --output <form>', 'text or json', 'text')
    .option('--config <file>', NODE_CONFIG_HELP)
    .action((service: string | undefined, flags: ShowFlags) => show(service, flags));

/** `kedge proxy`: what an operator does with the service proxy of this host. */
export const proxyCommand = (): Command =>
  new Command('proxy')
    .description("the service proxy's rules on this host")
    .addCommand(showCommand())
    .addCommand(cleanupCommand());
