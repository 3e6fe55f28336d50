/** What keeps requests away, and what is told to browsers, as the real proxy does it. */
import t from 'tap';
import type { Secret } from '../../../api/types/core/v1.gen.ts';
import { run } from '../../../agent/host/run.ts';
import { NAMESPACE, pathTo, rule, World } from '../../support/ingress-world.ts';
import { enterNamespace } from '../network/pod-namespaces.ts';
import { ask, makeAddresses, RunningProxy, startBackend, type Seen } from './running-proxy.ts';

enterNamespace();
t.setTimeout(120_000);

const [ONE, TWO, OTHER_CLIENT] = ['10.99.0.2', '10.99.0.3', '10.99.0.4'] as const;
await makeAddresses(5);
for (const address of [ONE, TWO]) await startBackend(t, address);
const proxy = await RunningProxy.start(t);

/** One Ingress for `a.example` with these annotations, in front of Service `one`. */
async function serving(annotations: Record<string, string>, prepare: (world: World) => void = () => undefined) {
  const world = new World();
  world.addService('one', [ONE]);
  world.addService('two', [TWO]);
  world.addIngress('a', { rules: [rule('a.example', pathTo('one'))] }, annotations);
  prepare(world);
  return proxy.apply(world);
}
const statuses = async (count: number, options: Parameters<typeof ask>[2] = {}, target = '/'): Promise<number[]> => {
  const found: number[] = [];
  for (let index = 0; index < count; index++) found.push((await ask('a.example', target, options)).status);
  return found;
};

t.test('limit-rps on an Exact path: quick repeats get 503, others do not', async (t) => {
  await serving({}, (world) => {
    world.addIngress(
      'limited',
      { rules: [rule('a.example', pathTo('one', '/limited', 'Exact'))] },
      { 'limit-rps': '1' },
    );
  });
  const quick = await statuses(20, {}, '/limited');
  t.equal(quick[0], 200);
  t.ok(quick.filter((status) => status === 200).length <= 7, quick.join());
  t.ok(
    quick.slice(10).every((status) => status === 503),
    quick.join(),
  );
  t.equal((await ask('a.example', '/limited', { from: OTHER_CLIENT })).status, 200, 'another client');
  t.equal((await ask('a.example', '/limited/x')).status, 200, 'another path');
  await serving({ 'limit-rps': '1', 'limit-whitelist': '10.99.0.0/30' });
  t.ok((await statuses(20)).every((status) => status === 200));
});

t.test('limit-rpm: a burst of so many minutes, then 503; another client is not concerned', async (t) => {
  await serving({ 'limit-rpm': '4', 'limit-burst-multiplier': '2' });
  const quick = await statuses(12);
  t.strictSame(
    quick.slice(0, 8),
    Array.from({ length: 8 }, () => 200),
  );
  t.strictSame(
    quick.slice(8),
    Array.from({ length: 4 }, () => 503),
  );
  t.strictSame(await statuses(1, { from: OTHER_CLIENT }), [200]);
});

t.test('networks', async (t) => {
  await serving({ 'whitelist-source-range': '10.99.0.1, 2001:db8::/32' });
  t.strictSame(await statuses(1), [200]);
  t.strictSame(await statuses(1, { from: OTHER_CLIENT }), [403]);
  await serving({ 'denylist-source-range': '10.99.0.4/32' });
  t.strictSame([...(await statuses(1)), ...(await statuses(1, { from: OTHER_CLIENT }))], [200, 403]);
  const many = Array.from({ length: 900 }, (_, index) => `192.0.${index >> 8}.${index & 255}`);
  await serving({ 'whitelist-source-range': [...many, '10.99.0.1'].join() });
  t.strictSame([...(await statuses(1)), ...(await statuses(1, { from: OTHER_CLIENT }))], [200, 403]);
});

