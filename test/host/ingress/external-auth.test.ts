/** Services that are asked whether a request is allowed, as the real proxy asks them. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { decode, encode } from 'dns-packet';
import t from 'tap';
import { run } from '../../../agent/host/run.ts';
import { NAMESPACE, pathTo, rule, World } from '../../support/ingress-world.ts';
import { eventually } from '../../support/wait.ts';
import { enterNamespace } from '../network/pod-namespaces.ts';
import { ask, makeAddresses, RunningProxy, startBackend, type Seen } from './running-proxy.ts';

enterNamespace();
t.setTimeout(300_000);

const [APP, AUTH] = ['10.99.0.2', '10.99.0.3'] as const;
await makeAddresses(4);
await startBackend(t, APP);

/** What the service has been asked. */
const asked: { method: string; url: string; headers: http.IncomingHttpHeaders; body: string }[] = [];
const hanging = new Set<http.ServerResponse>();
let isReleased = false;
/** Answers as the path says. */
const service = http.createServer((request, response) => {
  const { method = '', url = '', headers } = request;
  let body = '';
  request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
  request.once('end', () => {
    asked.push({ method, url, headers, body });
    if (url.startsWith('/hang')) return void (isReleased ? response.destroy() : hanging.add(response));
    if (url.startsWith('/huge')) return flood(response);
    if (url.startsWith('/garbage')) return void response.socket?.end('HTTP/1.1 two hundred\r\n\r\n');
    if (url.startsWith('/redirect')) return void response.writeHead(302, { location: 'http://evil.example' }).end();
    if (url.startsWith('/forbidden')) return void response.writeHead(403).end('no');
    if (headers.cookie !== 'session=good')
      return void response.writeHead(401, { 'www-authenticate': 'Bearer realm="x y"', 'x-user': 'eve' }).end('who?');
    response.writeHead(202, {
      'x-user': 'adam\'s "own" %[env(PATH)]',
      'x-secret': 'kept',
      'set-cookie': ['session=new; Path=/', 'other=1'],
    });
    response.end('welcome');
  });
});
/** A body that never ends. */
function flood(response: http.ServerResponse): void {
  response.writeHead(200, { 'x-user': 'huge' });
  const chunk = Buffer.alloc(64 * 1024);
  const write = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', write);
  write();
}
service.listen(4_180, AUTH);
await once(service, 'listening');
t.teardown(() => {
  service.closeAllConnections();
  service.close();
});

/** Names, and the addresses that the server of names says; others do not exist. */
const NAMES: Readonly<Record<string, string>> = {
  ...{ 'auth.svc.example': AUTH, 'app.outside.example': APP },
  ...{ 'metadata.outside.example': '169.254.169.254', 'own.outside.example': '127.0.0.1' },
};
const resolver = createSocket('udp4');
resolver.on('message', (message, { address, port }) => {
  const { id = 0, questions = [] } = decode(message);
  const answers = questions.flatMap(({ name, type }) => {
    const data = type === 'A' ? NAMES[name.toLowerCase()] : undefined;
    return data === undefined ? [] : [{ name, type: 'A' as const, ttl: 1, data }];
  });
  const isKnown = questions.every(({ name }) => NAMES[name.toLowerCase()] !== undefined);
  const RECURSION = 0x180;
  const NO_SUCH_NAME = 3;
  resolver.send(
    encode({ type: 'response', id, flags: RECURSION | (isKnown ? 0 : NO_SUCH_NAME), questions, answers }),
    port,
    address,
  );
});
resolver.bind(53, '10.99.0.4');
await once(resolver, 'listening');
t.teardown(() => resolver.close());
const proxy = await RunningProxy.start(t);
// The test has mounts of its own.
await writeFile(path.join(proxy.directory, 'resolv.conf'), 'nameserver 10.99.0.4\n');
await run('mount', ['--bind', path.join(proxy.directory, 'resolv.conf'), '/etc/resolv.conf']);
t.teardown(() => run('umount', ['/etc/resolv.conf']));
const URL_OF = `http://${AUTH}:4180`;
const GOOD = { cookie: 'session=good' };

/** Hosts `a.example`, which is guarded, and `open.example`, which is not. */
async function serving(
  annotations: Record<string, string>,
  prepare: (world: World) => void = () => undefined,
  allowExternalNames = false,
) {
  asked.length = 0;
  const world = new World();
  world.addService('app', [APP]);
  world.addService('auth', [AUTH], 4_180);
  world.addIngress('guarded', { rules: [rule('a.example', pathTo('app'))] }, annotations);
  world.addIngress('open', { rules: [rule('open.example', pathTo('app'))] });
  prepare(world);
  const applied = await proxy.apply(world, allowExternalNames);
  t.equal(applied.refused.size, 0);
  return applied;
}

