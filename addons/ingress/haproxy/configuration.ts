/**
 * The proxy's whole configuration of a model: https://docs.haproxy.org/2.6/configuration.html. Pure. Hosts and paths are in maps, so
 * that a request costs the same with ten Ingresses and with thousands; a backend's section has what is special about its paths.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import {
  ANY_HOST,
  type BackendModel,
  type CanaryModel,
  type HostModel,
  type Model,
  type PathModel,
} from '../model/model.ts';
import { literalPattern } from '../model/pattern.ts';
import { backendLines, isNamed, serverLines, type SectionContext } from './backend-section.ts';
import { ownHosts, portLines, routingLines, routingMaps, splitLines } from './routing-lines.ts';
import { newSections, sectionsWithin, SPARES, type Sections } from './sections.ts';
import { mapWord, name, quoted } from './text.ts';

export interface ProxySettings {
  /** Addresses to listen on, as `bind` has them: `0.0.0.0`, `::`. */
  readonly bindAddresses: readonly string[];
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly maxConnections: number;
  /** How long connections of a configuration that was replaced may last. */
  readonly drainSeconds: number;
  readonly accessLog: boolean;
  /** PEM: shown for hosts without a certificate. */
  readonly defaultCertificate: string;
}

export const MAP_NAMES = ['hosts', 'exact', 'prefix', 'pattern', 'spares', 'gateways', 'wildcards', 'parents'] as const;
export type MapName = (typeof MAP_NAMES)[number];
export type Entries = readonly (readonly [key: string, value: string])[];

/** What of a configuration can be changed at run time, and what cannot. */
export interface Configuration {
  /** Equal for two configurations that differ in addresses of endpoints, entries of maps and contents of certificates only. */
  readonly fixed: string;
  readonly maps: Readonly<Record<MapName, Entries>>;
  /** PEM by the name of its file, which says what it is for and not what is in it. */
  readonly certificates: ReadonlyMap<string, string>;
  readonly sections: Sections;
}

/** Files by their names in a directory of their own, the configuration among them. */
export interface RenderedFiles {
  readonly main: string;
  readonly others: ReadonlyMap<string, string>;
}

export const NOT_FOUND = 'not-found';
const DEFAULT_CERTIFICATE = 'default.pem';
/** The first certificate of a list is shown to whom no other one is for, and to nobody by its own names. */
const NO_HOST = 'no-host.invalid';

/** The configuration of a new worker. */
export const newConfiguration = (model: Model, settings: ProxySettings): Configuration =>
  configurationOf(model, settings, newSections(model.backends));

/** What is wanted, with the sections that the running worker has; undefined when these cannot do it. */
export function configurationWithin(
  now: Configuration,
  model: Model,
  settings: ProxySettings,
): Configuration | undefined {
  const sections = sectionsWithin(now.sections, model.backends);
  const wanted = sections && configurationOf(model, settings, sections);
  return wanted?.fixed === now.fixed ? wanted : undefined;
}

function configurationOf(model: Model, settings: ProxySettings, sections: Sections): Configuration {
  const { lines, certificates } = new Rendering(model, settings).whole(sections.backends);
  const sizes = sections.backends.map((backend) => `${backend.name} ${fixedServers(backend, sections)}`);
  return {
    fixed: createHash('sha256')
      .update([...lines, ...sizes].join('\n'))
      .digest('hex'),
    maps: { ...mapsOf(model, settings), spares: [...sections.spares] },
    certificates,
    sections,
  };
}

/** Names are resolved by the proxy: they are no addresses that it can be told. */
const fixedServers = (backend: BackendModel, { slots }: Sections): string =>
  backend.endpoints.some(isNamed) ? backend.endpoints.join() : String(slots.get(backend.name)?.addresses.length);

/** As files. `directory`: where they are going to be. `socket`: of the worker that runs with them. */
export function render(
  model: Model,
  settings: ProxySettings,
  { sections, maps, certificates }: Configuration,
  directory: string,
  socket: string,
): RenderedFiles {
  const rendering = new Rendering(model, settings);
  const { lines, files, certificateLists } = rendering.whole(sections.backends, directory, socket);
  const text = lines.flatMap((line) => {
    if (!line.startsWith(SERVERS_OF)) return [line];
    const slots = sections.slots.get(line.slice(SERVERS_OF.length));
    return slots ? serverLines(slots).map((server) => `  ${server}`) : [];
  });
  const others = new Map(files);
  for (const map of MAP_NAMES)
    others.set(`${map}.map`, maps[map].map(([key, value]) => `${mapWord(key)} ${mapWord(value)}\n`).join(''));
  for (const [file, pem] of certificates) others.set(file, pem);
  for (const [file, list] of certificateLists) others.set(file, list.join('\n') + '\n');
  return { main: text.join('\n') + '\n', others };
}

