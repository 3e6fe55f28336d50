/**
 * Compiles policies to the content of the table: for each isolated address a chain, which returns what is allowed and drops the rest.
 *
 * Connections are judged and not packets: `ct original saddr` is who has begun it, before any translation of its address, and
 * `ct reply saddr` and `ct reply proto-src` are where it went, after that of a Service's. Both are the same for every packet of the
 * connection, in both directions, and for ICMP errors about it.
 */
import { Cidr, IpAddress, type IpFamily } from '../../../api/domain/address.ts';
import { isolations, PodIndex, type Cluster, type Isolation } from './model.ts';
import type { NamedPort, PodFacts, Protocol } from './pod-facts.ts';
import type {
  Block,
  Direction,
  Peers,
  PodSelection,
  PolicyFacts,
  PortMatch,
  PortRange,
  RuleFacts,
} from './policy-facts.ts';
import { contentName, NO_CONTENT, type Rule, type SetContent, type TableContent } from './table-content.ts';

const FAMILIES: readonly IpFamily[] = ['IPv4', 'IPv6'];
export const VERSION: Readonly<Record<IpFamily, string>> = { IPv4: 'v4', IPv6: 'v6' };
export const HEADER: Readonly<Record<IpFamily, string>> = { IPv4: 'ip', IPv6: 'ip6' };
export const ADDRESS_TYPE: Readonly<Record<IpFamily, string>> = { IPv4: 'ipv4_addr', IPv6: 'ipv6_addr' };
const BITS: Readonly<Record<IpFamily, bigint>> = { IPv4: 32n, IPv6: 128n };
/** The other end of a connection, seen from a pod. */
const PEER: Readonly<Record<Direction, string>> = { ingress: 'original', egress: 'reply' };

/** `ingress-v4`: from the addresses of pods to their chains. */
export const verdictMap = (direction: Direction, family: IpFamily): string => `${direction}-${VERSION[family]}`;
/** Pairs of each isolated address with itself. */
export const selfSet = (family: IpFamily): string => `self-${VERSION[family]}`;
/** The match of a connection of an address with itself. */
export const selfMatch = (family: IpFamily): string =>
  `ct original ${HEADER[family]} saddr . ct reply ${HEADER[family]} saddr @${selfSet(family)}`;

export function compile(cluster: Cluster): TableContent {
  const isolated = isolations(cluster);
  if (isolated.length === 0) return NO_CONTENT;
  const compilation = new Compilation(new PodIndex(cluster));
  for (const isolation of isolated) compilation.add(isolation);
  return compilation.content;
}

interface RuleMatches {
  readonly direction: Direction;
  readonly family: IpFamily;
  readonly named: readonly NamedPort[];
}

/** By protocol and name of a port, and by its number. */
type PodsByPort = Map<string, Map<number, Set<PodFacts>>>;

const newMap = <K, V>(): Map<K, V> => new Map();
const newSet = <V>(): Set<V> => new Set();

class Compilation {
  readonly #index: PodIndex;
  readonly #sets = new Map<string, SetContent>();
  readonly #chains = new Map<string, readonly Rule[]>();
  readonly #verdicts = new Map<string, Map<string, string>>();
  readonly #self: Readonly<Record<IpFamily, Set<string>>> = { IPv4: new Set(), IPv6: new Set() };
  /** The chains of policies, by all that their rules depend on. */
  readonly #known = new Map<string, string>();
  /** The pods that a rule means, by what their containers call a port. */
  readonly #byPortName = new Map<string, PodsByPort>();
  /** The pods with an address in a range. */
  readonly #byBlock = new Map<string, readonly PodFacts[]>();

  constructor(index: PodIndex) {
    this.#index = index;
  }

