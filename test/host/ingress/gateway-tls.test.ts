/** TLS of Gateways, on both sides, as the real proxy does it. Cases of the conformance suite have its names. */
import { once } from 'node:events';
import type http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import t, { type Test } from 'tap';
import type { Gateway } from '../../../addons/ingress/gateway/objects.ts';
import type { Secret } from '../../../api/types/core/v1.gen.ts';
import type { KeyPair } from '../../../control-plane/pki/pem-files.ts';
import { createAuthority, issueCertificate } from '../../../control-plane/pki/signing.ts';
import {
  GatewayWorld,
  http as listener,
  https as httpsListener,
  prefix,
  routeTold,
  to,
  told,
} from '../../support/gateway-world.ts';
import { pathTo, rule } from '../../support/ingress-world.ts';
import { enterNamespace } from '../network/pod-namespaces.ts';
import { ask, HTTPS_PORT, makeAddresses, NODE, RunningProxy, seen, startBackend, type Seen } from './running-proxy.ts';

enterNamespace();
t.setTimeout(240_000);

const [PLAIN, SECURE, ECHO, OTHER] = ['10.99.0.2', '10.99.0.3', '10.99.0.4', '10.99.0.5'] as const;
const PORT = 8_080;
const TLS_PORT = 8_883;
const now = Date.now();
const [ca, stranger] = await Promise.all([createAuthority('ca', now), createAuthority('stranger', now)]);
const issued = (by: KeyPair, commonName: string, usage: 'server auth' | 'client auth' = 'server auth') =>
  issueCertificate(by, { commonName, names: [commonName], usages: [usage], lifetimeMs: 3_600_000, now });
const [front, back, mine, theirs] = await Promise.all([
  issued(ca, 'front.example'),
  issued(ca, 'abc.example.com'),
  issued(ca, 'client', 'client auth'),
  issued(stranger, 'client', 'client auth'),
]);

await makeAddresses(5);
for (const address of [PLAIN, OTHER]) await startBackend(t, address);
/** What a backend has been shown and asked for. */
interface SecureSeen extends Pick<Seen, 'url'> {
  readonly sni: string;
  readonly client: string;
}
const secure = https.createServer(
  { key: back.key, cert: back.certificate, ca: ca.certificate, requestCert: true, rejectUnauthorized: false },
  (request, response) => {
    const socket = request.socket as tls.TLSSocket;
    const { subject } = socket.getPeerCertificate() as Partial<tls.PeerCertificate>;
    const { servername } = socket as tls.TLSSocket & { readonly servername?: string | false };
    const client = String(subject?.CN ?? '');
    response.end(JSON.stringify({ url: request.url ?? '', sni: servername || '', client } satisfies SecureSeen));
  },
);
secure.listen(PORT, SECURE);
/** Sends what it gets back, after its own name. */
const echo = net.createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.write('echo:');
  socket.pipe(socket);
});
echo.listen(PORT, ECHO);
await Promise.all([once(secure, 'listening'), once(echo, 'listening')]);
t.teardown(() => {
  secure.closeAllConnections();
  secure.close();
  echo.close();
});
const proxy = await RunningProxy.start(t);

const tlsSecret = ({ certificate, key }: KeyPair): Secret => ({
  data: Object.fromEntries(
    Object.entries({ 'tls.crt': certificate, 'tls.key': key }).map(([name, text]) => [
      name,
      Buffer.from(text).toString('base64'),
    ]),
  ),
});
function services(): GatewayWorld {
  const world = new GatewayWorld();
  for (const [name, address] of Object.entries({ plain: PLAIN, secure: SECURE, echo: ECHO, other: OTHER }))
    world.addService(name, [address]);
  world.secrets.set('default/front', tlsSecret(front));
  world.secrets.set('default/mine', tlsSecret(mine));
  world.configMaps.set('default/ca', { data: { 'ca.crt': ca.certificate } });
  world.configMaps.set('default/stranger', { data: { 'ca.crt': stranger.certificate } });
  world.configMaps.set('default/broken', { data: { 'ca.crt': 'none' } });
  return world;
}
const withTls = (gateway: Gateway, said: NonNullable<Gateway['spec']>['tls']): void => {
  gateway.spec = { ...gateway.spec, ...(said && { tls: said }) };
};
const caRef = (name: string, more: object = {}) => ({ group: '', kind: 'ConfigMap', name, ...more });