/** Hosts that are guarded by a URL each. */
const servingHosts = (urls: Readonly<Record<string, string>>) =>
  serving({}, (world) => {
    for (const [host, url] of Object.entries(urls))
      world.addIngress(host, { rules: [rule(host, pathTo('app'))] }, { 'auth-url': url });
  });

const statuses = async (host: string, count: number): Promise<ReadonlySet<number>> => {
  const found = new Set<number>();
  for (let round = 0; round < count; round++) found.add((await ask(host, '/')).status);
  return found;
};

t.test('a request goes on when the service answers 2xx, and is told what it says', async (t) => {
  await serving({ 'auth-url': `${URL_OF}/verify?app=1`, 'auth-response-headers': 'X-User,X-Gone' });
  const answer = await ask('a.example', '/shop?a=b', {
    ...{ method: 'POST', body: 'order' },
    headers: { ...GOOD, 'x-user': 'forged', 'x-gone': 'forged', 'x-kedge-section': 'not-found' },
  });
  t.equal(answer.status, 200);
  const { url, headers, method } = JSON.parse(answer.body) as Seen;
  t.strictSame([method, url], ['POST', '/shop?a=b']);
  t.equal(headers['x-user'], 'adam\'s "own" %[env(PATH)]');
  t.strictSame([headers['x-gone'], headers['x-secret']], [undefined, undefined]);
  t.strictSame(answer.headers['set-cookie'], ['session=new; Path=/', 'other=1']);
  const [question] = asked;
  t.match(question, {
    ...{ method: 'GET', url: '/verify?app=1', body: '' },
    headers: {
      ...{ host: `${AUTH}:4180`, cookie: 'session=good', 'x-original-url': 'http://a.example/shop?a=b' },
      ...{ 'x-original-method': 'POST', 'x-real-ip': '10.99.0.1', 'x-auth-request-redirect': '/shop?a=b' },
      'x-forwarded-host': 'a.example',
    },
  });
  t.strictSame(
    Object.keys(question?.headers ?? {}).filter((header) => header.startsWith('x-kedge-')),
    [],
  );
});

t.test('401 and 403 are passed on, or lead to a page for logging in; anything else is 500', async (t) => {
  await serving({ 'auth-url': `${URL_OF}/verify` });
  const refused = await ask('a.example', '/');
  t.strictSame([refused.status, refused.headers['www-authenticate']], [401, 'Bearer realm="x y"']);
  t.notMatch(refused.body, 'who?');
  await serving({ 'auth-url': `${URL_OF}/verify`, 'auth-signin': 'https://login.example/start' });
  const away = await ask('a.example', '/shop?a=b&c=d');
  t.strictSame(
    [away.status, away.headers.location],
    [302, 'https://login.example/start?rd=http://a.example%2Fshop%3Fa%3Db%26c%3Dd'],
  );
  const urls = { 'forbidden.example': 403, 'redirect.example': 500, 'garbage.example': 500, 'nobody.example': 500 };
  await servingHosts({
    'forbidden.example': `${URL_OF}/forbidden`,
    'redirect.example': `${URL_OF}/redirect`,
    'garbage.example': `${URL_OF}/garbage`,
    'nobody.example': 'http://10.99.0.4:1/verify',
  });
  for (const [host, status] of Object.entries(urls))
    t.equal((await ask(host, '/', { headers: GOOD })).status, status, host);
});

t.test('method, headers and where to come back to are said to the service', async (t) => {
  const annotations = {
    ...{ 'auth-url': `${URL_OF}/verify`, 'auth-method': 'post', 'auth-proxy-set-headers': 'extra' },
    'auth-request-redirect': 'https://$host/back$request_uri',
  };
  await serving(annotations, (world) =>
    world.configMaps.set(`${NAMESPACE}/extra`, { data: { 'X-Tenant': "blue '%[src]' # x" } }),
  );
  t.equal((await ask('a.example', '/x', { headers: GOOD })).status, 200);
  t.match(asked[0], {
    method: 'POST',
    headers: { 'x-tenant': "blue '%[src]' # x", 'x-auth-request-redirect': 'https://a.example/back/x' },
  });
  const { model } = await serving(annotations);
  t.match(model.problems, [{ reason: 'ConfigMapNotFound' }]);
  t.equal((await ask('a.example', '/x', { headers: GOOD })).status, 503, 'closed without its ConfigMap');
  t.equal((await ask('open.example', '/')).status, 200);
});

