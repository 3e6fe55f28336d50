/** Annotations about the way to the Service: protocol, times, balance, sessions. */
import type { Annotation } from './annotation.ts';
import { AnnotationError } from './annotation-error.ts';
import type { HashKey } from './policy.ts';
import {
  flag,
  hostAndPort,
  hostName,
  localObject,
  oneOf,
  seconds,
  simpleName,
  token,
  urlPath,
  wholeNumber,
} from './values.ts';

/** 400 days, as browsers limit it. */
const MOST_COOKIE_SECONDS = 400 * 86_400;

function hashKey(value: string): HashKey {
  const text = value.trim().replace(/^\$\{(.*)\}$/, '$$$1');
  switch (text) {
    case '$request_uri':
      return { of: 'uri' };
    case '$uri':
      return { of: 'path' };
    case '$host':
    case '$http_host':
      return { of: 'host' };
    case '$remote_addr':
    case '$binary_remote_addr':
      return { of: 'source' };
  }
  const [, kind = '', name = ''] = /^\$(http|cookie|arg)_([a-z0-9_]{1,64})$/i.exec(text) ?? [];
  if (kind === 'http') return { of: 'header', name: name.replaceAll('_', '-') };
  if (kind === 'cookie') return { of: 'cookie', name };
  if (kind === 'arg') return { of: 'parameter', name };
  throw new AnnotationError(`must be one variable such as $request_uri or $http_x_user, not ${JSON.stringify(value)}`);
}

/** Accepted, as what they tune is not there or done anyway. */
const WITHOUT_EFFECT: ReadonlyMap<string, string> = new Map([
  ['proxy-buffering', 'answers are streamed, whatever it says'],
  ['proxy-request-buffering', 'requests are streamed, whatever it says'],
  ['proxy-buffer-size', 'a header of an answer may have 15 KiB'],
  ['proxy-buffers-number', 'nothing is buffered beyond 16 KiB a direction'],
  ['proxy-max-temp-file-size', 'no answer is written to a file'],
  ['client-body-buffer-size', 'no body is buffered'],
  ['proxy-http-version', 'backends are asked by HTTP/1.1, or HTTP/2 for GRPC'],
  [
    'proxy-next-upstream',
    'a request whose connection fails goes to another endpoint; GET, HEAD and OPTIONS also when it gives no answer',
  ],
  ['proxy-next-upstream-timeout', 'the number of attempts is the limit'],
  ['proxy-next-upstream-tries', 'three more attempts'],
  ['enable-access-log', 'every request is logged'],
  ['websocket-services', 'upgrades need no setting'],
  ['session-cookie-change-on-failure', 'the cookie changes when its endpoint is gone'],
  ['affinity-mode', 'sessions stay where they are (persistent)'],
  ['affinity-canary-behavior', 'cookies of a canary are its own'],
  ['session-cookie-conditional-samesite-none', 'SameSite is sent as set'],
]);

