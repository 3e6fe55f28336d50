import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AgentConfig } from '../agent/config.ts';
import { HostError } from '../agent/host/host-error.ts';
import { isSystemError } from './system-error.ts';

/** Throws a HostError when the node API's port is in use: a running agent would create again what `command` removes. */
export async function requireStoppedAgent(command: string, { bindAddress, port }: AgentConfig): Promise<void> {
  const server = createServer();
  try {
    await once(server.listen(port, bindAddress), 'listening');
  } catch (error) {
    // No agent can listen at an address that the host no longer has.
    if (isSystemError(error) && error.code === 'EADDRNOTAVAIL') return;
    if (!isSystemError(error) || error.code !== 'EADDRINUSE') throw error;
    throw new HostError(
      `port ${port} is in use: stop the agent before ${command} (systemctl stop kedge-agent, or make down, which does both)`,
      { cause: error },
    );
  }
  server.close();
  await once(server, 'close');
}
