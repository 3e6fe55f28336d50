import { Command } from 'commander';
import { defaultServerConfig, serverConfigHelp } from '../control-plane/config.ts';
import { runDaemon } from './daemon.ts';
import { loadSettings, settingsFlags } from './settings.ts';

/** `kedge server`: api-server, scheduler and controllers. */
export const serverCommand = (): Command =>
  settingsFlags(
    new Command('server').description('run the api-server, the scheduler and the controllers'),
    defaultServerConfig,
    serverConfigHelp,
  ).action(async (flags: Record<string, unknown>) => {
    const config = await loadSettings(defaultServerConfig, flags, process.env);
    const { runServer } = await import('../control-plane/main.ts');
    await runDaemon('server', config.logLevel, (signal, logger) => runServer(config, signal, logger));
  });