  get content(): TableContent {
    if (this.#verdicts.size === 0) return NO_CONTENT;
    for (const family of FAMILIES) {
      const elements = this.#self[family];
      const type = `${ADDRESS_TYPE[family]} . ${ADDRESS_TYPE[family]}`;
      this.#sets.set(selfSet(family), { type, isInterval: false, elements });
    }
    return { sets: this.#sets, chains: this.#chains, verdicts: this.#verdicts };
  }

  add({ pod, direction, policies }: Isolation): void {
    for (const { family, text } of pod.addresses) {
      const chain = this.#chainOf(policies, { direction, family, named: direction === 'ingress' ? pod.ports : [] });
      this.#verdicts.getOrInsertComputed(verdictMap(direction, family), newMap).set(text, chain);
      this.#self[family].add(`${text} . ${text}`);
    }
  }

  #chainOf(policies: readonly PolicyFacts[], matches: RuleMatches): string {
    const key = JSON.stringify([matches, policies.map(({ namespace, name }) => [namespace, name])]);
    return this.#known.getOrInsertComputed(key, () => {
      const rules = [...policies.flatMap((policy) => this.#rulesOf(policy, matches)), `drop ${comment(policies)}`];
      const name = contentName(matches.direction, rules, `-${VERSION[matches.family]}`);
      this.#chains.set(name, rules);
      return name;
    });
  }

  #rulesOf(policy: PolicyFacts, matches: RuleMatches): Rule[] {
    const said = comment([policy]);
    return (policy[matches.direction] ?? []).flatMap((rule) =>
      [...this.#matchesOf(rule, matches)].map((match) => `${match} return ${said}`.trimStart()),
    );
  }

  *#matchesOf(rule: RuleFacts, matches: RuleMatches): Iterable<string> {
    const { direction, named } = matches;
    const isByDestination = direction === 'egress';
    const inOrder = (rule.ports ?? []).filter(({ port }) => !(isByDestination && typeof port === 'string'));
    const ports = rule.ports ? [...this.#portMatches(inOrder, named)] : [''];
    if (ports.length > 0)
      for (const peer of this.#peerMatches(rule.peers, matches))
        for (const port of ports) yield [peer, port].filter((part) => part !== '').join(' ');
    if (!isByDestination) return;
    for (const { protocol, port } of rule.ports ?? [])
      if (typeof port === 'string') yield* this.#namedMatches(rule.peers, { protocol, name: port }, matches.family);
  }

  *#peerMatches(peers: Peers | undefined, { direction, family }: RuleMatches): Iterable<string> {
    if (!peers) {
      yield '';
      return;
    }
    const { selections, blocks } = peers;
    const match = `ct ${PEER[direction]} ${HEADER[family]} saddr`;
    if (selections.length > 0) yield `${match} @${this.#podSet(selections, family)}`;
    const ofFamily = blocks.filter(({ range }) => range.family === family);
    if (ofFamily.length > 0) yield `${match} @${this.#blockSet(ofFamily, family)}`;
  }

  /** The addresses of the pods that a rule selects: one set for all rules that select by the same. */
  #podSet(selections: readonly PodSelection[], family: IpFamily): string {
    const name = contentName('pods', selections.map(selectionKey), `-${VERSION[family]}`);
    if (!this.#sets.has(name)) this.#addAddresses(name, this.#index.selected(selections), family);
    return name;
  }

  #addAddresses(name: string, pods: Iterable<PodFacts>, family: IpFamily): void {
    const elements = new Set<string>();
    for (const { addresses } of pods)
      for (const address of addresses) if (address.family === family) elements.add(address.text);
    this.#sets.set(name, { type: ADDRESS_TYPE[family], isInterval: false, elements });
  }

