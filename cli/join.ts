import { Command } from 'commander';
import { agentSettings } from '../agent/config.ts';
import type { Logger } from '../client/logger.ts';
import { daemonSettings } from './daemon-settings.ts';
import { settingsFlags } from './settings.ts';
import { complain } from './output.ts';

const say = (_: object, message: string): void => complain(`${message}`);
const logger: Logger = { debug() {}, info() {}, warn: say, error: say };

/** `kedge join`: installation scripts run it before the agent is started, so that a rejected join is reported at once. */
export const joinCommand = (): Command =>
  settingsFlags(
    new Command('join').description("request this host's node certificate with a token, without starting the agent"),
    agentSettings,
  ).action(async (flags: Record<string, unknown>) => {
    const config = await daemonSettings(agentSettings, flags, ['server']);
    const { joinHost } = await import('../agent/join/join-cluster.ts');
    await joinHost(config, new AbortController().signal, logger);
  });
