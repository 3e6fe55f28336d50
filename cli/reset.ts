import { once } from 'node:events';
import { createServer } from 'node:net';
import { Command } from 'commander';
import { agentSettings, type AgentConfig } from '../agent/config.ts';
import { HostError } from '../agent/host/host-error.ts';
import { daemonSettings } from './daemon-settings.ts';
import { requireRoot, runDaemon } from './daemon.ts';
import { settingsFlags } from './settings.ts';
import { isSystemError } from './system-error.ts';

/** Throws a HostError when the node API's port is in use: a running agent would create again what reset removes. */
async function requireStoppedAgent({ bindAddress, port }: AgentConfig): Promise<void> {
  const server = createServer();
  try {
    await once(server.listen(port, bindAddress), 'listening');
  } catch (error) {
    // No agent can listen at an address that the host no longer has.
    if (isSystemError(error) && error.code === 'EADDRNOTAVAIL') return;
    if (!isSystemError(error) || error.code !== 'EADDRINUSE') throw error;
    throw new HostError(
      `port ${port} is in use: stop the agent before kedge reset (systemctl stop kedge-agent, or make down, which does both)`,
      { cause: error },
    );
  }
  server.close();
  await once(server, 'close');
}

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
    await requireStoppedAgent(config);
    const { resetHost } = await import('../agent/reset.ts');
    await runDaemon('reset', config, async (signal, logger) => {
      try {
        await resetHost(config, signal, logger);
      } finally {
        // Unlike a daemon's, the stop of a reset is no success: scripts would go on to remove what pods still use.
        if (signal.aborted) process.exitCode = 1;
      }
    });
  });