t.test(
  'with $host, the paths of this proxy itself are asked, and a service that guards itself is not asked for ever',
  async (t) => {
    await serving(
      { 'auth-url': 'https://$host/oauth2/auth', 'auth-signin': 'https://$host/oauth2/start?rd=$escaped_request_uri' },
      (world) =>
        world.addIngress(
          'login',
          { rules: [rule('a.example', pathTo('auth', '/oauth2'))] },
          { 'whitelist-source-range': '10.99.0.1/32', 'force-ssl-redirect': 'false' },
        ),
    );
    t.equal((await ask('a.example', '/', { headers: GOOD })).status, 200);
    t.match(asked[0], {
      url: '/oauth2/auth',
      headers: { host: 'a.example', 'x-original-url': 'http://a.example/', 'x-real-ip': '10.99.0.1' },
    });
    t.match(await ask('a.example', '/x?y'), {
      status: 302,
      headers: { location: 'https://a.example/oauth2/start?rd=%2Fx%3Fy' },
    });
    t.equal((await ask('a.example', '/', { headers: GOOD, from: '10.99.0.4' })).status, 403, 'as the client would be');
    await serving({ 'auth-url': 'http://$host/' });
    t.equal((await ask('a.example', '/', { headers: GOOD })).status, 500);
  },
);

t.test('a service that hangs, or whose answer does not end, harms no other host', async (t) => {
  await serving({ 'auth-url': `${URL_OF}/huge`, 'auth-response-headers': 'X-User' });
  t.strictSame(await statuses('a.example', 20), new Set([200]));
  await serving({ 'auth-url': `${URL_OF}/hang` });
  const MAX_REQUESTS = 256;
  let settled = 0;
  const waiting = Array.from({ length: MAX_REQUESTS + 50 }, async () => {
    const { status } = await ask('a.example', '/');
    settled++;
    return status;
  });
  while (hanging.size < MAX_REQUESTS) await once(service, 'request', { signal: AbortSignal.timeout(30_000) });
  t.strictSame(await statuses('open.example', 20), new Set([200]));
  t.ok(settled <= 50, 'those that hang still do');
  t.equal(hanging.size, MAX_REQUESTS, 'no more at the same time');
  isReleased = true;
  for (const response of hanging) response.destroy();
  t.strictSame(new Set(await Promise.all(waiting)), new Set([500]));
});

t.test('names are looked up, and none leads to the node itself', async (t) => {
  await serving({ 'auth-url': 'http://auth.svc.example:4180/verify' });
  t.equal((await ask('a.example', '/', { headers: GOOD })).status, 200);
  t.equal(asked[0]?.headers.host, 'auth.svc.example:4180');
  t.equal((await ask('a.example', '/')).status, 401);
  const names = ['metadata.outside.example', 'own.outside.example', 'nobody.example'];
  await servingHosts(Object.fromEntries(names.map((name) => [name, `http://${name}:4180/verify`])));
  for (const name of names) t.equal((await ask(name, '/', { headers: GOOD })).status, 500, name);
});

t.test('a Service of type ExternalName is served when that is allowed', async (t) => {
  const outside = (world: World): void => {
    world.services.set(`${NAMESPACE}/app`, {
      ...{ type: 'ExternalName', clusterIP: undefined, externalName: 'app.outside.example' },
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
    });
  };
  const { model } = await serving({}, outside);
  t.match(model.problems, [{ reason: 'BackendRefused' }, { reason: 'BackendRefused' }]);
  t.equal((await ask('a.example', '/')).status, 503);
  await serving({}, outside, true);
  await eventually('an answer', async () => (await ask('a.example', '/')).status === 200, 20);
});

t.test('a URL that cannot be asked closes the path; a cache is left out', async (t) => {
  const closed = await serving({ 'auth-url': 'http://127.0.0.1:10248/healthz' });
  t.match(closed.model.problems, [{ reason: 'AnnotationRefused' }]);
  t.equal((await ask('a.example', '/')).status, 503);
  const { model } = await serving({ 'auth-url': `${URL_OF}/verify`, 'auth-cache-key': '$cookie_a' });
  t.match(model.problems, [{ message: /auth-cache-key is not supported/ }]);
  t.equal((await ask('a.example', '/', { headers: GOOD })).status, 200);
});
