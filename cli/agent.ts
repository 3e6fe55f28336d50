import { Command } from 'commander';
import { agentConfigHelp, defaultAgentConfig } from '../agent/config.ts';
import { runDaemon } from './daemon.ts';
import { loadSettings, settingsFlags } from './settings.ts';

/** `kedge agent`: runs this host's pods. */
export const agentCommand = (): Command =>
  settingsFlags(new Command('agent').description("run this host's pods"), defaultAgentConfig, agentConfigHelp).action(
    async (flags: Record<string, unknown>) => {
      const config = await loadSettings(defaultAgentConfig, flags, process.env);
      const { runAgent } = await import('../agent/main.ts');
      await runDaemon('agent', config.logLevel, (signal, logger) => runAgent(config, signal, logger));
    },
  );