interface Asked {
  readonly status: number;
  readonly body: string;
}
/** A request by HTTPS; rejects when there is no TLS. */
async function askHttps(host: string, options: https.RequestOptions = {}): Promise<Asked> {
  const request = https.request({
    ...{
      host: NODE,
      port: HTTPS_PORT,
      path: '/',
      servername: host,
      headers: { host },
      agent: false,
      ca: ca.certificate,
    },
    ...{ checkServerIdentity: () => undefined },
    ...options,
  });
  request.end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk as string;
  return { status: response.statusCode ?? 0, body };
}
const fails = (t: Test, what: string, work: () => Promise<unknown>) => t.rejects(work(), what);

t.test('BackendTLSPolicy: backends are asked by TLS, and verified, or not at all', async (t) => {
  const world = services();
  withTls(world.addGateway('gw', [listener('http')]), { backend: { clientCertificateRef: { name: 'mine' } } });
  const policies: Readonly<Record<string, NonNullable<Parameters<GatewayWorld['addTlsPolicy']>[2]>>> = {
    good: { hostname: 'abc.example.com', caCertificateRefs: [caRef('ca')] },
    'host-mismatch': { hostname: 'mismatch.example.com', caCertificateRefs: [caRef('ca')] },
    'cert-mismatch': { hostname: 'abc.example.com', caCertificateRefs: [caRef('stranger')] },
    'some-ca': { hostname: 'abc.example.com', caCertificateRefs: [caRef('nowhere'), caRef('ca')] },
    'no-ca': { hostname: 'abc.example.com', caCertificateRefs: [caRef('nowhere')] },
    'malformed-ca': { hostname: 'abc.example.com', caCertificateRefs: [caRef('broken')] },
    'invalid-kind': { hostname: 'abc.example.com', caCertificateRefs: [{ group: '', kind: 'Secret', name: 'front' }] },
    system: { hostname: 'abc.example.com', wellKnownCACertificates: 'System' },
    'san-dns': {
      hostname: 'abc.example.com',
      caCertificateRefs: [caRef('ca')],
      subjectAltNames: [
        { type: 'URI', uri: 'spiffe://abc.example.com/test' },
        { type: 'Hostname', hostname: 'abc.example.com' },
      ],
    },
    'san-mismatch': {
      hostname: 'abc.example.com',
      caCertificateRefs: [caRef('ca')],
      subjectAltNames: [{ type: 'Hostname', hostname: 'dce.example.com' }],
    },
    'san-uri': {
      hostname: 'abc.example.com',
      caCertificateRefs: [caRef('ca')],
      subjectAltNames: [{ type: 'URI', uri: 'spiffe://abc.example.com/test' }],
    },
    evil: { hostname: "a' verify none\n  server x 1.2.3.4", caCertificateRefs: [caRef('ca')] },
  };
  for (const name of Object.keys(policies)) world.addService(name, [SECURE]);
  for (const [name, validation] of Object.entries(policies)) world.addTlsPolicy(name, name, validation);
  world.addTlsPolicy('conflicted', 'good', { hostname: 'x.example', caCertificateRefs: [caRef('ca')] });
  world.addTlsPolicy(
    'port',
    'host-mismatch',
    { hostname: 'abc.example.com', caCertificateRefs: [caRef('ca')] },
    'http',
  );
  world.addRoute('route', {
    rules: Object.keys(policies).map((name) => ({ matches: [prefix(`/${name}`)], backendRefs: [to(name)] })),
  });
  const compiled = await proxy.applyGateways(world);
  t.equal(compiled.refused.size, 0);
  t.equal(
    routeTold(compiled, 'HTTPRoute default/route').join(', '),
    'Accepted=True Accepted, ResolvedRefs=True ResolvedRefs',
  );

  const bySecure = async (name: string): Promise<SecureSeen> => {
    const { status, body } = await ask('any.example', `/${name}`);
    t.equal(status, 200, name);
    return JSON.parse(body) as SecureSeen;
  };
  t.strictSame(await bySecure('good'), { url: '/good', sni: 'abc.example.com', client: 'client' });
  t.match(await bySecure('some-ca'), { sni: 'abc.example.com' });
  t.match(await bySecure('san-dns'), { sni: 'abc.example.com' });
  t.match(
    await bySecure('host-mismatch'),
    { sni: 'abc.example.com' },
    'a policy for the port counts before one for all',
  );
  for (const name of [
    'cert-mismatch',
    'no-ca',
    'malformed-ca',
    'invalid-kind',
    'system',
    'san-mismatch',
    'san-uri',
    'evil',
  ])
    t.match((await ask('any.example', `/${name}`)).status, /^50[03]$/, name);

  const ACCEPTED = 'Accepted=True Accepted, ResolvedRefs=True ResolvedRefs';
  const expected: Readonly<Record<string, string>> = {
    good: ACCEPTED,
    'some-ca': 'Accepted=True Accepted, ResolvedRefs=False InvalidCACertificateRef',
    'no-ca': 'Accepted=False NoValidCACertificate, ResolvedRefs=False InvalidCACertificateRef',
    'malformed-ca': 'Accepted=False NoValidCACertificate, ResolvedRefs=False InvalidCACertificateRef',
    'invalid-kind': 'Accepted=False NoValidCACertificate, ResolvedRefs=False InvalidKind',
    system: ACCEPTED,
    'san-mismatch': 'Accepted=False Invalid, ResolvedRefs=True ResolvedRefs',
    'san-uri': 'Accepted=False Invalid, ResolvedRefs=True ResolvedRefs',
    conflicted: 'Accepted=False Conflicted, ResolvedRefs=True ResolvedRefs',
    port: ACCEPTED,
    'host-mismatch': ACCEPTED,
  };
  for (const [name, conditions] of Object.entries(expected))
    t.equal(
      told(compiled.reports.policies.get(`default/${name}`)?.ancestors[0]?.conditions).join(', '),
      conditions,
      name,
    );
  t.match(told(compiled.reports.gateways.get('default/gw')?.conditions), [
    'Accepted=True Accepted',
    'ResolvedRefs=True ResolvedRefs',
  ]);
});

