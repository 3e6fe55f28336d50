/**
 * The cases of the Gateway API's own conformance tests for HTTP, by their names, replayed against the real proxy. What they say of the
 * status of objects is compared with what the compiler reports. https://github.com/kubernetes-sigs/gateway-api/tree/v1.4.1/conformance/tests
 */
import type http from 'node:http';
import t, { type Test } from 'tap';
import { exact, GatewayWorld, http as listener, prefix, routeTold, to } from '../../support/gateway-world.ts';
import { enterNamespace } from '../network/pod-namespaces.ts';
import { ask, makeAddresses, RunningProxy, startBackend, type Answer, type Seen } from './running-proxy.ts';

enterNamespace();
t.setTimeout(180_000);

const BACKENDS = { v1: '10.99.0.2', v2: '10.99.0.3', v3: '10.99.0.4' } as const;
type Backend = keyof typeof BACKENDS;
const OTHER_PORT = 8_088;
await makeAddresses(4);
for (const address of Object.values(BACKENDS)) await startBackend(t, address);
const proxy = await RunningProxy.start(t);

function services(): GatewayWorld {
  const world = new GatewayWorld();
  for (const [name, address] of Object.entries(BACKENDS)) {
    world.addService(name, [address]);
    world.addService(name, [address], 8080, 'web');
  }
  world.namespaces.set('web', { team: 'web' });
  return world;
}

/** A case of one route that has a host of its own: all such cases are in one world. */
const oneRoute = (...rules: object[]): readonly object[] => rules;
/** A Gateway with one listener for any host, and a route with these rules. */
function aloneRoute(...rules: object[]): GatewayWorld {
  const world = services();
  world.addGateway('gw', [listener('http')]);
  world.addRoute('route', { rules });
  return world;
}
const hostOf = (name: string): string => `${name.toLowerCase()}.example`;

interface Expected {
  readonly status?: number;
  /** Headers that the backend has got; null for one that it must not have. */
  readonly got?: Readonly<Record<string, string | null>>;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly from?: Backend;
}
type Row = readonly [
  target: string,
  expected: Backend | number | Expected,
  send?: http.OutgoingHttpHeaders,
  method?: string,
];

interface Case {
  /** The rules of a route with the name of the case, or a world of its own. */
  readonly world: GatewayWorld | readonly object[];
  /** `HOST/PATH?QUERY`, or a path of a host that nobody names. */
  readonly rows: readonly Row[];
  readonly told?: Readonly<Record<string, string>>;
  readonly port?: number;
}

const redirect = (requestRedirect: object) => ({ filters: [{ type: 'RequestRedirect', requestRedirect }] });
const rewrite = (urlRewrite: object) => ({ filters: [{ type: 'URLRewrite', urlRewrite }] });
const modify = (requestHeaderModifier: object) => ({
  filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier }],
});
const rule = (match: object, backend: Backend, more: object = {}) => ({
  ...{ matches: [match], backendRefs: [to(backend)] },
  ...more,
});
const header = (name: string, value: string, type = 'Exact') => ({ headers: [{ type, name, value }] });
const query = (...pairs: [string, string][]) => ({ queryParams: pairs.map(([name, value]) => ({ name, value })) });
/** The route of the case. */
const SELF = 'self';
const OK = 'Accepted=True Accepted, ResolvedRefs=True ResolvedRefs';

