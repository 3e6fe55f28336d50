/** Certificates by SNI, HTTP/2, client certificates, and backends with TLS, as the real proxy does them. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import tls from 'node:tls';
import t from 'tap';
import type { Secret } from '../../../api/types/core/v1.gen.ts';
import { run } from '../../../agent/host/run.ts';
import { NAMESPACE, pathTo, rule, World } from '../../support/ingress-world.ts';
import { enterNamespace } from '../network/pod-namespaces.ts';
import { ask, HTTPS_PORT, makeAddresses, NODE, RunningProxy, startBackend, type Seen } from './running-proxy.ts';

enterNamespace();
t.setTimeout(120_000);

const ONE = '10.99.0.2';
await makeAddresses(4);
await startBackend(t, ONE);
const proxy = await RunningProxy.start(t);

interface Pair {
  readonly cert: string;
  readonly key: string;
}
let made = 0;
/** A certificate for a name, signed by `ca` or by itself. */
async function certificate(name: string, ca?: Pair): Promise<Pair> {
  const at = (file: string): string => path.join(proxy.directory, `c${made}-${file}`);
  made++;
  const [key, cert, caKey, caCert] = [at('key'), at('cert'), at('ca-key'), at('ca')];
  const common = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`];
  const files = ['-keyout', key, '-out', cert, '-days', '30', '-addext', `subjectAltName=DNS:${name}`];
  if (ca) await Promise.all([writeFile(caKey, ca.key), writeFile(caCert, ca.cert)]);
  await run('openssl', ['req', '-x509', ...common, ...files, ...(ca ? ['-CA', caCert, '-CAkey', caKey] : [])]);
  return { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') };
}
const secret = (data: Record<string, string>): Secret => ({
  data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
});
const tlsSecret = ({ cert, key }: Pair): Secret => secret({ 'tls.crt': cert, 'tls.key': key });

/** The certificate that is shown for a name. */
async function shown(servername: string): Promise<string> {
  const socket = tls.connect({ host: NODE, port: HTTPS_PORT, servername, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const found = new X509Certificate(socket.getPeerCertificate().raw).subject;
  socket.destroy();
  return found;
}

interface HttpsOptions extends https.RequestOptions {
  readonly sni?: string;
}
async function askHttps(host: string, target: string, { sni = host, ...options }: HttpsOptions = {}) {
  const request = https.request({
    ...{ host: NODE, port: HTTPS_PORT, path: target, servername: sni, rejectUnauthorized: false, agent: false },
    ...{ headers: { host }, ...options },
  });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk as string;
  return { status: response.statusCode, body };
}

t.test('each host is shown its certificate, others the default one; renewed ones at run time', async (t) => {
  const world = new World();
  world.addService('one', [ONE]);
  world.secrets.set(`${NAMESPACE}/a`, tlsSecret(await certificate('a.example')));
  world.secrets.set(`${NAMESPACE}/w`, tlsSecret(await certificate('*.wild.example')));
  world.secrets.set(`${NAMESPACE}/bad`, secret({ 'tls.crt': 'x', 'tls.key': 'y' }));
  world.addIngress('a', {
    tls: [{ hosts: ['a.example'], secretName: 'a' }],
    rules: [rule('a.example', pathTo('one'))],
  });
  world.addIngress('w', {
    tls: [{ hosts: ['*.wild.example'], secretName: 'w' }],
    rules: [rule('*.wild.example', pathTo('one'))],
  });
  world.addIngress('bad', {
    tls: [{ hosts: ['bad.example'], secretName: 'bad' }],
    rules: [rule('bad.example', pathTo('one'))],
  });
  const { model } = await proxy.apply(world);
  t.match(model.problems, [{ ingress: { name: 'bad' }, reason: 'InvalidCertificate' }]);
  t.equal(await shown('a.example'), 'CN=a.example');
  t.equal(await shown('x.wild.example'), 'CN=*.wild.example');
  for (const name of ['x.y.wild.example', 'bad.example', 'none.example'])
    t.equal(await shown(name), 'CN=kedge-ingress.invalid');
  const { status, headers } = await ask('a.example', '/x?y');
  t.strictSame([status, headers.location], [308, 'https://a.example/x?y']);
  const seen = JSON.parse((await askHttps('a.example', '/x')).body) as Seen;
  t.match(seen.headers, { 'x-forwarded-proto': 'https', 'x-forwarded-port': '443' });
  world.secrets.set(`${NAMESPACE}/a`, tlsSecret(await certificate('renewed.example')));
  t.equal((await proxy.apply(world)).effect, 'told');
  t.equal(await shown('a.example'), 'CN=renewed.example');
});

t.test('HTTP/2', async (t) => {
  const session = http2.connect(`https://${NODE}`, { servername: 'a.example', rejectUnauthorized: false });
  const stream = session.request({ ':path': '/h2', ':authority': 'a.example' });
  let body = '';
  for await (const chunk of stream.setEncoding('utf8')) body += chunk as string;
  session.close();
  t.equal((JSON.parse(body) as Seen).url, '/h2');
});

