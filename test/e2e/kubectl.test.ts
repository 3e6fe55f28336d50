/** What a user does with a cluster, with the kubectl of today, one of last year and the one of Debian 12. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { Cluster } from '../support/cluster.ts';
import { stockKubectls } from '../support/stock-clients.ts';
import { eventually } from '../support/wait.ts';
import type { Deployment } from '../../api/types/apps/v1.gen.ts';
import type { Pod, Service } from '../../api/types/core/v1.gen.ts';

const HELLO = path.resolve(import.meta.dirname, '../../examples/hello.yaml');
t.setTimeout(10 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-user' });
cluster.endWith(t);

const out = async (...args: string[]): Promise<string> => (await cluster.kubectl(...args)).stdout;
/** The error output of kubectl. */
const refusal = async (...args: string[]): Promise<string> => {
  try {
    await cluster.kubectl(...args);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`kubectl ${args.join(' ')} did not fail`);
};

const programs = await stockKubectls();

for (const { version, program } of programs) {
  t.test(`kubectl ${version}: create, expose, inspect, update, roll back and delete a Deployment`, async (t) => {
    const kubectl = (...args: string[]) => cluster.kubectlWith({ program }, ...args);
    const say = async (...args: string[]): Promise<string> => (await kubectl(...args)).stdout;

    t.match(await say('get', 'nodes', '-o', 'wide'), /e2e-user-0\s+Ready .*containerd:/);
    t.match(await say('apply', '-f', HELLO), /deployment.apps\/hello created\nservice\/hello created/);
    t.match(await say('rollout', 'status', 'deploy/hello', '--timeout=60s'), 'successfully rolled out');
    const service = await cluster.get<Service>('svc', 'hello');
    const clusterIP = service.spec?.clusterIP ?? '';
    await eventually('the cluster IP to respond', () => cluster.host.curl(`http://${clusterIP}/`));
    t.equal(await cluster.host.curl(`http://${clusterIP}/`), 'Hello from Kedge\n');
    t.equal(
      await cluster.host.curl(`http://${cluster.host.ip}:30080/`),
      'Hello from Kedge\n',
      'the node port responds',
    );

    t.match(
      await say('get', 'pods', '-l', 'app=hello'),
      /NAME\s+READY\s+STATUS\s+RESTARTS\s+AGE\nhello-\S+\s+1\/1\s+Running\s+0 /,
    );
    const pods = await cluster.get<{ items: Pod[] }>('pods', '-l', 'app=hello');
    t.equal(pods.items.length, 3);
    const pod = pods.items[0]?.metadata?.name ?? '';
    t.match(await say('describe', 'pod', pod), /Normal\s+Started\s.*kubelet/);
    t.match(await say('logs', pod), 'response:200');
    t.match(await say('logs', 'deploy/hello', '--tail=1', '--timestamps'), /^\d{4}-\d\d-\d\dT\S+Z .*response:200\n$/);

    t.equal(await say('exec', pod, '--', 'cat', '/www/index.html'), 'Hello from Kedge\n');
    const piped = await cluster.kubectlWith({ program, input: 'through the pipe' }, 'exec', '-i', pod, '--', 'cat');
    t.equal(piped.stdout, 'through the pipe', 'stdin arrives, and its end');
    await t.rejects(kubectl('exec', pod, '--', 'sh', '-c', 'exit 7'), /exit code 7/);

    const local = path.join(cluster.directory, `copied-${version}`);
    await writeFile(local, 'x'.repeat(300_000));
    await kubectl('cp', local, `${pod}:/tmp/copied`);
    await kubectl('cp', `${pod}:/tmp/copied`, `${local}.back`);
    t.equal(await readFile(`${local}.back`, 'utf8'), 'x'.repeat(300_000), 'a file is copied there and back unchanged');

    const forward = spawn(
      'nsenter',
      [
        `--net=/run/netns/${cluster.host.netns}`,
        program,
        '--kubeconfig',
        cluster.kubeconfig,
        'port-forward',
        pod,
        ':8080',
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [line] = (await once(forward.stdout, 'data')) as [Buffer];
    const port = /127\.0\.0\.1:(\d+)/.exec(String(line))?.[1];
    t.equal(await cluster.host.curl(`http://127.0.0.1:${port}/`), 'Hello from Kedge\n', 'a forwarded port responds');
    forward.kill();

    await kubectl('scale', 'deploy/hello', '--replicas=5');
    t.match(await say('rollout', 'status', 'deploy/hello', '--timeout=60s'), 'successfully rolled out');
    t.match(await say('get', 'deploy', 'hello'), /hello\s+5\/5\s+5\s+5/);

    await kubectl('set', 'image', 'deploy/hello', 'web=kedge.local/hello:2.0');
    await eventually('a pod that waits for its image', async () =>
      /ErrImagePull|ImagePullBackOff/.test(await out('get', 'pods', '-l', 'app=hello')),
    );
    t.equal(
      await cluster.host.curl(`http://${clusterIP}/`),
      'Hello from Kedge\n',
      'a bad image does not take the service down',
    );
    t.match(await say('rollout', 'undo', 'deploy/hello'), 'rolled back');
    t.match(await say('rollout', 'status', 'deploy/hello', '--timeout=60s'), 'successfully rolled out');
    t.match(await say('rollout', 'history', 'deploy/hello'), /REVISION.*\n2 .*\n3 /);

    await kubectl('label', 'pod', pod, 'colour=blue');
    await kubectl('annotate', 'pod', pod, 'note=seen');
    t.match(await say('get', 'pods', '-l', 'colour=blue', '-o', 'name'), `pod/${pod}`);
    await cluster.kubectlWith(
      { program, env: { ...process.env, KUBE_EDITOR: 'sed -i s/replicas:.5/replicas:\\ 2/' } },
      'edit',
      'deploy/hello',
    );
    await eventually('the edit to take effect', async () => {
      const { spec, status } = await cluster.get<Deployment>('deploy', 'hello');
      return spec?.replicas === 2 && status?.readyReplicas === 2;
    });
    t.match(await say('explain', 'pod.spec.containers'), /containers/i);
    t.match(await say('api-resources'), /deployments\s+deploy/);

    await kubectl('delete', '-f', HELLO);
    await eventually(
      'the pods to be gone',
      async () => (await out('get', 'pods', '-l', 'app=hello', '-o', 'name')) === '',
      60,
    );
    await t.rejects(cluster.host.curl(`http://${clusterIP}/`), 'a deleted Service is unreachable');
  });
}

t.test('logs -f follows a container until it exits', async (t) => {
  await cluster.kubectl(
    'run',
    'counter',
    '--image=kedge.local/hello:1.0',
    '--restart=Never',
    '--',
    'sh',
    '-c',
    'for i in 1 2 3; do echo line $i; sleep 0.3; done',
  );
  await eventually('the pod to start', async () => /Running|Completed/.test(await out('get', 'pod', 'counter')));
  t.equal(await out('logs', '-f', 'counter'), 'line 1\nline 2\nline 3\n');
  await cluster.kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/counter', '--timeout=20s');
  t.match(await out('get', 'pod', 'counter'), /0\/1\s+Completed/);
});

t.test('exec -t allocates a terminal', async (t) => {
  await cluster.kubectl('run', 'shell', '--image=kedge.local/hello:1.0', '--', 'sleep', '1000');
  await cluster.kubectl('wait', '--for=condition=Ready', 'pod/shell', '--timeout=30s');
  const command = `kubectl --kubeconfig ${cluster.kubeconfig} exec -it shell -- sh`;
  const { stdout } = await cluster.host
    .run('script', ['-qec', command, '/dev/null'], { input: 'tty; exit 4\n' })
    .catch((error: { stdout?: string; exitCode: number }) => {
      t.equal(error.exitCode, 4, 'the exit code is returned');
      return { stdout: error.stdout ?? '/dev/pts/0' };
    });
  t.match(stdout, '/dev/pts/');
});

t.test('ConfigMaps and Secrets as files and variables, with file updates', async (t) => {
  await cluster.kubectl('create', 'configmap', 'settings', '--from-literal=colour=red');
  await cluster.kubectl('create', 'secret', 'generic', 'key', '--from-literal=password=hunter2');
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'reader' },
    spec: {
      containers: [
        {
          name: 'c',
          image: 'kedge.local/hello:1.0',
          command: ['sleep', '1000'],
          env: [
            { name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } },
            { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
          ],
          volumeMounts: [
            { name: 'settings', mountPath: '/settings' },
            { name: 'key', mountPath: '/key' },
            { name: 'scratch', mountPath: '/scratch' },
          ],
        },
      ],
      volumes: [
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'key', secret: { secretName: 'key', defaultMode: 0o400 } },
        { name: 'scratch', emptyDir: { medium: 'Memory' } },
      ],
    },
  });
  await cluster.kubectl('wait', '--for=condition=Ready', 'pod/reader', '--timeout=30s');
  const sh = (script: string) => out('exec', 'reader', '--', 'sh', '-c', script);
  t.equal(
    await sh('echo $COLOUR $NODE; cat /settings/colour /key/password; stat -c %a -L /key/password'),
    'red e2e-user-0\nredhunter2400\n',
  );
  t.match(
    await sh('grep " /scratch " /proc/mounts; cat /var/run/secrets/kubernetes.io/serviceaccount/namespace'),
    /tmpfs.*\ndefault$/,
  );
  await cluster.kubectl('patch', 'configmap', 'settings', '-p', '{"data":{"colour":"green"}}');
  await eventually('the file to follow', async () => (await sh('cat /settings/colour')) === 'green', 90);
});

