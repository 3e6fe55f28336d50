import { Command } from 'commander';
import { agentSettings } from '../agent/config.ts';
import { daemonSettings } from './daemon-settings.ts';
import { requireRoot, runTask } from './daemon.ts';
import { settingsFlags } from './settings.ts';
import { requireStoppedAgent } from './stopped-agent.ts';

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

/** `kedge proxy`: what an operator does with the service proxy of this host. */
export const proxyCommand = (): Command =>
  new Command('proxy').description("the service proxy's rules on this host").addCommand(cleanupCommand());
