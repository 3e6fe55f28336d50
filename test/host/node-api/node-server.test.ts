import { once } from 'node:events';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import path from 'node:path';
import { connect, type ConnectionOptions } from 'node:tls';
import t from 'tap';
import { createAuthority, issueCertificate } from '../../../control-plane/pki/signing.ts';
import { startCluster } from './cluster.ts';

const cluster = await startCluster();
t.teardown(() => cluster[Symbol.asyncDispose]());
const { ca, client, nodePort } = cluster;
const identity = { cert: client.certificate, key: client.key };

interface Answer {
  readonly code: number | undefined;
  readonly text: string;
}

async function get(target: string, tls: ConnectionOptions = identity, headers = {}, method = 'GET'): Promise<Answer> {
  const request = httpsRequest({
    host: '127.0.0.1',
    port: nodePort,
    path: target,
    method,
    headers,
    ca: ca.certificate,
    agent: false,
    ...tls,
  });
  request.end();
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
  return { code: response.statusCode, text: Buffer.concat(await response.toArray()).toString() };
}

t.test('callers are authenticated by a client certificate or by token review', async (t) => {
  t.strictSame(await get('/healthz', {}), { code: 401, text: 'Unauthorized' });
  t.strictSame(await get('/healthz', {}, { authorization: 'Bearer bad' }), { code: 401, text: 'Unauthorized' });
  t.strictSame(await get('/healthz'), { code: 200, text: 'ok' });
  const other = await createAuthority('other', Date.now());
  const stranger = await issueCertificate(other, {
    commonName: 'kube-apiserver-kubelet-client',
    organizations: ['system:masters'],
    usages: ['client auth'],
    lifetimeMs: 60_000,
    now: Date.now(),
  });
  t.equal((await get('/healthz', { cert: stranger.certificate, key: stranger.key })).code, 401);
});

t.test('callers are authorized by access review, once per kind of access', async (t) => {
  const monitor = { authorization: 'Bearer good' };
  cluster.asked.length = 0;
  t.strictSame(await get('/metrics', {}, monitor), { code: 200, text: 'kedge_up 1\n' });
  t.equal((await get('/metrics', {}, monitor)).code, 200);
  t.strictSame(cluster.asked, ['monitor get nodes/metrics']);
  t.strictSame(await get('/pods', {}, monitor), {
    code: 403,
    text: 'Forbidden (user=monitor, verb=get, resource=nodes, subresource(s)=[pods proxy])\n',
  });
  t.equal((await get('/exec/default/demo/main?command=ls', {}, monitor)).code, 403);
  t.strictSame(cluster.asked, [
    'monitor get nodes/metrics',
    'monitor get nodes/pods',
    'monitor get nodes/proxy',
    'monitor create nodes/proxy',
  ]);
});

t.test('unknown paths and methods are rejected', async (t) => {
  t.equal((await get('/nothing')).code, 404);
  t.equal((await get('/stats/summary')).code, 404, 'write requests are not served');
  t.equal((await get('/containerLogs/default/demo')).code, 404);
  t.equal((await get('/containerLogs/default/demo/main', identity, {}, 'DELETE')).code, 405);
  t.strictSame(await get('/containerLogs/default/demo/main'), { code: 404, text: 'pod "demo" does not exist' });
  t.strictSame(await get('/exec/default/demo/main', identity, {}, 'POST'), {
    code: 400,
    text: 'Upgrade request required',
  });
  t.equal((await get('/configz')).text, '{"kubeletconfig":{"address":"127.0.0.1"}}');
  t.match(JSON.parse((await get('/pods')).text), { kind: 'PodList', items: [] });
});

t.test('a path is authorized as the resource that it serves, in any notation', async (t) => {
  const looker = { authorization: 'Bearer look' };
  t.strictSame(await get('/metric%73', {}, looker), { code: 200, text: 'kedge_up 1\n' });
  for (const target of [
    '/exec/default/demo/main',
    '/%65xec/default/demo/main',
    '/exe%63/default/demo/main?command=id',
    '/x/../%72un/default/demo/main',
    '/x/%2e%2e/portForwar%64/default/demo',
  ]) {
    t.match(await get(target, {}, looker), { code: 403, text: /user=looker, verb=create, / }, target);
  }
  t.equal((await get('/%zz')).code, 400);
  t.equal((await get('//exec/default/demo/main')).code, 404);
  t.equal((await get('/exec%2fdefault/demo/main')).code, 404);
});

t.test('an upgrade header is ignored where nothing can be upgraded', async (t) => {
  const headers = { connection: 'Upgrade', upgrade: 'websocket' };
  t.strictSame(await get('/healthz', identity, headers), { code: 200, text: 'ok' });
  t.equal((await get('/nothing', identity, headers)).code, 404);
});

t.test('files are served from the log directory only', async (t) => {
  await mkdir(path.join(cluster.directory, 'sub'));
  await writeFile(path.join(cluster.directory, 'sub', 'a.log'), 'a line\n');
  await symlink('/etc/passwd', path.join(cluster.directory, 'sub', 'leak'));
  t.match((await get('/logs/')).text, /<a href="sub\/">sub\/<\/a>/);
  t.match((await get('/logs/sub/')).text, /<a href="a.log">a.log<\/a>/);
  t.strictSame(await get('/logs/sub/a.log'), { code: 200, text: 'a line\n' });
  for (const target of [
    '/logs/sub/leak',
    '/logs/..%2f..%2f..%2fetc%2fpasswd',
    '/logs/%2e%2e/%2e%2e/etc/passwd',
    '/logs/no',
  ])
    t.equal((await get(target)).code, 404, target);
});

t.test('a renewed serving certificate is used for new connections, and old ones stay open', async (t) => {
  const options = { port: nodePort, ca: ca.certificate, host: '127.0.0.1', ...identity };
  const old = connect(options);
  await once(old, 'secureConnect');
  const now = Date.now();
  const renewed = await issueCertificate(ca, {
    commonName: 'system:node:node-a',
    organizations: ['system:nodes'],
    names: ['127.0.0.1'],
    usages: ['server auth'],
    lifetimeMs: 3600_000,
    now,
  });
  cluster.nodeServer.replaceCertificate({ cert: renewed.certificate, key: renewed.key, ca: ca.certificate });
  const fresh = connect(options);
  await once(fresh, 'secureConnect');
  t.not(fresh.getPeerCertificate().serialNumber, old.getPeerCertificate().serialNumber);
  old.end('GET /healthz HTTP/1.0\r\n\r\n');
  t.match(Buffer.concat(await old.toArray()).toString(), /200 OK/);
  fresh.destroy();
});
