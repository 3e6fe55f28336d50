/**
 * Who may show a certificate of which CA, where namespaces share the proxy's ports: no other namespace's Gateway verifies clients of one's
 * own, by the real proxy.
 */
import { once } from 'node:events';
import tls from 'node:tls';
import t, { type Test } from 'tap';
import type { Gateway } from '../../../addons/ingress/gateway/objects.ts';
import type { Secret } from '../../../api/types/core/v1.gen.ts';
import type { KeyPair } from '../../../control-plane/pki/pem-files.ts';
import { createAuthority, issueCertificate } from '../../../control-plane/pki/signing.ts';
import { GatewayWorld, http as listener, https as httpsListener, to } from '../../support/gateway-world.ts';
import { pathTo, rule } from '../../support/ingress-world.ts';
import { enterNamespace } from '../network/pod-namespaces.ts';
import { HTTPS_PORT, makeAddresses, NODE, RunningProxy, startBackend } from './running-proxy.ts';

enterNamespace();
t.setTimeout(120_000);

const OTHERS = 'others';
const now = Date.now();
const [ownCa, othersCa] = await Promise.all([createAuthority('own', now), createAuthority('others', now)]);
const issued = (by: KeyPair, usage: 'server auth' | 'client auth', ...names: string[]) =>
  issueCertificate(by, { commonName: names[0] ?? '', names, usages: [usage], lifetimeMs: 3_600_000, now });
const [front, first, second, mine, theirs] = await Promise.all([
  issued(ownCa, 'server auth', 'front.example'),
  issued(othersCa, 'server auth', 'first.others.example'),
  issued(othersCa, 'server auth', 'named.own.example'),
  issued(ownCa, 'client auth', 'client'),
  issued(othersCa, 'client auth', 'client'),
]);
await makeAddresses(3);
const [PLAIN, OTHER] = ['10.99.0.2', '10.99.0.3'] as const;
for (const address of [PLAIN, OTHER]) await startBackend(t, address);
const proxy = await RunningProxy.start(t);

const secretOf = (data: Readonly<Record<string, string>>): Secret => ({
  data: Object.fromEntries(Object.entries(data).map(([name, text]) => [name, Buffer.from(text).toString('base64')])),
});
const tlsSecret = ({ certificate, key }: KeyPair): Secret => secretOf({ 'tls.crt': certificate, 'tls.key': key });

/** A Gateway whose listeners by HTTPS ask for certificates of the CA of its namespace. */
function withClientCa(gateway: Gateway): void {
  const reference = { group: '', kind: 'ConfigMap', name: 'ca' };
  const spec = { ...gateway.spec, tls: { frontend: { default: { validation: { caCertificateRefs: [reference] } } } } };
  gateway.spec = spec;
}

/** Two namespaces, each with a CA of its own; the others' Gateway is for any host, and shows certificates by their names. */
function twoNamespaces(): GatewayWorld {
  const world = new GatewayWorld();
  world.addService('plain', [PLAIN]);
  world.addService('other', [OTHER], 8_080, OTHERS);
  world.secrets.set('default/front', tlsSecret(front));
  world.secrets.set('default/ca', secretOf({ 'ca.crt': ownCa.certificate }));
  world.secrets.set(`${OTHERS}/first`, tlsSecret(first));
  world.secrets.set(`${OTHERS}/second`, tlsSecret(second));
  world.configMaps.set('default/ca', { data: { 'ca.crt': ownCa.certificate } });
  world.configMaps.set(`${OTHERS}/ca`, { data: { 'ca.crt': othersCa.certificate } });
  const tlsOf = { certificateRefs: [{ name: 'first' }, { name: 'second' }] };
  withClientCa(world.addGateway('any', [httpsListener('any', 'first', undefined, { tls: tlsOf })], OTHERS));
  world.addRoute(
    'any',
    { parentRefs: [{ name: 'any' }], hostnames: ['mine.others.example'], rules: [{ backendRefs: [to('other')] }] },
    OTHERS,
  );
  return world;
}

interface Client {
  readonly pair?: KeyPair;
  readonly session?: Buffer | undefined;
  readonly version?: tls.SecureVersion;
}
/** The status of the answer to a request, 0 where there is no connection, and a session to begin the next one with. */
async function request(host: string, { pair, session, version = 'TLSv1.3' }: Client) {
  const socket = tls.connect({
    ...{ host: NODE, port: HTTPS_PORT, servername: host, rejectUnauthorized: false },
    ...{ minVersion: version, maxVersion: version, ALPNProtocols: ['http/1.1'] },
    ...(pair && { cert: pair.certificate, key: pair.key }),
    ...(session && { session }),
  });
  let [kept, text] = [undefined as Buffer | undefined, ''];
  socket.on('session', (each: Buffer) => (kept = each));
  try {
    await once(socket, 'secureConnect');
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    for await (const chunk of socket.setEncoding('utf8')) text += chunk as string;
  } catch (error) {
    // A client that is refused is told so by an alert, or by the end of the connection.
    if (!(error instanceof Error && 'code' in error)) throw error;
  } finally {
    socket.destroy();
  }
  const isReused = socket.isSessionReused();
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), session: kept, isReused };
}
async function isServed(t: Test, host: string, pair: KeyPair, isIt: boolean): Promise<void> {
  const { status } = await request(host, { pair });
  t[isIt ? 'equal' : 'not'](status, 200, `${host} is ${isIt ? '' : 'not '}served`);
}

t.test('a session that one CA has let in is none for the hosts of another', async (t) => {
  const world = twoNamespaces();
  withClientCa(world.addGateway('gw', [httpsListener('own', 'front', 'own.example')]));
  world.addRoute('own', { rules: [{ backendRefs: [to('plain')] }] });
  t.equal((await proxy.applyGateways(world)).refused.size, 0);
  await isServed(t, 'own.example', mine, true);
  await isServed(t, 'own.example', theirs, false);
  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    const { status, session } = await request('mine.others.example', { pair: theirs, version });
    t.equal(status, 200, `${version}: the others' own host`);
    t.not((await request('own.example', { session, version })).status, 200, `${version}: with the session of another`);
  }
});

t.test('below a wildcard, names that a listener of others is found for are verified by nobody', async (t) => {
  const world = twoNamespaces();
  withClientCa(world.addGateway('gw', [httpsListener('own', 'front', '*.own.example')]));
  world.addRoute('own', { rules: [{ backendRefs: [to('plain')] }] });
  t.equal((await proxy.applyGateways(world)).refused.size, 0);
  await isServed(t, 'a.own.example', mine, true);
  for (const host of ['a.own.example', 'a.b.own.example', 'named.own.example']) await isServed(t, host, theirs, false);
});

t.test('hosts of Ingresses that no certificate is for', async (t) => {
  const world = twoNamespaces();
  world.addIngress(
    'named',
    { tls: [{ hosts: ['own.example'], secretName: 'front' }], rules: [rule('own.example', pathTo('plain'))] },
    { 'auth-tls-secret': 'default/ca', 'server-alias': 'alias.example' },
  );
  world.addIngress(
    'any',
    { rules: [rule(undefined, pathTo('plain'))] },
    { 'auth-tls-secret': 'default/ca', 'ssl-redirect': 'false' },
  );
  world.addGateway('plain', [listener('http', 'http.example')]);
  t.equal((await proxy.applyGateways(world)).refused.size, 0);
  await isServed(t, 'own.example', mine, true);
  for (const host of ['own.example', 'alias.example', 'unknown.example']) await isServed(t, host, theirs, false);
});