/** A worker that so many others have followed ends, whatever connections it has. */
const OLD_WORKERS = 50;

/** Stands for the servers of a backend until their addresses are known. */
const SERVERS_OF = '\0servers ';

class Rendering {
  readonly #model: Model;
  readonly #settings: ProxySettings;
  readonly #files = new Map<string, string>();
  readonly #userLists = new Map<string, string[]>();

  constructor(model: Model, settings: ProxySettings) {
    this.#model = model;
    this.#settings = settings;
  }

  whole(backends: readonly BackendModel[], directory = '', socket = '') {
    const at = (file: string): string => quoted(path.join(directory, file));
    const context: SectionContext = {
      httpsPort: this.#settings.httpsPort,
      fileOf: (pem) => path.join(directory, this.#file('pem', pem)),
      userListOf: (backend) => this.#userList(backend),
    };
    const sections = backends.flatMap((backend) => [
      `backend ${name(backend.name)}`,
      ...backendLines(backend, context).map((line) => `  ${line}`),
      SERVERS_OF + backend.name,
    ]);
    const { list, certificates, others } = this.#certificateList(directory);
    const lists = [...list, ...[...others.values()].flat()];
    const lines = [
      ...this.#global(socket),
      ...this.#defaults(),
      ...(backends.some(({ endpoints }) => endpoints.some(isNamed)) ? RESOLVERS : []),
      ...[...this.#userLists].flatMap(([list, users]) => [`userlist ${list}`, ...users]),
      ...this.#frontend(backends, at),
      `backend ${NOT_FOUND}`,
      '  http-request deny deny_status 404',
      ...SPARES.flatMap(({ name: spare, lines: ordinary }) => [
        `backend ${spare}`,
        ...ordinary.map((line) => `  ${line}`),
        SERVERS_OF + spare,
      ]),
      ...sections,
    ];
    // Which certificates there are is fixed, and so is who is shown which.
    const fixed = directory === '' ? [...lines, ...lists] : lines;
    others.set('certificates.list', list);
    return { lines: fixed, certificates, files: this.#files, certificateLists: others };
  }

  #file(kind: string, content: string): string {
    const file = `${kind}-${createHash('sha256').update(content).digest('hex')}.pem`;
    this.#files.set(file, content);
    return file;
  }

  #userList({ users = [] }: BackendModel): string {
    const lines = users.map((user) => `  user ${quoted(user.name)} password ${quoted(user.hash)}`);
    const list = `users-${createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16)}`;
    this.#userLists.set(list, lines);
    return list;
  }

  /** A line per certificate: the file, how clients are asked for theirs, and the hosts. The first one is the default. */
  #certificateList(directory: string) {
    const { fallbackCertificate, routing } = this.#model;
    const certificates = new Map([[DEFAULT_CERTIFICATE, fallbackCertificate ?? this.#settings.defaultCertificate]]);
    const list = [`${path.join(directory, DEFAULT_CERTIFICATE)} ${NO_HOST}`];
    for (const { pem, hosts, clientCa } of this.#model.certificates) {
      const named = hosts.map(mapWord).toSorted();
      const file = `host-${createHash('sha256').update(named.join()).digest('hex')}.pem`;
      certificates.set(file, pem || this.#settings.defaultCertificate);
      const ca =
        clientCa === undefined ? '' : ` [ca-file ${path.join(directory, this.#file('ca', clientCa))} verify optional]`;
      list.push(`${path.join(directory, file)}${ca} ${named.join(' ')}`);
    }
    const others = new Map<string, string[]>();
    for (const { port, tls } of routing.ports) {
      if (!tls) continue;
      const fallback = `default-${port}.pem`;
      certificates.set(fallback, tls.fallback ?? this.#settings.defaultCertificate);
      const lines = [`${path.join(directory, fallback)} ${NO_HOST}`];
      for (const { host, pem } of tls.certificates) {
        const file = `port-${port}-${createHash('sha256').update(host).digest('hex')}.pem`;
        certificates.set(file, pem);
        lines.push(`${path.join(directory, file)} ${mapWord(host)}`);
      }
      others.set(`certificates-${port}.list`, lines);
    }
    return { list, certificates, others };
  }

  #global(socket: string): string[] {
    const { maxConnections, drainSeconds, accessLog } = this.#settings;
    return [
      'global',
      `  maxconn ${maxConnections}`,
      '  no strict-limits',
      `  hard-stop-after ${drainSeconds}s`,
      `  mworker-max-reloads ${OLD_WORKERS}`,
      '  expose-experimental-directives',
      '  ssl-default-bind-options ssl-min-ver TLSv1.2',
      '  tune.ssl.default-dh-param 2048',
      ...(accessLog ? ['  log stdout format raw local0 info'] : []),
      ...(socket === '' ? [] : [`  stats socket ${quoted(socket)} mode 600 level admin expose-fd listeners`]),
    ];
  }

  #defaults(): string[] {
    return [
      'defaults',
      '  mode http',
      '  log global',
      '  option dontlognull',
      '  option http-restrict-req-hdr-names delete',
      // A client that sends a request while its connection is to be closed after a reload is still answered.
      '  option idle-close-on-response',
      '  option redispatch 1',
      '  retries 3',
      '  retry-on conn-failure empty-response',
      '  timeout connect 5s',
      '  timeout client 60s',
      '  timeout server 60s',
      '  timeout tunnel 3600s',
      '  timeout http-request 30s',
      '  timeout http-keep-alive 75s',
      '  timeout queue 5s',
      ...PAGES.map(([code, text]) => `  http-error status ${code} content-type text/plain string "${text}\\n"`),
    ];
  }

  #frontend(backends: readonly BackendModel[], at: (file: string) => string): string[] {
    const { bindAddresses, httpPort, httpsPort, accessLog } = this.#settings;
    const binds = bindAddresses.flatMap((address) => {
      const where = address.includes(':') ? `[${address}]` : address;
      const only = address.includes(':') ? ' v6only' : '';
      return [
        `  bind ${where}:${httpPort}${only}`,
        `  bind ${where}:${httpsPort}${only} ssl crt-list ${at('certificates.list')} alpn h2,http/1.1`,
      ];
    });
    const { routing } = this.#model;
    const isOwn = ({ port }: { port: number }): boolean => port === httpPort || port === httpsPort;
    const find = (converter: string, from: string, condition: string): string =>
      `  http-request set-var(txn.backend) var(txn.${from}),${converter} ${condition}`;
    const lookup = (key: string): string[] => {
      const unless = 'unless { var(txn.backend) -m found }';
      return [
        `  http-request set-var(txn.exact) var(txn.${key}),concat(,txn.path) ${unless}`,
        `  http-request set-var(txn.prefix) var(txn.exact),concat(/) ${unless}`,
        find(`map_str(${at('exact.map')})`, 'exact', unless),
        find(`map_beg(${at('prefix.map')})`, 'prefix', unless),
        // Only hosts with regular expressions have this mark.
        find(
          `map_reg(${at('pattern.map')})`,
          'exact',
          `if { var(txn.${key}) -m beg ${PATTERN_MARK} } !{ var(txn.backend) -m found }`,
        ),
      ];
    };
    return [
      'frontend ingress',
      ...binds,
      ...(accessLog ? [`  log-format ${quoted(ACCESS_LOG)}`] : []),
      ...PREPARE,
      `  http-request set-var(txn.key) var(txn.host),map_str(${at('hosts.map')})`,
      `  http-request set-var(txn.key) var(txn.host),regsub('^[^.]+\\.','*.'),map_str(${at('hosts.map')}) unless { var(txn.key) -m found }`,
      `  http-request set-var(txn.any) str(${ANY_HOST}),map_str(${at('hosts.map')})`,
      ...lookup('key'),
      ...routingLines(routing.hosts.filter(isOwn), at),
      ...lookup('any'),
      ...(this.#model.defaultBackend === undefined
        ? []
        : [
            `  http-request set-var(txn.backend) str(${name(this.#model.defaultBackend)}) unless { var(txn.backend) -m found }`,
          ]),
      ...backends.flatMap(({ name: main, canary }) => (canary ? [...canaryLines(main, canary)] : [])),
      ...this.#choice(at),
      ...this.#gatewayFrontend(at),
    ];
  }

  /** Ports that only Gateways have: nothing of Ingresses is served there. */
  #gatewayFrontend(at: (file: string) => string): string[] {
    const { bindAddresses, httpPort, httpsPort, accessLog } = this.#settings;
    const { ports, hosts } = this.#model.routing;
    if (ports.length === 0) return [];
    return [
      'frontend gateway',
      ...portLines(ports, bindAddresses, at),
      ...(accessLog ? [`  log-format ${quoted(ACCESS_LOG)}`] : []),
      ...PREPARE,
      ...routingLines(
        hosts.filter(({ port }) => port !== httpPort && port !== httpsPort),
        at,
      ),
      ...this.#choice(at),
    ];
  }

  /** The section of the backend that has been found. */
  #choice(at: (file: string) => string): string[] {
    return [
      ...this.#model.routing.splits.flatMap((split) => [...splitLines(split)]),
      `  http-request set-var(txn.spare) var(txn.backend),map_str(${at('spares.map')})`,
      '  use_backend %[var(txn.spare)] if { var(txn.spare) -m found }',
      '  use_backend %[var(txn.backend)] if { var(txn.backend) -m found }',
      `  default_backend ${NOT_FOUND}`,
    ];
  }
}