t.test('names and passwords; what cannot be checked stays closed', async (t) => {
  const password = 'open sesame';
  const hash = (await run('openssl', ['passwd', '-6', password])).stdout.trim();
  const secret = (data: Record<string, string>): Secret => ({
    metadata: { name: 'users', namespace: NAMESPACE },
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
  });
  const annotations = { 'auth-type': 'basic', 'auth-secret': 'users', 'auth-realm': 'Staff only' };
  const withUsers = (data: Record<string, string>, more: Record<string, string> = {}) =>
    serving({ ...annotations, ...more }, (world) => world.secrets.set(`${NAMESPACE}/users`, secret(data)));
  const login = (user: string, word: string) => ({
    headers: { authorization: `Basic ${Buffer.from(`${user}:${word}`).toString('base64')}` },
  });
  await withUsers({ auth: `eve:$apr1$x$y\nadam:${hash}\n` });
  const { status, headers } = await ask('a.example', '/');
  t.strictSame([status, headers['www-authenticate']], [401, 'Basic realm="Staff only"']);
  t.strictSame(await statuses(1, login('adam', password)), [200]);
  t.strictSame(await statuses(1, login('adam', 'wrong')), [401]);
  t.strictSame(await statuses(1, login('eve', 'x')), [401]);
  await withUsers({ adam: hash }, { 'auth-secret-type': 'auth-map' });
  t.strictSame(await statuses(1, login('adam', password)), [200]);
  for (const broken of [
    await withUsers({ other: 'x' }),
    await serving(annotations),
    await serving({ 'auth-type': 'digest', 'auth-secret': 'users' }),
    await serving({ 'auth-type': 'basic' }),
    await serving({ 'auth-url': 'ftp://auth.example' }),
    await serving({ 'whitelist-source-range': 'everybody' }),
    await serving({ 'configuration-snippet': 'deny all;' }),
  ]) {
    t.equal(broken.model.problems.length > 0, true);
  }
  await serving(annotations);
  t.strictSame(await statuses(1, login('adam', password)), [503]);
  await serving({ 'configuration-snippet': 'add_header x y;' });
  t.strictSame(await statuses(1), [200], 'a snippet that guards nothing is left out');
});

t.test('bodies', async (t) => {
  await serving({ 'proxy-body-size': '1k' });
  t.strictSame(
    await statuses(1, { method: 'POST', body: 'x'.repeat(1024), headers: { 'content-length': 1024 } }),
    [200],
  );
  t.strictSame(
    await statuses(1, { method: 'POST', body: 'x'.repeat(1025), headers: { 'content-length': 1025 } }),
    [413],
  );
});

t.test('cross-origin requests', async (t) => {
  await serving({
    'enable-cors': 'true',
    'cors-allow-origin': 'https://app.example, https://*.wild.example:8443',
    'cors-max-age': '5',
  });
  const from = (origin: string, method = 'GET') => ask('a.example', '/', { method, headers: { origin } });
  for (const origin of ['https://app.example', 'https://x.wild.example:8443']) {
    const preflight = await from(origin, 'OPTIONS');
    t.match(
      [preflight.status, preflight.headers],
      [
        204,
        {
          'access-control-allow-origin': origin,
          'access-control-max-age': '5',
          'access-control-allow-credentials': 'true',
          'access-control-allow-methods': 'GET, PUT, POST, DELETE, PATCH, OPTIONS',
        },
      ],
    );
    const { headers } = await from(origin);
    t.match(headers, { 'access-control-allow-origin': origin, vary: 'Origin' });
  }
  for (const origin of [
    'https://app.example.evil',
    'https://appxexample',
    'https://x.y.wild.example:8443',
    'https://x.wild.example',
  ])
    t.notOk('access-control-allow-origin' in (await from(origin)).headers, origin);
  await serving({ 'enable-cors': 'true', 'cors-allow-credentials': 'false' });
  const { headers } = await from('https://any.example');
  t.equal(headers['access-control-allow-origin'], '*');
  t.notOk('access-control-allow-credentials' in headers);
});