t.test('a crashing container is restarted with back-off, with the reason in its status', async (t) => {
  await cluster.kubectl(
    'run',
    'crash',
    '--image=kedge.local/hello:1.0',
    '--',
    'sh',
    '-c',
    'echo about to fail; exit 3',
  );
  await eventually('CrashLoopBackOff', async () => /CrashLoopBackOff/.test(await out('get', 'pod', 'crash')), 40);
  const pod = await cluster.get<Pod>('pod', 'crash');
  t.match(pod.status?.containerStatuses?.[0], {
    lastState: { terminated: { exitCode: 3, reason: 'Error' } },
    ready: false,
  });
  t.match(await out('logs', 'crash', '--previous'), 'about to fail');
  await eventually('the event', async () =>
    /Warning\s+BackOff .*Back-off restarting failed container crash/.test(await out('describe', 'pod', 'crash')),
  );
});

t.test('a pod that does not fit is unschedulable', async (t) => {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'giant' },
    spec: { containers: [{ name: 'c', image: 'kedge.local/hello:1.0', resources: { requests: { cpu: '1000' } } }] },
  });
  await eventually('the event', async () =>
    /0\/1 nodes are available: 1 Insufficient cpu/.test(await out('describe', 'pod', 'giant')),
  );
  t.match((await cluster.get<Pod>('pod', 'giant')).status, {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', observedGeneration: 1 }],
  });
});

