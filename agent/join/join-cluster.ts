/** This host becomes a node, or finds that it is one: under which name, at which address, with which certificate. */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ApiClient } from '../../client/api-client.ts';
import type { Logger } from '../../client/logger.ts';
import { nodeNameOf, type AgentConfig } from '../config.ts';
import { readHostFacts } from '../host/host-facts.ts';
import { detectNodeIps } from '../host/links.ts';
import { OVERLAY_LINK } from '../network/connectivity/overlay.ts';
import { ownCommand } from '../host/own-command.ts';
import { ClusterConfiguration } from './cluster-configuration.ts';
import { obtainIdentity, type Identity } from './join.ts';
import { checkNameIsFree } from './name-check.ts';
import { clientCredentials, NodeCertificates } from './node-certificates.ts';

export interface Membership {
  readonly name: string;
  /** At which other hosts reach this one: one, or one of each IP family. */
  readonly addresses: readonly string[];
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
  const addresses = config.nodeIp
    ? config.nodeIp.split(',')
    : await detectNodeIps([config.bridgeName, OVERLAY_LINK], signal);
  const dataDir = resolve(config.dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o750 });
  const certificates = new NodeCertificates(join(dataDir, 'pki'));
  const self = async () => ({ machineId: await machineId(), addresses });
  const identity = await obtainIdentity({ ...config, nodeName: name, self, certificates, logger }, signal);
  return { name, addresses, certificates, identity };
}

/**
 * What `kedge join` does: the same without an agent. A host that has joined before needs no server for that; here the server
 * must respond, since the operator may just have given the host another address.
 */
export async function joinHost(config: AgentConfig, signal: AbortSignal, logger: Logger): Promise<void> {
  const machineId = async (): Promise<string> => (await readHostFacts(ownCommand('host-facts'), signal)).machineId;
  const { name, addresses, certificates, identity } = await joinCluster(config, machineId, signal, logger);
  await using client = new ApiClient({ server: config.server, ...clientCredentials(identity.ca, identity.client) });
  if (!identity.isNew) await checkNameIsFree(client, name, { machineId: await machineId(), addresses }, signal);
  // For an agent that is started while the server is down.
  await new ClusterConfiguration(client, certificates.directory, logger).learn(signal);
}
