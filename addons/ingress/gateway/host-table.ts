/** Which rules count for which host of which port, in which order. Pure. */
import type { RouteHost, RoutePath, RouteRule } from '../model/routing.ts';
import { covers, mostSpecific } from './hosts.ts';
import { comparePrecedence, isPlain, type ReadMatch } from './matches.ts';

/** A match of a rule, and where it leads. */
export interface Candidate {
  readonly match: ReadMatch;
  readonly backend: string;
}

interface Entry {
  /** Of the listener that the host is served by. */
  readonly listener: string;
  /** In the order of their routes. */
  readonly candidates: Candidate[];
}

/** Lookups of a host and those around it, one after the other, that the proxy does. */
export const MAX_LOOKUPS = 3;

/** The hosts of one port. A request belongs to the listener with the most specific hostname, and to no other. */
export class HostTable {
  readonly #port: number;
  readonly #listeners: ReadonlySet<string>;
  readonly #entries = new Map<string, Entry>();

  /** @param listeners the hostnames of all listeners of the port */
  constructor(port: number, listeners: ReadonlySet<string>) {
    this.#port = port;
    this.#listeners = listeners;
    for (const listener of listeners) this.#entries.set(listener, { listener, candidates: [] });
  }

  /** Adds what a route has for a host of a listener; nothing when another listener is more specific. Routes come in their order. */
  add(listener: string, host: string, candidates: readonly Candidate[]): void {
    if (mostSpecific(host, this.#listeners) !== listener) return;
    const entry = this.#entries.get(host) ?? { listener, candidates: [] };
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
    let labels = host.replace(/^\*\./, '');
    // `a.b.example`, `*.b.example`, `*.example`, any.
    const wider: string[] = [];
    while (labels.includes('.')) {
      labels = labels.slice(labels.indexOf('.') + 1);
      wider.push(`*.${labels}`);
    }
    if (host !== '') wider.push('');
    return wider.find((each) => each !== host && covers(each, host) && this.#entries.get(each)?.listener === listener);
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
