import { setFlagsFromString } from 'node:v8';
import { Command } from 'commander';
import { agentSettings } from '../agent/config.ts';
import { daemonSettings } from './daemon-settings.ts';
import { requireRoot, runDaemon } from './daemon.ts';
import { settingsFlags } from './settings.ts';

/**
 * An agent is idle most of the time: what V8's optimizing compilers would gain is not worth the memory that they and their
 * code take (103 MB with 60 pods instead of 90, for the same CPU time).
 */
const V8_FLAGS = ['--optimize-for-size', '--no-opt', '--no-maglev', '--no-sparkplug'];

/** `kedge agent`: runs this host's pods. */
export const agentCommand = (): Command =>
  settingsFlags(new Command('agent').description("run this host's pods"), agentSettings).action(
    async (flags: Record<string, unknown>) => {
      requireRoot('agent', 'runs containers and sets up mounts and networks');
      for (const flag of V8_FLAGS) setFlagsFromString(flag);
      const config = await daemonSettings(agentSettings, flags, ['server']);
      const { runAgent } = await import('../agent/main.ts');
      const { reportLog } = await import('../agent/recorder/report-log.ts');
      await runDaemon('agent', config, (signal, logger, life) => runAgent(config, signal, logger, life), reportLog);
    },
  );
