/** What the compiler of Gateways decides: precedence, hosts, conflicts, grants, conditions; and that no value becomes configuration. */
import { test } from 'tap';
import { listeningPorts, portsAllowedBy, readGatewayPorts } from '../../../addons/ingress/gateway-ports.ts';
import { SUPPORTED_FEATURES } from '../../../addons/ingress/gateway/features.ts';
import { durationMs, readLimits } from '../../../addons/ingress/gateway/time-limits.ts';
import { effectiveHosts, HostSet, intersection, mostSpecific } from '../../../addons/ingress/gateway/hosts.ts';
import {
  comparePrecedence,
  readGrpcMatch,
  readHttpMatch,
  UnsupportedError,
} from '../../../addons/ingress/gateway/matches.ts';
import type { HttpMatch } from '../../../addons/ingress/gateway/objects.ts';
import { configurationWithin, newConfiguration, render } from '../../../addons/ingress/haproxy/configuration.ts';
import type { Model } from '../../../addons/ingress/model/model.ts';
import { certificateOf } from '../../../addons/ingress/model/secrets.ts';
import {
  compileWorld,
  exact,
  GatewayWorld,
  http,
  https,
  prefix,
  routeTold,
  selfSignedSecret,
  to,
  told,
} from '../../support/gateway-world.ts';
import { pathTo, rule } from '../../support/ingress-world.ts';

const SETTINGS = {
  ...{ bindAddresses: ['0.0.0.0'], httpPort: 80, httpsPort: 443, maxConnections: 100, drainSeconds: 60 },
  ...{ accessLog: true, defaultCertificate: 'PEM\n' },
};
const textOf = (model: Model): string => {
  const { main, others } = render(model, SETTINGS, newConfiguration(model, SETTINGS), '/run/x', '/run/x.sock');
  return [main, ...[...others].filter(([name]) => name.endsWith('.map')).map(([, content]) => content)].join('\n');
};

test('hosts of listeners and routes intersect as the API says', (t) => {
  for (const [a, b, expected] of [
    ['', 'a.example', 'a.example'],
    ['a.example', '', 'a.example'],
    ['a.example', 'a.example', 'a.example'],
    ['*.example', 'a.example', 'a.example'],
    ['*.example', 'a.b.example', 'a.b.example'],
    ['*.example', 'example', undefined],
    ['*.example', '*.b.example', '*.b.example'],
    ['b.example', '*.example', 'b.example'],
    ['*.a.example', '*.b.example', undefined],
    ['badexample', '*.example', undefined],
  ] as const)
    t.equal(intersection(a, b), expected, `${a} and ${b}`);
  t.strictSame(effectiveHosts('*.example', []), ['*.example']);
  t.strictSame(effectiveHosts('*.example', ['other', 'x.example', 'a b.example']), ['x.example']);
  t.equal(mostSpecific('a.b.example', new Set(['', '*.example', '*.b.example', 'b.example'])), '*.b.example');
  t.equal(mostSpecific('*.b.example', new Set(['', '*.example', 'a.b.example'])), '*.example');
  t.equal(mostSpecific('', new Set(['*.example'])), undefined);
  const all = ['', 'example', '*.example', 'b.example', '*.b.example', 'a.b.example', '*.a.b.example', 'badexample'];
  for (const known of all)
    for (const host of all) {
      const set = new HostSet();
      set.add(known);
      t.equal(set.meets(host), intersection(known, host) !== undefined, `${known} and ${host}`);
    }
  t.end();
});

