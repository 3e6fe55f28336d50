/** The agent is killed, upgraded and started again in the middle of its work. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { Cluster } from '../support/cluster.ts';
import { HELLO_IMAGE, lives, pod, ranOnce } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';
import type { Pod, Service } from '../../api/types/core/v1.gen.ts';

t.setTimeout(5 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-agent' });
cluster.endWith(t);
const node = cluster.host;

const out = async (...args: string[]): Promise<string> => (await cluster.kubectl(...args)).stdout;
const ready = (...pods: string[]) =>
  cluster.kubectl('wait', '--for=condition=Ready', '--timeout=40s', ...pods.map((name) => `pod/${name}`));
const exec = (name: string, script: string) => out('exec', name, '--', 'sh', '-c', script);
const get = (name: string) => cluster.get<Pod>('pod', name);
const isGone = async (name: string) => (await out('get', 'pod', name, '--ignore-not-found')) === '';
const ctr = async (...args: string[]): Promise<string[]> =>
  (await node.run('ctr', [...node.ctr, ...args])).stdout.split('\n').filter(Boolean);

/** What is mounted for the volumes of pods, once for each mount. */
async function volumeMounts(): Promise<string[]> {
  const points = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' ')[4] ?? '');
  return points.filter((point) => point.startsWith(path.join(node.directory, 'agent/pods'))).sort();
}

/** The containers of a pod that the runtime holds, sandboxes among them, and which of them run. */
async function held({ metadata }: Pod): Promise<{ all: string[]; running: string[] }> {
  const all = await ctr('containers', 'list', '-q', `labels."io.kubernetes.pod.uid"==${metadata?.uid}`);
  const tasks = await ctr('tasks', 'list');
  return { all, running: all.filter((id) => tasks.some((task) => task.startsWith(id) && task.includes('RUNNING'))) };
}

/** Whatever the agent kept of a pod on this host. */
async function remains({ metadata }: Pod): Promise<string[]> {
  const uid = metadata?.uid ?? '';
  const { stdout } = await node.run('find', [
    ...[path.join(node.directory, 'agent/pods'), path.join(node.directory, 'pod-logs')],
    ...[`/sys/fs/cgroup/memory/${node.cgroupRoot}`, '-maxdepth', '3', '-name', `*${uid}*`],
  ]);
  return [...stdout.split('\n').filter(Boolean), ...(await held({ metadata })).all];
}