const RESOLVERS = ['resolvers cluster', '  parse-resolv-conf', '  hold valid 10s', '  accepted_payload_size 4096'];

const PAGES: readonly (readonly [number, string])[] = [
  [400, '400 Bad Request'],
  [403, '403 Forbidden'],
  [404, '404 page not found'],
  [408, '408 Request Timeout'],
  [413, '413 Content Too Large'],
  [421, '421 Misdirected Request'],
  [500, '500 Internal Server Error'],
  [502, '502 Bad Gateway'],
  [503, '503 Service Unavailable'],
  [504, '504 Gateway Timeout'],
];

/** `"FIELD":VALUE`, with what clients send escaped. */
const field = (fetch: string): string => `"%[${fetch},json(utf8s)]"`;
const ACCESS_LOG = `{${[
  '"time":"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]"',
  `"remoteAddress":"%ci"`,
  `"method":"%HM"`,
  '"scheme":"%[var(txn.scheme)]"',
  `"host":${field('var(txn.host)')}`,
  `"path":${field('var(txn.raw)')}`,
  '"protocol":"%HV"',
  '"status":%ST',
  '"bytes":%B',
  '"namespace":"%[var(txn.backend),field(1,_)]"',
  '"ingress":"%[var(txn.backend),field(2,_)]"',
  '"server":"%si:%sp"',
  '"connectMs":%Tc',
  '"responseMs":%Tr',
  '"totalMs":%Ta',
  '"retries":"%rc"',
  '"termination":"%ts"',
  `"requestId":${field('var(txn.id)')}`,
].join(',')}}`;

