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

/** What covers a host: itself, then from the longest name to any host. */
export function* covering(host: string): Generator<string> {
  yield host;
  let at = isWildcard(host) ? 1 : -1;
  while ((at = host.indexOf('.', at + 1)) >= 0) yield `*${host.slice(at)}`;
  if (host !== '') yield '';
}

/** Of those that cover a host, the one with the longest name that does. */
export function mostSpecific(host: string, candidates: ReadonlySet<string>): string | undefined {
  for (const each of covering(host)) if (candidates.has(each)) return each;
  return undefined;
}

/** Hosts, of which is known what they cover without a look at each. */
export class HostSet {
  readonly #hosts = new Set<string>();
  /** All that cover one of them. */
  readonly #wider = new Set<string>();

  add(host: string): void {
    if (this.#hosts.has(host)) return;
    this.#hosts.add(host);
    for (const each of covering(host)) this.#wider.add(each);
  }

  /** Whether one of them and the host have something in common. */
  meets(host: string): boolean {
    return this.#wider.has(host) || mostSpecific(host, this.#hosts) !== undefined;
  }
}
