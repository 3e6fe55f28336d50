/** This host becomes a node, or finds that it is one: under which name, at which address, with which certificate. */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ApiClient } from '../../client/api-client.ts';
import type { Logger } from '../../client/logger.ts';
import { nodeNameOf, type AgentConfig } from '../config.ts';
import { readHostFacts } from '../host/host-facts.ts';
import { detectNodeIp } from '../host/links.ts';
import { ownCommand } from '../host/own-command.ts';
import { ClusterConfiguration } from './cluster-configuration.ts';
import { obtainIdentity, type Identity } from './join.ts';
import { checkNameIsFree } from './name-check.ts';
import { clientCredentials, NodeCertificates } from './node-certificates.ts';

export interface Membership {
  readonly name: string;
  readonly address: string;
  readonly certificates: NodeCertificates;
  readonly identity: Identity;
}

/** Throws JoinError or ConnectionError with a sentence for the operator. `machineId` is called when the host is new. */
export async function joinCluster(
  config: AgentConfig,
  machineId: () => Promise<string>,
  signal: AbortSignal,
  logger: Logger,
): Promise<Membership> {
  const name = nodeNameOf(config);
  const address = config.nodeIp || (await detectNodeIp(signal));
  const dataDir = resolve(config.dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o750 });
  const certificates = new NodeCertificates(join(dataDir, 'pki'));
  const self = async () => ({ machineId: await machineId(), address });
  const identity = await obtainIdentity({ ...config, nodeName: name, self, certificates, logger }, signal);
  return { name, address, certificates, identity };
}

/**
 * What `kedge join` does: the same without an agent. A host that has joined before needs no server for that; here the server
 * must respond, since the operator may just have given the host another address.
 */
export async function joinHost(config: AgentConfig, signal: AbortSignal, logger: Logger): Promise<void> {
  const machineId = async (): Promise<string> => (await readHostFacts(ownCommand('host-facts'), signal)).machineId;
  const { name, address, certificates, identity } = await joinCluster(config, machineId, signal, logger);
  await using client = new ApiClient({ server: config.server, ...clientCredentials(identity.ca, identity.client) });
  if (!identity.isNew) await checkNameIsFree(client, name, { machineId: await machineId(), address }, signal);
  // For an agent that is started while the server is down.
  await new ClusterConfiguration(client, certificates.directory, logger).learn(signal);
}
