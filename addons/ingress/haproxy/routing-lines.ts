/**
 * How requests find the rules of Gateways. Pure. What depends on hosts and paths only is in maps; other rules are lines of the frontend,
 * which only requests for their host pass. A key is a host and a port: hosts of Ingresses have none.
 */
import type { PortModel, RouteHost, RoutePath, RouteRule, Routing, SplitModel, ValueMatch } from '../model/routing.ts';
import { name, quoted } from './text.ts';

type Entries = readonly (readonly [key: string, value: string])[];
/** How the file of a map is named in the configuration. */
type FileAt = (file: string) => string;

/** Begins the key of a host whose rules are lines. No host name has it. */
const LINES_MARK = '~';
const ANY = '_';
/** A host, the next wider one and the one after that. */
const LOOKUPS = 3;

const hasLines = ({ rules }: RouteHost): boolean => rules.length > 0;
const keyFor = (host: string, port: number): string => `${host || ANY}:${port}`;
const keyOf = (each: RouteHost): string => `${hasLines(each) ? LINES_MARK : ''}${keyFor(each.host, each.port)}`;

export interface RoutingMaps {
  readonly gateways: Entries;
  /** Ends of hosts: the first that matches counts, so that the longest is first. */
  readonly wildcards: Entries;
  readonly parents: Entries;
  readonly exact: Entries;
  readonly prefix: Entries;
}

export function routingMaps({ hosts }: Routing): RoutingMaps {
  const maps = {
    ...{ gateways: [] as [string, string][], wildcards: [] as [string, string][], parents: [] as [string, string][] },
    ...{ exact: [] as [string, string][], prefix: [] as [string, string][] },
  };
  for (const each of [...hosts].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))) {
    const { host, port, parent, paths } = each;
    const key = keyOf(each);
    const isWide = host === '' || host.startsWith('*.');
    if (isWide) maps.wildcards.push([`${host.slice(1)}:${port}`, key]);
    else maps.gateways.push([`${host}:${port}`, key]);
    if (parent !== undefined) maps.parents.push([key, keyFor(parent, port)]);
    for (const { type, path, backend } of paths) {
      if (type === 'exact') maps.exact.push([key + path, backend]);
      else maps.prefix.push([`${key}${path}/`, backend]);
    }
  }
  maps.wildcards.sort(([a], [b]) => b.length - a.length || (a < b ? -1 : 1));
  return maps;
}

/** Exact hosts of the controller's own ports: wildcards of Ingresses do not cover them. */
export const ownHosts = ({ hosts }: Routing, ports: readonly number[]): readonly string[] => [
  ...new Set(
    hosts
      .filter(({ host, port }) => ports.includes(port) && host !== '' && !host.startsWith('*.'))
      .map(({ host }) => host),
  ),
];

/** @param inner sockets by the ports whose connections are looked at first */
export const portLines = (
  ports: readonly PortModel[],
  addresses: readonly string[],
  inner: ReadonlyMap<number, string>,
  at: FileAt,
): readonly string[] =>
  ports.flatMap(({ port, tls }) => {
    const socket = inner.get(port);
    if (socket !== undefined && tls)
      return [
        `  bind ${socket} accept-proxy mode 600 ssl crt-list ${at(`certificates-${port}.list`)} alpn h2,http/1.1`,
      ];
    return addresses.map((address) => {
      const where = address.includes(':') ? `[${address}]:${port} v6only` : `${address}:${port}`;
      return `  bind ${where}${tls ? ` ssl crt-list ${at(`certificates-${port}.list`)} alpn h2,http/1.1` : ''}`;
    });
  });

const UNDECIDED = '!{ var(txn.backend) -m found }';

