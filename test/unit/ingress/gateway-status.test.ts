/**
 * Cases of the Gateway API's own conformance tests that are about the status of objects, by their names, replayed on what the compiler reports.
 * https://github.com/kubernetes-sigs/gateway-api/tree/v1.4.1/conformance/tests
 */
import { test, type Test } from 'tap';
import {
  compileWorld,
  GatewayWorld,
  http,
  https,
  routeTold,
  selfSignedSecret,
  to,
  told,
} from '../../support/gateway-world.ts';
import type { Listener } from '../../../addons/ingress/gateway/objects.ts';

const GATEWAY = 'default/gw';
const good = await selfSignedSecret();

function worldWith(...listeners: Listener[]): GatewayWorld {
  const world = new GatewayWorld();
  world.addService('v1', ['10.0.0.1']);
  world.secrets.set('default/good', good.secret);
  world.addGateway('gw', listeners);
  return world;
}
/** The conditions of the first listener, and the kinds that it says. */
function listenerOf(world: GatewayWorld, index = 0) {
  const report = compileWorld(world).reports.gateways.get(GATEWAY);
  const listener = report?.listeners[index];
  return {
    conditions: told(listener?.conditions),
    kinds: (listener?.supportedKinds ?? []).map(({ kind }) => kind),
    attached: listener?.attachedRoutes,
  };
}
const has = (t: Test, world: GatewayWorld, ...conditions: readonly string[]): void => {
  const { conditions: found } = listenerOf(world);
  for (const each of conditions) t.ok(found.includes(each), `${each} in ${found.join(', ')}`);
};

test('GatewayInvalidRouteKind', (t) => {
  const asking = (...kinds: string[]) =>
    worldWith(http('http', undefined, { allowedRoutes: { kinds: kinds.map((kind) => ({ kind })) } }));
  t.strictSame(listenerOf(asking('InvalidRoute')).kinds, []);
  has(t, asking('InvalidRoute'), 'ResolvedRefs=False InvalidRouteKinds');
  t.strictSame(listenerOf(asking('InvalidRoute', 'HTTPRoute')).kinds, ['HTTPRoute']);
  has(t, asking('InvalidRoute', 'HTTPRoute'), 'ResolvedRefs=False InvalidRouteKinds');
  t.end();
});

test('GatewayInvalidTLSConfiguration', (t) => {
  const using = (reference: object, data?: Record<string, string>): GatewayWorld => {
    const world = worldWith(
      https('https', 'x', undefined, { tls: { certificateRefs: [{ name: 'x', ...reference }] } }),
    );
    if (data) world.secrets.set('default/x', { data });
    return world;
  };
  const text = Buffer.from('Hello world').toString('base64');
  for (const world of [
    using({ name: 'nonexistent-certificate' }),
    using({ group: 'wrong.group.company.io' }),
    using({ kind: 'WrongKind' }),
    using({}, { 'tls.crt': text, 'tls.key': text }),
    using({}, {}),
  ])
    has(t, world, 'ResolvedRefs=False InvalidCertificateRef', 'Programmed=False Invalid');
  t.end();
});

for (const [name, grants, allowed] of [
  ['GatewaySecretMissingReferenceGrant', [], false],
  ['GatewaySecretReferenceGrantAllInNamespace', [['Gateway', 'default', 'Secret', undefined]], true],
  ['GatewaySecretReferenceGrantSpecific', [['Gateway', 'default', 'Secret', 'certificate']], true],
  [
    'GatewaySecretInvalidReferenceGrant',
    [
      ['Gateway', 'elsewhere', 'Secret', 'certificate'],
      ['HTTPRoute', 'default', 'Secret', 'certificate'],
      ['Gateway', 'default', 'Service', 'certificate'],
      ['Gateway', 'default', 'Secret', 'another'],
    ],
    false,
  ],
] as const)
  test(name, (t) => {
    const reference = { name: 'certificate', namespace: 'web' };
    const world = worldWith(https('https', '', undefined, { tls: { certificateRefs: [reference] } }));
    world.secrets.set('web/certificate', good.secret);
    for (const [kind, from, toKind, toName] of grants) world.addGrant('web', [kind, from], [toKind, toName]);
    if (allowed) has(t, world, 'ResolvedRefs=True ResolvedRefs', 'Programmed=True Programmed');
    else has(t, world, 'ResolvedRefs=False RefNotPermitted', 'Programmed=False Invalid');
    t.end();
  });

test('GatewayWithAttachedRoutes', (t) => {
  const world = worldWith(
    http('http'),
    https('https', 'nothing'),
    http('unresolved', 'x.example', { allowedRoutes: { kinds: [{ kind: 'Odd' }] } }),
  );
  for (const name of ['one', 'two'])
    world.addRoute(name, { parentRefs: [{ name: 'gw', sectionName: 'http' }], rules: [{ backendRefs: [to('v1')] }] });
  world.addRoute('three', { parentRefs: [{ name: 'gw', sectionName: 'https' }], rules: [{ backendRefs: [to('v1')] }] });
  t.equal(listenerOf(world).attached, 2);
  t.equal(listenerOf(world, 1).attached, 1, 'of a listener whose certificate is missing, too');
  t.equal(listenerOf(world, 2).attached, 0);
  t.end();
});

test('GatewayModifyListeners', (t) => {
  const world = worldWith(http('http'));
  world.addRoute('route', { parentRefs: [{ name: 'gw', sectionName: 'added' }], rules: [{ backendRefs: [to('v1')] }] });
  t.match(routeTold(compileWorld(world), 'HTTPRoute default/route'), ['Accepted=False NoMatchingParent']);
  const [gateway] = world.gateways;
  const listeners = (...all: Listener[]): void => {
    world.gateways[0] = {
      ...gateway!,
      metadata: { ...gateway!.metadata, generation: 2 },
      spec: { ...gateway!.spec, listeners: all },
    };
  };
  listeners(http('http'), https('added', 'good', 'secure.example'));
  t.equal(listenerOf(world, 1).attached, 1);
  t.match(routeTold(compileWorld(world), 'HTTPRoute default/route'), ['Accepted=True Accepted']);
  listeners(https('added', 'good', 'secure.example'));
  t.equal(compileWorld(world).reports.gateways.get(GATEWAY)?.listeners.length, 1);
  t.end();
});

test('GatewayObservedGenerationBump, GatewayClassObservedGenerationBump, HTTPRouteObservedGenerationBump', (t) => {
  const world = worldWith(http('http'));
  world.addRoute('route', { rules: [{ backendRefs: [to('v1')] }] });
  const bump = <T extends { metadata?: object }>(all: T[], generation: number): void => {
    for (const [index, each] of all.entries()) all[index] = { ...each, metadata: { ...each.metadata, generation } };
  };
  bump(world.gateways, 7);
  bump(world.httpRoutes, 8);
  bump(world.gatewayClasses, 9);
  const { gateways, routes, classes } = compileWorld(world).reports;
  const gateway = gateways.get(GATEWAY);
  const observed = (conditions: readonly { readonly observedGeneration?: number }[] = []): ReadonlySet<unknown> =>
    new Set(conditions.map(({ observedGeneration }) => observedGeneration));
  t.strictSame(observed(gateway?.conditions), new Set([7]));
  t.strictSame(observed(gateway?.listeners[0]?.conditions), new Set([7]));
  t.strictSame(observed(routes.get('HTTPRoute default/route')?.parents[0]?.conditions), new Set([8]));
  t.strictSame(observed(classes.get('kedge')?.conditions), new Set([9]));
  t.end();
});
