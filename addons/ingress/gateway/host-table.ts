/** Which rules count for which host of which port, in which order. Pure. */
import type { RouteHost, RoutePath, RouteRule } from '../model/routing.ts';
import { covers, mostSpecific } from './hosts.ts';
import { comparePrecedence, isPlain, type ReadMatch } from './matches.ts';

/** A match of a rule, and where it leads. */
export interface Candidate {
  readonly match: ReadMatch;
  readonly backend: string;
}

/** The hostname of a listener. Those of one namespace share what is under them; another namespace's count for nothing. */
export interface ListenerHost {
  readonly namespace: string;
  readonly host: string;
}

interface Entry {
  /** Of the listener that the host is served by. */
  readonly listener: ListenerHost;
  /** In the order of their routes. */
  readonly candidates: Candidate[];
}

/** Lookups of a host and those around it, one after the other, that the proxy does. */
export const MAX_LOOKUPS = 3;

/**
 * The hosts of one port. A request belongs to the listener with the most specific hostname of the namespace whose the host is, and to no
 * other: a listener takes nothing from routes of another namespace.
 */
export class HostTable {
  readonly #port: number;
  /** Hostnames by namespace. */
  readonly #listeners = new Map<string, Set<string>>();
  readonly #entries = new Map<string, Entry>();

  /** @param listeners of all Gateways with this port @param isOwn whether no other namespace has asked for the host first */
  constructor(port: number, listeners: readonly ListenerHost[], isOwn: (listener: ListenerHost) => boolean) {
    this.#port = port;
    for (const listener of listeners) {
      const { namespace, host } = listener;
      const known = this.#listeners.get(namespace) ?? new Set();
      this.#listeners.set(namespace, known.add(host));
      if (isOwn(listener) && !this.#entries.has(host)) this.#entries.set(host, { listener, candidates: [] });
    }
  }

  /** Adds what a route has for a host of a listener; nothing when another listener is more specific. Routes come in their order. */
  add(listener: ListenerHost, host: string, candidates: readonly Candidate[]): void {
    const { namespace } = listener;
    if (mostSpecific(host, this.#listeners.get(namespace) ?? new Set()) !== listener.host) return;
    const known = this.#entries.get(host);
    // A listener without routes has not asked for its host.
    const entry = known?.listener.namespace === namespace ? known : { listener, candidates: [] };
    this.#entries.set(host, entry);
    entry.candidates.push(...candidates);
  }

  all(): readonly RouteHost[] {
    const chains = new Map<string, readonly string[]>();
    const chainOf = (host: string): readonly string[] => {
      const known = chains.get(host);
      if (known) return known;
      const parent = this.#parentOf(host);
      const chain = parent === undefined ? [host] : [host, ...chainOf(parent)];
      chains.set(host, chain);
      return chain;
    };
    return [...this.#entries.keys()].map((host) => this.#hostOf(host, chainOf(host)));
  }

  /** The next wider host of the same listener. */
  #parentOf(host: string): string | undefined {
    const listener = this.#entries.get(host)?.listener;
    const isSame = (other: ListenerHost | undefined): boolean =>
      other?.host === listener?.host && other?.namespace === listener?.namespace;
    let labels = host.replace(/^\*\./, '');
    // `a.b.example`, `*.b.example`, `*.example`, any.
    const wider: string[] = [];
    while (labels.includes('.')) {
      labels = labels.slice(labels.indexOf('.') + 1);
      wider.push(`*.${labels}`);
    }
    if (host !== '') wider.push('');
    return wider.find((each) => each !== host && covers(each, host) && isSame(this.#entries.get(each)?.listener));
  }

  #hostOf(host: string, chain: readonly string[]): RouteHost {
    const own = { host, port: this.#port };
    const [, parent] = chain;
    const ordered = chain.map((each) => inOrder(this.#entries.get(each)?.candidates ?? []));
    const isSimple = chain.length <= MAX_LOOKUPS && ordered.every((list) => list.every(({ match }) => isPlain(match)));
    if (isSimple) return { ...own, parent, paths: pathsOf(ordered[0] ?? []), rules: [] };
    return { ...own, parent: undefined, paths: [], rules: rulesOf(ordered.flat()) };
  }
}

/** The order of routes stays where matches are alike. */
const inOrder = (candidates: readonly Candidate[]): readonly Candidate[] =>
  candidates.toSorted((a, b) => comparePrecedence(a.match, b.match));

/** Of several for one path, the first counts. */
function pathsOf(candidates: readonly Candidate[]): readonly RoutePath[] {
  const paths = new Map<string, RoutePath>();
  for (const { match, backend } of candidates) {
    const key = `${match.path.type} ${match.path.path}`;
    if (!paths.has(key)) paths.set(key, { ...match.path, backend });
  }
  return [...paths.values()];
}

/** Nothing counts after a rule that every request matches. */
function rulesOf(candidates: readonly Candidate[]): readonly RouteRule[] {
  const matchesAll = ({ match }: Candidate): boolean =>
    isPlain(match) && match.path.type === 'prefix' && match.path.path === '';
  const end = candidates.findIndex(matchesAll);
  const reachable = end < 0 ? candidates : candidates.slice(0, end + 1);
  return reachable.map(({ match, backend }) => ({
    ...match.path,
    ...{ method: match.method, headers: match.headers, parameters: match.parameters, backend },
  }));
}
