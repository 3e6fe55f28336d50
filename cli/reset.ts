import { Command } from 'commander';
import { agentConfigHelp, defaultAgentConfig } from '../agent/config.ts';
import { runDaemon } from './daemon.ts';
import { loadSettings, settingsFlags } from './settings.ts';

/** `kedge reset`: ends this host's pods and removes what the agent made. */
export const resetCommand = (): Command =>
  settingsFlags(
    new Command('reset').description("end this host's pods and take what the agent made off the host; data stays"),
    defaultAgentConfig,
    agentConfigHelp,
  ).action(async (flags: Record<string, unknown>) => {
    const config = await loadSettings(defaultAgentConfig, flags, process.env);
    const { resetHost } = await import('../agent/reset.ts');
    await runDaemon('reset', config.logLevel, (signal, logger) => resetHost(config, signal, logger));
  });
