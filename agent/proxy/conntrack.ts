/**
 * UDP has no connections that end: the kernel keeps sending a flow where it first went. Entries that lead to an endpoint that
 * has gone, or that were made before a Service had endpoints, are deleted.
 */
import { ProgramError, run } from '../host/run.ts';
import { usable, type ServiceEntry } from './service-table.ts';

/** The entries to delete, as arguments of `conntrack -D`. Pure. */
export function staleEntries(old: ServiceEntry | undefined, next: ServiceEntry | undefined): string[][] {
  const stale: string[][] = [];
  for (const port of old?.ports ?? []) {
    if (port.protocol !== 'UDP') continue;
    const after = next?.ports.find((other) => other.label === port.label && other.protocol === 'UDP');
    const alive = new Set(usable(after?.endpoints ?? []).map((endpoint) => endpoint.ip));
    for (const { ip } of usable(port.endpoints)) {
      if (alive.has(ip)) continue;
      for (const address of addresses(old)) stale.push(['-p', 'udp', '--orig-dst', address, '--dst-nat', ip]);
      if (port.nodePort) stale.push(['-p', 'udp', '--dport', String(port.nodePort), '--dst-nat', ip]);
    }
  }
  for (const port of next?.ports ?? []) {
    if (port.protocol !== 'UDP' || usable(port.endpoints).length === 0) continue;
    const before = old?.ports.find((other) => other.label === port.label && other.protocol === 'UDP');
    if (usable(before?.endpoints ?? []).length > 0) continue;
    for (const address of addresses(next))
      stale.push(['-p', 'udp', '--orig-dst', address, '--dport', String(port.port)]);
    if (port.nodePort) stale.push(['-p', 'udp', '--dport', String(port.nodePort)]);
  }
  return stale;
}

const addresses = (service: ServiceEntry | undefined): string[] =>
  service ? [service.clusterIP, ...service.externalIPs, ...service.loadBalancerIPs] : [];

/** That nothing matched is no failure: conntrack then ends with 1 and says so. */
export async function deleteEntries(entry: readonly string[], signal: AbortSignal): Promise<void> {
  try {
    await run('conntrack', ['-D', ...entry], { signal });
  } catch (error) {
    if (!(error instanceof ProgramError) || !/0 flow entries/.test(error.stderr)) throw error;
  }
}