t.test('TLSRoute: connections by name, with TLS passed through or ended, beside HTTPS', async (t) => {
  const world = services();
  const tlsListener = (name: string, hostname: string | undefined, mode: string, port = 443) =>
    listener(name, hostname, {
      ...{ port, protocol: 'TLS' },
      tls: { mode, ...(mode === 'Terminate' && { certificateRefs: [{ name: 'front' }] }) },
    });
  world.addGateway('gw', [
    tlsListener('pass', 'abc.example.com', 'Passthrough'),
    tlsListener('pass-wide', '*.wide.example', 'Passthrough'),
    tlsListener('end', 'ended.example', 'Terminate'),
    httpsListener('https', 'front', '*.example'),
    tlsListener('port', 'abc.example.com', 'Passthrough', TLS_PORT),
  ]);
  world.addTlsRoute('pass', {
    hostnames: ['abc.example.com', '*.wide.example'],
    rules: [{ backendRefs: [to('secure')] }],
  });
  world.addTlsRoute('end', {
    hostnames: ['ended.example'],
    rules: [{ backendRefs: [to('echo', { weight: 3 }), to('plain', { weight: 0 })] }],
  });
  world.addTlsRoute('nowhere', { hostnames: ['gone.wide.example'], rules: [{ backendRefs: [to('nobody')] }] });
  world.addTlsRoute('elsewhere', { hostnames: ['no.listener.has.it'], rules: [{ backendRefs: [to('echo')] }] });
  world.addRoute('web', {
    parentRefs: [{ name: 'gw', sectionName: 'https' }],
    rules: [{ backendRefs: [to('plain')] }],
  });
  // A host of an Ingress is no connection of a wider host.
  world.addIngress('mine', { rules: [rule('shop.wide.example', pathTo('other'))] });
  const compiled = await proxy.applyGateways(world, [TLS_PORT]);
  t.equal(compiled.refused.size, 0);
  t.equal(
    routeTold(compiled, 'TLSRoute default/pass').join(', '),
    'Accepted=True Accepted, ResolvedRefs=True ResolvedRefs',
  );
  t.match(routeTold(compiled, 'TLSRoute default/nowhere'), [
    'Accepted=True Accepted',
    'ResolvedRefs=False BackendNotFound',
  ]);
  t.match(routeTold(compiled, 'TLSRoute default/elsewhere'), ['Accepted=False NoMatchingListenerHostname']);
  t.strictSame(
    compiled.reports.gateways
      .get('default/gw')
      ?.listeners.map(({ name, supportedKinds, attachedRoutes }) => [
        name,
        supportedKinds.map(({ kind }) => kind).join(),
        attachedRoutes,
      ]),
    [
      ['pass', 'TLSRoute', 1],
      ['pass-wide', 'TLSRoute', 2],
      ['end', 'TLSRoute', 1],
      ['https', 'HTTPRoute,GRPCRoute', 1],
      ['port', 'TLSRoute', 1],
    ],
  );
  for (const port of [HTTPS_PORT, TLS_PORT])
    t.match(JSON.parse((await askHttps('abc.example.com', { port, path: '/x' })).body), {
      url: '/x',
      sni: 'abc.example.com',
    });
  t.match(JSON.parse((await askHttps('a.b.wide.example')).body), { sni: 'a.b.wide.example' });
  const passed = JSON.parse((await askHttps('web.example')).body) as Seen;
  t.match(passed, { server: PLAIN, headers: { 'x-real-ip': NODE, 'x-forwarded-port': String(HTTPS_PORT) } });
  t.match(JSON.parse((await askHttps('shop.wide.example', { rejectUnauthorized: false })).body), { server: OTHER });
  const ended = tls.connect({
    host: NODE,
    port: HTTPS_PORT,
    servername: 'ended.example',
    ca: ca.certificate,
    checkServerIdentity: () => undefined,
  });
  await once(ended, 'secureConnect');
  ended.setEncoding('utf8').end('any bytes');
  let echoed = '';
  for await (const chunk of ended) echoed += chunk as string;
  t.equal(echoed, 'echo:any bytes');
  await fails(t, 'a backend that is not there', () => askHttps('gone.wide.example'));
  await fails(t, 'a name that nobody has, at a port without HTTPS', () =>
    askHttps('other.example', { port: TLS_PORT }),
  );
  const plain = net.connect(HTTPS_PORT, NODE);
  plain.setEncoding('utf8').end('GET / HTTP/1.1\r\n\r\n');
  let said = '';
  for await (const chunk of plain) said += chunk as string;
  t.equal(said, '', 'what is no TLS is not served');
});