test('who attaches too many rules to the Gateway of others takes none from them', (t) => {
  const world = new GatewayWorld();
  const all = { allowedRoutes: { namespaces: { from: 'All' } } };
  world.addGateway('gw', [http('http', undefined, all)]);
  const parentRefs = [{ name: 'gw', namespace: 'default' }];
  const many = Array.from({ length: 64 }, (_, n) => ({ ...prefix(`/${n}`), method: 'GET' }));
  const parts = Array.from({ length: 16 }, (_, n) => to(`s${n}`, { weight: n + 1 }));
  for (let n = 0; n < 40; n++)
    world.addRoute(
      `many-${n}`,
      {
        ...{ parentRefs, hostnames: [`${n}.greedy.example`] },
        rules: [{ matches: many }, { matches: many }, ...Array.from({ length: 4 }, () => ({ backendRefs: parts }))],
      },
      'greedy',
    );
  world.addRoute('own', { hostnames: ['own.example'], rules: [{ matches: [{ method: 'GET' }] }] });
  const compiled = compileWorld(world);
  t.match(routeTold(compiled, 'HTTPRoute default/own'), ['Accepted=True Accepted']);
  t.match(routeTold(compiled, 'HTTPRoute greedy/many-0'), ['Accepted=True Accepted']);
  t.match(routeTold(compiled, 'HTTPRoute greedy/many-39'), ['Accepted=False UnsupportedValue']);
  const { hosts, splits } = compiled.model.routing;
  const lines = hosts.reduce((sum, { rules }) => sum + rules.length, 0);
  t.ok(lines + splits.reduce((sum, { parts: some }) => sum + some.length, 0) <= 5_001, 'parts by weight count, too');
  t.end();
});

test('ten thousand hosts of routes of both kinds and of ListenerSets are compared without a look at each pair', (t) => {
  const world = new GatewayWorld();
  const gateway = world.addGateway('gw', [http('http', '*.example')]);
  gateway.spec = { ...gateway.spec, allowedListeners: { namespaces: { from: 'All' } } };
  for (let n = 0; n < 150; n++)
    world.addListenerSet(
      `set-${n}`,
      Array.from({ length: 64 }, (_, at) => http(`l${at}`, `l${at}.s${n}.example`)),
    );
  for (let n = 0; n < 600; n++) {
    const hostnames = Array.from({ length: 16 }, (_, at) => `h${at}.r${n}.example`);
    world.addRoute(`http-${n}`, { hostnames: hostnames.map((host) => `http.${host}`), rules: [{}] });
    world.addGrpcRoute(`grpc-${n}`, { hostnames: hostnames.map((host) => `grpc.${host}`), rules: [{}] });
  }
  const before = process.cpuUsage();
  const compiled = compileWorld(world);
  const { user } = process.cpuUsage(before);
  t.match(routeTold(compiled, 'GRPCRoute default/grpc-599'), ['Accepted=True Accepted']);
  t.ok(user < 20_000_000, `${Math.round(user / 1000)} ms of CPU time`);
  t.end();
});

test('matches are ordered by path, method, headers and query parameters', (t) => {
  const header = (name: string) => ({ name, value: 'x' });
  const ordered: readonly HttpMatch[] = [
    { path: { type: 'Exact', value: '/b' } },
    { path: { type: 'RegularExpression', value: '/a.*' } },
    { path: { type: 'PathPrefix', value: '/long/path' } },
    { path: { type: 'PathPrefix', value: '/a' }, method: 'GET' },
    { path: { type: 'PathPrefix', value: '/a' }, headers: [header('a'), header('b')] },
    { path: { type: 'PathPrefix', value: '/a' }, headers: [header('a')], queryParams: [header('q')] },
    { path: { type: 'PathPrefix', value: '/a' }, headers: [header('a')] },
    { path: { type: 'PathPrefix', value: '/a' }, queryParams: [header('q')] },
    { path: { type: 'PathPrefix', value: '/a' } },
    {},
  ];
  const read = ordered.map(readHttpMatch);
  for (const [index, match] of read.entries())
    for (const later of read.slice(index + 1)) {
      t.ok(comparePrecedence(match, later) < 0, JSON.stringify([match, later]));
      t.ok(comparePrecedence(later, match) > 0);
    }
  t.equal(readHttpMatch({ headers: [header('A'), header('a')] }).headers.length, 1, 'one header counts once');
  t.end();
});

