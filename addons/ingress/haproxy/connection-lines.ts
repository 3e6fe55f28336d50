/**
 * Where connections go by the name that they are made for, whatever is in them: TLSRoutes. Pure. A port that has some is listened on here
 * first; what is for nobody goes on to the socket that requests by HTTPS come from, with the client's address.
 */
import path from 'node:path';
import type { Model } from '../model/model.ts';
import type { Routing } from '../model/routing.ts';
import { CONNECTIONS } from './names.ts';
import { splitLines } from './routing-lines.ts';
import type { ProxySettings } from './settings.ts';
import { quoted } from './text.ts';

type Entries = readonly (readonly [key: string, value: string])[];
type FileAt = (file: string) => string;

/** How long a client may take to say what it wants. */
const HELLO_SECONDS = 10;
const PATIENCE = `  tcp-request inspect-delay ${HELLO_SECONDS}s`;

/** The ports that have some. */
export const connectionPorts = ({ connections }: Routing): readonly number[] =>
  [...new Set(connections.map(({ port }) => port))].sort((a, b) => a - b);

const requestsBackend = (port: number): string => `to-requests-${port}`;
const endedBackend = (port: number): string => `to-ended-${port}`;
/** TLS ends at that socket. */
const endedSocket = (directory: string, port: number): string => `unix@${path.join(directory, `ended-${port}.sock`)}`;
/** Where requests by HTTPS of a port come from that connections are looked at first. */
export const requestsSocket = (directory: string, port: number): string =>
  `unix@${path.join(directory, `requests-${port}.sock`)}`;

/** `HOST:PORT`, and ends of hosts. What requests by HTTPS are for is no connection of a wider host. */
export function connectionMaps({ hosts, routing }: Model, { httpsPort }: ProxySettings) {
  const exact = new Map<string, string>();
  const wide = new Map<string, string>();
  const ended = new Map<string, string>();
  const endedWide = new Map<string, string>();
  const isWide = (host: string): boolean => host === '' || host.startsWith('*.');
  for (const { host, port, isPassthrough, backend } of routing.connections) {
    const key = isWide(host) ? `${host.slice(1)}:${port}` : `${host}:${port}`;
    (isWide(host) ? wide : exact).set(key, isPassthrough ? backend : endedBackend(port));
    if (!isPassthrough) (isWide(host) ? endedWide : ended).set(key, backend);
  }
  for (const port of connectionPorts(routing)) {
    const others = routing.hosts.filter((each) => each.port === port).map(({ host }) => host);
    if (port === httpsPort) others.push(...hosts.map(({ name }) => name));
    for (const host of others) {
      const map = isWide(host) ? wide : exact;
      const key = isWide(host) ? `${host.slice(1)}:${port}` : `${host}:${port}`;
      // Any host is what is left anyway; `_` is that of rules of Ingresses without one.
      if (host !== '' && host !== '_' && !map.has(key)) map.set(key, requestsBackend(port));
    }
  }
  return {
    connections: sorted(exact),
    'connection-wildcards': longestFirst(wide),
    ended: sorted(ended),
    'ended-wildcards': longestFirst(endedWide),
  } satisfies Record<string, Entries>;
}

const sorted = (map: ReadonlyMap<string, string>): Entries => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
const longestFirst = (map: ReadonlyMap<string, string>): Entries =>
  [...map].sort(([a], [b]) => b.length - a.length || (a < b ? -1 : 1));

const LOG = `{${[
  '"time":"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]"',
  `"remoteAddress":"%ci"`,
  '"host":"%[var(txn.host),json(utf8s)]"',
  '"bytes":%B',
  '"namespace":"%[var(txn.backend),field(1,_)]"',
  '"ingress":"%[var(txn.backend),field(2,_)]"',
  '"server":"%si:%sp"',
  '"connectMs":%Tc',
  '"totalMs":%Tt',
  '"termination":"%ts"',
].join(',')}}`;

/** @param directory of sockets */
export function connectionLines(model: Model, settings: ProxySettings, directory: string, at: FileAt): string[] {
  const { routing } = model;
  const { bindAddresses, httpsPort, accessLog } = settings;
  return connectionPorts(routing).flatMap((port) => {
    const binds = bindAddresses.map((address) =>
      address.includes(':') ? `  bind [${address}]:${port} v6only` : `  bind ${address}:${port}`,
    );
    const hasRequests = port === httpsPort || routing.ports.some((each) => each.port === port);
    const hasEnded = routing.connectionTls.has(port);
    return [
      `frontend connections-${port}`,
      '  mode tcp',
      ...binds,
      PATIENCE,
      ...(accessLog ? [`  log-format ${quoted(LOG)}`] : []),
      '  tcp-request content reject unless { req.ssl_hello_type 1 }',
      ...lookupLines('req.ssl_sni,lower', port, 'connections', routing, at),
      '  use_backend %[var(txn.backend)] if { var(txn.backend) -m found }',
      `  default_backend ${hasRequests ? requestsBackend(port) : NO_CONNECTION}`,
      ...(hasRequests ? innerLines(requestsBackend(port), requestsSocket(directory, port)) : []),
      ...(hasEnded ? endedLines(port, model, settings, directory, at) : []),
    ];
  });
}

const NO_CONNECTION = 'no-connection';
export const noConnectionLines = (routing: Routing): string[] =>
  routing.connections.length === 0 ? [] : [`backend ${NO_CONNECTION}`, '  mode tcp', '  tcp-request content reject'];

function lookupLines(fetch: string, port: number, map: string, routing: Routing, at: FileAt): string[] {
  const set = '  tcp-request content set-var';
  const unless = 'unless { var(txn.backend) -m found }';
  return [
    `${set}(txn.host) ${fetch}`,
    `${set}(txn.at) var(txn.host),concat(:${port})`,
    `${set}(txn.at) str(:${port}) unless { var(txn.at) -m found }`,
    `${set}(txn.backend) var(txn.at),map_str(${at(`${map}.map`)})`,
    `${set}(txn.backend) var(txn.at),map_end(${at(`${map === 'connections' ? 'connection' : map}-wildcards.map`)}) ${unless}`,
    ...routing.splits.filter(({ isTcp }) => isTcp).flatMap((split) => [...splitLines(split)]),
  ];
}

const innerLines = (backend: string, socket: string): string[] => [
  `backend ${backend}`,
  '  mode tcp',
  `  server inner ${socket} send-proxy-v2`,
];

/** TLS ends here, and what is in it goes on. */
function endedLines(
  port: number,
  { routing }: Model,
  { accessLog }: ProxySettings,
  directory: string,
  at: FileAt,
): string[] {
  return [
    `frontend ended-${port}`,
    '  mode tcp',
    `  bind ${endedSocket(directory, port)} accept-proxy mode 600 ssl crt-list ${at(`${CONNECTIONS}certificates-${port}.list`)}`,
    ...(accessLog ? [`  log-format ${quoted(LOG)}`] : []),
    ...lookupLines('ssl_fc_sni,lower', port, 'ended', routing, at),
    '  use_backend %[var(txn.backend)] if { var(txn.backend) -m found }',
    `  default_backend ${NO_CONNECTION}`,
    ...innerLines(endedBackend(port), endedSocket(directory, port)),
  ];
}
