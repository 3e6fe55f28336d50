/** The definitions of the Gateway API that a cluster starts with: served, validated as upstream's, and never in the way of others'. */
import t from 'tap';
import { BUNDLE_VERSION_ANNOTATION, GATEWAY_GROUP } from '../../../api/domain/gateway-api.ts';
import { customResourceDefinitions } from '../../../api/kinds/apiextensions/custom-resource-definition.ts';
import { clusterRoles } from '../../../api/kinds/rbac/cluster-role.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { gatewayDefinitions } from '../../../control-plane/apiserver/bootstrap/gateway-api/definitions.ts';
import { isOlder, offerGatewayApi } from '../../../control-plane/apiserver/bootstrap/gateway-api/install.ts';
import { Log } from '../../support/log.ts';
import { eventually } from '../../support/wait.ts';
import { refusal, startServer } from './fixture.ts';

const resource = (kind: string, plural: string, version = 'v1') => ({
  ...{ group: GATEWAY_GROUP, version, kind, plural, namespaced: kind !== 'GatewayClass' },
});
const routes = resource('HTTPRoute', 'httproutes');
const grpcRoutes = resource('GRPCRoute', 'grpcroutes');
const gateways = resource('Gateway', 'gateways');
const tlsRoutes = resource('TLSRoute', 'tlsroutes');
const policies = resource('BackendTLSPolicy', 'backendtlspolicies');
const classes = resource('GatewayClass', 'gatewayclasses');

const fixture = await startServer(t);
const { core } = fixture;
const { api } = core;
const log = new Log();
const offer = () => offerGatewayApi({ api, kinds: core.registry.kinds, logger: log });
const admin = fixture.client({ token: 'admin-token' });
await offer();
await eventually('the GatewayClass', async () => (await admin.list(classes)).items.length === 1);

let made = 0;
const create = (of: typeof routes, spec: object): Promise<KubeObject> =>
  admin.create(of, {
    ...{ apiVersion: `${of.group}/${of.version}`, kind: of.kind },
    metadata: { name: `o${++made}`, namespace: 'default' },
    spec,
  } as KubeObject);
const listener = (name: string, port: number, more: object = {}) => ({ name, port, protocol: 'HTTP', ...more });

t.test('all kinds are served, with what tools look for', async (t) => {
  t.equal(log.lines.length, 0);
  for (const { metadata, status } of api.list(customResourceDefinitions)) {
    t.match(metadata?.annotations, {
      [BUNDLE_VERSION_ANNOTATION]: /^v\d+\.\d+\.\d+$/,
      'gateway.networking.k8s.io/channel': 'standard',
    });
    t.match(
      status?.conditions?.map(({ type, status: value }) => `${type}=${value}`),
      ['NamesAccepted=True', 'Established=True', 'KubernetesAPIApprovalPolicyConformant=True'],
    );
  }
  const { items } = await admin.list(classes);
  t.match(items[0], {
    metadata: { name: 'kedge' },
    spec: { controllerName: 'kedge.io/gateway-controller' },
    status: { conditions: [{ type: 'Accepted', status: 'Unknown', reason: 'Pending' }] },
  });
  t.ok((await admin.list(resource('HTTPRoute', 'httproutes', 'v1beta1'))).items);
  t.ok((await admin.list(resource('ReferenceGrant', 'referencegrants', 'v1beta1'))).items);
});

t.test('what a route leaves out gets the defaults of the API', async (t) => {
  const route = await create(routes, {
    parentRefs: [{ name: 'web' }],
    rules: [{ backendRefs: [{ name: 'web', port: 80 }] }],
  });
  t.match(route, {
    spec: {
      parentRefs: [{ group: GATEWAY_GROUP, kind: 'Gateway', name: 'web' }],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: '/' } }],
          backendRefs: [{ group: '', kind: 'Service', weight: 1 }],
        },
      ],
    },
  });
  t.match(await create(gateways, { gatewayClassName: 'kedge', listeners: [listener('http', 80)] }), {
    spec: { listeners: [{ allowedRoutes: { namespaces: { from: 'Same' } } }] },
    status: { conditions: [{ type: 'Accepted' }, { type: 'Programmed' }] },
  });
});