t.test('pods survive an agent that is killed and upgraded', async (t) => {
  await cluster.kubectl('create', 'configmap', 'settings', '--from-literal=colour=red');
  await cluster.apply(
    pod('server', { command: ['nc', '-ll', '-p', '7000', '-e', 'sh', '-c', 'while sleep 0.1; do date; done'] }),
  );
  const ports = [{ port: 80, targetPort: 7000 }];
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'server' },
    spec: { selector: { app: 'server' }, ports },
  });
  const { spec } = await cluster.get<Service>('service', 'server');
  const manifests = path.join(node.directory, 'manifests');
  await mkdir(manifests, { recursive: true });
  for (const name of ['stays', 'goes'])
    await writeFile(path.join(manifests, `${name}.json`), JSON.stringify(pod(name)));
  for (const name of ['deleted', 'forced']) await cluster.apply(pod(name));
  await ready('server', 'deleted', 'forced');
  await eventually('the Service to respond', () =>
    node.run('sh', ['-c', `timeout 1 busybox nc ${spec?.clusterIP} 80 | grep 20`]).catch(() => undefined),
  );
  // The container exits with the connection, and is not restarted.
  await cluster.apply(
    pod(
      'client',
      {
        command: ['sh', '-c', `exec nc ${spec?.clusterIP} 80 | tee /received`],
        volumeMounts: [
          { name: 'settings', mountPath: '/settings' },
          { name: 'memory', mountPath: '/memory' },
          { name: 'disk', mountPath: '/disk' },
        ],
      },
      {
        restartPolicy: 'Never',
        volumes: [
          { name: 'settings', configMap: { name: 'settings' } },
          { name: 'memory', emptyDir: { medium: 'Memory' } },
          { name: 'disk', emptyDir: {} },
        ],
      },
    ),
  );
  const [stays, goes] = [`stays-${node.name}`, `goes-${node.name}`];
  await eventually('the mirror pods', () => cluster.kubectl('get', 'pod', stays, goes));
  await ready('client', stays, goes);
  await exec('client', 'echo kept | tee /memory/file > /disk/file');
  const received = async () => Number(await exec('client', 'wc -l < /received'));
  await eventually('the stream to flow', async () => (await received()) > 3);
  const survivors = ['server', 'client', stays];
  const before = { pods: await Promise.all(survivors.map(get)), mounts: await volumeMounts(), lines: await received() };
  const lost = await Promise.all([get('deleted'), get('forced')]);

  await node.stopAgent('SIGKILL');
  await cluster.kubectl('delete', 'pod', 'deleted', '--wait=false');
  await cluster.kubectl('delete', 'pod', 'forced', '--force', '--grace-period=0');
  await rm(path.join(manifests, 'goes.json'));
  await cluster.apply(pod('late'));
  await cluster.kubectl('create', 'configmap', 'later', '--from-literal=a=b');
  await cluster.kubectl('patch', 'configmap', 'settings', '-p', '{"data":{"colour":"green"}}');
  t.match(
    await node.run('sh', ['-c', `timeout 1 busybox nc ${spec?.clusterIP} 80 | head -1`]),
    { stdout: /20/ },
    'Services go on without the agent',
  );

  const dist = path.dirname(cluster.kedge);
  await cp(dist, `${dist}.new`, { recursive: true });
  await rename(dist, `${dist}.old`);
  await rename(`${dist}.new`, dist);
  await node.startAgent();

  await ready('late');
  for (const name of ['deleted', goes]) await eventually(`${name} to be gone`, () => isGone(name));
  for (const gone of lost)
    await eventually(
      `everything to be removed of ${gone.metadata?.name}`,
      async () => (await remains(gone)).length === 0,
    );
  const after = await Promise.all(survivors.map(get));
  t.strictSame(after.map(lives), before.pods.map(lives), 'no container has been started again');
  const identity = ({ metadata, status }: Pod) => [metadata?.uid, status?.podIP, status?.phase, status?.startTime];
  t.strictSame(after.map(identity), before.pods.map(identity), 'every pod is the one it was');
  const late = (await get('late')).metadata?.uid ?? '';
  const lostUids = lost.map(({ metadata }) => metadata?.uid ?? '');
  t.strictSame(
    (await volumeMounts()).filter((point) => !point.includes(late)),
    before.mounts.filter(
      (point) =>
        !lostUids.some((uid) => point.includes(uid)) && !point.includes(before.pods.at(-1)?.metadata?.uid ?? '-'),
    ),
    'volumes are mounted as often as before',
  );
  t.equal(await exec('client', 'cat /memory/file /disk/file'), 'kept\nkept\n', 'and hold what was in them');
  const now = await received();
  t.ok(now > before.lines, 'the stream went on');
  await eventually('the stream to flow', async () => (await received()) > now);
  await eventually(
    'the configMap to follow',
    async () => (await exec('client', 'cat /settings/colour')) === 'green',
    70,
  );

  const follow = spawn(
    'nsenter',
    [
      `--net=/run/netns/${node.netns}`,
      'kubectl',
      '--kubeconfig',
      cluster.kubeconfig,
      'logs',
      '-f',
      '--tail=1',
      'client',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  for (let i = 0; i < 3; i++) await once(follow.stdout, 'data');
  follow.kill();
  t.pass('logs are followed again');
});

t.test('an agent that starts in another proxy mode serves with its rules alone, and streams go on', async (t) => {
  const { spec } = await cluster.get<Service>('service', 'server');
  const lines = async () => Number(await exec('client', 'wc -l < /received'));
  const answers = (ip = '') =>
    eventually(`${ip} to answer`, () =>
      node.run('sh', ['-c', `timeout 1 busybox nc ${ip} 80 | grep 20`]).catch(() => undefined),
    );
  const modes = async (): Promise<string[]> => {
    const chains = (await node.run('iptables-save', [])).stdout;
    const tables = (await node.run('nft', ['list', 'tables'])).stdout;
    return [
      ...(chains.includes('KUBE-SERVICES') ? ['iptables'] : []),
      ...(tables.includes('ip kube-proxy') ? ['nftables'] : []),
    ];
  };
  t.strictSame(await modes(), ['nftables'], 'the default');
  const ports = [{ port: 80, targetPort: 7000 }];
  for (const mode of ['iptables', 'nftables']) {
    await node.stopAgent();
    await node.startAgent(await cluster.joinSettings(), { 'proxy-mode': mode });
    await eventually(`the rules of ${mode} alone`, async () => (await modes()).join() === mode);
    await answers(spec?.clusterIP);
    const service = { selector: { app: 'server' }, ports };
    await cluster.apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: `in-${mode}` }, spec: service });
    await answers((await cluster.get<Service>('service', `in-${mode}`)).spec?.clusterIP);
    const now = await lines();
    await eventually('the stream to flow', async () => (await lines()) > now);
  }
  const cleanUp = () =>
    node.run(cluster.kedge, ['proxy', 'cleanup', '--config', path.join(node.directory, 'agent.yaml')]);
  await t.rejects(cleanUp(), 'beside an agent that would write them again');
  await node.stopAgent();
  await cleanUp();
  t.strictSame(await modes(), []);
  await node.startAgent();
  await answers(spec?.clusterIP);
});

