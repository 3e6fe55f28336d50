/** CORS, retries, time limits and sessions of routes, as the real proxy does them. Cases of the conformance suite have its names. */
import { once } from 'node:events';
import http from 'node:http';
import t, { type Test } from 'tap';
import type { CorsFilter, RouteRuleSpec } from '../../../addons/ingress/gateway/objects.ts';
import { http as listener, GatewayWorld, prefix, routeTold, to } from '../../support/gateway-world.ts';
import { enterNamespace } from '../network/pod-namespaces.ts';
import { ask, makeAddresses, RunningProxy, seen, startBackend, type Answer } from './running-proxy.ts';

enterNamespace();
t.setTimeout(240_000);

const [ONE, TWO, ODD] = ['10.99.0.2', '10.99.0.3', '10.99.0.4'] as const;
const PORT = 8_080;
const HOST = 'filters.example';
await makeAddresses(4);
for (const address of [ONE, TWO]) await startBackend(t, address);
/** Requests by path, and answers: with 503 to the first ones of a path, as many as it says; `/late` ones never. */
const asked = new Map<string, number>();
const odd = http.createServer((request, response) => {
  const path = request.url ?? '';
  const count = (asked.get(path) ?? 0) + 1;
  asked.set(path, count);
  const [what, failures] = path.split('/').slice(-2);
  if (count <= Number(failures)) {
    if (what === 'late') return;
    response.statusCode = Number(what);
  }
  response.setHeader('access-control-allow-origin', 'https://backend.example');
  response.end('answer');
});
odd.listen(PORT, ODD);
await once(odd, 'listening');
t.teardown(() => {
  odd.closeAllConnections();
  odd.close();
});
const proxy = await RunningProxy.start(t);

const cors = (path: string, filter: CorsFilter, service = 'one'): RouteRuleSpec<object> => ({
  matches: [prefix(path)],
  filters: [{ type: 'CORS', cors: filter }],
  backendRefs: [to(service)],
});
const retried = (path: string, more: Partial<RouteRuleSpec<object>>): RouteRuleSpec<object> => ({
  matches: [prefix(path)],
  backendRefs: [to('odd')],
  ...more,
});

