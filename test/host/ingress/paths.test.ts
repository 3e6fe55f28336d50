/** Hosts, paths, rewrites and redirects, as the real proxy does them. */
import t from 'tap';
import { pathTo, rule, World } from '../../support/ingress-world.ts';
import { enterNamespace } from '../network/pod-namespaces.ts';
import { ask, makeAddresses, RunningProxy, seen, startBackend } from './running-proxy.ts';

enterNamespace();
t.setTimeout(120_000);

const [ONE, TWO] = ['10.99.0.2', '10.99.0.3'] as const;
await makeAddresses(4);
for (const address of [ONE, TWO]) await startBackend(t, address);
const proxy = await RunningProxy.start(t);

/** A world with Services `one` and `two`. */
function services(): World {
  const world = new World();
  world.addService('one', [ONE]);
  world.addService('two', [TWO]);
  return world;
}

t.test('two hosts lead to two Services; others get a plain 404', async (t) => {
  const world = services();
  world.addIngress('a', { rules: [rule('one.example', pathTo('one'))] });
  world.addIngress('b', { rules: [rule('two.example', pathTo('two')), rule('*.wild.example', pathTo('two'))] });
  const { effect, model } = await proxy.apply(world);
  t.equal(effect, 'reloaded');
  t.strictSame(model.problems, []);
  t.equal((await seen('one.example', '/')).server, ONE);
  t.equal((await seen('TWO.example:80', '/x?y=1')).url, '/x?y=1');
  t.equal((await seen('two.example.', '/')).server, TWO);
  t.equal((await seen('a.wild.example', '/')).server, TWO);
  for (const host of ['three.example', 'a.b.wild.example', 'wild.example', '[::1]:80', '_']) {
    const { status, body } = await ask(host, '/');
    t.strictSame([host, status, body], [host, 404, '404 page not found\n']);
  }
});

t.test('the longest path counts, by elements, and an exact one before a prefix', async (t) => {
  const world = services();
  world.addIngress('a', {
    rules: [
      rule('a.example', pathTo('one', '/foo'), pathTo('two', '/foo', 'Exact'), pathTo('two', '/foo/bar/')),
      rule('c.example', pathTo('two', '/lit', 'ImplementationSpecific'), pathTo('one', '/lit')),
      rule(undefined, pathTo('two', '/any')),
    ],
  });
  await proxy.apply(world);
  const server = async (target: string, host = 'a.example') => {
    const { status, body } = await ask(host, target);
    return status === 200 ? (JSON.parse(body) as { server: string }).server : status;
  };
  const expected: [string, string | number][] = [
    ['/foo', TWO],
    ['/foo/', ONE],
    ['/foo/x', ONE],
    ['/foo/bar', TWO],
    ['/foo/bar/x', TWO],
    ['/foo/barx', ONE],
    ['/foobar', 404],
    ['/', 404],
    // Whatever a path is written as.
    ['//foo//bar', TWO],
    ['/x/../foo/y', ONE],
    ['/%66oo/y', ONE],
    ['/foo%2fbar%2Fx', TWO],
    ['/x%2f..%2ffoo/bar/y', TWO],
    ['/foo/%2e%2e/foo/bar', TWO],
    ['/foo%00', 400],
    [`/foo/${'%3f'.repeat(2_500)}%2f..%2f..%2fany`, TWO],
    // What cannot be decoded is not taken for `/`.
    ...['/foo/%zz', '/foo/%', '/any/%2', '/foo%', `/foo/${'%3f'.repeat(3_300)}%2f..%2f..%2fany`].map(
      (each) => [each, 400] as [string, number],
    ),
    // No rule of the host, but one for any host.
    ['/any/thing', TWO],
  ];
  for (const [target, wanted] of expected) t.equal(await server(target), wanted, target.slice(0, 100));
  t.equal(await server('/literally', 'c.example'), TWO);
  t.equal(await server('/lit/x', 'c.example'), ONE);
  t.equal((await seen('a.example', '/foo/%3Fx/%2e?y=%20')).url, '/foo/%3Fx/%2e?y=%20', 'sent on as it came');
});