test('methods of gRPC are paths', (t) => {
  for (const [method, path] of [
    [
      { service: 'a.B', method: 'C' },
      { type: 'exact', path: '/a.B/C' },
    ],
    [{ service: 'a.B' }, { type: 'prefix', path: '/a.B' }],
    [{ method: 'C' }, { type: 'pattern', path: '/[^/]+/C' }],
    [
      { type: 'RegularExpression', service: 'a.*' },
      { type: 'pattern', path: '/(?:a.*)/[^/]+' },
    ],
    [undefined, { type: 'prefix', path: '' }],
  ] as const)
    t.strictSame(readGrpcMatch(method ? { method } : {}).path, path);
  t.throws(() => readGrpcMatch({ method: { service: 'a b' } }), UnsupportedError);
  t.end();
});

test('of routes with the same match, the older one counts, then the first by name', (t) => {
  const world = new GatewayWorld();
  world.addService('one', ['10.0.0.1']);
  world.addService('two', ['10.0.0.2']);
  world.addGateway('gw', [http('http')]);
  const young = world.addRoute('young', { rules: [{ backendRefs: [to('one')] }] });
  const old = world.addRoute('old', { rules: [{ backendRefs: [to('two')] }] });
  const served = (): string => {
    const { model } = compileWorld(world);
    return model.backends.get(model.routing.hosts[0]?.paths[0]?.backend ?? '')?.ingress.name ?? '';
  };
  t.equal(served(), 'HTTPRoute.young');
  old.metadata = { ...old.metadata, creationTimestamp: '2020-01-01T00:00:00Z' };
  t.equal(served(), 'HTTPRoute.old');
  young.metadata = { ...young.metadata, creationTimestamp: '2020-01-01T00:00:00Z' };
  t.equal(served(), 'HTTPRoute.old', 'default/old comes before default/young');
  t.end();
});

/** Routes of two namespaces, each with its own Gateway, for one host. */
function twoTenants(): GatewayWorld {
  const world = new GatewayWorld();
  for (const namespace of ['red', 'blue']) {
    world.addService('web', ['10.0.0.1'], 8080, namespace);
    world.addGateway('gw', [http('http')], namespace);
  }
  world.addRoute('first', { hostnames: ['shop.example'], rules: [{ backendRefs: [to('web')] }] }, 'blue');
  world.addRoute('second', { hostnames: ['shop.example'], rules: [{ backendRefs: [to('web')] }] }, 'red');
  return world;
}

test('a host belongs to the namespace that had it first, by a Gateway or by an Ingress', (t) => {
  const world = twoTenants();
  const OK = ['Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs'];
  const TAKEN = ['Accepted=False HostnameConflict', 'ResolvedRefs=True ResolvedRefs'];
  let compiled = compileWorld(world);
  t.strictSame(routeTold(compiled, 'HTTPRoute blue/first'), OK);
  t.strictSame(routeTold(compiled, 'HTTPRoute red/second'), TAKEN);
  t.match(
    compiled.reports.routes.get('HTTPRoute red/second')?.parents[0]?.conditions[0]?.message,
    /HTTPRoute blue\/first/,
  );

  world.addIngress('late', { rules: [rule('shop.example', pathTo('web'))] }, {}, 'green');
  world.addIngress('friend', { rules: [rule('shop.example', pathTo('web', '/x'))] }, {}, 'blue');
  compiled = compileWorld(world);
  t.match(
    compiled.model.problems.map(({ message }) => message),
    [/shop\.example is served as HTTPRoute blue\/first/],
  );
  const own = compiled.model.hosts.find(({ name }) => name === 'shop.example');
  t.strictSame(
    own?.paths.map(({ ingress }) => ingress),
    ['blue/friend'],
    'those of one namespace share a host',
  );

  const early = twoTenants();
  early.addIngress('early', { rules: [rule('shop.example', pathTo('web'))] }, {}, 'green').metadata!.creationTimestamp =
    '2020-01-01T00:00:00Z';
  compiled = compileWorld(early);
  t.strictSame(routeTold(compiled, 'HTTPRoute blue/first'), TAKEN);
  t.strictSame(routeTold(compiled, 'HTTPRoute red/second'), TAKEN);
  t.end();
});