t.test('sessions', async (t) => {
  const answer = await (async () => {
    await serving(
      {
        affinity: 'cookie',
        'session-cookie-name': 'route',
        'session-cookie-samesite': 'Lax',
        'session-cookie-max-age': '60',
        'session-cookie-path': '/p',
      },
      (world) => world.addService('one', [ONE, TWO]),
    );
    return ask('a.example', '/');
  })();
  const [cookie = ''] = answer.headers['set-cookie'] ?? [];
  t.match(cookie, /^route=[0-9a-f]+; path=\/; HttpOnly;.*Path=\/p; Max-Age=60; SameSite=Lax/);
  const { server } = JSON.parse(answer.body) as Seen;
  for (let count = 0; count < 6; count++) {
    const { body } = await ask('a.example', '/', { headers: { cookie: cookie.split(';')[0] } });
    t.equal((JSON.parse(body) as Seen).server, server);
  }
});

t.test('hashing by a header', async (t) => {
  await serving({ 'upstream-hash-by': '$http_x_user' }, (world) => world.addService('one', [ONE, TWO]));
  const servers = new Set<string>();
  for (let user = 0; user < 20; user++) {
    const found = new Set<string>();
    for (let count = 0; count < 3; count++) {
      const { body } = await ask('a.example', '/', { headers: { 'x-user': String(user) } });
      found.add((JSON.parse(body) as Seen).server);
    }
    t.equal(found.size, 1);
    for (const each of found) servers.add(each);
  }
  t.equal(servers.size, 2);
});

t.test('a canary by header, cookie and weight is guarded as the main path is', async (t) => {
  const canary = (annotations: Record<string, string>, main: Record<string, string> = {}) =>
    serving(main, (world) => {
      world.addIngress('canary', { rules: [rule('a.example', pathTo('two'))] }, { canary: 'true', ...annotations });
    });
  const server = async (headers = {}): Promise<string> => {
    const { status, body } = await ask('a.example', '/', { headers });
    return status === 200 ? (JSON.parse(body) as Seen).server : String(status);
  };
  const both = { 'canary-by-header': 'X-Canary', 'canary-by-cookie': 'beta', 'canary-weight': '0' };
  t.strictSame((await canary(both)).model.problems, []);
  t.equal(await server(), ONE);
  t.equal(await server({ 'x-canary': 'always' }), TWO);
  t.equal(await server({ 'x-canary': 'never', cookie: 'beta=always' }), ONE);
  t.equal(await server({ cookie: 'beta=always' }), TWO);
  await canary({ 'canary-by-header': 'X-Canary', 'canary-by-header-value': 'me}', 'canary-weight': '100' });
  t.equal(await server(), TWO);
  await canary({ 'canary-weight': '50' });
  const count = (await Promise.all(Array.from({ length: 100 }, () => server()))).filter((each) => each === TWO).length;
  t.ok(count > 20 && count < 80, `${count} of 100`);
  await canary({ 'canary-weight': '100' }, { 'denylist-source-range': '10.99.0.1' });
  t.equal(await server(), '403');
  const { model } = await serving({}, (world) => {
    world.addIngress(
      'canary',
      { rules: [rule('b.example', pathTo('two'))] },
      { canary: 'true', 'canary-weight': '50' },
    );
  });
  t.match(model.problems, [{ reason: 'CanaryWithoutMain' }]);
});

t.test('headers of answers', async (t) => {
  await serving({ 'custom-headers': 'extra' }, (world) => {
    world.configMaps.set(`${NAMESPACE}/extra`, {
      data: { 'X-Quote': `it's "50%" \\ %[src] $HOME #1 }`, 'X-Two': '2' },
    });
  });
  t.match((await ask('a.example', '/')).headers, { 'x-quote': `it's "50%" \\ %[src] $HOME #1 }`, 'x-two': '2' });
});