/** Sets the backend of a request that none has been found for. */
export function routingLines(hosts: readonly RouteHost[], at: FileAt): readonly string[] {
  if (hosts.length === 0) return [];
  const rules = new RuleLines();
  return [
    '  http-request set-var(txn.port) dst_port',
    '  http-request set-var(txn.at) var(txn.host),concat(:,txn.port)',
    '  http-request set-var(txn.at) str(_),concat(:,txn.port) unless { var(txn.at) -m found }',
    `  http-request set-var(txn.gate) var(txn.at),map_str(${at('gateways.map')})`,
    `  http-request set-var(txn.gate) var(txn.at),map_end(${at('wildcards.map')}) unless { var(txn.gate) -m found }`,
    '  http-request set-var(txn.dir) var(txn.path),concat(/)',
    ...hosts.filter(hasLines).flatMap((host) => [...rules.of(host)]),
    ...Array.from({ length: LOOKUPS }, (_, round) => [
      ...(round === 0 ? [] : [set('gate', `var(txn.gate),map_str(${at('parents.map')})`)]),
      set('exact', 'var(txn.gate),concat(,txn.path)'),
      set('prefix', 'var(txn.exact),concat(/)'),
      set('backend', `var(txn.exact),map_str(${at('exact.map')})`),
      set('backend', `var(txn.prefix),map_beg(${at('prefix.map')})`),
    ]).flat(),
  ];
}

const set = (variable: string, expression: string): string =>
  `  http-request set-var(txn.${variable}) ${expression} if { var(txn.gate) -m found } ${UNDECIDED}`;

/** Conditions have names: an anonymous one would end at a value that is a brace. */
class RuleLines {
  readonly #names = new Map<string, string>();

  *of(host: RouteHost): Generator<string> {
    const gate = yield* this.#condition('var(txn.gate) -m str', keyOf(host));
    for (const rule of host.rules) {
      const conditions = [gate];
      for (const [fetch, value] of conditionsOf(rule)) conditions.push(yield* this.#condition(fetch, value));
      yield `  http-request set-var(txn.backend) str(${name(rule.backend)}) if ${conditions.join(' ')} ${UNDECIDED}`;
    }
  }

  *#condition(fetch: string, value: string): Generator<string, string> {
    const text = `${fetch} -- ${quoted(value)}`;
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    const own = `r${this.#names.size}`;
    this.#names.set(text, own);
    yield `  acl ${own} ${text}`;
    return own;
  }
}

function* conditionsOf({ type, path, method, headers, parameters }: RouteRule): Generator<readonly [string, string]> {
  const test = pathTest({ type, path });
  if (test) yield test;
  if (method !== undefined) yield ['method -m str', method];
  for (const each of headers) yield valueTest(`req.fhdr(${name(each.name)})`, each);
  for (const each of parameters) yield valueTest(`url_param(${name(each.name)}),url_dec(1)`, each);
}

function pathTest({ type, path }: Pick<RoutePath, 'type' | 'path'>): readonly [string, string] | undefined {
  switch (type) {
    case 'exact':
      return ['var(txn.path) -m str', path];
    case 'prefix':
      return path === '' ? undefined : ['var(txn.dir) -m beg', `${path}/`];
    case 'pattern':
      return ['var(txn.path) -m reg', whole(path)];
  }
}

/** Regular expressions are about the whole value, in which a line may end: `.` is for that, too. */
const whole = (pattern: string): string => `^(?s:${pattern})$`;

const valueTest = (fetch: string, { isPattern, value }: ValueMatch): readonly [string, string] =>
  isPattern ? [`${fetch} -m reg`, whole(value)] : [`${fetch} -m str`, value];

/** Takes one of the parts of a split by their weights. */
export function* splitLines({ name: split, isTcp, parts }: SplitModel): Generator<string> {
  const here = `{ var(txn.backend) -m str ${name(split)} }`;
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const set = isTcp ? 'tcp-request content set-var' : 'http-request set-var';
  yield `  ${set}(txn.share) rand(${total}) if ${here}`;
  let end = 0;
  for (const { backend, weight } of parts) {
    end += weight;
    yield `  ${set}(txn.backend) str(${name(backend)}) if ${here} { var(txn.share) -m int lt ${end} }`;
  }
}