test('listeners of another namespace take nothing from the routes of a host', (t) => {
  const pathsOf = (world: GatewayWorld, host: string) =>
    compileWorld(world).model.routing.hosts.find((each) => each.host === host)?.paths.length;
  for (const hostname of ['shop.example', '*.example', '*.shop.example', undefined]) {
    const world = twoTenants();
    world.addGateway('evil', [http('more-specific', hostname)], 'red');
    t.equal(pathsOf(world, 'shop.example'), 1, `with a listener for ${hostname}`);
  }
  const world = twoTenants();
  world.addRoute('any', { rules: [{ backendRefs: [to('web')] }] }, 'red');
  const { hosts } = compileWorld(world).model.routing;
  t.equal(hosts.find(({ host }) => host === '')?.paths.length, 1);
  t.equal(hosts.find(({ host }) => host === 'shop.example')?.parent, undefined, 'nor what its paths leave over');

  const own = twoTenants();
  own.addGateway('isolated', [http('more-specific', 'shop.example')], 'blue');
  t.equal(pathsOf(own, 'shop.example'), 0, 'within a namespace the more specific listener has the host');
  t.end();
});

test('the certificate of a host is that of the namespace whose host it is', async (t) => {
  const [blue, red] = [(await selfSignedSecret()).secret, (await selfSignedSecret()).secret];
  const shown = (blueHost: string | undefined, redHost: string | undefined) => {
    const world = new GatewayWorld();
    for (const [namespace, secret] of [
      ['blue', blue],
      ['red', red],
    ] as const) {
      world.addService('web', ['10.0.0.1'], 8080, namespace);
      world.secrets.set(`${namespace}/tls`, secret);
    }
    // The stranger is older.
    world.addGateway('gw', [https('https', 'tls', redHost)], 'red');
    world.addGateway('gw', [https('https', 'tls', blueHost)], 'blue');
    world.addRoute('web', { hostnames: ['shop.example'], rules: [{ backendRefs: [to('web')] }] }, 'blue');
    const { certificates, fallbackCertificate } = compileWorld(world).model;
    const pemFor = (host: string) => certificates.find(({ hosts }) => hosts.includes(host))?.pem;
    const pem = pemFor('shop.example') ?? pemFor('*.example') ?? fallbackCertificate;
    return pem === certificateOf(blue) ? 'blue' : pem === certificateOf(red) ? 'red' : 'none';
  };
  for (const redHost of ['shop.example', '*.example', undefined])
    for (const blueHost of ['shop.example', '*.example', undefined])
      t.equal(shown(blueHost, redHost), 'blue', `blue listens for ${blueHost}, red for ${redHost}`);
});

test('an Ingress of another namespace takes the host of a route by no annotation', async (t) => {
  const world = twoTenants();
  world.secrets.set('green/ca', { data: { 'ca.crt': (await selfSignedSecret()).secret.data?.['tls.crt'] ?? '' } });
  world.addService('web', ['10.0.0.9'], 8080, 'green');
  world.addIngress(
    'evil',
    { rules: [rule('evil.example', pathTo('web')), rule('shop.example', pathTo('web', '/x'))] },
    { 'server-alias': 'shop.example', 'auth-tls-secret': 'green/ca' },
    'green',
  );
  const { hosts, certificates, problems } = compileWorld(world).model;
  t.strictSame(
    hosts.map(({ name }) => name),
    ['evil.example'],
  );
  t.strictSame(
    certificates.flatMap((each) => each.hosts),
    ['evil.example'],
    'nor has it a say about its certificates',
  );
  t.ok(problems.some(({ message }) => /server-alias shop\.example is served as HTTPRoute blue\/first/.test(message)));
});

test('an exact host of a route is not covered by the wildcard of an Ingress', (t) => {
  const world = twoTenants();
  world.addIngress('wild', { rules: [rule('*.example', pathTo('web'))] }, {}, 'green');
  const { hosts } = newConfiguration(compileWorld(world).model, SETTINGS).maps;
  t.ok(hosts.some(([key]) => key === 'shop.example'));
  t.end();
});

