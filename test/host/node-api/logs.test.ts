import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import { connect } from 'node:http2';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import t from 'tap';
import { WebSocket } from 'ws';
import { pods } from '../../../api/kinds/core/pod.ts';
import { createAuthority, issueCertificate } from '../../../control-plane/pki/signing.ts';
import { eventually } from '../../support/wait.ts';
import { startCluster } from './cluster.ts';

const cluster = await startCluster();
t.teardown(() => cluster[Symbol.asyncDispose]());
/** Counts until the file /stop is there. */
const COUNT =
  'i=0; while [ ! -e /stop ]; do echo "count $i"; echo "error $i" >&2; i=$((i+1)); sleep 0.01; done; echo done';
const pod = await cluster.runtime.startPod('demo', [
  { name: 'counter', command: ['/bin/sh', '-c', COUNT] },
  {
    name: 'ended',
    command: [
      '/bin/sh',
      '-c',
      'echo one; echo two; echo three; seq 1 200000; while [ ! -e /end ]; do sleep 0.01; done',
    ],
  },
  { name: 'silent', command: ['/bin/sh', '-c', 'while [ ! -e /go ]; do sleep 0.01; done; echo now; exec sleep 1000'] },
]);
await cluster.addPod(pod);
const logs = async (...args: string[]): Promise<string> => {
  const { stdout, stderr } = await cluster.kubectl(['logs', 'demo', ...args]);
  return stdout.toString() + stderr;
};
const idOf = (name: string): string => pod.containers.get(name) ?? '';
const run = (container: string, ...command: string[]) => cluster.runtime.cri.execSync(idOf(container), command, 0);
// containerd 1.6 loses what a container wrote in its last moment.
await eventually('the last line', async () => (await logs('-c', 'ended', '--tail=1')) === '200000\n');
await run('ended', 'touch', '/end');
const ended = async () => (await cluster.runtime.cri.containerStatus(idOf('ended'))).state === 'CONTAINER_EXITED';
await eventually('the end', ended);

t.test('a log is served whole, in part and with timestamps', async (t) => {
  const numbers = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join('');
  t.equal(await logs('-c', 'ended'), `one\ntwo\nthree\n${numbers}`);
  t.equal(await logs('-c', 'ended', '--tail', '2'), '199999\n200000\n');
  t.equal(await logs('-c', 'ended', '--limit-bytes', '5'), 'one\nt');
  t.equal(await logs('-c', 'ended', '--since', '1h', '--tail=1'), '200000\n');
  t.equal(await logs('-c', 'ended', '--since-time', '2100-01-01T00:00:00Z'), '');
  t.match(await logs('-c', 'ended', '--timestamps', '--tail=1'), /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z 200000\n$/);
  t.equal(await logs('-c', 'ended', '-f', '--tail=1'), '200000\n', 'following what has ended ends');
});

t.test('a followed log continues across rotation and ends with its container', async (t) => {
  const file = path.join(pod.config.logDirectory, 'counter', '0.log');
  const following = cluster.startKubectl(['logs', '-f', 'demo', '-c', 'counter']);
  let text = '';
  following.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const more = async (): Promise<void> => {
    const { length } = text;
    await eventually('more lines', () => text.length > length);
  };
  for (const name of ['first', 'second']) {
    await more();
    await rename(file, `${file}.${name}`);
    await more();
    await cluster.runtime.cri.reopenContainerLog(idOf('counter'));
    await more();
  }
  await run('counter', 'touch', '/stop');
  await once(following, 'close');
  t.equal(following.exitCode, 0);
  const lines = text.trimEnd().split('\n');
  t.equal(lines.pop(), 'done');
  const counted = lines.filter((line) => line.startsWith('count'));
  t.ok(counted.length > 10);
  t.strictSame(
    counted,
    counted.map((_, i) => `count ${i}`),
  );
});

t.test('a follower over HTTP/2 receives a line as soon as it is written', async (t) => {
  const session = connect(cluster.server, {
    ca: cluster.ca.certificate,
    cert: cluster.client.certificate,
    key: cluster.client.key,
  });
  t.teardown(() => session.destroy());
  const stream = session.request({
    ':path': '/api/v1/namespaces/default/pods/demo/log?container=silent&follow=true',
  });
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  t.equal(headers[':status'], 200, 'the response starts before there is a line');
  await run('silent', 'touch', '/go');
  const [line] = (await once(stream, 'data')) as [Buffer];
  t.equal(line.toString(), 'now\n');
});

t.test('logs over a WebSocket, binary or base64', async (t) => {
  const numbers = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join('');
  const identity = { ca: cluster.ca.certificate, cert: cluster.client.certificate, key: cluster.client.key };
  const url = `${cluster.server.replace('https', 'wss')}/api/v1/namespaces/default/pods/demo/log?container=ended`;
  for (const protocol of ['', 'binary.k8s.io', 'base64.binary.k8s.io']) {
    const socket = new WebSocket(url, protocol ? [protocol] : [], identity);
    let text = '';
    socket.on('message', (message: Buffer, isBinary) => {
      text += isBinary ? message.toString() : Buffer.from(message.toString(), 'base64').toString();
    });
    const [code] = (await once(socket, 'close')) as [number];
    t.equal(code, 1000);
    t.equal(socket.protocol, protocol);
    t.equal(text === `one\ntwo\nthree\n${numbers}`, true, `${protocol || 'no protocol'} returns the whole log`);
  }
  const [, refusal] = (await once(
    new WebSocket(`${url.replace('ended', 'absent')}`, identity),
    'unexpected-response',
  )) as [unknown, IncomingMessage];
  t.equal(refusal.statusCode, 400, 'what there is no log of is refused before the upgrade');
  refusal.destroy();
});