t.test('client certificates, and no way around them by another name', async (t) => {
  const ca = await certificate('ca.example');
  const client = await certificate('client.example', ca);
  const stranger = await certificate('stranger.example');
  const world = new World();
  world.addService('one', [ONE]);
  world.secrets.set(`${NAMESPACE}/ca`, secret({ 'ca.crt': ca.cert }));
  const spec = (host: string) => ({ tls: [{ hosts: [host] }], rules: [rule(host, pathTo('one'))] });
  world.addIngress('secure', spec('secure.example'), { 'auth-tls-secret': 'ca', 'ssl-redirect': 'false' });
  world.addIngress('open', spec('open.example'));
  t.strictSame((await proxy.apply(world)).model.problems, []);
  t.equal((await askHttps('secure.example', '/')).status, 403);
  const { status, body } = await askHttps('secure.example', '/', { cert: client.cert, key: client.key });
  t.equal(status, 200);
  t.match((JSON.parse(body) as Seen).headers, {
    'ssl-client-verify': 'SUCCESS',
    'ssl-client-subject-dn': 'CN=client.example',
  });
  await t.rejects(askHttps('secure.example', '/', { cert: stranger.cert, key: stranger.key }));
  t.equal((await askHttps('secure.example', '/', { sni: 'open.example' })).status, 421);
  t.equal((await askHttps('open.example', '/')).status, 200);
  t.equal((await ask('secure.example', '/')).status, 403);
});

t.test('backends with TLS, verified when that is asked for', async (t) => {
  const ca = await certificate('ca.example');
  const own = await certificate('backend.example', ca);
  const server = https.createServer({ cert: own.cert, key: own.key }, (_, response) => response.end('secret'));
  server.listen(8443, ONE);
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const world = new World();
  world.addService('tls', [ONE], 8443);
  world.secrets.set(`${NAMESPACE}/upstream`, secret({ 'ca.crt': ca.cert }));
  const ingress = (host: string, annotations: Record<string, string>) =>
    world.addIngress(
      host.split('.')[0]!,
      { rules: [rule(host, pathTo('tls'))] },
      { 'backend-protocol': 'HTTPS', ...annotations },
    );
  ingress('any.example', {});
  const verified = { 'proxy-ssl-verify': 'on', 'proxy-ssl-secret': 'upstream' };
  ingress('verified.example', { ...verified, 'proxy-ssl-name': 'backend.example' });
  ingress('wrong.example', { ...verified, 'proxy-ssl-name': 'other.example' });
  t.strictSame((await proxy.apply(world)).model.problems, []);
  t.strictSame([(await ask('any.example', '/')).body, (await ask('verified.example', '/')).body], ['secret', 'secret']);
  t.equal((await ask('wrong.example', '/')).status, 503);
});

t.test('an Ingress that the proxy refuses is closed, and the others are served', async (t) => {
  const world = new World();
  world.addService('one', [ONE]);
  for (const name of ['a', 'b', 'c'])
    world.addIngress(name, { rules: [rule(`${name}.example`, pathTo('one'))] }, { 'app-root': '/x' });
  // Valid, and more than PCRE compiles.
  const pattern = `/(?:${'x'.repeat(1000)}){200}`;
  world.addIngress(
    'b',
    { rules: [rule('b.example', pathTo('one', pattern, 'ImplementationSpecific'))] },
    { 'use-regex': 'true' },
  );
  const { refused } = await proxy.apply(world);
  t.strictSame([...refused], ['default/b']);
  t.equal((await ask('a.example', '/y')).status, 200);
  t.equal((await ask('c.example', '/y')).status, 200);
  t.equal((await ask('b.example', '/')).status, 404);
});