export const BACKENDS: readonly Annotation[] = [
  {
    name: 'backend-protocol',
    does: 'HTTP, HTTPS, GRPC (HTTP/2 without TLS) or GRPCS; FCGI and AUTO_HTTP are refused',
    example: 'HTTPS',
    guards: true,
    read: (value) => ({ protocol: oneOf('HTTP', 'HTTPS', 'GRPC', 'GRPCS')(value) }),
  },
  {
    name: 'proxy-connect-timeout',
    does: 'seconds for a connection to an endpoint: 5',
    example: '10',
    read: (value) => ({ connectTimeout: seconds(value) }),
  },
  {
    name: 'proxy-read-timeout',
    does: 'seconds without a byte of the answer: 60',
    differs: 'upgraded connections may be silent for an hour, or this long if it is longer',
    example: '3600',
    read: (value) => ({ readTimeout: seconds(value) }),
  },
  {
    name: 'proxy-send-timeout',
    does: 'seconds in which the endpoint takes nothing of the request: 60',
    differs: 'the longer one of it and proxy-read-timeout counts for both directions',
    example: '120',
    read: (value) => ({ sendTimeout: seconds(value) }),
  },
  {
    name: 'service-upstream',
    does: 'sends to the cluster IP of the Service instead of its endpoints',
    example: 'true',
    read: (value) => ({ serviceUpstream: flag(value) }),
  },
  {
    name: 'upstream-vhost',
    does: 'the Host header that the backend gets',
    example: 'internal.example',
    read: (value) => ({ upstreamHost: hostAndPort(value) }),
  },
  {
    name: 'load-balance',
    does: 'round_robin, or ewma',
    differs: 'ewma becomes least connections',
    example: 'ewma',
    read: (value) => ({ leastConnections: oneOf('round_robin', 'ewma', 'least_conn')(value) !== 'round_robin' }),
  },
  {
    name: 'upstream-hash-by',
    does: 'consistent hashing by one variable: $request_uri, $uri, $host, $remote_addr, $http_NAME, $cookie_NAME or $arg_NAME',
    differs: 'one variable, no text',
    example: '$request_uri',
    read: (value) => ({ hashBy: hashKey(value) }),
  },
  {
    name: 'proxy-ssl-verify',
    does: 'on: the certificate of an endpoint has to be of the CA in proxy-ssl-secret',
    example: 'on',
    guards: true,
    read: (value) => ({ tlsVerify: oneOf('on', 'off')(value) === 'on' }),
  },
  {
    name: 'proxy-ssl-secret',
    does: 'the Secret, of the namespace of the Ingress, whose ca.crt endpoints are verified by and whose tls.crt and tls.key they are shown',
    example: 'upstream-tls',
    guards: true,
    read: (value, { namespace }) => ({ tlsSecret: localObject(value, namespace) }),
  },
  {
    name: 'proxy-ssl-name',
    does: 'the name that the certificate of an endpoint is verified for, and that is sent as SNI',
    example: 'internal.example',
    guards: true,
    read: (value) => ({ tlsName: hostName(value) }),
  },
  {
    name: 'proxy-ssl-server-name',
    does: 'on: sends proxy-ssl-name, or else the host, as SNI',
    example: 'on',
    read: (value) => ({ tlsSni: oneOf('on', 'off')(value) === 'on' }),
  },
  {
    name: 'affinity',
    does: 'cookie: a client stays with its endpoint',
    example: 'cookie',
    read: (value) => ({ affinity: oneOf('cookie')(value) }),
  },
  {
    name: 'session-cookie-name',
    does: 'the name of the cookie: INGRESSCOOKIE',
    example: 'route',
    read: (value) => ({ cookieName: simpleName(value) }),
  },
  {
    name: 'session-cookie-path',
    does: 'its path: /',
    differs: 'there it is the path of the Ingress unless that is a regular expression',
    example: '/app',
    read: (value) => {
      // They end an attribute of a cookie.
      if (/[;,]/.test(value)) throw new AnnotationError('must be a path without semicolons and commas');
      return { cookiePath: urlPath(value) };
    },
  },
  {
    name: 'session-cookie-domain',
    does: 'its domain',
    example: 'example.com',
    read: (value) => ({ cookieDomain: hostName(value) }),
  },
  {
    name: 'session-cookie-max-age',
    does: 'how long the browser keeps it, in seconds',
    example: '172800',
    read: (value) => ({ cookieMaxAge: wholeNumber(1, MOST_COOKIE_SECONDS)(value) }),
  },
  {
    name: 'session-cookie-expires',
    does: 'as session-cookie-max-age',
    example: '172800',
    read: (value) => ({ cookieMaxAge: wholeNumber(1, MOST_COOKIE_SECONDS)(value) }),
  },
  {
    name: 'session-cookie-secure',
    does: 'marks it as Secure',
    example: 'true',
    read: (value) => ({ cookieSecure: flag(value) }),
  },
  {
    name: 'session-cookie-samesite',
    does: 'Lax, Strict or None',
    example: 'Lax',
    read: (value) => ({ cookieSameSite: oneOf('Lax', 'Strict', 'None')(value) }),
  },
  {
    name: 'canary',
    does: 'takes a part of the requests for the same hosts and paths of another Ingress',
    example: 'true',
    guards: true,
    read: (value) => ({ canary: flag(value) }),
  },
  {
    name: 'canary-weight',
    does: 'that part, of canary-weight-total',
    example: '10',
    read: (value) => ({ canaryWeight: wholeNumber(0, 1_000_000)(value) }),
  },
  {
    name: 'canary-weight-total',
    does: '100 unless it says otherwise',
    example: '1000',
    read: (value) => ({ canaryTotal: wholeNumber(1, 1_000_000)(value) }),
  },
  {
    name: 'canary-by-header',
    does: 'requests with this header go there when it is "always", and never when it is "never"',
    example: 'X-Canary',
    read: (value) => ({ canaryHeader: token(value) }),
  },
  {
    name: 'canary-by-header-value',
    does: 'the value instead of "always"',
    example: 'beta',
    read: (value) => ({ canaryHeaderValue: canaryWord(value) }),
  },
  {
    name: 'canary-by-cookie',
    does: 'a cookie that is "always" or "never", likewise',
    example: 'canary',
    read: (value) => ({ canaryCookie: simpleName(value) }),
  },
  ...[...WITHOUT_EFFECT].map(([name, differs]): Annotation => ({
    name,
    does: 'accepted, without effect',
    differs,
    example: 'off',
    read: () => ({}),
  })),
];

function canaryWord(value: string): string {
  if (/^[A-Za-z0-9_.:@/+=~-]{1,256}$/.test(value)) return value;
  throw new AnnotationError(`must be a word of letters, digits and _.:@/+=~-, not ${JSON.stringify(value)}`);
}