test('of an HTTPRoute and a GRPCRoute for one host of a listener, the older one is accepted', (t) => {
  const world = new GatewayWorld();
  world.addService('web', ['10.0.0.1']);
  world.addGateway('gw', [http('http')]);
  world.addGrpcRoute('old', { hostnames: ['*.example'], rules: [{ backendRefs: [to('web')] }] });
  world.addRoute('young', { hostnames: ['a.example'], rules: [{ backendRefs: [to('web')] }] });
  world.addRoute('other', { hostnames: ['a.other'], rules: [{ backendRefs: [to('web')] }] });
  const compiled = compileWorld(world);
  t.match(routeTold(compiled, 'GRPCRoute default/old'), ['Accepted=True Accepted']);
  t.match(routeTold(compiled, 'HTTPRoute default/young'), ['Accepted=False HostnameConflict']);
  t.match(routeTold(compiled, 'HTTPRoute default/other'), ['Accepted=True Accepted']);
  t.equal(compiled.reports.gateways.get('default/gw')?.listeners[0]?.attachedRoutes, 2);
  t.end();
});

/** What the conditions of listeners are, by what is odd about them. */
test('listeners say what is wrong with them', (t) => {
  const conditions = (world: GatewayWorld, index = 0, ports: number[] = []) =>
    told(compileWorld(world, { ports }).reports.gateways.get('default/gw')?.listeners[index]?.conditions).join(', ');
  const one = (...listeners: Parameters<GatewayWorld['addGateway']>[1]) => {
    const world = new GatewayWorld();
    world.addGateway('gw', listeners);
    return world;
  };
  const GOOD =
    'Accepted=True Accepted, Programmed=True Programmed, ResolvedRefs=True ResolvedRefs, Conflicted=False NoConflicts';
  const bad = (reason: string, conflict = 'Conflicted=False NoConflicts') =>
    `Accepted=False ${reason}, Programmed=False Invalid, ResolvedRefs=True ResolvedRefs, ${conflict}`;
  t.equal(conditions(one(http('a'))), GOOD);
  t.equal(conditions(one(http('a', undefined, { protocol: 'TCP', port: 9_000 }))), bad('UnsupportedProtocol'));
  t.equal(conditions(one(http('a', undefined, { port: 8_080 }))), bad('PortUnavailable'));
  t.equal(conditions(one(http('a', undefined, { port: 8_080 })), 0, [8_080]), GOOD);
  t.equal(conditions(one(http('a', undefined, { port: 443 }))), bad('PortUnavailable'));
  const both = one(http('a', undefined, { port: 8_080 }), http('b', undefined, { port: 8_080, protocol: 'HTTPS' }));
  for (const index of [0, 1])
    t.match(conditions(both, index, [8_080]), /Accepted=False ProtocolConflict.*Conflicted=True ProtocolConflict/);
  const wrong = (reason: string) =>
    `Accepted=True Accepted, Programmed=False Invalid, ResolvedRefs=False ${reason}, Conflicted=False NoConflicts`;
  t.equal(conditions(one(https('a', 'missing'))), wrong('InvalidCertificateRef'));
  t.equal(
    conditions(one(https('a', '', undefined, { tls: { certificateRefs: [{ name: 'x', namespace: 'other' }] } }))),
    wrong('RefNotPermitted'),
  );
  t.match(
    conditions(one(http('a', undefined, { allowedRoutes: { kinds: [{ kind: 'TCPRoute' }, { kind: 'HTTPRoute' }] } }))),
    /Accepted=True Accepted, Programmed=True Programmed, ResolvedRefs=False InvalidRouteKinds/,
  );
  t.end();
});

test('a grant of the namespace of a Secret lets a Gateway of another use it', (t) => {
  const world = new GatewayWorld();
  world.addGateway('gw', [
    https('a', '', undefined, { tls: { certificateRefs: [{ name: 'x', namespace: 'other' }] } }),
  ]);
  world.addGrant('other', ['Gateway', 'default'], ['Secret', 'x']);
  const [listener] = compileWorld(world).reports.gateways.get('default/gw')?.listeners ?? [];
  t.match(told(listener?.conditions), [/./, /./, 'ResolvedRefs=False InvalidCertificateRef'], 'it is looked for now');
  t.end();
});