/**
 * What every request gets. Hosts and paths are compared in one form, whatever escapes, `//` and `..` they are written with, so that no
 * spelling passes by the rules of a path; the backend gets the path as it was sent. An escaped question mark or hash stays escaped.
 */
const PREPARE = [
  '  http-request deny deny_status 400 if { path -m sub -i %00 }',
  `  http-request set-var(txn.host) req.hdr(host),regsub(':[0-9]+$',),regsub('\\.$',),lower`,
  '  http-request set-var(txn.scheme) str(http)',
  '  http-request set-var(txn.scheme) str(https) if { ssl_fc }',
  '  http-request set-var(txn.raw) path',
  '  http-request normalize-uri percent-decode-unreserved',
  '  http-request normalize-uri path-merge-slashes',
  '  http-request normalize-uri path-strip-dot',
  '  http-request normalize-uri path-strip-dotdot full',
  '  http-request set-var(txn.clean) path',
  '  http-request set-path %[path,regsub(%3[fF],%253F,g),regsub(%23,%2523,g),url_dec]',
  '  http-request normalize-uri path-merge-slashes',
  '  http-request normalize-uri path-strip-dot',
  '  http-request normalize-uri path-strip-dotdot full',
  '  http-request set-var(txn.path) path',
  '  http-request set-path %[var(txn.raw)]',
  '  http-request disable-l7-retry unless { method GET HEAD OPTIONS }',
  '  http-request set-var(txn.id) req.hdr(x-request-id)',
  '  http-request set-var(txn.id) uuid() unless { var(txn.id) -m found }',
  '  http-request set-header X-Request-ID %[var(txn.id)]',
  // What a client says about who it is counts for nothing.
  '  http-request del-header Forwarded',
  '  http-request del-header Proxy',
  '  http-request del-header X-Forwarded- -m beg',
  '  http-request del-header X-Original- -m beg',
  '  http-request del-header ssl-client- -m beg',
  '  http-request set-header X-Real-IP %[src]',
  '  http-request set-header X-Forwarded-For %[src]',
  '  http-request set-header X-Forwarded-Host %[req.hdr(host)]',
  '  http-request set-header X-Forwarded-Port %[dst_port]',
  '  http-request set-header X-Forwarded-Proto %[var(txn.scheme)]',
  '  http-request set-header X-Forwarded-Scheme %[var(txn.scheme)]',
  '  http-request set-header X-Scheme %[var(txn.scheme)]',
];