t.test('GatewayFrontendClientCertificateValidation: without a certificate of the CA nothing is served', async (t) => {
  const world = services();
  const validated = world.addGateway('gw', [
    httpsListener('one', 'front', 'one.example'),
    httpsListener('any', 'front', 'any.example', { port: TLS_PORT }),
    listener('http', 'one.example'),
  ]);
  withTls(validated, {
    frontend: {
      default: { validation: { caCertificateRefs: [caRef('ca')] } },
      perPort: [
        { port: TLS_PORT, tls: { validation: { caCertificateRefs: [caRef('ca')], mode: 'AllowInsecureFallback' } } },
      ],
    },
  });
  world.addRoute('route', { rules: [{ backendRefs: [to('plain')] }] });
  world.addGateway('open', [httpsListener('open', 'front', 'open.example')]);
  world.addRoute('open', { parentRefs: [{ name: 'open' }], rules: [{ backendRefs: [to('other')] }] });
  const compiled = await proxy.applyGateways(world, [TLS_PORT]);
  t.equal(compiled.refused.size, 0);
  t.ok(
    told(compiled.reports.gateways.get('default/gw')?.conditions).includes(
      'InsecureFrontendValidationMode=True ConfigurationChanged',
    ),
  );
  const withCertificate = ({ certificate, key }: KeyPair) => ({ cert: certificate, key });
  t.match(await askHttps('one.example', withCertificate(mine)), { status: 200 });
  await fails(t, 'without one', () => askHttps('one.example'));
  await fails(t, 'with that of another CA', () => askHttps('one.example', withCertificate(theirs)));
  t.match(await askHttps('open.example'), { status: 200 }, 'another Gateway asks for none');
  const misdirected = await askHttps('open.example', { headers: { host: 'one.example' } });
  t.equal(misdirected.status, 421, 'the host of a connection that was made for another name');
  t.match(await seen('one.example', '/'), { server: PLAIN }, 'HTTP is as it is');
  for (const options of [{}, withCertificate(mine), withCertificate(theirs)])
    t.match(await askHttps('any.example', { ...options, port: TLS_PORT }), { status: 200 });
});

