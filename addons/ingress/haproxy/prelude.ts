/** What comes first in the proxy's configuration: `global`, `defaults` and what answers questions about names. Pure. */
import type { ProxySettings } from './settings.ts';
import { quoted } from './text.ts';

/** A worker that so many others have followed ends, whatever connections it has. */
const OLD_WORKERS = 50;

export function globalLines({ maxConnections, drainSeconds }: ProxySettings, socket: string): string[] {
  return [
    'global',
    `  maxconn ${maxConnections}`,
    '  no strict-limits',
    `  hard-stop-after ${drainSeconds}s`,
    `  mworker-max-reloads ${OLD_WORKERS}`,
    '  expose-experimental-directives',
    '  ssl-default-bind-options ssl-min-ver TLSv1.2',
    '  tune.ssl.default-dh-param 2048',
    ...(socket === '' ? [] : [`  stats socket ${quoted(socket)} mode 600 level admin expose-fd listeners`]),
  ];
}

export function defaultLines({ accessLog }: ProxySettings): string[] {
  return [
    'defaults',
    '  mode http',
    // Not in `global`: what the script asks would be logged a second time.
    ...(accessLog ? ['  log stdout format raw local0 info'] : []),
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

export const RESOLVERS = [
  'resolvers cluster',
  '  parse-resolv-conf',
  '  hold valid 10s',
  '  accepted_payload_size 4096',
];

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
