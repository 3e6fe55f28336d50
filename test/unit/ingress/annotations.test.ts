/** Annotations of ingress-nginx: what is taken, what is refused, and what stays closed. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';
import {
  ANNOTATIONS,
  isRefusal,
  PREFIX,
  readAnnotation,
  readPolicy,
} from '../../../addons/ingress/annotations/main.ts';
import { checkIngress } from '../../../addons/ingress/check.ts';
import { annotationTable } from '../../../addons/ingress/annotations/table-text.ts';

const read = (name: string, value: string) => readAnnotation(PREFIX + name, value, 'default');

test('the example of every annotation is taken, unless the annotation is refused altogether', (t) => {
  const names = ANNOTATIONS.map(({ name }) => name);
  t.equal(new Set(names).size, names.length);
  for (const { name, example, does } of ANNOTATIONS) t.equal(isRefusal(read(name, example)), does === 'refused', name);
  t.end();
});

test('values', (t) => {
  const accepted: [string, string, object][] = [
    ['rewrite-target', '/a/$2', { rewriteTarget: ['/a/', { capture: 2 }] }],
    ['proxy-body-size', '8M', { bodySize: 8 * 1024 * 1024 }],
    ['proxy-read-timeout', '2m', { readTimeout: 120 }],
    ['upstream-hash-by', '${http_x_user}', { hashBy: { of: 'header', name: 'x-user' } }],
    ['auth-secret', 'default/users', { authSecret: 'users' }],
    ['permanent-redirect', 'https://${host}/x', { permanentRedirect: ['https://', { variable: 'host' }, '/x'] }],
  ];
  for (const [name, value, policy] of accepted) t.strictSame(read(name, value), policy, name);
  const refused: [string, string][] = [
    ['rewrite-target', 'x'],
    ['rewrite-target', '/$host'],
    ['rewrite-target', '/a?b=c'],
    ['rewrite-target', '/a\nb'],
    ['permanent-redirect', 'https://x/$cookie_secret'],
    ['permanent-redirect', 'https://x/ y'],
    ['permanent-redirect-code', '200'],
    ['temporal-redirect', 'https://x/"'],
    ['proxy-body-size', '1 m'],
    ['limit-rps', '-1'],
    ['limit-rps', '1e9'],
    ['whitelist-source-range', '10.0.0.0/8, everyone'],
    ['denylist-source-range', ''],
    ['backend-protocol', 'FCGI'],
    ['auth-secret', 'other/users'],
    ...[
      ...['http://127.0.0.1:10248/healthz', 'http://169.254.169.254/latest', 'http://[::1]/', 'http://0.0.0.0/'],
      ...['ftp://a.example/', 'http://a.example/$cookie_x', "http://a.example/' x", 'http://user@a.example/', 'auth'],
      ...['http://a.example:0/', 'http://a.example:99999/', 'http://a_b.example/', 'http://$host.evil.example/'],
    ].map((url): [string, string] => ['auth-url', url]),
    ['auth-signin', '/login'],
    ['auth-signin', 'https://a.example/?x=$request_method'],
    ['auth-method', 'GET x'],
    ['auth-response-headers', 'X-User,Host'],
    ['auth-response-headers', 'X User'],
    ['auth-proxy-set-headers', 'other/headers'],
    ['auth-cache-key', '$remote_user'],
    ['auth-snippet', 'x'],
    ['auth-realm', 'a" b'],
    ['session-cookie-name', 'a b'],
    ['session-cookie-path', '/a;x'],
    ['cors-allow-origin', 'https://a.example/path'],
    ['cors-allow-methods', "GET, P'ST"],
    ['x-forwarded-prefix', '/a b'],
    ['upstream-vhost', 'a b'],
    ['canary-by-header-value', '}'],
    ['server-alias', '~^x'],
    ['no-such-thing', 'x'],
    ['configuration-snippet', 'x'],
  ];
  for (const [name, value] of refused) t.ok(isRefusal(read(name, value)), `${name}: ${value}`);
  t.end();
});

test('what keeps requests away and cannot be done closes the path', (t) => {
  const closes = (annotations: Record<string, string>): boolean =>
    readPolicy(
      Object.fromEntries(Object.entries(annotations).map(([name, value]) => [PREFIX + name, value])),
      'default',
    ).refusals.some((refusal) => refusal.closes);
  const closed: Record<string, string>[] = [
    { 'auth-url': 'auth.example' },
    { 'auth-signin': 'https://a.example' },
    { 'auth-type': 'digest' },
    { 'auth-type': 'basic' },
    { 'auth-secret': 'users' },
    { 'whitelist-source-range': 'x' },
    { 'limit-rps': 'x' },
    { 'rewrite-target': 'x' },
    { 'proxy-ssl-verify': 'on' },
    { 'auth-tls-verify-client': 'on' },
    { 'enable-modsecurity': 'true' },
    { 'configuration-snippet': 'if ($x) { return 403; }' },
    { 'server-snippet': 'location /admin { deny all; }' },
  ];
  for (const annotations of closed) t.ok(closes(annotations), JSON.stringify(annotations));
  const open: Record<string, string>[] = [
    { 'configuration-snippet': 'gzip on;' },
    { 'app-root': 'x' },
    { 'load-balance': 'x' },
  ];
  for (const annotations of open) t.notOk(closes(annotations), JSON.stringify(annotations));
  t.end();
});

test('kedge ingress check tells all of an Ingress', (t) => {
  const [checked] = checkIngress({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      name: 'web',
      annotations: {
        'kubernetes.io/ingress.class': 'nginx',
        [`${PREFIX}ssl-redirect`]: 'false',
        [`${PREFIX}rewrite-target`]: '/$1',
        [`${PREFIX}auth-snippet`]: 'x',
      },
    },
    spec: {
      rules: [
        {
          host: 'a.example',
          http: {
            paths: ['/x/(.*)', '/(a+)+'].map((at) => ({
              ...{ path: at, pathType: 'ImplementationSpecific' },
              backend: { service: { name: 'web', port: { number: 80 } } },
            })),
          },
        },
      ],
    },
  });
  t.equal(checked?.name, 'default/web');
  t.strictSame(
    checked?.findings.map(({ verdict, subject }) => `${verdict} ${subject.replace(PREFIX, '')}`),
    ['taken ssl-redirect', 'differs rewrite-target', 'refused auth-snippet', 'refused spec'],
  );
  t.strictSame(checkIngress({ kind: 'Service' }), []);
  t.match(checkIngress({ apiVersion: 'extensions/v1beta1', kind: 'Ingress' }), [
    { findings: [{ verdict: 'refused' }] },
  ]);
  t.end();
});

test('docs/ingress.md has the table of annotations', async (t) => {
  const text = await readFile(path.join(import.meta.dirname, '../../../docs/ingress.md'), 'utf8');
  for (const line of annotationTable()) t.ok(text.includes(line), `docs/ingress.md has the line: ${line}`);
});