t.test(
  'GatewayInvalidFrontendClientCertificateValidation: what is wrong is told of the listeners by HTTPS',
  async (t) => {
    const world = services();
    const invalid = (name: string, port: number) => httpsListener(name, 'front', `${name}.example`, { port });
    const gateway = world.addGateway('gw', [
      listener('http'),
      invalid('fine', 443),
      invalid('unresolved', 9_001),
      invalid('kind', 9_002),
      invalid('grant', 9_003),
    ]);
    const said = (port: number, reference: object) => ({
      port,
      tls: { validation: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca', ...reference }] } },
    });
    withTls(gateway, {
      frontend: {
        default: { validation: { caCertificateRefs: [caRef('ca')] } },
        perPort: [
          said(9_001, { name: 'nowhere' }),
          said(9_002, { kind: 'Secret' }),
          said(9_003, { namespace: 'other' }),
        ],
      },
    });
    world.configMaps.set('other/ca', { data: { 'ca.crt': ca.certificate } });
    const compiled = await proxy.applyGateways(world, [9_001, 9_002, 9_003]);
    const conditions = new Map(
      compiled.reports.gateways
        .get('default/gw')
        ?.listeners.map((each) => [each.name, told(each.conditions).slice(0, 3).join(', ')]),
    );
    const GOOD = 'Accepted=True Accepted, Programmed=True Programmed, ResolvedRefs=True ResolvedRefs';
    const bad = (reason: string) =>
      `Accepted=False NoValidCACertificate, Programmed=False Invalid, ResolvedRefs=False ${reason}`;
    t.equal(conditions.get('http'), GOOD);
    t.equal(conditions.get('fine'), GOOD);
    t.equal(conditions.get('unresolved'), bad('InvalidCACertificateRef'));
    t.equal(conditions.get('kind'), bad('InvalidCACertificateKind'));
    t.equal(conditions.get('grant'), bad('RefNotPermitted'));
    await fails(t, 'a listener that is not accepted', () => askHttps('unresolved.example', { port: 9_001 }));
  },
);

t.test('ListenerSet: listeners of other namespaces, after those of the Gateway', async (t) => {
  const world = services();
  world.namespaces.set('team', { team: 'yes' });
  const gateway = world.addGateway('gw', [listener('own', 'own.example')]);
  gateway.spec = { ...gateway.spec, allowedListeners: { namespaces: { from: 'All' } } };
  world.addListenerSet(
    'first',
    [listener('own', 'set.example'), listener('clash', 'own.example'), listener('both', 'both.example')],
    'team',
  );
  world.addListenerSet('second', [listener('both', 'both.example')], 'team');
  const parent = { kind: 'ListenerSet', namespace: 'team', name: 'first' };
  world.addService('team', [OTHER], PORT, 'team');
  world.addRoute('set', { parentRefs: [parent], rules: [{ backendRefs: [to('team')] }] }, 'team');
  world.addRoute('mine', { rules: [{ backendRefs: [to('plain')] }] });
  world.addRoute(
    'lost',
    { parentRefs: [{ name: 'gw', namespace: 'default', sectionName: 'both' }], rules: [{ backendRefs: [to('team')] }] },
    'team',
  );
  world.addRoute('outside', { parentRefs: [parent], rules: [{ backendRefs: [to('plain')] }] });
  const compiled = await proxy.applyGateways(world);
  t.equal(compiled.refused.size, 0);
  t.match(await seen('set.example', '/'), { server: OTHER });
  t.match(await seen('own.example', '/'), { server: PLAIN });
  t.match(await seen('both.example', '/'), { server: OTHER });
  t.match(routeTold(compiled, 'HTTPRoute team/set'), ['Accepted=True Accepted']);
  t.match(routeTold(compiled, 'HTTPRoute team/lost'), ['Accepted=False NoMatchingParent']);
  t.match(routeTold(compiled, 'HTTPRoute default/outside'), ['Accepted=False NotAllowedByListeners']);
  const first = compiled.reports.sets.get('team/first');
  t.match(told(first?.conditions), ['Accepted=True ListenersNotValid', 'Programmed=True Programmed']);
  t.strictSame(
    first?.listeners.map(({ name, attachedRoutes, conditions }) => [name, attachedRoutes, told(conditions)[0]]),
    [
      ['own', 1, 'Accepted=True Accepted'],
      ['clash', 0, 'Accepted=False HostnameConflict'],
      ['both', 1, 'Accepted=True Accepted'],
    ],
  );
  t.match(told(compiled.reports.sets.get('team/second')?.conditions), [
    'Accepted=False ListenersNotValid',
    'Programmed=False ListenersNotValid',
  ]);
  t.equal(compiled.reports.gateways.get('default/gw')?.attachedListenerSets, 1);
  gateway.spec = { ...gateway.spec, allowedListeners: { namespaces: { from: 'Same' } } };
  const refused = await proxy.applyGateways(world);
  t.match(told(refused.reports.sets.get('team/first')?.conditions), [
    'Accepted=False NotAllowed',
    'Programmed=False NotAllowed',
  ]);
  t.equal((await ask('set.example', '/')).status, 404);
});
