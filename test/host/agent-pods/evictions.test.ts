/** Pods that a node rejects or evicts, on a real containerd, with usage measured by the kernel. */
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { eventually } from '../../support/wait.ts';
import { insideLab, isReady, Lab, shell } from './lab.ts';

const MI = 2 ** 20;

await insideLab(import.meta.filename, async (address) => {
  const { test } = await import('tap');
  const lab = await Lab.start(address);
  const messages = (name: string, reason: string) =>
    lab.api
      .events(name)
      .filter((event) => event.reason === reason)
      .map(({ message }) => message);
  /** The available amount of a resource, of 100 MiB to 10 GiB. */
  const left = async (levels: object) => {
    const draft = path.join(await mkdtemp(path.join(address.directory, 'levels-')), 'levels.json');
    await writeFile(draft, JSON.stringify(levels));
    await rename(draft, path.join(address.directory, 'levels.json'));
  };

  test('a pod that exceeds a local storage limit is evicted, others are not', async (t) => {
    const volumes = [{ name: 'scratch', emptyDir: { sizeLimit: '2Mi' } }];
    const writing = (bytes: string) =>
      shell('main', `head -c ${bytes} /dev/zero > /scratch/file; exec sleep 1000`, {
        volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }],
      });
    lab.create('modest', { volumes, containers: [writing('1m')] });
    lab.create('greedy', { volumes, containers: [writing('4m')] });
    lab.create('chatty', {
      containers: [
        shell('main', 'head -c 3m /dev/zero | tr "\\0" "\\n"; exec sleep 1000', {
          resources: { limits: { 'ephemeral-storage': '1Mi' } },
        }),
      ],
    });
    const greedy = await lab.pod('greedy', 'to be evicted', ({ status }) => status?.phase === 'Failed');
    const why = 'Usage of EmptyDir volume "scratch" exceeds the limit "2Mi". ';
    t.match(greedy.status, { reason: 'Evicted', message: why });
    t.match(
      greedy.status?.conditions?.find(({ type }) => type === 'DisruptionTarget'),
      { status: 'True', reason: 'TerminationByKubelet', message: why },
    );
    const chatty = await lab.pod('chatty', 'to be evicted', ({ status }) => status?.phase === 'Failed');
    t.equal(chatty.status?.message, 'Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ');
    await eventually('the event', () => messages('greedy', 'Evicted').includes(why));
    t.match(await lab.pod('modest', 'to stay', isReady), { status: { phase: 'Running' } });
  });

  test('under memory pressure the pod that exceeds its request most is evicted, and no other', async (t) => {
    const hold = (mib: number, request: string) =>
      shell('main', `head -c ${mib}m /dev/zero > /memory/file; exec sleep 1000`, {
        volumeMounts: [{ name: 'memory', mountPath: '/memory' }],
        resources: { requests: { memory: request } },
      });
    const volumes = [{ name: 'memory', emptyDir: { medium: 'Memory' } }];
    lab.create('within', { volumes, containers: [hold(96, '128Mi')] });
    lab.create('above', { volumes, containers: [hold(64, '8Mi')] });
    lab.create('a-little-above', { volumes, containers: [hold(16, '8Mi')] });
    lab.create('needed', { volumes, priority: 2_000_001_000, containers: [hold(128, '8Mi')] });
    for (const name of ['within', 'above', 'a-little-above', 'needed']) await lab.pod(name, 'to be ready', isReady);
    await left({ 'memory.available': { available: 64 * MI, capacity: 8192 * MI } });
    const above = await lab.pod('above', 'to be evicted', ({ status }) => status?.phase === 'Failed');
    await left({});
    t.match(above.status, {
      reason: 'Evicted',
      message:
        /^The node was low on resource: memory\. Threshold quantity: 100Mi, available: 64Mi\. Container main was using \d+[KM]i, request is 8Mi, has larger consumption of memory\. $/,
    });
    for (const name of ['within', 'needed'])
      t.equal((await lab.pod(name, 'to stay', isReady)).status?.phase, 'Running');
  });

  test('pods that do not fit the node or are not allowed are rejected at once', async (t) => {
    lab.create('large', { containers: [shell('main', 'true', { resources: { requests: { cpu: '64' } } })] });
    lab.create('unsafe', {
      securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '65536' }] },
      containers: [shell('main', 'true')],
    });
    const large = await lab.pod('large', 'to be rejected', ({ status }) => status?.phase === 'Failed');
    t.match(large.status, {
      reason: 'OutOfcpu',
      message: /^Pod was rejected: Node didn't have enough resource: cpu, requested: 64000, used: \d+, capacity: 2000$/,
      containerStatuses: undefined,
    });
    lab.create(
      'forger',
      { containers: [shell('main', 'true', { resources: { requests: { cpu: '64' } } })] },
      { annotations: { 'kubernetes.io/config.source': 'file' } },
    );
    const forger = await lab.pod('forger', 'to be rejected', ({ status }) => status?.phase === 'Failed');
    t.equal(forger.status?.reason, 'OutOfcpu');
    const unsafe = await lab.pod('unsafe', 'to be rejected', ({ status }) => status?.phase === 'Failed');
    t.match(unsafe.status, {
      reason: 'SysctlForbidden',
      message: /forbidden sysctl: "kernel.msgmax" not allowlisted$/,
    });
    await eventually('the event', () => messages('unsafe', 'SysctlForbidden').length === 1);

    const ports = [{ containerPort: 80, hostPort: 40_080 }];
    const takes = (name: string) => lab.create(name, { containers: [shell('main', 'exec sleep 1000', { ports })] });
    takes('first');
    await lab.pod('first', 'to be ready', isReady);
    takes('clash');
    const clash = await lab.pod('clash', 'to be rejected', ({ status }) => status?.phase === 'Failed');
    t.match(clash.status, { reason: 'NodePorts', message: /^Pod was rejected: Predicate NodePorts failed: / });
    // Forced out of the API it still runs for a moment: what takes its place was bound without it and is not turned away.
    await fetch(`${lab.api.url}/api/v1/namespaces/default/pods/first`, { method: 'DELETE' });
    takes('second');
    await lab.pod('second', 'to run', isReady);
  });

  test('each log has a symlink with the names of pod and container, which is removed with it', async (t) => {
    const directory = path.join(address.directory, 'log-links');
    const links = async () => (await readdir(directory)).filter((name) => name.startsWith('linked_default_'));
    lab.create('linked', { containers: [shell('main', 'echo out; exec sleep 1000')] });
    await lab.pod('linked', 'to be ready', isReady);
    const [link = ''] = await links();
    t.match(link, /^linked_default_main-[0-9a-f]{64}\.log$/);
    await eventually('the log', async () =>
      (await readFile(path.join(directory, link), 'utf8')).includes('stdout F out'),
    );
    lab.api.deletePod('linked', 0);
    await lab.gone('linked');
    await eventually('the link to go', async () => (await links()).length === 0);
  });

  test('the output of a failed hook is not in events', async (t) => {
    lab.create('hook', {
      containers: [
        shell('main', 'exec sleep 1000', {
          lifecycle: { postStart: { exec: { command: ['sh', '-c', 'echo secret; exit 3'] } } },
        }),
      ],
    });
    await eventually('the event', () => messages('hook', 'FailedPostStartHook').includes('PostStartHook failed'));
    t.equal(
      lab.api.events('hook').some(({ message }) => message?.includes('secret')),
      false,
    );
  });

  test('stops the lab', async () => {
    const pods = [
      'modest',
      'greedy',
      'chatty',
      'within',
      'above',
      'a-little-above',
      'needed',
      'large',
      'forger',
      'unsafe',
      'clash',
      'second',
      'hook',
    ];
    for (const name of pods) lab.api.deletePod(name, 0);
    for (const name of pods) await lab.gone(name);
    await lab[Symbol.asyncDispose]();
    await rm(path.join(address.directory, 'levels.json'), { force: true });
  });
});
