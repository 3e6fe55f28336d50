/** The disks of the server and the agent fill up, and get free space again. */
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import { run } from '../../agent/host/run.ts';
import { Cluster } from '../support/cluster.ts';
import { lives, pod } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';
import type { ConfigMap, Pod, Service } from '../../api/types/core/v1.gen.ts';

/** A small disk that is removed after the test. */
class Disk {
  readonly directory: string;
  constructor(directory: string) {
    this.directory = directory;
  }

  static async mount(directory: string, size: string): Promise<Disk> {
    await mkdir(directory);
    await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'kedge-e2e', directory]);
    return new Disk(directory);
  }

  get #filler(): string {
    return path.join(this.directory, 'filler');
  }

  /** Not a byte is left afterwards. */
  async fill(): Promise<void> {
    await using file = await open(this.#filler, 'a');
    for (const block of [Buffer.alloc(2 ** 20), Buffer.alloc(512)]) {
      try {
        for (;;) await file.appendFile(block);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  }

  free(): Promise<void> {
    return rm(this.#filler);
  }

  async unmount(): Promise<void> {
    await run('umount', ['-l', this.directory]);
  }
}

t.setTimeout(4 * 60_000);
const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-e2e-disks-'));
const serverDisk = await Disk.mount(path.join(folder, 'server'), '32m');
const agentDisk = await Disk.mount(path.join(folder, 'agent'), '16m');
t.teardown(async () => {
  for (const disk of [serverDisk, agentDisk]) await disk.unmount();
  await rm(folder, { recursive: true });
});
const cluster = await Cluster.start({
  name: 'e2e-disk',
  server: { 'data-dir': path.join(serverDisk.directory, 'data') },
  // The test needs a full disk, so eviction must not free space first.
  agent: { 'data-dir': path.join(agentDisk.directory, 'data'), 'eviction-hard': 'memory.available<1Mi' },
});
cluster.endWith(t);
const node = cluster.host;
const out = async (...args: string[]): Promise<string> => (await cluster.kubectl(...args)).stdout;
const refusal = async (...args: string[]): Promise<string> =>
  cluster.kubectl(...args).then(
    () => 'no refusal',
    (error: Error) => error.message,
  );
const get = (name: string) => cluster.get<Pod>('pod', name);

await cluster.apply(
  pod('web', { command: ['sh', '-c', 'echo hello > /www/index.html; exec httpd -f -p 8080 -h /www'] }),
);
const ports = [{ port: 80, targetPort: 8080 }];
await cluster.apply({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector: { app: 'web' }, ports },
});
await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=30s', 'pod/web');
const { spec } = await cluster.get<Service>('service', 'web');
const page = () => node.curl(`http://${spec?.clusterIP}/`);
await eventually('the Service to respond', page);
const web = await get('web');

t.test('full disk of the store: writes are rejected, everything else continues, nothing is lost', async (t) => {
  const large = path.join(cluster.directory, 'large');
  await run('dd', ['if=/dev/zero', `of=${large}`, 'bs=1024', 'count=900']);
  const acknowledged: string[] = [];
  let words = '';
  for (let i = 0; words === '' && i < 200; i++) {
    try {
      await cluster.kubectl('create', 'configmap', `map-${i}`, `--from-file=${large}`);
      acknowledged.push(`map-${i}`);
    } catch (error) {
      words = (error as Error).message;
    }
  }
  t.match(
    words,
    /the disk of \S+ is full: free at least \d+ MiB there; reads continue/,
    'a write is refused with the reason',
  );
  await serverDisk.fill();
  const maps = async () =>
    (await cluster.get<{ items: ConfigMap[] }>('configmaps')).items.flatMap(({ metadata }) =>
      metadata?.name?.startsWith('map-') ? metadata.name : [],
    );
  t.strictSame((await maps()).sort(), acknowledged.sort(), 'reads go on, and show what was acknowledged');
  t.match(await refusal('create', 'configmap', 'small'), 'is full');
  t.match(await refusal('delete', 'configmap', 'map-0'), 'is full', 'what is not written is not answered as done');
  const { stdout } = await node.run('curl', [
    ...[
      '-sS',
      '--cacert',
      `${serverDisk.directory}/data/pki/ca.crt`,
      '--key',
      `${serverDisk.directory}/data/pki/admin.key`,
    ],
    ...['--cert', `${serverDisk.directory}/data/pki/admin.crt`, '-X', 'POST', '-H', 'content-type: application/json'],
    ...['-d', '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"small"}}'],
    'https://127.0.0.1:6443/api/v1/namespaces/default/configmaps',
  ]);
  t.match(JSON.parse(stdout), { kind: 'Status', status: 'Failure', message: /is full/, code: /^5\d\d$/ });
  t.equal(await page(), 'hello\n', 'pods go on');
  t.equal(await out('exec', 'web', '--', 'echo', 'works'), 'works\n', 'and can be looked into');

  await cluster.server.end('SIGKILL');
  await cluster.startServer();
  t.strictSame((await maps()).sort(), acknowledged, 'a server that is started on a full disk has everything');
  t.match(await refusal('create', 'configmap', 'small'), 'is full');
  t.equal(await page(), 'hello\n');

  await serverDisk.free();
  await cluster.kubectl('delete', 'configmap', ...acknowledged.slice(1));
  await eventually('writes to succeed again', () => cluster.kubectl('create', 'configmap', 'small'));
  t.strictSame(await maps(), ['map-0']);
  await cluster.apply(pod('after'));
  await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=40s', 'pod/after', `node/${node.name}`);
  t.strictSame(lives(await get('web')), lives(web), 'no container has been started again');
});

t.test('full disk of the agent: new pods report it, and start when there is space', async (t) => {
  await cluster.kubectl('create', 'configmap', 'settings', '--from-literal=colour=red');
  await agentDisk.fill();
  await cluster.apply(
    pod(
      'needs-room',
      { volumeMounts: [{ name: 'settings', mountPath: '/settings' }] },
      { volumes: [{ name: 'settings', configMap: { name: 'settings' } }] },
    ),
  );
  await eventually('the event', async () =>
    /Warning .*no space left/i.test(await out('describe', 'pod', 'needs-room')),
  );
  t.match((await get('needs-room')).status, { phase: 'Pending' });
  t.match(await out('get', 'pod', 'needs-room'), /0\/1 +ContainerCreating/);
  t.equal(await page(), 'hello\n', 'other pods go on');

  await node.stopAgent('SIGKILL');
  await node.startAgent();
  await eventually(
    'an agent that is started on a full disk to work',
    async () => (await out('exec', 'web', '--', 'echo', 'works')) === 'works\n',
  );
  t.strictSame(lives(await get('web')), lives(web), 'no container has been started again');

  await agentDisk.free();
  await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod/needs-room');
  t.equal(await out('exec', 'needs-room', '--', 'cat', '/settings/colour'), 'red');
  await cluster.kubectl('delete', 'pod', 'needs-room', 'after', 'web', '--timeout=30s');
});
