import { Command } from 'commander';
import { agentSettings } from '../agent/config.ts';
import { daemonSettings } from './daemon-settings.ts';
import { requireRoot, runTask } from './daemon.ts';
import { settingsFlags } from './settings.ts';
import { requireStoppedAgent } from './stopped-agent.ts';

/** `kedge reset`: stops this host's pods and removes what the agent created on the host. */
export const resetCommand = (): Command =>
  settingsFlags(
    new Command('reset').description(
      "stop this host's pods and remove what the agent created on the host, after the agent has been stopped; data is kept",
    ),
    agentSettings,
  ).action(async (flags: Record<string, unknown>) => {
    requireRoot('reset', 'ends containers and removes mounts and networks');
    const config = await daemonSettings(agentSettings, flags);
    await requireStoppedAgent('kedge reset', config);
    const { resetHost } = await import('../agent/reset.ts');
    await runTask('reset', config, (signal, logger) => resetHost(config, signal, logger));
  });