t.test("errors have upstream's messages", async (t) => {
  const terminated = { exitCode: 1, containerID: `containerd://${idOf('ended')}` };
  cluster.setState(pod, 'silent', { waiting: { reason: 'ContainerCreating' } });
  const about = (words: string): string => `Error from server (BadRequest): ${words}\n`;
  const silent = 'container "silent" in pod "demo"';
  t.equal(await logs('-c', 'silent'), about(`${silent} is waiting to start: ContainerCreating`));
  t.equal(await logs('-c', 'silent', '--previous'), about(`previous terminated ${silent} not found`));
  cluster.setState(pod, 'silent', { waiting: { reason: 'ImagePullBackOff' } });
  t.equal(await logs('-c', 'silent'), about(`${silent} is waiting to start: trying and failing to pull image`));
  cluster.setState(pod, 'silent', { waiting: { reason: 'CrashLoopBackOff' } }, { terminated });
  t.equal(await logs('-c', 'silent', '--limit-bytes=4'), 'one\n', 'a crashing container has its last log');
  cluster.setState(pod, 'silent', { running: {} }, { terminated });
  t.equal(await logs('-c', 'silent', '-p', '--limit-bytes=4'), 'one\n');
  await rename(path.join(pod.config.logDirectory, 'ended', '0.log'), path.join(cluster.directory, 'away.log'));
  const refused = await cluster.kubectl(['logs', '-f', 'demo', '-c', 'ended']);
  t.match(refused.stderr, /\(BadRequest\): failed to open the log of container "ended": ENOENT/);
  cluster.setState(pod, 'silent', { running: {} }, { terminated: { exitCode: 1, containerID: 'containerd://gone' } });
  t.equal(await logs('-c', 'silent', '-p'), about('unable to retrieve container logs for containerd://gone'));
});

t.test('invalid options are rejected by the api-server', async (t) => {
  const get = async (query: string): Promise<string> => {
    const at = `/api/v1/namespaces/default/pods/demo/log${query}`;
    return (await cluster.kubectl(['get', '--raw', at])).stderr;
  };
  t.match(await get(''), /a container name must be specified for pod demo, choose one of: \[counter ended silent\]/);
  t.match(await get('?container=no'), /container no is not valid for pod demo/);
  t.match(
    await get('?container=ended&tailLines=-1'),
    /tailLines: Invalid value: -1: must be greater than or equal to 0/,
  );
  t.match(await get('?container=ended&limitBytes=0'), /limitBytes: Invalid value: 0: must be greater than 0/);
  t.match(await get('?container=ended&sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z'), /at most one of `sinceTime` or/);
  t.match(
    await get('?container=ended&stream=Both'),
    /Unsupported value: "Both": supported values: "All", "Stdout", "Stderr"/,
  );
  t.match(await get('?container=ended&tailLines=x'), /strconv.ParseInt: parsing "x": invalid syntax/);
});

t.test('an unreachable node and an unscheduled pod have different errors', async (t) => {
  const port = 1;
  await cluster.addNode('dead', port);
  const containers = [{ name: 'main', image: 'kedge.local/hello:1.0' }];
  await cluster.api.create(pods, {
    metadata: { name: 'there', namespace: 'default' },
    spec: { nodeName: 'dead', containers },
  });
  await cluster.api.create(pods, { metadata: { name: 'nowhere', namespace: 'default' }, spec: { containers } });
  const words = `dial tcp 127.0.0.1:${port}: connect: connection refused`;
  const log = await cluster.kubectl(['logs', 'there']);
  t.equal(log.stderr, `Error from server: Get "https://127.0.0.1:1/containerLogs/default/there/main": ${words}\n`);
  t.match((await cluster.kubectl(['exec', 'there', '--', 'ls'])).stderr, `error dialing backend: ${words}`);
  const unscheduled = await cluster.kubectl(['logs', 'nowhere']);
  t.strictSame([unscheduled.code, unscheduled.stdout.toString()], [0, '']);
  t.match((await cluster.kubectl(['exec', 'nowhere', '--', 'ls'])).stderr, 'pod nowhere does not have a host assigned');
});

t.test("a node's certificate is verified unless the client opts out", async (t) => {
  const forger = await createAuthority('forger', Date.now());
  const forged = await issueCertificate(forger, {
    commonName: 'system:node:forged',
    names: ['127.0.0.1'],
    usages: ['server auth'],
    lifetimeMs: 3600_000,
    now: Date.now(),
  });
  const server = createServer({ cert: forged.certificate, key: forged.key }, (_request, response) =>
    response.end('lies\n'),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  await cluster.addNode('forged', (server.address() as AddressInfo).port);
  const containers = [{ name: 'main', image: 'kedge.local/hello:1.0' }];
  await cluster.api.create(pods, {
    metadata: { name: 'lied', namespace: 'default' },
    spec: { nodeName: 'forged', containers },
  });
  t.match(
    (await cluster.kubectl(['logs', 'lied'])).stderr,
    /tls: failed to verify certificate: x509: certificate signed by unknown authority$/m,
  );
  t.match((await cluster.kubectl(['exec', 'lied', '--', 'ls'])).stderr, /tls: failed to verify certificate/);
  const { stdout } = await cluster.kubectl(['logs', 'lied', '--insecure-skip-tls-verify-backend']);
  t.equal(stdout.toString(), 'lies\n');
});
