/** The api-servers of the cluster as its Service `kubernetes` lists them, and in which order a node prefers them. Pure. */
import { createHash } from 'node:crypto';
import { API_SERVER_NAME } from '../../api/domain/api-server-names.ts';
import type { ServerTarget } from '../../client/transport.ts';
import type { SliceFacts } from '../network/services/model/service-facts.ts';

/** The Service whose endpoints are the api-servers. */
export const API_SERVICE = { namespace: 'default', name: 'kubernetes' } as const;
const PORT_NAME = 'https';
/** More are not believed: a control plane has three or five. */
const MAX_SERVERS = 16;

/** Sorted, each once, as `https://10.0.0.1:6443`. Addresses that mean this host to everybody are left out. */
export function serversIn(slices: Iterable<SliceFacts>): string[] {
  const found = new Set<string>();
  for (const { namespace, service, ports, endpoints } of slices) {
    if (namespace !== API_SERVICE.namespace || service !== API_SERVICE.name) continue;
    const port = ports.find(({ name, protocol }) => name === PORT_NAME && protocol === 'TCP')?.port;
    if (port === undefined) continue;
    for (const { ip, ready } of endpoints)
      if (ready && !ip.isLoopback && !ip.isUnspecified && !ip.isMulticast)
        found.add(`https://${ip.family === 'IPv6' ? `[${ip.text}]` : ip.text}:${port}`);
  }
  return [...found].sort().slice(0, MAX_SERVERS);
}

/**
 * By the weights of rendezvous hashing: nodes are spread evenly, and when a server comes or goes, no other nodes move than those that it
 * gets or had.
 */
export function inOrderFor(node: string, servers: readonly string[]): string[] {
  const weight = (server: string): string => createHash('sha256').update(`${node}\0${server}`).digest('hex');
  return servers
    .map((server) => ({ server, weight: weight(server) }))
    .sort((a, b) => (a.weight < b.weight ? 1 : -1))
    .map(({ server }) => server);
}

/**
 * Servers of the list are known by the name that no node's certificate has: who may write the endpoints leads agents to no node that way,
 * although certificates of nodes are of the same CA. @param configured the server of the settings, whose certificate has the name by which
 * it is known there
 */
export const targetOf = (server: string, configured: string): ServerTarget =>
  server === configured ? { server } : { server, serverName: API_SERVER_NAME };
