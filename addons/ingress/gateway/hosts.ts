/** Names of hosts in listeners and routes. '' stands for any host, `*.` for one label or more. Pure. */
import { validateSubdomainName } from '../../../api/machinery/names.ts';

const WILDCARD = '*.';
const isWildcard = (host: string): boolean => host.startsWith(WILDCARD);
const suffixOf = (wildcard: string): string => wildcard.slice(1);

export const isHost = (host: string): boolean =>
  host === '' || validateSubdomainName(isWildcard(host) ? host.slice(WILDCARD.length) : host).length === 0;

/** Whether each host that `narrow` is about is one that `wide` is about. */
export const covers = (wide: string, narrow: string): boolean =>
  wide === '' || wide === narrow || (isWildcard(wide) && narrow !== '' && narrow.endsWith(suffixOf(wide)));

/** What both are about; undefined for nothing. */
export function intersection(a: string, b: string): string | undefined {
  if (covers(a, b)) return b;
  return covers(b, a) ? a : undefined;
}

/** The hosts of a route that a listener serves. */
export function effectiveHosts(listener: string, hostnames: readonly string[] = []): readonly string[] {
  if (hostnames.length === 0) return [listener];
  const found = hostnames.flatMap((host) => (isHost(host) ? (intersection(listener, host) ?? []) : []));
  return [...new Set(found)];
}

/** Of those that cover a host, the one with the longest name that does. */
export function mostSpecific(host: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  for (const each of candidates)
    if (covers(each, host) && (best === undefined || each.length > best.length)) best = each;
  return best;
}
