import { IpAddress } from '../../../api/domain/address.ts';
import { failure, ok, warning, type Finding } from './finding.ts';

export interface DnsFacts {
  readonly file: string;
  /** Undefined when there is no such file. */
  readonly servers: readonly string[] | undefined;
  /** The name of the api-server, when it is one and the host was asked for it; `error` when it has no address. */
  readonly lookup?: { readonly name: string; readonly error?: string };
}

/** resolv.conf(5): a resolver reads no more. */
const MAX_SERVERS = 3;

/** Pure. */
export function judgeDns({ file, servers, lookup }: DnsFacts): Finding[] {
  if (servers === undefined || servers.length === 0)
    return [
      failure(
        servers ? `${file} names no server` : `there is no ${file}`,
        'a nameserver line: pods ask this server for names outside of the cluster',
        `write one, or set resolv-conf in /etc/kedge/agent.yaml to the file that has it`,
      ),
    ];
  const findings: Finding[] = [];
  if (lookup?.error !== undefined)
    findings.push(
      failure(
        `${lookup.name}, where the api-server is, has no address: ${lookup.error}`,
        'an address',
        `check ${file}, or name the server by its address`,
      ),
    );
  if (servers.length > MAX_SERVERS)
    findings.push(
      warning(`${file} names ${servers.length} servers`, `${MAX_SERVERS} at most: others are ignored`, 'remove some'),
    );
  const isLoopback = (server: string): boolean => {
    const text = IpAddress.parse(server.split('%', 1)[0] ?? '')?.text ?? '';
    return text.startsWith('127.') || text === '::1';
  };
  if (servers.every(isLoopback))
    findings.push(
      warning(
        `${file} names ${servers.join(', ')} alone, which in a pod is the pod itself`,
        'a server that pods with dnsPolicy Default can reach',
        'set resolv-conf in /etc/kedge/agent.yaml to the real one: with systemd-resolved, /run/systemd/resolve/resolv.conf',
      ),
    );
  return findings.length > 0 ? findings : [ok(`${file} names ${servers.join(', ')}`)];
}