const world = new GatewayWorld();
world.addService('one', [ONE]);
world.addService('both', [ONE, TWO]);
world.addService('odd', [ODD]);
world.addGateway('gw', [listener('http')]);
world.addRoute('filters', {
  hostnames: [HOST],
  rules: [
    cors('/cors-1', {
      allowOrigins: ['https://www.foo.com', 'https://*.bar.com'],
      allowMethods: ['GET', 'OPTIONS'],
      allowHeaders: ['x-header-1', 'x-header-2'],
      exposeHeaders: ['x-header-3', 'x-header-4'],
      allowCredentials: true,
      maxAge: 3_600,
    }),
    cors('/cors-2', { allowOrigins: ['https://www.foo.com'], allowMethods: ['*'] }),
    cors('/any-origin', { allowOrigins: ['*'], allowMethods: ['PUT'], allowCredentials: false }),
    cors('/any-scheme', { allowOrigins: ['http://*'] }, 'odd'),
    cors('/all', { allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'], allowCredentials: true }),
    cors('/unauth', { allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'] }),
    retried('/503', { retry: { codes: [500, 503], attempts: 2 } }),
    retried('/404', {}),
    retried('/late', { retry: { codes: [504], attempts: 2 }, timeouts: { request: '3s', backendRequest: '200ms' } }),
    { matches: [prefix('/session')], backendRefs: [to('both')], sessionPersistence: { sessionName: 'mine' } },
    {
      matches: [prefix('/permanent')],
      backendRefs: [to('both')],
      sessionPersistence: { absoluteTimeout: '1h', cookieConfig: { lifetimeType: 'Permanent' } },
    },
    { matches: [prefix('/odd-code')], backendRefs: [to('one')], retry: { codes: [418] } },
    { matches: [prefix('/by-header')], backendRefs: [to('one')], sessionPersistence: { type: 'Header' } },
    { matches: [prefix('/split')], backendRefs: [to('one'), to('both')], sessionPersistence: {} },
  ],
});
const compiled = await proxy.applyGateways(world);
t.equal(compiled.refused.size, 0);

const ORIGIN = 'access-control-allow-origin';
const METHODS = 'access-control-allow-methods';
const HEADERS = 'access-control-allow-headers';
const CREDENTIALS = 'access-control-allow-credentials';
type Headers = Readonly<Record<string, string | null>>;
interface Preflight {
  readonly path: string;
  readonly origin: string;
  readonly method?: string;
  readonly headers?: string;
  /** Of the answer; null for none. */
  readonly expected: Headers;
}
const ASKED = 'x-header-1, x-header-2';
const FULL: Headers = {
  ...{ [METHODS]: 'GET, OPTIONS', [HEADERS]: ASKED, 'access-control-expose-headers': 'x-header-3, x-header-4' },
  ...{ 'access-control-max-age': '3600', [CREDENTIALS]: 'true', vary: 'Origin' },
};
const NOTHING: Headers = { [ORIGIN]: null, [METHODS]: null, [HEADERS]: null, [CREDENTIALS]: null };
const PREFLIGHTS: Readonly<Record<string, Preflight>> = {
  'an exact origin': {
    ...{ path: '/cors-1', origin: 'https://www.foo.com', headers: ASKED },
    expected: { ...FULL, [ORIGIN]: 'https://www.foo.com' },
  },
  'a wildcard': {
    ...{ path: '/cors-1', origin: 'https://www.bar.com', headers: ASKED },
    expected: { ...FULL, [ORIGIN]: 'https://www.bar.com' },
  },
  'a wildcard for several labels': {
    ...{ path: '/cors-1', origin: 'https://xpto.www.bar.com', headers: ASKED },
    expected: { ...FULL, [ORIGIN]: 'https://xpto.www.bar.com' },
  },
  'another origin': { path: '/cors-1', origin: 'https://foobar.com', expected: NOTHING },
  'a host that ends like one': { path: '/cors-1', origin: 'https://evil-bar.com', expected: NOTHING },
  'a host that begins like one': { path: '/cors-1', origin: 'https://www.foo.com.evil.example', expected: NOTHING },
  'another scheme': { path: '/cors-1', origin: 'http://www.foo.com', expected: NOTHING },
  'another port': { path: '/cors-1', origin: 'https://www.foo.com:8443', expected: NOTHING },
  'any method': {
    ...{ path: '/cors-2', origin: 'https://www.foo.com', method: 'POST' },
    expected: { [ORIGIN]: 'https://www.foo.com', [METHODS]: '*', [CREDENTIALS]: null, [HEADERS]: null },
  },
  'any origin, with a port': {
    ...{ path: '/any-origin', origin: 'https://foobar.com:12345', method: 'PUT' },
    expected: { [ORIGIN]: '*', [METHODS]: 'PUT', [CREDENTIALS]: null },
  },
  'a scheme with any host': {
    ...{ path: '/any-scheme', origin: 'http://a.example:8080' },
    expected: { [ORIGIN]: 'http://a.example:8080' },
  },
  'credentials: what is asked for is told, and no *': {
    ...{ path: '/all', origin: 'https://other.foo.com', method: 'PUT', headers: ASKED },
    expected: { [ORIGIN]: 'https://other.foo.com', [METHODS]: 'PUT', [HEADERS]: ASKED, [CREDENTIALS]: 'true' },
  },
  'credentials: what no browser asks for is not told': {
    ...{ path: '/all', origin: 'https://other.foo.com', method: 'PUT', headers: 'a"<b>' },
    expected: { [ORIGIN]: 'https://other.foo.com', [HEADERS]: null },
  },
  'without credentials': {
    ...{ path: '/unauth', origin: 'https://other.foo.com', method: 'PUT', headers: ASKED },
    expected: { [ORIGIN]: '*', [METHODS]: '*', [HEADERS]: '*', [CREDENTIALS]: null },
  },
};

const compare = (t: Test, answer: Answer, expected: Headers): void => {
  for (const [name, value] of Object.entries(expected)) t.equal(answer.headers[name] ?? null, value, name);
};

for (const [what, { path, origin, method = 'GET', headers, expected }] of Object.entries(PREFLIGHTS))
  t.test(`HTTPRouteCORS: preflight: ${what}`, async (t) => {
    const answer = await ask(HOST, path, {
      method: 'OPTIONS',
      headers: {
        ...{ origin, 'access-control-request-method': method },
        ...(headers !== undefined && { 'access-control-request-headers': headers }),
      },
    });
    t.equal(answer.status, 204);
    compare(t, answer, expected);
  });

t.test('HTTPRouteCORS: requests are served, and origins that are not allowed are told nothing', async (t) => {
  const simple = (path: string, origin?: string) =>
    ask(HOST, path, { headers: origin === undefined ? {} : { origin } });
  const allowed = await simple('/cors-1', 'https://www.bar.com');
  t.equal(allowed.status, 200);
  compare(t, allowed, {
    ...{ [ORIGIN]: 'https://www.bar.com', [CREDENTIALS]: 'true', [METHODS]: null, vary: 'Origin' },
    'access-control-expose-headers': 'x-header-3, x-header-4',
  });
  compare(t, await simple('/cors-1', 'https://foobar.com'), { ...NOTHING, vary: 'Origin' });
  compare(t, await simple('/cors-1'), NOTHING);
  compare(t, await simple('/any-origin', 'https://foobar.com'), { [ORIGIN]: '*', [CREDENTIALS]: null });
  compare(t, await simple('/all', 'https://foobar.com'), { [ORIGIN]: 'https://foobar.com', [CREDENTIALS]: 'true' });
  const contradicted = await simple('/any-scheme/404/0', 'https://a.example');
  t.equal(contradicted.body, 'answer');
  compare(t, contradicted, { [ORIGIN]: null });
  const plain = await ask(HOST, '/cors-1', { method: 'OPTIONS', headers: { origin: 'https://www.foo.com' } });
  t.equal(plain.status, 200, 'an OPTIONS request that is no preflight is for the backend');
});

t.test('HTTPRouteRetry: as often as the rule says, after the answers that it names', async (t) => {
  t.match(await ask(HOST, '/503/2'), { status: 200, body: 'answer' });
  t.equal(asked.get('/503/2'), 3);
  t.equal((await ask(HOST, '/503/more/503/3')).status, 503);
  t.equal(asked.get('/503/more/503/3'), 3, 'the last answer is passed on');
  t.equal((await ask(HOST, '/503/posted/503/1', { method: 'POST', body: 'x' })).status, 503);
  t.equal(asked.get('/503/posted/503/1'), 1, 'what may have an effect is not sent twice');
  t.equal((await ask(HOST, '/404/1')).status, 404);
  t.equal(asked.get('/404/1'), 1);
});

t.test('HTTPRouteRetryBackendTimeout: an attempt without answer is one that failed', async (t) => {
  t.match(await ask(HOST, '/late/1'), { status: 200, body: 'answer' });
  t.equal(asked.get('/late/1'), 2);
  t.equal((await ask(HOST, '/late/9')).status, 504);
  t.equal(asked.get('/late/9'), 3);
});

t.test('a session stays with its endpoint, for as long as its cookie says', async (t) => {
  const first = await ask(HOST, '/session');
  const [cookie = ''] = first.headers['set-cookie'] ?? [];
  t.match(cookie, /^mine=[0-9a-f]+; path=\/; HttpOnly/i);
  t.notMatch(cookie, /max-age/i);
  const { server } = JSON.parse(first.body) as { server: string };
  const [pair = ''] = cookie.split(';');
  for (let round = 0; round < 6; round++)
    t.match(await seen(HOST, '/session', { headers: { cookie: pair } }), { server, headers: { cookie: undefined } });
  const servers = new Set<string>();
  for (let round = 0; round < 6; round++) servers.add((await seen(HOST, '/session')).server);
  t.equal(servers.size, 2, 'others are spread');
  t.match((await ask(HOST, '/permanent')).headers['set-cookie']?.[0], /kedge-session=.*max-age=3600/i);
});

t.test('what cannot be done is told, and answered with 500', async (t) => {
  const told = routeTold(compiled, 'HTTPRoute default/filters').join(', ');
  t.match(told, /PartiallyInvalid=True UnsupportedValue/);
  const message = compiled.reports.routes.get('HTTPRoute default/filters')?.parents[0]?.conditions[2]?.message ?? '';
  for (const part of [/status 418/, /type Header/, /several backends/]) t.match(message, part);
  for (const path of ['/odd-code', '/by-header', '/split']) t.equal((await ask(HOST, path)).status, 500, path);
});