t.test('apply creates the served kinds of a file and reports the others', async (t) => {
  const file = path.join(cluster.directory, 'mixed.yaml');
  const unserved: readonly [apiVersion: string, kind: string][] = [
    ['resource.k8s.io/v1alpha3', 'DeviceTaintRule'],
    ['example.com/v1', 'Widget'],
  ];
  const object = (apiVersion: string, kind: string, name: string): string =>
    `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}}\n`;
  for (const { version, program } of programs) {
    const names = ['first', 'last'].map((name) => `${name}-${version}`);
    const [first, last] = names.map((name) => object('v1', 'ConfigMap', name));
    const unknown = unserved.map(([apiVersion, kind]) => object(apiVersion, kind, 'unknown'));
    await writeFile(file, [first, ...unknown, last].join('---\n'));
    const failure = await cluster.kubectlWith({ program }, 'apply', '-f', file).catch((error: Error) => error);
    for (const [apiVersion, kind] of unserved)
      t.match(failure, { message: new RegExp(`no matches for kind "${kind}" in version "${apiVersion}"`) }, version);
    t.equal(await out('get', 'configmap', ...names, '-o', 'name'), names.map((name) => `configmap/${name}\n`).join(''));
  }
});

t.test('user errors are reported in a sentence', async (t) => {
  const bad = path.join(cluster.directory, 'bad.yaml');
  await writeFile(bad, 'apiVersion: v1\nkind: Pod\nmetadata: {name: bad\n');
  t.match(await refusal('apply', '-f', bad), /error parsing|yaml/i);
  await writeFile(
    bad,
    'apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: c, image: a, imagePullPolicy: Sometimes}]}\n',
  );
  t.match(await refusal('apply', '-f', bad), 'Unsupported value: "Sometimes"');
  await writeFile(
    bad,
    'apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: c, image: a, comand: [x]}]}\n',
  );
  t.match(await refusal('apply', '-f', bad), /unknown field "spec.containers\[0\].comand"/);
  t.match(await refusal('get', 'pod', 'nobody'), 'pods "nobody" not found');
  t.match(await refusal('exec', 'giant', '--', 'true'), /not have a host assigned|not been scheduled|pending/i);
});