t.test('/nginx(/|$)(.*) to /$2', async (t) => {
  const world = services();
  const path = pathTo('one', '/nginx(/|$)(.*)', 'ImplementationSpecific');
  world.addIngress('rewritten', { rules: [rule('a.example', path)] }, { 'rewrite-target': '/$2', 'use-regex': 'true' });
  world.addIngress('rest', { rules: [rule('a.example', pathTo('two', '/'), pathTo('two', '/nginx/exact', 'Exact'))] });
  const { model } = await proxy.apply(world);
  t.strictSame(model.problems, []);
  const to = async (target: string) => {
    const { server, url } = await seen('a.example', target);
    return `${server} ${url}`;
  };
  t.equal(await to('/nginx'), `${ONE} /`);
  t.equal(await to('/nginx/'), `${ONE} /`);
  t.equal(await to('/nginx/x'), `${ONE} /x`);
  t.equal(await to('/NGINX/x/y?z=$2'), `${ONE} /x/y?z=$2`);
  t.equal(await to('//nginx/a%20b'), `${ONE} /a%20b`);
  t.equal(await to('/nginxx'), `${TWO} /nginxx`);
  t.equal(await to('/nginx/exact'), `${TWO} /nginx/exact`);
  t.equal(await to('/nginx/exact/'), `${ONE} /exact/`);
});

t.test('a regular expression matches paths of any length', async (t) => {
  const world = services();
  const patterns = ['/many/((a)b|cd){0,90}', '/lines/.*x'].map((each) => pathTo('one', each, 'ImplementationSpecific'));
  world.addIngress('a', { rules: [rule('a.example', ...patterns)] }, { 'use-regex': 'true' });
  world.addIngress('rest', { rules: [rule('a.example', pathTo('two', '/'))] });
  const { model } = await proxy.apply(world);
  t.strictSame(model.problems, []);
  for (const target of [`/many/${'ab'.repeat(7_000)}`, `/many/${'cd'.repeat(90)}`, `/lines/${'%0a'.repeat(4_000)}x`])
    t.equal((await seen('a.example', target)).server, ONE, target.slice(0, 20));
});

t.test('redirects', async (t) => {
  const world = services();
  const to = (name: string, annotations: Record<string, string>) =>
    world.addIngress(name, { rules: [rule(`${name}.example`, pathTo('one'))] }, annotations);
  to('permanent', { 'permanent-redirect': 'https://new.example/100%25$request_uri' });
  to('code', { 'permanent-redirect': 'https://new.example', 'permanent-redirect-code': '308' });
  to('temporal', { 'temporal-redirect': '$scheme://$host/x?$args' });
  to('root', { 'app-root': '/app' });
  to('forced', { 'force-ssl-redirect': 'true' });
  await proxy.apply(world);
  const where = async (host: string, target: string) => {
    const { status, headers } = await ask(host, target);
    return [status, headers.location];
  };
  t.strictSame(await where('permanent.example', '/a?b=1'), [301, 'https://new.example/100%25/a?b=1']);
  t.strictSame(await where('code.example', '/a'), [308, 'https://new.example']);
  t.strictSame(await where('temporal.example', '/a?b=1'), [302, 'http://temporal.example/x?b=1']);
  t.strictSame(await where('root.example', '/'), [302, '/app']);
  t.equal((await seen('root.example', '/app')).url, '/app');
  t.strictSame(await where('forced.example', '/a?b'), [308, 'https://forced.example/a?b']);
});

t.test('the backend is told who the client is, whatever the client says', async (t) => {
  const world = services();
  world.addIngress(
    'a',
    { rules: [rule('a.example', pathTo('one'))] },
    { 'x-forwarded-prefix': '/p', 'upstream-vhost': 'in.example' },
  );
  await proxy.apply(world);
  const lies = {
    'x-forwarded-for': '1.2.3.4',
    'x-forwarded-proto': 'https',
    x_forwarded_for: '1.2.3.4',
    forwarded: 'for=1.2.3.4',
    'x-original-forwarded-for': '1.2.3.4',
    'ssl-client-verify': 'SUCCESS',
    'x-request-id': 'mine',
  };
  const { headers } = await seen('a.example', '/', { headers: lies });
  t.match(headers, {
    host: 'in.example',
    'x-forwarded-for': '10.99.0.1',
    'x-real-ip': '10.99.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'a.example',
    'x-forwarded-prefix': '/p',
    'x-request-id': 'mine',
  });
  for (const name of ['x_forwarded_for', 'forwarded', 'x-original-forwarded-for', 'ssl-client-verify'])
    t.notOk(name in headers, name);
});

t.test('a default backend takes what nothing else does', async (t) => {
  const world = services();
  world.addIngress('all', { defaultBackend: { service: { name: 'two', port: { name: 'http' } } } });
  world.addIngress('a', { rules: [rule('a.example', pathTo('one', '/one'))] });
  await proxy.apply(world);
  t.equal((await seen('a.example', '/one')).server, ONE);
  t.equal((await seen('a.example', '/')).server, TWO);
  t.equal((await seen('x.example', '/')).server, TWO);
});
