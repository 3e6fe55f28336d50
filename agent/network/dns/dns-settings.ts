/**
 * What an administrator sets for the DNS of the whole cluster, in the ConfigMap `kube-system/kube-dns`: `stubDomains` and
 * `upstreamNameservers` as kube-dns had them, and `hosts` as hosts(5).
 * https://github.com/kubernetes/dns/blob/master/docs/kube-dns-config-map.md
 */
import { DNS_PORT } from '../../../api/domain/cluster-dns.ts';
import { IpAddress } from '../../../api/domain/address.ts';
import { isPortNumber } from '../../../api/domain/port-number.ts';
import { own } from '../../../api/machinery/own.ts';
import { dnsDomain } from '../../../daemon/setting-rules.ts';
import type { DnsUpstream } from './forwarder.ts';
import type { DnsSettings } from './resolver.ts';

/** Each name that can be asked for costs memory on every node. */
const MAX_HOSTS = 10_000;
const MAX_DOMAINS = 1_000;

export interface ReadSettings {
  readonly settings: DnsSettings;
  /** What is invalid, as sentences, and ignored alone. */
  readonly problems: readonly string[];
}

/** @param data that of the ConfigMap; undefined when there is none */
export function readDnsSettings(data: Readonly<Record<string, string>> | undefined): ReadSettings {
  const problems: string[] = [];
  const text = (key: string): string => own(data, key) ?? '';
  return {
    settings: {
      stubDomains: readStubDomains(text('stubDomains'), problems),
      upstreams: readUpstreams(text('upstreamNameservers'), problems),
      hosts: readHosts(text('hosts'), problems),
    },
    problems,
  };
}

function readStubDomains(text: string, problems: string[]): ReadonlyMap<string, readonly DnsUpstream[]> {
  const found = new Map<string, readonly DnsUpstream[]>();
  const document = readJson('stubDomains', text, problems);
  if (document === undefined) return found;
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    problems.push('stubDomains is no object');
    return found;
  }
  for (const [name, value] of Object.entries(document).slice(0, MAX_DOMAINS)) {
    const domain = name.replace(/\.$/, '').toLowerCase();
    const servers = readServers(`stubDomains of ${JSON.stringify(name)}`, value, problems);
    if (dnsDomain(domain, undefined) !== undefined) problems.push(`stubDomains: ${JSON.stringify(name)} is no domain`);
    else if (servers.length > 0) found.set(domain, servers);
  }
  return found;
}

function readUpstreams(text: string, problems: string[]): readonly DnsUpstream[] | undefined {
  const document = readJson('upstreamNameservers', text, problems);
  const servers = document === undefined ? [] : readServers('upstreamNameservers', document, problems);
  return servers.length > 0 ? servers : undefined;
}

function readJson(key: string, text: string, problems: string[]): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    problems.push(`${key} is no JSON`);
    return undefined;
  }
}

function readServers(what: string, value: unknown, problems: string[]): DnsUpstream[] {
  if (!Array.isArray(value)) {
    problems.push(`${what}: no list of servers`);
    return [];
  }
  return (value as unknown[]).flatMap((one) => {
    const server = typeof one === 'string' ? readServer(one.trim()) : undefined;
    if (!server) problems.push(`${what}: ${JSON.stringify(one)} is no address`);
    return server ?? [];
  });
}

/** `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`. */
function readServer(text: string): DnsUpstream | undefined {
  const alone = IpAddress.parse(text);
  if (alone) return { address: alone.text, port: DNS_PORT };
  const [, inBrackets, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const address = IpAddress.parse(inBrackets ?? plain ?? '');
  const port = Number(digits);
  return address && isPortNumber(port) ? { address: address.text, port } : undefined;
}

function readHosts(text: string, problems: string[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const [index, line] of text.split('\n').entries()) {
    const [first, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (first === '' || first === undefined) continue;
    const address = IpAddress.parse(first)?.text;
    if (address === undefined) {
      problems.push(`hosts: line ${index + 1} begins with no address`);
      continue;
    }
    for (const name of names) {
      const key = name.replace(/\.$/, '').toLowerCase();
      const known = found.get(key) ?? [];
      if (!found.has(key) && found.size >= MAX_HOSTS) {
        problems.push(`hosts: more than ${MAX_HOSTS} names`);
        return found;
      }
      if (!known.includes(address)) found.set(key, [...known, address]);
    }
  }
  return found;
}