test('Gateways say what they are not', (t) => {
  const world = new GatewayWorld();
  const spec = { gatewayClassName: 'kedge', listeners: [http('a')] };
  world.gateways.push(
    { metadata: { name: 'fine', namespace: 'x' }, spec: { ...spec, addresses: [{ type: 'IPAddress', value: '' }] } },
    { metadata: { name: 'address', namespace: 'x' }, spec: { ...spec, addresses: [{ value: '192.0.2.1' }] } },
    { metadata: { name: 'parameters', namespace: 'x' }, spec: { ...spec, infrastructure: { parametersRef: {} } } },
    {
      metadata: { name: 'partly', namespace: 'x' },
      spec: { ...spec, listeners: [http('a'), http('b', '', { protocol: 'UDP', port: 1 })] },
    },
    { metadata: { name: 'others', namespace: 'x' }, spec: { ...spec, gatewayClassName: 'somebody' } },
  );
  const { gateways } = compileWorld(world).reports;
  const toldOf = (name: string) => told(gateways.get(`x/${name}`)?.conditions).join();
  t.equal(toldOf('fine'), 'Accepted=True Accepted,Programmed=True Programmed');
  t.equal(toldOf('address'), 'Accepted=False UnsupportedAddress,Programmed=False Invalid');
  t.equal(toldOf('parameters'), 'Accepted=False InvalidParameters,Programmed=False Invalid');
  t.equal(toldOf('partly'), 'Accepted=True ListenersNotValid,Programmed=True Programmed');
  t.notOk(gateways.has('x/others'));
  t.end();
});

test('what is not supported in one rule is said, answered with 500, and does not open the path to other rules', (t) => {
  const world = new GatewayWorld();
  world.addService('one', ['10.0.0.1']);
  world.addGateway('gw', [http('http')]);
  const unsupported = {
    ...{ matches: [prefix('/private')], filters: [{ type: 'CORS' }] },
    backendRefs: [to('one')],
  };
  world.addRoute('partly', { rules: [{ matches: [prefix('/')], backendRefs: [to('one')] }, unsupported] });
  world.addRoute('wholly', { hostnames: ['w.example'], rules: [unsupported] });
  const compiled = compileWorld(world);
  t.strictSame(routeTold(compiled, 'HTTPRoute default/partly'), [
    'Accepted=True Accepted',
    'ResolvedRefs=True ResolvedRefs',
    'PartiallyInvalid=True UnsupportedValue',
  ]);
  t.match(routeTold(compiled, 'HTTPRoute default/wholly'), ['Accepted=False UnsupportedValue']);
  const path = compiled.model.routing.hosts[0]?.paths.find((each) => each.path === '/private');
  t.equal(compiled.model.backends.get(path?.backend ?? '')?.route?.isBroken, true);
  t.end();
});

test('endpoints and new ordinary routes need no new worker, other matches do', (t) => {
  const world = new GatewayWorld();
  world.addService('one', ['10.0.0.1']);
  world.addGateway('gw', [http('http')]);
  world.addRoute('first', { hostnames: ['a.example'], rules: [{ backendRefs: [to('one')] }] });
  const now = newConfiguration(compileWorld(world).model, SETTINGS);
  world.addService('one', ['10.0.0.1', '10.0.0.2']);
  world.addRoute('second', { hostnames: ['b.example'], rules: [{ matches: [exact('/x')], backendRefs: [to('one')] }] });
  const next = configurationWithin(now, compileWorld(world).model, SETTINGS);
  t.ok(next);
  t.equal(next?.sections.spares.size, 1);
  world.addRoute('third', {
    hostnames: ['c.example'],
    rules: [{ matches: [{ method: 'GET' }], backendRefs: [to('one')] }],
  });
  t.notOk(next && configurationWithin(next, compileWorld(world).model, SETTINGS));
  t.end();
});