/** A spec that is refused, and what the answer says. */
const REFUSED: readonly (readonly [what: string, typeof routes, object, RegExp])[] = [
  ['a path without /', routes, { rules: [{ matches: [{ path: { value: 'x' } }] }] }, /begins with/],
  ['a path with //', routes, { rules: [{ matches: [{ path: { value: '/a//b' } }] }] }, /may not have \/\//],
  ['a path that ends with ..', routes, { rules: [{ matches: [{ path: { value: '/a/..' } }] }] }, /may not end/],
  ['a path with a space', routes, { rules: [{ matches: [{ path: { value: '/a b' } }] }] }, /has to match/],
  ['a Service without port', routes, { rules: [{ backendRefs: [{ name: 'web' }] }] }, /needs a port/],
  ['a filter without its field', routes, { rules: [{ filters: [{ type: 'URLRewrite' }] }] }, /needs urlRewrite/],
  [
    'a redirect with backends',
    routes,
    {
      rules: [
        {
          filters: [{ type: 'RequestRedirect', requestRedirect: { scheme: 'https' } }],
          backendRefs: [{ name: 'web', port: 80 }],
        },
      ],
    },
    /no backendRefs/,
  ],
  [
    'a prefix that is replaced without one',
    routes,
    {
      rules: [
        {
          matches: [{ path: { type: 'Exact', value: '/a' } }],
          filters: [
            { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } } },
          ],
        },
      ],
    },
    /exactly one match/,
  ],
  [
    'a backendRequest that is longer than the request',
    routes,
    { rules: [{ timeouts: { request: '1s', backendRequest: '2s' } }] },
    /may not be longer/,
  ],
  ['one parent twice', routes, { parentRefs: [{ name: 'a' }, { name: 'a' }] }, /sectionName of its own/],
  ['a host name that is an address', routes, { hostnames: ['a_b'] }, /hostnames/],
  ['a method of gRPC without name', grpcRoutes, { rules: [{ matches: [{ method: {} }] }] }, /service or a method/],
  [
    'a method of gRPC with a space',
    grpcRoutes,
    { rules: [{ matches: [{ method: { service: 'a b' } }] }] },
    /has to match/,
  ],
  ['HTTP with TLS', gateways, { gatewayClassName: 'k', listeners: [listener('a', 80, { tls: {} })] }, /have no tls/],
  [
    'two listeners alike',
    gateways,
    { gatewayClassName: 'k', listeners: [listener('a', 80), listener('b', 80)] },
    /have to differ/,
  ],
  [
    'TLS without a mode',
    gateways,
    { gatewayClassName: 'k', listeners: [listener('a', 443, { protocol: 'TLS' })] },
    /tls mode/,
  ],
  [
    'an origin of CORS beside *',
    routes,
    { rules: [{ filters: [{ type: 'CORS', cors: { allowOrigins: ['*', 'http://a.example'] } }] }] },
    /stands alone/,
  ],
  [
    'a TLSRoute for an address',
    tlsRoutes,
    { hostnames: ['192.0.2.1'], rules: [{ backendRefs: [{ name: 'web', port: 443 }] }] },
    /no IP address/,
  ],
  [
    'a policy with two kinds of CAs',
    policies,
    {
      targetRefs: [{ group: '', kind: 'Service', name: 'web' }],
      validation: {
        hostname: 'a.example',
        wellKnownCACertificates: 'System',
        caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }],
      },
    },
    /exclude each other/,
  ],
  ['no listener', gateways, { gatewayClassName: 'k', listeners: [] }, /listeners/],
];

for (const [what, of, spec, says] of REFUSED)
  t.test(`${what} is refused`, async (t) => {
    const { code, message } = await refusal(() => create(of, spec));
    t.equal(code, 422);
    t.match(message, says);
  });

t.test('definitions are made once, and those of an older server become those of this one', async (t) => {
  const name = `grpcroutes.${GATEWAY_GROUP}`;
  const present = api.get(customResourceDefinitions, '', name)!;
  const metadata = {
    ...present.metadata,
    annotations: { ...present.metadata?.annotations, [BUNDLE_VERSION_ANNOTATION]: 'v1.0.0', mine: 'stays' },
  };
  const [version] = present.spec.versions;
  await api.update(customResourceDefinitions, {
    ...present,
    metadata,
    spec: { ...present.spec, versions: [{ ...version!, additionalPrinterColumns: [] }] },
  });
  // A kind that the older release did not have, with the rights to it.
  const newer = `tlsroutes.${GATEWAY_GROUP}`;
  await api.delete(customResourceDefinitions, '', newer);
  await eventually('the deletion', () => !api.has(customResourceDefinitions, '', newer));
  const role = api.get(clusterRoles, '', 'kedge-gateway')!;
  await api.update(clusterRoles, { ...role, rules: [] });
  await offer();
  const after = api.get(customResourceDefinitions, '', name);
  t.equal(after?.spec.versions[0]?.additionalPrinterColumns?.length, 2);
  t.equal(after?.metadata?.annotations?.['mine'], 'stays');
  t.ok(api.has(customResourceDefinitions, '', newer));
  t.equal(api.get(clusterRoles, '', 'kedge-gateway')?.rules?.length, 3);
  await api.delete(customResourceDefinitions, '', newer);
  await eventually('the deletion', () => !api.has(customResourceDefinitions, '', newer));
  await offer();
  t.notOk(api.has(customResourceDefinitions, '', newer), 'what was deleted does not come back');
});

t.test('the experimental channel in their place stays, with fields that the standard one does not have', async (t) => {
  const name = `httproutes.${GATEWAY_GROUP}`;
  const present = api.get(customResourceDefinitions, '', name)!;
  const annotations = {
    ...present.metadata?.annotations,
    [BUNDLE_VERSION_ANNOTATION]: 'v1.0.0',
    'gateway.networking.k8s.io/channel': 'experimental',
  };
  await api.update(customResourceDefinitions, { ...present, metadata: { ...present.metadata, annotations } });
  await offer();
  t.equal(api.get(customResourceDefinitions, '', name)?.metadata?.annotations?.[BUNDLE_VERSION_ANNOTATION], 'v1.0.0');
});

t.test('those of somebody else stay as they are, and none are added', async (t) => {
  const other = (await startServer(t)).core;
  const [definition] = gatewayDefinitions({ 'app.kubernetes.io/managed-by': 'somebody' });
  await other.api.create(customResourceDefinitions, definition!);
  await offerGatewayApi({ api: other.api, kinds: other.registry.kinds, logger: log });
  t.equal(other.api.list(customResourceDefinitions).length, 1);
});

t.test('releases are compared by their numbers', (t) => {
  t.ok(isOlder('v1.4.1', 'v1.10.0'));
  t.notOk(isOlder('v1.4.1', 'v1.4.1'));
  t.notOk(isOlder('v2.0.0', 'v1.9.9'));
  t.notOk(isOlder('v0.0.0-dev', 'v1.4.1'), 'what is no release is left alone');
  t.end();
});