t.test('an agent killed between sandbox and container starts the pod once', async (t) => {
  for (const [round, wanted] of [1, 2].entries()) {
    const name = `start-${round}`;
    const known = new Set(await ctr('containers', 'list', '-q'));
    const spec = { initContainers: [{ name: 'init', image: HELLO_IMAGE, command: ['sh', '-c', 'echo once'] }] };
    await cluster.apply(pod(name, {}, spec));
    await eventually('the runtime to begin', async () => {
      const made = (await ctr('containers', 'list', '-q')).filter((id) => !known.has(id));
      return made.length >= wanted;
    });
    await node.stopAgent('SIGKILL');
    await node.startAgent();
    await ready(name);
    const started = await get(name);
    t.ok(ranOnce(started), `${name} runs, and was started once`);

    t.equal(await out('logs', name, '-c', 'init'), 'once\n', 'its init container ran once');
    t.equal((await held(started)).running.length, 2, 'one sandbox and one container run');
  }
});

t.test('an agent killed during termination respects the grace period', async (t) => {
  const script = "trap 'echo asked; sleep 4; echo done; sleep 2; exit 0' TERM; echo up; while :; do sleep 0.1; done";
  await cluster.apply(pod('slow', { command: ['sh', '-c', script] }, { terminationGracePeriodSeconds: 30 }));
  await ready('slow');
  const slow = await get('slow');
  const log = () => node.run('sh', ['-c', `cat ${node.directory}/pod-logs/default_slow_*/c/0.log`]);
  await cluster.kubectl('delete', 'pod', 'slow', '--wait=false');
  await eventually('the container to get SIGTERM', async () => (await log()).stdout.includes('asked'));
  await node.stopAgent('SIGKILL');
  await node.startAgent();
  const seen: string[] = [];
  await eventually('the pod to be gone', async () => {
    seen.push((await log().catch(() => ({ stdout: '' }))).stdout);
    return isGone('slow');
  });
  t.ok(
    seen.some((text) => text.includes('done')),
    'the container ended by itself',
  );
  t.equal(
    seen.some((text) => text.split('asked').length > 2),
    false,
    'and got SIGTERM once',
  );
  await eventually('nothing to remain', async () => (await remains(slow)).length === 0);
});

t.test('an agent killed repeatedly under load converges to the desired state', async (t) => {
  const names = Array.from({ length: 12 }, (_, i) => `load-${i}`);
  await cluster.apply({ apiVersion: 'v1', kind: 'List', items: names.map((name) => pod(name)) });
  for (let kills = 0; kills < 3; kills++) {
    const running = async () => (await ctr('tasks', 'list', '-q')).length;
    const from = await running();
    await eventually(
      'some work to be done',
      async () => (await running()) >= from + 2 || (await running()) > 24,
      20,
    ).catch(() => undefined);
    await node.stopAgent('SIGKILL');
    await node.startAgent();
  }
  await ready(...names);
  const pods = await Promise.all(names.map(get));
  t.strictSame(
    pods.filter((each) => !ranOnce(each)).map(({ status }) => status?.containerStatuses),
    [],
    'no container was restarted',
  );
  t.equal(new Set(pods.map(({ status }) => status?.podIP)).size, names.length, 'every pod has an address of its own');
  for (const each of pods) t.equal((await held(each)).running.length, 2, 'one sandbox and one container run');
  await cluster.kubectl('delete', 'pod', ...names, '--wait=false');
  await node.stopAgent('SIGKILL');
  await node.startAgent();
  await eventually('all to be gone', async () => (await out('get', 'pods', '-o', 'name')).includes('load-') === false);
  for (const each of pods) await eventually('nothing to remain', async () => (await remains(each)).length === 0);
});
