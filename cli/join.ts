import { Command } from 'commander';
import { agentConfigHelp, defaultAgentConfig } from '../agent/config.ts';
import type { Logger } from '../client/logger.ts';
import { loadSettings, settingsFlags } from './settings.ts';

const say = (_: object, message: string): void => console.error(`kedge: ${message}`);
const logger: Logger = { debug() {}, info() {}, warn: say, error: say };

/** `kedge join`: what a script runs before it starts an agent, so that it can say why a cluster does not take the host. */
export const joinCommand = (): Command =>
  settingsFlags(
    new Command('join').description("get this host's certificate with a token: what the agent does first, and no more"),
    defaultAgentConfig,
    agentConfigHelp,
  ).action(async (flags: Record<string, unknown>) => {
    const config = await loadSettings(defaultAgentConfig, flags, process.env);
    const { joinHost } = await import('../agent/join/join-cluster.ts');
    await joinHost(config, new AbortController().signal, logger);
  });
