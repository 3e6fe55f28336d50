import { Command } from 'commander';
import { serverSettings } from '../control-plane/config.ts';
import { daemonSettings } from './daemon-settings.ts';
import { runDaemon } from './daemon.ts';
import { serverJoinCommand } from './server-join.ts';
import { serverLeaveCommand } from './server-leave.ts';
import { serverStatusCommand } from './server-status.ts';
import { settingsFlags } from './settings.ts';

/** `kedge server`: api-server, scheduler and controllers. */
export const serverCommand = (): Command =>
  settingsFlags(
    new Command('server').description('run the api-server, the scheduler and the controllers'),
    serverSettings,
  )
    .enablePositionalOptions()
    .addCommand(serverJoinCommand())
    .addCommand(serverLeaveCommand())
    .addCommand(serverStatusCommand())
    .action(async (flags: Record<string, unknown>) => {
      const config = await daemonSettings(serverSettings, flags);
      const { runServer } = await import('../control-plane/main.ts');
      await runDaemon('server', config, (signal, logger, life) => runServer(config, signal, logger, life));
    });