  #blockSet(blocks: readonly Block[], family: IpFamily): string {
    const elements = new Set(
      merged(blocks.flatMap((block) => intervalsOf(block, family))).map(
        ({ first, last }) => `${plainText(family, first)}-${plainText(family, last)}`,
      ),
    );
    const name = contentName('ranges', [...elements], `-${VERSION[family]}`);
    this.#sets.set(name, { type: ADDRESS_TYPE[family], isInterval: true, elements });
    return name;
  }

  /** @param named those of the pod that a connection goes to */
  *#portMatches(ports: readonly PortMatch[], named: readonly NamedPort[]): Iterable<string> {
    for (const [protocol, ofProtocol] of Map.groupBy(ports, (match) => match.protocol)) {
      if (ofProtocol.some(({ port }) => port === undefined)) {
        yield protocolMatch(protocol);
        continue;
      }
      const ranges = ofProtocol.flatMap(({ port }) => rangesOf(port, protocol, named));
      if (ranges.length > 0) yield `${protocolMatch(protocol)} ${this.#rangesMatch(ranges)}`;
    }
  }

  #rangesMatch(ranges: readonly PortRange[]): string {
    const texts = merged(ranges).map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`));
    const [only] = texts;
    if (only !== undefined && texts.length === 1) return `ct reply proto-src ${only}`;
    const name = contentName('ports', texts);
    this.#sets.set(name, { type: 'inet_service', isInterval: true, elements: new Set(texts) });
    return `ct reply proto-src @${name}`;
  }

  /** A port by its name is another number in each of the pods that a connection may go to: a set of pods for each number. */
  *#namedMatches(
    peers: Peers | undefined,
    { protocol, name }: { protocol: Protocol; name: string },
    family: IpFamily,
  ): Iterable<string> {
    const meant = peersKey(peers);
    for (const [port, pods] of this.#podsByPort(peers, meant).get(`${protocol} ${name}`) ?? []) {
      const set = contentName('pods', [meant, protocol, name, port], `-${VERSION[family]}`);
      if (!this.#sets.has(set)) this.#addAddresses(set, pods, family);
      yield `ct reply ${HEADER[family]} saddr @${set} ${protocolMatch(protocol)} ct reply proto-src ${port}`;
    }
  }

  #podsByPort(peers: Peers | undefined, key: string): PodsByPort {
    return this.#byPortName.getOrInsertComputed(key, () => {
      const byName: PodsByPort = new Map();
      for (const pod of this.#meant(peers))
        for (const { name, protocol, port } of pod.ports)
          byName
            .getOrInsertComputed(`${protocol} ${name}`, newMap<number, Set<PodFacts>>)
            .getOrInsertComputed(port, newSet<PodFacts>)
            .add(pod);
      return byName;
    });
  }

  *#meant(peers: Peers | undefined): Iterable<PodFacts> {
    if (!peers) yield* this.#index.all();
    else {
      yield* this.#index.selected(peers.selections);
      for (const block of peers.blocks) yield* this.#inBlock(block);
    }
  }

  #inBlock(block: Block): readonly PodFacts[] {
    return this.#byBlock.getOrInsertComputed(JSON.stringify(blockKey(block)), () =>
      [...this.#index.all()].filter(({ addresses }) => addresses.some((address) => isInBlock(address, block))),
    );
  }
}

const protocolMatch = (protocol: Protocol): string => `meta l4proto ${protocol}`;

const rangesOf = (port: PortMatch['port'], protocol: Protocol, named: readonly NamedPort[]): readonly PortRange[] =>
  typeof port === 'string'
    ? named
        .filter((one) => one.name === port && one.protocol === protocol)
        .map((one) => ({ first: one.port, last: one.port }))
    : port
      ? [port]
      : [];

const isInBlock = (address: IpAddress, { range, except }: Block): boolean =>
  range.contains(address) && !except.some((one) => one.contains(address));

/** Unlike the text of a selector, no two different ones have the same. */
const selectionKey = ({ namespaces, pods }: PodSelection): unknown => [
  typeof namespaces === 'string' ? namespaces : namespaces.requirements,
  pods.requirements,
];
const blockKey = ({ range, except }: Block): unknown => [range.text, except.map(({ text }) => text)];
const peersKey = (peers: Peers | undefined): string =>
  peers ? JSON.stringify([peers.selections.map(selectionKey), peers.blocks.map(blockKey)]) : '';

/** Also of what IpAddress takes for an IPv4 address: the end of a range may be one. */
const plainText = (family: IpFamily, value: bigint): string =>
  family === 'IPv4'
    ? IpAddress.of(family, value).text
    : value
        .toString(16)
        .padStart(32, '0')
        .replace(/.{4}(?=.)/g, '$&:');

interface Interval<N extends number | bigint> {
  readonly first: N;
  readonly last: N;
}

const intervalOf = ({ network, length }: Cidr, family: IpFamily): Interval<bigint> => ({
  first: network.value,
  last: network.value + (1n << (BITS[family] - BigInt(length))) - 1n,
});

/** What is in the range and in none of its exceptions. */
function intervalsOf({ range, except }: Block, family: IpFamily): Interval<bigint>[] {
  const { first, last } = intervalOf(range, family);
  const left: Interval<bigint>[] = [];
  let next = first;
  for (const gap of merged(except.filter((one) => one.family === family).map((one) => intervalOf(one, family)))) {
    if (gap.first > next) left.push({ first: next, last: gap.first - 1n < last ? gap.first - 1n : last });
    if (gap.last >= next) next = gap.last + 1n;
  }
  if (next <= last) left.push({ first: next, last });
  return left;
}

/** In order, and none touches another: the kernel rejects ranges that overlap. */
function merged<N extends number | bigint>(intervals: readonly Interval<N>[]): Interval<N>[] {
  const result: Interval<N>[] = [];
  for (const one of [...intervals].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const last = result.at(-1);
    // `>=` on the first and not beyond it: neighbours are left apart, which the kernel accepts.
    if (last && one.first <= last.last)
      result[result.length - 1] = { first: last.first, last: one.last > last.last ? one.last : last.last };
    else result.push(one);
  }
  return result;
}

/** nft(8) takes up to 128 bytes. */
const MAX_COMMENT = 120;
/** Names of policies and namespaces have nothing else in them, unless a server has let it through. */
const UNEXPECTED = /[^a-z0-9./ -]/g;

/** The policies that a rule is of, for people who read the table. */
function comment(policies: readonly PolicyFacts[]): string {
  const names = policies.map(({ namespace, name }) => `${namespace}/${name}`).join(' ');
  const safe = names.slice(0, MAX_COMMENT).replace(UNEXPECTED, '?');
  return `comment "${safe}"`;
}