const MARK = 'zqzqzq';
const EVIL = [
  '\n',
  '\r',
  '\0',
  "'",
  '"',
  '\\',
  ' ',
  '#',
  '%[env(PATH)]',
  '{',
  '}',
  '$',
  '(',
  ';',
  '\u2028',
  '--',
  '||',
];

test('whatever a route says, no line begins with it, and a word that has it is quoted', (t) => {
  let taken = 0;
  for (const evil of EVIL)
    for (const text of [`${evil}${MARK}`, `${MARK}${evil}`, `/${MARK}${evil}`, `${MARK}${evil}acl x always_true`]) {
      const world = new GatewayWorld();
      world.addService('one', ['10.0.0.1']);
      world.addGateway('gw', [http('http'), http('odd', text)]);
      const value = [
        { name: 'x', value: text },
        { name: text, value: 'x' },
      ];
      const header = (name: string, at: string) => ({
        type: name,
        [at]: { set: [{ name: 'X-A', value: text }], remove: [text] },
      });
      const single = (more: object) => ({ matches: [prefix('/p')], backendRefs: [to('one')], ...more });
      const rules = [
        { matches: [{ path: { type: 'Exact', value: text } }] },
        { matches: [{ path: { type: 'PathPrefix', value: `/${text}` } }] },
        { matches: [{ path: { type: 'RegularExpression', value: text } }] },
        ...value.map((each) => ({ matches: [{ headers: [each] }] })),
        ...value.map((each) => ({ matches: [{ queryParams: [each] }] })),
        { matches: [{ headers: [{ type: 'RegularExpression', name: 'x', value: text }] }] },
        { matches: [{ method: text }] },
        single({ filters: [header('RequestHeaderModifier', 'requestHeaderModifier')] }),
        single({
          filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'X-A', value: text }] } }],
        }),
        single({
          filters: [
            { type: 'ResponseHeaderModifier', responseHeaderModifier: { add: [{ name: 'X-A', value: text }] } },
          ],
        }),
        single({ filters: [{ type: 'URLRewrite', urlRewrite: { hostname: text } }] }),
        single({
          filters: [
            { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: text } } },
          ],
        }),
        single({
          filters: [{ type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: text } } }],
        }),
        single({ filters: [{ type: 'RequestRedirect', requestRedirect: { scheme: text } }], backendRefs: [] }),
        single({ filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: text } }], backendRefs: [] }),
        single({ timeouts: { request: text } }),
        ...['allowOrigins', 'allowMethods', 'allowHeaders', 'exposeHeaders'].map((field) =>
          single({ filters: [{ type: 'CORS', cors: { allowOrigins: ['*'], [field]: [text] } }] }),
        ),
        single({ sessionPersistence: { sessionName: text } }),
        single({ sessionPersistence: { absoluteTimeout: text, cookieConfig: { lifetimeType: 'Permanent' } } }),
        single({ backendRefs: [to(text)] }),
      ];
      for (const [index, each] of rules.entries())
        world.addRoute(`r${index}`, {
          hostnames: [`h${index}.example`, text],
          rules: [{ backendRefs: [to('one')], ...each }],
        });
      world.addTlsPolicy('policy', 'one', { hostname: text, wellKnownCACertificates: 'System' });
      world.addGateway('connections', [
        http('tls', undefined, { port: 443, protocol: 'TLS', tls: { mode: 'Passthrough' } }),
      ]);
      for (const hostname of [text, `*.${text}`, 'fine.example'])
        world.addTlsRoute(`t-${hostname}`, {
          parentRefs: [{ name: 'connections' }],
          hostnames: [hostname],
          rules: [{ backendRefs: [to('one'), to(text)] }],
        });
      const lines = textOf(compileWorld(world).model).split('\n');
      for (const line of lines.filter((one) => one.includes(MARK))) {
        taken++;
        // Maps have words of one line: no space but the one before the value.
        const isMap = /^(~?[^ ]+) [A-Za-z0-9_.-]+$/.test(line);
        const outside = line.replace(/'(?:[^']*)'|\\'|\([A-Za-z0-9_.-]+\)/g, '');
        if (!isMap && outside.includes(MARK)) t.fail(`not quoted: ${line}`);
      }
      if (lines.some((line) => line.startsWith(MARK))) t.fail('a line begins with a value');
    }
  t.ok(taken > 100, `${taken} lines have the mark`);
  t.end();
});

