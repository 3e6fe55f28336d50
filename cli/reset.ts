import { Command } from 'commander';
import { agentSettings } from '../agent/config.ts';
import { daemonSettings } from './daemon-settings.ts';
import { requireRoot, runDaemon } from './daemon.ts';
import { settingsFlags } from './settings.ts';

/** `kedge reset`: stops this host's pods and removes what the agent created on the host. */
export const resetCommand = (): Command =>
  settingsFlags(
    new Command('reset').description(
      "stop this host's pods and remove what the agent created on the host; data is kept",
    ),
    agentSettings,
  ).action(async (flags: Record<string, unknown>) => {
    requireRoot('reset', 'ends containers and removes mounts and networks');
    const config = await daemonSettings(agentSettings, flags);
    const { resetHost } = await import('../agent/reset.ts');
    await runDaemon('reset', config, (signal, logger) => resetHost(config, signal, logger));
  });
