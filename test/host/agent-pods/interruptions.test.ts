/** Pods whose life is disturbed: by their users, by the runtime, by the agent's own end. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { CriClient } from '../../../agent/cri/client.ts';
import { rotateLogs } from '../../../agent/pods/logs/log-rotation.ts';
import { HELLO_IMAGE } from '../../../agent/images/bundled.ts';
import { run } from '../../../agent/host/run.ts';
import { evilPeers, Peer } from '../../support/evil-peers.ts';
import { eventually } from '../../support/wait.ts';
import { insideLab, isReady, Lab, shell } from './lab.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const statusOf = ({ status }: Pod, name = 'main') =>
  [...(status?.containerStatuses ?? []), ...(status?.ephemeralContainerStatuses ?? [])].find(
    (one) => one.name === name,
  );

await insideLab(import.meta.filename, async (address) => {
  const { test } = await import('tap');
  const lab = await Lab.start(address);

  test('pods', { jobs: 6 }, async (t) => {
    t.test('a shorter grace period takes effect at once', async (t) => {
      lab.create('stubborn', {
        terminationGracePeriodSeconds: 300,
        containers: [shell('main', 'trap "" TERM; while true; do sleep 1; done')],
      });
      await lab.pod('stubborn', 'to be ready', isReady);
      lab.api.deletePod('stubborn', 300);
      await eventually('the Killing event', () =>
        lab.api.events('stubborn').some(({ reason }) => reason === 'Killing'),
      );
      t.ok(lab.api.pod('stubborn'));
      lab.api.deletePod('stubborn', 0);
      await lab.gone('stubborn');
    });

    t.test('a pod whose image cannot be pulled can be deleted', async () => {
      const silent = createServer().listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const { port } = silent.address() as AddressInfo;
      lab.create('pulling', { containers: [{ name: 'main', image: `127.0.0.1:${port}/absent:1` }] });
      await eventually('the pull', () => lab.api.events('pulling').some(({ reason }) => reason === 'Pulling'));
      lab.api.deletePod('pulling', 30);
      await lab.gone('pulling', 20);
      silent.close();
    });

    t.test('an orphaned pod is removed from the host', async (t) => {
      const pod = lab.create('vanishing', { containers: [shell('main', 'exec sleep 1000')] });
      await lab.pod('vanishing', 'to be ready', isReady);
      const { status } = await fetch(`${lab.api.url}/api/v1/namespaces/default/pods/vanishing`, { method: 'DELETE' });
      t.equal(status, 200);
      const isThere = async (directory: string) =>
        (await readdir(`${address.directory}/${directory}`)).some((name) => name.includes(pod.metadata?.uid ?? ''));
      await eventually(
        'everything of it to be removed',
        async () => !(await isThere('pods')) && !(await isThere('logs')),
      );
    });

    t.test("a pod's limits are set in its cgroup, which is removed with it", async (t) => {
      const pod = lab.create('limited', {
        containers: [
          shell('main', 'exec sleep 1000', {
            resources: { limits: { cpu: '500m', memory: '64Mi' }, requests: { cpu: '250m' } },
          }),
        ],
      });
      await lab.pod('limited', 'to be ready', isReady);
      const below = `${address.cgroupRoot}/kubepods/burstable/pod${pod.metadata?.uid}`;
      const mounts = await readFile('/proc/self/mountinfo', 'utf8');
      const isV1 = / cgroup .*\bcpu\b/.test(mounts);
      const read = async (controller: string, file: string) =>
        (await readFile(path.join('/sys/fs/cgroup', isV1 ? controller : '', below, file), 'utf8')).trim();
      if (isV1) {
        t.equal(await read('cpu', 'cpu.shares'), '256');
        t.equal(await read('cpu', 'cpu.cfs_quota_us'), '50000');
        t.equal(await read('memory', 'memory.limit_in_bytes'), String(64 * 2 ** 20));
      } else {
        t.equal(await read('', 'cpu.max'), '50000 100000');
        t.equal(await read('', 'memory.max'), String(64 * 2 ** 20));
      }
      // A start that containerd has lost halfway is such a process.
      const lost = spawn('sleep', ['1000'], { stdio: 'ignore' });
      t.teardown(() => lost.kill());
      const killed = once(lost, 'exit');
      const within = path.join('/sys/fs/cgroup', isV1 ? 'cpu' : '', below, 'lost');
      await mkdir(within);
      await writeFile(path.join(within, 'cgroup.procs'), String(lost.pid));
      lab.api.deletePod('limited', 0);
      await lab.gone('limited');
      t.equal((await killed)[1], 'SIGKILL');
      await t.rejects(read('memory', 'cgroup.procs'), { code: 'ENOENT' });
    });

    t.test('pod-level limits apply to all of its containers', async (t) => {
      const amounts = { memory: '40Mi', cpu: '200m' };
      const pod = lab.create('whole', {
        resources: { limits: amounts, requests: amounts },
        containers: [
          shell('free', 'exec sleep 1000'),
          shell('own', 'exec sleep 1000', { resources: { requests: { memory: '10Mi' }, limits: { memory: '20Mi' } } }),
        ],
      });
      const { status } = await lab.pod('whole', 'to be ready', isReady);
      t.equal(status?.qosClass, 'Guaranteed');
      // Guaranteed pods stand beside the QoS classes.
      const below = `${address.cgroupRoot}/kubepods/pod${pod.metadata?.uid}`;
      const isV1 = / cgroup .*\bcpu\b/.test(await readFile('/proc/self/mountinfo', 'utf8'));
      const read = async (controller: string, cgroup: string, file: string) =>
        (await readFile(path.join('/sys/fs/cgroup', isV1 ? controller : '', below, cgroup, file), 'utf8')).trim();
      const memoryLimit = (cgroup: string) => read('memory', cgroup, isV1 ? 'memory.limit_in_bytes' : 'memory.max');
      t.equal(await memoryLimit(''), String(40 * 2 ** 20));
      if (isV1) {
        t.equal(await read('cpu', '', 'cpu.cfs_quota_us'), '20000');
        t.equal(await read('cpu', '', 'cpu.shares'), '204');
      } else {
        t.equal(await read('', '', 'cpu.max'), '20000 100000');
      }
      const idOf = (name: string) =>
        status?.containerStatuses?.find((each) => each.name === name)?.containerID?.slice('containerd://'.length) ?? '';
      t.equal(await memoryLimit(idOf('free')), String(40 * 2 ** 20));
      t.equal(await memoryLimit(idOf('own')), String(20 * 2 ** 20));
      lab.api.deletePod('whole', 0);
      await lab.gone('whole');
    });

    t.test("logs that cannot be removed do not delay the deletion of the pod's object", async (t) => {
      const pod = lab.create('kept', { containers: [shell('main', 'echo said; exec sleep 1000')] });
      const uid = pod.metadata?.uid ?? '';
      await lab.pod('kept', 'to be ready', isReady);
      const logs = `${address.directory}/logs/default_kept_${uid}`;
      // Whoever collects logs has mounted something there.
      const held = path.join(logs, 'held');
      await mkdir(held);
      await run('mount', ['--bind', held, held]);
      t.teardown(async () => {
        await run('umount', [held]);
        await rm(logs, { recursive: true, force: true });
      });
      lab.api.deletePod('kept', 0);
      await lab.gone('kept');
      await eventually('the warning', () =>
        lab.words.split('\n').some((line) => line.includes(uid) && line.includes('failed to remove pod logs')),
      );
    });

    t.test('an ephemeral container is added to a running pod', async (t) => {
      const pod = lab.create('debugged', {
        shareProcessNamespace: true,
        containers: [shell('main', 'exec sleep 1000')],
      });
      const ready = await lab.pod('debugged', 'to be ready', isReady);
      lab.api.put('pods', {
        ...ready,
        spec: {
          ...pod.spec,
          containers: pod.spec?.containers ?? [],
          ephemeralContainers: [{ name: 'debug', image: HELLO_IMAGE, command: ['sh', '-c', 'pidof sleep; exit 3'] }],
        },
      });
      const after = await lab.pod(
        'debugged',
        'to be debugged',
        (seen) => statusOf(seen, 'debug')?.state?.terminated !== undefined,
      );
      t.equal(statusOf(after, 'debug')?.state?.terminated?.exitCode, 3);
      t.equal(isReady(after), true);
      lab.api.deletePod('debugged', 0);
      await lab.gone('debugged');
    });
  });

  test('a container that the runtime reports as exited while its task lives can be removed', async (t) => {
    const containers = [shell('main', 'test -e /began && exec sleep 1000; touch /began'), shell('other', 'sleep 1000')];
    lab.create('lost', { restartPolicy: 'Never', containers });
    const pod = await lab.pod('lost', 'to have ended', (seen) => statusOf(seen)?.state?.terminated !== undefined);
    const id = statusOf(pod)?.containerID?.replace('containerd://', '') ?? '';
    await lab.ctr('tasks', 'start', '--detach', id);
    t.match(await lab.ctr('tasks', 'list'), new RegExp(`^${id}\\s+\\d+\\s+RUNNING$`, 'm'));
    lab.api.deletePod('lost', 0);
    await lab.gone('lost');
    t.notMatch(await lab.ctr('tasks', 'list'), id);
  });

  test('readiness is kept while the agent is replaced', async (t) => {
    lab.create('ready', {
      containers: [
        shell('main', 'touch /ok; exec sleep 1000', {
          readinessProbe: { exec: { command: ['test', '-e', '/ok'] }, periodSeconds: 1 },
        }),
      ],
    });
    const before = await lab.pod('ready', 'to be ready', isReady);
    await lab.stopAgent();
    lab.startAgent();
    const transition = ({ status }: Pod) =>
      status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime;
    lab.create('later', { restartPolicy: 'Never', containers: [shell('main', 'true')] });
    await lab.pod('later', 'to succeed', ({ status }) => status?.phase === 'Succeeded');
    const after = await lab.pod('ready', 'to be ready', isReady);
    t.equal(transition(after), transition(before));
    for (const name of ['ready', 'later']) lab.api.deletePod(name, 0);
    await Promise.all([lab.gone('ready'), lab.gone('later')]);
  });

  test('a log that exceeds its maximum size is rotated', async (t) => {
    lab.create('chatty', { containers: [shell('main', 'while true; do echo 0123456789; usleep 2000; done')] });
    const pod = await lab.pod('chatty', 'to be ready', isReady);
    const directory = `${address.directory}/logs/default_chatty_${pod.metadata?.uid}/main`;
    const containerId = statusOf(pod)?.containerID?.replace('containerd://', '') ?? '';
    const stop = new AbortController();
    const cri = new CriClient(address.socket);
    const fail = (fields: object, message: string) => void t.fail(message, fields);
    const logger = { debug: () => undefined, info: () => undefined, warn: fail, error: fail };
    const rotation = rotateLogs(
      {
        cri,
        logger,
        logs: () => [{ containerId, file: `${directory}/0.log` }],
        maxBytes: 4096,
        maxFiles: 3,
        periodMs: 1100,
      },
      stop.signal,
    );
    await eventually('two old logs, one of them packed', async () => {
      const names = (await readdir(directory)).filter((name) => !name.endsWith('.tmp'));
      return names.length === 3 && names.some((name) => name.endsWith('.gz'));
    });
    stop.abort();
    await rotation;
    cri.close();
    lab.api.deletePod('chatty', 0);
    await lab.gone('chatty');
  });

  test('preStop hooks without a response are limited by the grace period, across agent restarts', async (t) => {
    await using silent = await Peer.start(evilPeers['drips its headers']!);
    await using switching = await Peer.start(evilPeers['switches protocols']!);
    const hooked = (name: string, { port }: Peer) =>
      shell(name, 'trap "exit 0" TERM; sleep 1000 & wait', {
        lifecycle: { preStop: { httpGet: { host: '127.0.0.1', port } } },
      });
    lab.create('hooked', {
      terminationGracePeriodSeconds: 4,
      containers: [hooked('waits', silent), hooked('upgrades', switching)],
    });
    await lab.pod('hooked', 'to be ready', isReady);
    lab.api.deletePod('hooked', 4);
    await eventually('the hooks to be called', () => silent.requests.length > 0 && switching.requests.length > 0);
    await lab.stopAgent('SIGKILL');
    // Of a pod whose logs it was removing: the last test looks for them.
    await mkdir(`${address.directory}/logs/default_gone_${randomUUID()}/main`, { recursive: true });
    lab.startAgent();
    await lab.gone('hooked');
    t.equal(silent.requests.length, 2, 'called again by the next agent');
    const [failed] = lab.api.events('hooked').filter(({ reason }) => reason === 'FailedPreStopHook');
    t.equal(failed?.message, 'PreStopHook failed');
  });

  test('nothing was left behind', async (t) => {
    for (const what of ['pods', 'logs']) {
      await eventually(
        `no pod to have a directory of ${what}`,
        async () => (await readdir(`${address.directory}/${what}`)).length === 0,
      );
    }
    t.equal((await lab.ctr('containers', 'list', '--quiet')).trim(), '');
    await lab[Symbol.asyncDispose]();
  });
});