const CASES: Readonly<Record<string, () => Case>> = {
  HTTPRouteSimpleSameNamespace: () => ({
    world: oneRoute({ backendRefs: [to('v1')] }),
    rows: [['/', 'v1']],
    told: { [SELF]: OK },
  }),
  HTTPRouteCrossNamespace: () => {
    const world = services();
    world.addGateway('gw', [
      listener('http', undefined, {
        allowedRoutes: { namespaces: { from: 'Selector', selector: { matchLabels: { team: 'web' } } } },
      }),
    ]);
    world.addRoute(
      'in',
      { parentRefs: [{ name: 'gw', namespace: 'default' }], rules: [{ backendRefs: [to('v2')] }] },
      'web',
    );
    world.addRoute('out', { rules: [rule(prefix('/out'), 'v1')] });
    return {
      world,
      rows: [
        ['/', 'v2'],
        ['/out', 'v2'],
      ],
      told: {
        'HTTPRoute web/in': OK,
        'HTTPRoute default/out': 'Accepted=False NotAllowedByListeners, ResolvedRefs=True ResolvedRefs',
      },
    };
  },
  HTTPRouteInvalidCrossNamespaceParentRef: () => {
    const world = services();
    world.addGateway('gw', [listener('http')]);
    world.addRoute(
      'route',
      { parentRefs: [{ name: 'gw', namespace: 'default' }], rules: [{ backendRefs: [to('v1')] }] },
      'web',
    );
    return {
      world,
      rows: [['/', 404]],
      told: { 'HTTPRoute web/route': 'Accepted=False NotAllowedByListeners, ResolvedRefs=True ResolvedRefs' },
    };
  },
  HTTPRouteExactPathMatching: () => ({
    world: oneRoute(rule(exact('/one'), 'v1'), rule(exact('/two'), 'v2')),
    rows: [
      ['/one', 'v1'],
      ['/two', 'v2'],
      ['/', 404],
      ['/one/example', 404],
      ['/two/', 404],
      ['/Two', 404],
    ],
  }),
  HTTPRouteMatching: () => ({
    world: oneRoute(
      { matches: [prefix('/'), header('version', 'one')], backendRefs: [to('v1')] },
      { matches: [prefix('/v2'), header('version', 'two')], backendRefs: [to('v2')] },
    ),
    rows: [
      ['/', 'v1'],
      ['/example', 'v1'],
      ['/', 'v1', { Version: 'one' }],
      ['/v2', 'v2'],
      ['/v2/example', 'v2'],
      ['/', 'v2', { Version: 'two' }],
      ['/v2/', 'v2'],
      ['/v2example', 'v1'],
      ['/foo/v2/example', 'v1'],
    ],
  }),
  HTTPRouteMatchingAcrossRoutes: () => {
    const world = services();
    world.addGateway('gw', [listener('http')]);
    world.addRoute('part1', {
      hostnames: ['example.com', 'example.net'],
      rules: [{ matches: [prefix('/'), header('version', 'one')], backendRefs: [to('v1')] }],
    });
    world.addRoute('part2', {
      hostnames: ['example.com'],
      rules: [{ matches: [prefix('/v2'), header('version', 'two')], backendRefs: [to('v2')] }],
    });
    return {
      world,
      rows: [
        ['example.com/', 'v1'],
        ['example.com/example', 'v1'],
        ['example.net/example', 'v1'],
        ['example.com/example', 'v1', { Version: 'one' }],
        ['example.com/v2', 'v2'],
        ['example.net/v2', 'v1'],
        ['example.com/v2/example', 'v2'],
        ['example.com/', 'v2', { Version: 'two' }],
      ],
    };
  },
  HTTPRoutePathMatchOrder: () => ({
    world: oneRoute(
      rule(exact('/match'), 'v1'),
      rule(exact('/match/exact'), 'v2'),
      rule(exact('/match/exact/one'), 'v3'),
      rule(prefix('/match/'), 'v3'),
      rule(prefix('/match/prefix/'), 'v1'),
      rule(prefix('/match/prefix/one'), 'v2'),
    ),
    rows: [
      ['/match/exact/one', 'v3'],
      ['/match/exact', 'v2'],
      ['/match', 'v1'],
      ['/match/prefix/one/any', 'v2'],
      ['/match/prefix/any', 'v1'],
      ['/match/any', 'v3'],
    ],
  }),
  HTTPRouteHeaderMatching: () => ({
    world: oneRoute(
      rule(header('version', 'one'), 'v1'),
      rule(header('version', 'two'), 'v2'),
      rule({ headers: [...header('version', 'two').headers, ...header('color', 'orange').headers] }, 'v1'),
      { matches: [header('color', 'blue'), header('color', 'green')], backendRefs: [to('v1')] },
      { matches: [header('color', 'red'), header('color', 'yellow')], backendRefs: [to('v2')] },
      rule(header('brace', '}'), 'v3'),
      rule(header('shape', 'r[a-z]+d', 'RegularExpression'), 'v3'),
    ),
    rows: [
      ['/', 'v1', { Version: 'one' }],
      ['/', 'v2', { Version: 'two' }],
      ['/', 'v1', { Version: 'two', Color: 'orange' }],
      ['/', 'v2', { Version: 'two', Color: 'blue' }],
      ['/', 404, { Color: 'orange' }],
      ['/', 404, { 'Some-Other-Header': 'one' }],
      ['/', 'v1', { Color: 'blue' }],
      ['/', 'v1', { Color: 'green' }],
      ['/', 'v2', { Color: 'red' }],
      ['/', 'v2', { Color: 'yellow' }],
      ['/', 404, { Color: 'purple' }],
      ['/', 'v3', { Brace: '}' }],
      ['/', 'v3', { Shape: 'round' }],
      ['/', 404, { Shape: 'rounded!' }],
    ],
  }),
  HTTPRouteMethodMatching: () => ({
    world: oneRoute(
      rule({ method: 'POST' }, 'v1'),
      rule({ method: 'GET' }, 'v2'),
      rule({ ...prefix('/path1'), method: 'GET' }, 'v1'),
      rule({ method: 'PUT', ...header('version', 'one') }, 'v3'),
    ),
    rows: [
      ['/', 'v1', {}, 'POST'],
      ['/', 'v2'],
      ['/path1', 'v1'],
      ['/path1', 'v1', {}, 'POST'],
      ['/', 'v3', { version: 'one' }, 'PUT'],
      ['/', 404, {}, 'PUT'],
      ['/', 404, {}, 'HEAD'],
    ],
  }),
  HTTPRouteQueryParamMatching: () => ({
    world: oneRoute(
      rule(query(['animal', 'whale']), 'v1'),
      rule(query(['animal', 'dolphin']), 'v2'),
      rule(query(['animal', 'dolphin'], ['color', 'blue']), 'v3'),
      rule({ ...prefix('/path1'), ...query(['animal', 'whale']) }, 'v1'),
      rule({ ...query(['animal', 'whale']), ...header('version', 'one') }, 'v2'),
    ),
    rows: [
      ['/?animal=whale', 'v1'],
      ['/?animal=dolphin', 'v2'],
      ['/?animal=dolphin&color=blue', 'v3'],
      ['/?ANIMAL=Whale', 404],
      ['/?animal=whale&otherparam=irrelevant', 'v1'],
      ['/?animal=dolphin&color=yellow', 'v2'],
      ['/?animal=wh%61le', 'v1'],
      ['/?color=blue', 404],
      ['/', 404],
      ['/path1?animal=whale', 'v1'],
      ['/?animal=whale', 'v2', { version: 'one' }],
    ],
  }),
  HTTPRouteHostnameIntersection: () => {
    const world = services();
    const hosts = ['very.specific.com', '*.wildcard.io', '*.anotherwildcard.io'];
    world.addGateway(
      'gw',
      hosts.map((host, index) => listener(`listener-${index + 1}`, host)),
    );
    const route = (name: string, path: string, backend: Backend, ...hostnames: string[]) =>
      world.addRoute(name, { hostnames, rules: [rule(prefix(path), backend)] });
    route('s1', '/s1', 'v1', 'non.matching.com', '*.nonmatchingwildcard.io', 'very.specific.com');
    route(
      's2',
      '/s2',
      'v2',
      'non.matching.com',
      'wildcard.io',
      'foo.wildcard.io',
      'bar.wildcard.io',
      'foo.bar.wildcard.io',
    );
    route('s3', '/s3', 'v3', 'non.matching.com', '*.specific.com');
    route('s4', '/s4', 'v1', '*.anotherwildcard.io');
    route('s5', '/s5', 'v2', 'specific.but.wrong.com', 'wildcard.io');
    return {
      world,
      rows: [
        ['very.specific.com/s1', 'v1'],
        ['very.specific.com:1234/s1', 'v1'],
        ['non.matching.com/s1', 404],
        ['foo.nonmatchingwildcard.io/s1', 404],
        ['foo.wildcard.io/s1', 404],
        ['very.specific.com/non-matching-prefix', 404],
        ['foo.wildcard.io/s2', 'v2'],
        ['bar.wildcard.io/s2', 'v2'],
        ['foo.bar.wildcard.io/s2', 'v2'],
        ['non.matching.com/s2', 404],
        ['wildcard.io/s2', 404],
        ['very.specific.com/s2', 404],
        ['very.specific.com/s3', 'v3'],
        ['foo.specific.com/s3', 404],
        ['foo.anotherwildcard.io/s4', 'v1'],
        ['bar.anotherwildcard.io/s4', 'v1'],
        ['foo.bar.anotherwildcard.io/s4', 'v1'],
        ['anotherwildcard.io/s4', 404],
        ['very.specific.com/s4', 404],
        ['specific.but.wrong.com/s5', 404],
        ['wildcard.io/s5', 404],
      ],
      told: {
        'HTTPRoute default/s1': OK,
        'HTTPRoute default/s5': 'Accepted=False NoMatchingListenerHostname, ResolvedRefs=True ResolvedRefs',
      },
    };
  },
  HTTPRouteListenerHostnameMatching: () => {
    const world = services();
    const hosts = ['bar.com', 'foo.bar.com', '*.bar.com', '*.foo.com'];
    world.addGateway(
      'gw',
      hosts.map((host, index) => listener(`l${index + 1}`, host)),
    );
    const at = (...sections: string[]) => sections.map((sectionName) => ({ name: 'gw', sectionName }));
    world.addRoute('b1', { parentRefs: at('l1'), rules: [{ backendRefs: [to('v1')] }] });
    world.addRoute('b2', { parentRefs: at('l2'), rules: [{ backendRefs: [to('v2')] }] });
    world.addRoute('b3', { parentRefs: at('l3', 'l4'), rules: [{ backendRefs: [to('v3')] }] });
    return {
      world,
      rows: [
        ['bar.com/', 'v1'],
        ['foo.bar.com/', 'v2'],
        ['baz.bar.com/', 'v3'],
        ['boo.bar.com/', 'v3'],
        ['multiple.prefixes.bar.com/', 'v3'],
        ['multiple.prefixes.foo.com/', 'v3'],
        ['foo.com/', 404],
        ['no.matching.host/', 404],
      ],
    };
  },
  GatewayHTTPListenerIsolation: () => {
    const world = services();
    const hosts: [string, string | undefined][] = [
      ['empty', undefined],
      ['wild', '*.example.com'],
      ['wildfoo', '*.foo.example.com'],
      ['abc', 'abc.foo.example.com'],
    ];
    world.addGateway(
      'gw',
      hosts.map(([name, host]) => listener(name, host)),
    );
    for (const [sectionName] of hosts)
      world.addRoute(sectionName, {
        parentRefs: [{ name: 'gw', sectionName }],
        rules: [rule(prefix(`/${sectionName}`), 'v1')],
      });
    const rows = (host: string, own: string): Row[] =>
      hosts.map(([name]) => [`${host}/${name}`, name === own ? 'v1' : 404]);
    return {
      world,
      rows: [
        ...rows('bar.com', 'empty'),
        ...rows('bar.example.com', 'wild'),
        ...rows('bar.foo.example.com', 'wildfoo'),
        ...rows('abc.foo.example.com', 'abc'),
      ],
    };
  },
  HTTPRouteInvalidNonExistentBackendRef: () => ({
    world: oneRoute({ backendRefs: [to('nobody')] }),
    rows: [['/', 500]],
    told: { [SELF]: 'Accepted=True Accepted, ResolvedRefs=False BackendNotFound' },
  }),
  HTTPRouteInvalidBackendRefUnknownKind: () => ({
    world: oneRoute({ backendRefs: [to('v1', { kind: 'NonExistent' })] }),
    rows: [['/', 500]],
    told: { [SELF]: 'Accepted=True Accepted, ResolvedRefs=False InvalidKind' },
  }),
  HTTPRouteInvalidCrossNamespaceBackendRef: () => ({
    world: oneRoute({ backendRefs: [to('v1', { namespace: 'web' })] }),
    rows: [['/', 500]],
    told: { [SELF]: 'Accepted=True Accepted, ResolvedRefs=False RefNotPermitted' },
  }),
  HTTPRouteOmittedBackendRefs: () => ({
    world: oneRoute(
      { matches: [exact('/omitted')] },
      { matches: [exact('/empty')], backendRefs: [] },
      { matches: [prefix('/')], backendRefs: [to('v1')] },
    ),
    rows: [
      ['/omitted', 500],
      ['/empty', 500],
      ['/other', 'v1'],
    ],
  }),
  HTTPRouteReferenceGrant: () => {
    const world = aloneRoute({ backendRefs: [to('v2', { namespace: 'web' })] });
    world.addGrant('web', ['HTTPRoute', 'default'], ['Service', 'v2']);
    return { world, rows: [['/', 'v2']], told: { 'HTTPRoute default/route': OK } };
  },
  HTTPRouteInvalidReferenceGrant: () => {
    const world = aloneRoute({ backendRefs: [to('v2', { namespace: 'web' })] });
    world.addGrant('web', ['HTTPRoute', 'default'], ['Service', 'v1']);
    world.addGrant('web', ['GRPCRoute', 'default'], ['Service']);
    world.addGrant('web', ['HTTPRoute', 'other'], ['Service']);
    world.addGrant('web', ['HTTPRoute', 'default'], ['Secret']);
    world.addGrant('default', ['HTTPRoute', 'default'], ['Service']);
    return {
      world,
      rows: [['/', 500]],
      told: { 'HTTPRoute default/route': 'Accepted=True Accepted, ResolvedRefs=False RefNotPermitted' },
    };
  },
  HTTPRoutePartiallyInvalidViaInvalidReferenceGrant: () => ({
    world: oneRoute(rule(prefix('/v2'), 'v2'), {
      matches: [prefix('/web')],
      backendRefs: [to('v1', { namespace: 'web' })],
    }),
    rows: [
      ['/v2', 'v2'],
      ['/web', 500],
      ['/', 404],
    ],
    told: { [SELF]: 'Accepted=True Accepted, ResolvedRefs=False RefNotPermitted' },
  }),
  HTTPRouteInvalidParentRefNotMatchingSectionName: () => {
    const world = services();
    world.addGateway('gw', [listener('http')]);
    world.addRoute('route', {
      parentRefs: [{ name: 'gw', sectionName: 'other' }],
      rules: [{ backendRefs: [to('v1')] }],
    });
    return {
      world,
      rows: [['/', 404]],
      told: { 'HTTPRoute default/route': 'Accepted=False NoMatchingParent, ResolvedRefs=True ResolvedRefs' },
    };
  },
  HTTPRouteInvalidParentRefNotMatchingListenerPort: () => {
    const world = services();
    world.addGateway('gw', [listener('http')]);
    world.addRoute('route', { parentRefs: [{ name: 'gw', port: 81 }], rules: [{ backendRefs: [to('v1')] }] });
    return {
      world,
      rows: [['/', 404]],
      told: { 'HTTPRoute default/route': 'Accepted=False NoMatchingParent, ResolvedRefs=True ResolvedRefs' },
    };
  },
  HTTPRouteDisallowedKind: () => {
    const world = services();
    world.addGateway('gw', [listener('http', undefined, { allowedRoutes: { kinds: [{ kind: 'GRPCRoute' }] } })]);
    world.addRoute('route', { rules: [{ backendRefs: [to('v1')] }] });
    return {
      world,
      rows: [['/', 404]],
      told: { 'HTTPRoute default/route': 'Accepted=False NotAllowedByListeners, ResolvedRefs=True ResolvedRefs' },
    };
  },
  HTTPRouteListenerPortMatching: () => {
    const world = services();
    world.addGateway('gw', [listener('http'), listener('other', undefined, { port: OTHER_PORT })]);
    world.addRoute('any', { rules: [rule(prefix('/'), 'v1')] });
    world.addRoute('byport', {
      parentRefs: [{ name: 'gw', port: OTHER_PORT }],
      rules: [rule(prefix('/v2'), 'v2')],
    });
    // Ingresses are served at the controller's own ports only.
    world.addIngress('plain', {
      rules: [
        {
          host: 'ingress.example',
          http: {
            paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'v3', port: { number: 80 } } } }],
          },
        },
      ],
    });
    return {
      world,
      port: OTHER_PORT,
      rows: [
        ['/', 'v1'],
        ['/v2', 'v2'],
        ['ingress.example/', 'v1'],
      ],
    };
  },
  HTTPRouteRedirectHostAndStatus: () => ({
    world: oneRoute(
      { matches: [prefix('/hostname-redirect')], ...redirect({ hostname: 'example.org' }) },
      { matches: [prefix('/host-and-status')], ...redirect({ hostname: 'example.org', statusCode: 301 }) },
    ),
    rows: [
      ['/hostname-redirect', { status: 302, headers: { location: 'http://example.org/hostname-redirect' } }],
      ['/host-and-status', { status: 301, headers: { location: 'http://example.org/host-and-status' } }],
    ],
  }),
  // With HTTPRoute307Redirect and HTTPRoute308Redirect.
  HTTPRoute303Redirect: () => ({
    world: oneRoute(
      ...[303, 307, 308].map((statusCode) => ({
        matches: [prefix(`/${statusCode}`)],
        ...redirect({ hostname: 'example.org', statusCode }),
      })),
    ),
    rows: [303, 307, 308].map((status): Row => [
      `/${status}/a?b=c`,
      { status, headers: { location: `http://example.org/${status}/a?b=c` } },
    ]),
  }),
  HTTPRouteRedirectPath: () => ({
    world: oneRoute(
      {
        matches: [prefix('/original-prefix')],
        ...redirect({ path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/replacement-prefix' } }),
      },
      {
        matches: [prefix('/full')],
        ...redirect({ path: { type: 'ReplaceFullPath', replaceFullPath: '/full-path-replacement' } }),
      },
    ),
    rows: [
      [
        '/original-prefix/lemon',
        { status: 302, headers: { location: 'http://httprouteredirectpath.example/replacement-prefix/lemon' } },
      ],
      [
        '/full/path/original',
        { status: 302, headers: { location: 'http://httprouteredirectpath.example/full-path-replacement' } },
      ],
    ],
  }),
  HTTPRouteRedirectPortAndScheme: () => ({
    world: oneRoute(
      { matches: [exact('/https')], ...redirect({ hostname: 'example.org', scheme: 'https' }) },
      { matches: [exact('/https-port-443')], ...redirect({ hostname: 'example.org', scheme: 'https', port: 443 }) },
      { matches: [exact('/https-port-8443')], ...redirect({ hostname: 'example.org', scheme: 'https', port: 8443 }) },
      { matches: [exact('/http-port-8080')], ...redirect({ hostname: 'example.org', port: 8080 }) },
      { matches: [exact('/http-port-80')], ...redirect({ hostname: 'example.org', scheme: 'http', port: 80 }) },
    ),
    rows: [
      ['/https', { status: 302, headers: { location: 'https://example.org/https' } }],
      ['/https-port-443', { status: 302, headers: { location: 'https://example.org/https-port-443' } }],
      ['/https-port-8443', { status: 302, headers: { location: 'https://example.org:8443/https-port-8443' } }],
      ['/http-port-8080', { status: 302, headers: { location: 'http://example.org:8080/http-port-8080' } }],
      ['/http-port-80', { status: 302, headers: { location: 'http://example.org/http-port-80' } }],
    ],
  }),
  HTTPRouteRewriteHost: () => ({
    world: oneRoute(rule(prefix('/one'), 'v1', rewrite({ hostname: 'one.example.org' })), rule(prefix('/'), 'v2')),
    rows: [
      ['/one', { from: 'v1', got: { host: 'one.example.org' } }],
      ['/two', { from: 'v2', got: { host: 'httprouterewritehost.example' } }],
    ],
  }),
  HTTPRouteRewritePath: () => {
    const replace = (value: string, replacePrefixMatch: string) =>
      rule(prefix(value), 'v1', rewrite({ path: { type: 'ReplacePrefixMatch', replacePrefixMatch } }));
    return {
      world: oneRoute(
        replace('/prefix/one', '/one'),
        replace('/strip', '/'),
        replace('/empty', ''),
        replace('/slash/', '/xyz/'),
        replace('/a:b', '/colon'),
        rule(prefix('/full/one'), 'v1', rewrite({ path: { type: 'ReplaceFullPath', replaceFullPath: '/one' } })),
        rule(prefix('/full/rewrite-path-and-modify-headers'), 'v1', {
          filters: [
            ...rewrite({ path: { type: 'ReplaceFullPath', replaceFullPath: '/test' } }).filters,
            ...modify({
              set: [{ name: 'X-Set', value: 's' }],
              add: [{ name: 'X-Add', value: 'a' }],
              remove: ['X-Remove'],
            }).filters,
          ],
        }),
      ),
      rows: [
        ['/prefix/one/two', { from: 'v1', url: '/one/two' }],
        ['/prefix/one', { from: 'v1', url: '/one' }],
        ['/prefix/one/', { from: 'v1', url: '/one/' }],
        ['/prefix/one?a=b', { from: 'v1', url: '/one?a=b' }],
        ['/strip/three', { from: 'v1', url: '/three' }],
        ['/strip', { from: 'v1', url: '/' }],
        ['/strip/', { from: 'v1', url: '/' }],
        ['/strip/strip/x', { from: 'v1', url: '/strip/x' }],
        ['/empty/bar', { from: 'v1', url: '/bar' }],
        ['/empty', { from: 'v1', url: '/' }],
        ['/slash/bar', { from: 'v1', url: '/xyz/bar' }],
        ['/a%3Ab/x%20y', { from: 'v1', url: '/colon/x%20y' }],
        ['/prefix%2Fone/two', { from: 'v1', url: '/one/two' }],
        ['/full/one/two', { from: 'v1', url: '/one' }],
        [
          '/full/rewrite-path-and-modify-headers/test',
          { from: 'v1', url: '/test', got: { 'x-set': 's', 'x-add': 'was, a', 'x-remove': null } },
          { 'X-Add': 'was', 'X-Remove': 'gone', 'X-Set': 'old' },
        ],
      ],
    };
  },
  HTTPRouteRequestHeaderModifier: () => ({
    world: oneRoute(
      rule(prefix('/set'), 'v1', modify({ set: [{ name: 'X-Header-Set', value: `100%[src] "'{}\\` }] })),
      rule(prefix('/add'), 'v1', modify({ add: [{ name: 'X-Header-Add', value: 'add-appends-values' }] })),
      rule(prefix('/remove'), 'v1', modify({ remove: ['X-Header-Remove'] })),
      rule(prefix('/long'), 'v1', modify({ set: [{ name: 'X-Long', value: 'x'.repeat(4_096) }] })),
    ),
    rows: [
      ['/set', { from: 'v1', got: { 'x-header-set': `100%[src] "'{}\\` } }, { 'X-Header-Set': 'overwritten' }],
      ['/add', { from: 'v1', got: { 'x-header-add': 'some, add-appends-values' } }, { 'X-Header-Add': 'some' }],
      ['/remove', { from: 'v1', got: { 'x-header-remove': null } }, { 'X-Header-Remove': 'val' }],
      ['/long', { from: 'v1', got: { 'x-long': 'x'.repeat(4_096) } }],
    ],
  }),
  HTTPRouteBackendRequestHeaderModifier: () => ({
    world: oneRoute({
      backendRefs: [{ ...to('v1'), ...modify({ set: [{ name: 'X-Header-Set', value: 'set' }] }) }],
    }),
    rows: [['/', { from: 'v1', got: { 'x-header-set': 'set' } }]],
  }),
  HTTPRouteResponseHeaderModifier: () => ({
    world: oneRoute(
      rule(prefix('/'), 'v1', {
        filters: [
          {
            type: 'ResponseHeaderModifier',
            responseHeaderModifier: {
              set: [{ name: 'X-Set', value: 'set' }],
              add: [{ name: 'X-Add', value: 'add' }],
              remove: ['Date'],
            },
          },
        ],
      }),
    ),
    rows: [['/', { from: 'v1', headers: { 'x-set': 'set', 'x-add': 'add', date: null } }]],
  }),
};

async function check(t: Test, { rows, port }: Case, ownHost: string): Promise<void> {
  for (const [target, expected, headers = {}, method = 'GET'] of rows) {
    const [, host = '', path = ''] = /^([^/]*)(\/.*)$/.exec(target) ?? [];
    const answer = await ask(host || ownHost, path, { headers, method, ...(port !== undefined && { port }) });
    compare(t, `${method} ${target} ${JSON.stringify(headers)}`, answer, expected);
  }
}
function compare(t: Test, what: string, answer: Answer, expected: Row[1]): void {
  if (typeof expected === 'number') return void t.equal(answer.status, expected, what);
  const {
    status = 200,
    from,
    url,
    got = {},
    headers = {},
  } = typeof expected === 'string' ? { from: expected } : expected;
  t.equal(answer.status, status, what);
  for (const [name, value] of Object.entries(headers)) t.equal(answer.headers[name] ?? null, value, `${what}: ${name}`);
  if (from === undefined || answer.status !== 200) return;
  const seen = JSON.parse(answer.body) as Seen;
  t.equal(seen.server, BACKENDS[from], what);
  if (url !== undefined) t.equal(seen.url, url, what);
  for (const [name, value] of Object.entries(got)) t.equal(seen.headers[name] ?? null, value, `${what}: ${name}`);
}

const cases = Object.entries(CASES).map(([name, make]) => [name, make()] as const);
const WEIGHTS = { v1: 70, v2: 30, v3: 0 };
const WEIGHTED = 'HTTPRouteWeight';

const shared = services();
for (const [name, rules] of [
  ...cases.flatMap(([name, { world }]) => (world instanceof GatewayWorld ? [] : [[name, world] as const])),
  [
    WEIGHTED,
    [
      {
        backendRefs: [
          ...Object.entries(WEIGHTS).map(([service, weight]) => to(service, { weight })),
          to('nobody', { weight: 25 }),
        ],
      },
    ],
  ] as const,
]) {
  shared.addGateway(hostOf(name), [listener('http', hostOf(name))]);
  shared.addRoute(name, { parentRefs: [{ name: hostOf(name) }], rules });
}
const together = await proxy.applyGateways(shared);

for (const [name, each] of cases.filter(([, { world }]) => !(world instanceof GatewayWorld)))
  t.test(name, async (t) => {
    t.equal(together.refused.size, 0);
    await check(t, each, hostOf(name));
    if (each.told) t.equal(routeTold(together, `HTTPRoute default/${name}`).join(', '), each.told[SELF]);
  });

t.test(WEIGHTED, async (t) => {
  const counts = new Map<string, number>();
  const ROUNDS = 250;
  for (let round = 0; round < ROUNDS; round++) {
    const { status, body } = await ask(hostOf(WEIGHTED), '/');
    const who = status === 200 ? (JSON.parse(body) as Seen).server : String(status);
    counts.set(who, (counts.get(who) ?? 0) + 1);
  }
  // Of weights of 125 together: 140, 60 and 50 of 250 are expected. Five standard deviations are less than 45.
  const off = (who: string, expected: number) => Math.abs((counts.get(who) ?? 0) - expected);
  t.ok(off(BACKENDS.v1, 140) < 45, JSON.stringify([...counts]));
  t.ok(off(BACKENDS.v2, 60) < 45, JSON.stringify([...counts]));
  t.ok(off('500', 50) < 45, 'the part of a backend that is not there is answered with 500');
  t.equal(counts.get(BACKENDS.v3), undefined);
});

for (const [name, each] of cases)
  if (each.world instanceof GatewayWorld) {
    const { world } = each;
    t.test(name, async (t) => {
      const compiled = await proxy.applyGateways(world, [OTHER_PORT]);
      t.equal(compiled.refused.size, 0);
      await check(t, each, 'nobody.names.me');
      for (const [route, conditions] of Object.entries(each.told ?? {}))
        t.equal(routeTold(compiled, route).join(', '), conditions, route);
    });
  }