/** Header, cookie and weight, in this order, as ingress-nginx has it. */
function* canaryLines(main: string, canary: CanaryModel): Generator<string> {
  const here = `{ var(txn.backend) -m str ${name(main)} }`;
  const undecided = '!{ var(txn.canary) -m found }';
  const set = '  http-request set-var(txn.canary)';
  if (canary.header !== undefined) {
    const header = `req.hdr(${canary.header})`;
    if (canary.headerValue === undefined) yield `${set} ${header} if ${here} { ${header} -m str always never }`;
    else yield `${set} str(always) if ${here} { ${header} -m str -- ${quoted(canary.headerValue)} }`;
  }
  if (canary.cookie !== undefined) {
    const cookie = `req.cook(${name(canary.cookie)})`;
    yield `${set} ${cookie} if ${here} ${undecided} { ${cookie} -m str always never }`;
  }
  if (canary.weight > 0)
    yield `${set} str(always) if ${here} ${undecided} { rand(${canary.total}) lt ${canary.weight} }`;
  yield `  http-request set-var(txn.backend) str(${name(canary.backend)}) if ${here} { var(txn.canary) -m str always }`;
}

/** What the keys of hosts begin with whose paths are looked up as regular expressions. No host name has it. */
const PATTERN_MARK = '~';

function mapsOf(
  { hosts, routing }: Model,
  { httpPort, httpsPort }: ProxySettings,
): Omit<Configuration['maps'], 'spares'> {
  const { exact, prefix, ...others } = routingMaps(routing);
  const maps = {
    ...others,
    hosts: [] as [string, string][],
    exact: [...exact],
    prefix: [...prefix],
    pattern: [] as [string, string][],
  };
  const known = new Set(hosts.map((host) => host.name));
  for (const host of ownHosts(routing, [httpPort, httpsPort])) if (!known.has(host)) maps.hosts.push([host, host]);
  for (const host of [...hosts].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const usesPatterns = host.paths.some(({ type }) => type === 'pattern');
    const key = usesPatterns ? `${PATTERN_MARK}${host.name}` : host.name;
    maps.hosts.push([host.name, key]);
    if (usesPatterns) maps.pattern.push(...patternsOf(host, key));
    else
      for (const { type, path: at, backend } of host.paths) {
        if (type === 'exact') maps.exact.push([key + at, backend]);
        else maps.prefix.push([type === 'literal' ? key + at : `${key}${at}/`, backend]);
      }
  }
  return maps;
}

/** The first that matches counts: exact paths, then by their length, as ingress-nginx does it. */
function patternsOf({ paths }: HostModel, key: string): [string, string][] {
  const byLength = [...paths].sort(
    (a, b) => Number(b.type === 'exact') - Number(a.type === 'exact') || b.path.length - a.path.length,
  );
  return byLength.map((each) => [`^${literalPattern(key)}${patternOf(each)}`, each.backend]);
}

function patternOf({ type, path: at }: PathModel): string {
  switch (type) {
    case 'exact':
      return `${literalPattern(at)}$`;
    case 'prefix':
      return `${literalPattern(at)}(/|$)`;
    case 'literal':
      return literalPattern(at);
    case 'pattern':
      return `(?i:${at})`;
  }
}