test('durations and ports are read, or refused', (t) => {
  for (const [text, ms] of [
    ['0s', 0],
    ['500ms', 500],
    ['1m30s', 90_000],
    ['1h', 3_600_000],
    ['99999h', 86_400_000],
  ] as const)
    t.equal(durationMs(text), ms);
  for (const text of ['', '1', '1d', '1s 1s', '-1s', '1.5s']) t.throws(() => durationMs(text), UnsupportedError);
  t.strictSame(readGatewayPorts('9000-9010'), { first: 9_000, last: 9_010 });
  for (const text of ['', 'x', '0', '70000', '2-1', '1-2-3']) t.throws(() => readGatewayPorts(text));
  const allows = portsAllowedBy(['8080', '9000-9001']);
  t.strictSame([8_080, 9_001, 9_002].map(allows), [true, true, false]);
  const table = [
    '  sl  local_address rem_address   st',
    '   0: 0100007F:1F90 00000000:0000 0A 0',
    '   1: 0100007F:1F91 0100007F:1234 01 0',
    '   2: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0',
  ].join('\n');
  t.strictSame([...listeningPorts(table)], [8_080, 80]);
  t.end();
});

test('all attempts together fit into the time of a request', (t) => {
  const RETRY = { attempts: 3, codes: [503, 500] };
  for (const [said, expected] of [
    [{}, { answerMs: undefined, attempts: undefined, codes: undefined }],
    [{ timeouts: { request: '0s' } }, { answerMs: 0 }],
    [{ timeouts: { request: '2s', backendRequest: '1s' } }, { answerMs: 1_000, attempts: undefined }],
    [{ retry: RETRY }, { answerMs: undefined, attempts: 3, codes: [500, 503] }],
    [
      { retry: RETRY, timeouts: { request: '4s' } },
      { answerMs: 1_000, attempts: 3 },
    ],
    [
      { retry: RETRY, timeouts: { request: '2s', backendRequest: '1s' } },
      { answerMs: 1_000, attempts: 1 },
    ],
    [
      { retry: RETRY, timeouts: { backendRequest: '1s' } },
      { answerMs: 1_000, attempts: 3 },
    ],
    [{ retry: { attempts: 1_000 } }, { attempts: 10 }],
  ] as const)
    t.match(readLimits(said), expected, JSON.stringify(said));
  for (const codes of [[418], [-1], [0.5]]) t.throws(() => readLimits({ retry: { codes } }), UnsupportedError);
  t.end();
});

test('a namespace that uses up its matches leaves those of others as they are', (t) => {
  const world = new GatewayWorld();
  const matches = Array.from({ length: 128 }, (_, index) => ({ headers: [{ name: 'x', value: `v${index}` }] }));
  for (const namespace of ['greedy', 'modest']) {
    world.addService('web', ['10.0.0.1'], 80, namespace);
    world.addGateway('gw', [http('http', `${namespace}.example`)], namespace);
  }
  const rule = { matches, backendRefs: [to('web')] };
  for (let index = 0; index < 40; index++) world.addRoute(`r${index}`, { rules: [rule] }, 'greedy');
  world.addRoute('r', { rules: [rule] }, 'modest');
  const compiled = compileWorld(world);
  t.match(routeTold(compiled, 'HTTPRoute greedy/r38'), ['Accepted=True Accepted']);
  t.match(routeTold(compiled, 'HTTPRoute greedy/r39'), ['Accepted=False UnsupportedValue']);
  t.match(routeTold(compiled, 'HTTPRoute modest/r'), ['Accepted=True Accepted']);
  t.end();
});

test('features are sorted, as the API asks for', (t) => {
  t.strictSame([...SUPPORTED_FEATURES].sort(), SUPPORTED_FEATURES);
  t.end();
});
