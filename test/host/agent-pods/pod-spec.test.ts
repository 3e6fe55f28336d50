/** What a pod's spec promises, read from the host: on a real containerd. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { readTopology } from '../../../agent/host/cpu-topology.ts';
import { formatCpuSet, parseCpuSet } from '../../../agent/topology/cpu-set.ts';
import { readMounts } from '../../../agent/host/mounts.ts';
import { eventually } from '../../support/wait.ts';
import { makeModelImage, MODEL_IMAGE } from './image-volumes.ts';
import { insideLab, isReady, Lab, shell } from './lab.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const statusOf = (pod: Pod, name: string) =>
  [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
    (status) => status.name === name,
  );
const conditionOf = (pod: Pod, type: string) => pod.status?.conditions?.find((condition) => condition.type === type);

await insideLab(import.meta.filename, async (address) => {
  const { test } = await import('tap');
  const lab = await Lab.start(address, { staticCpus: true });
  await lab.ctr('images', 'import', await makeModelImage(address.directory));
  const logOf = (pod: Pod, name = 'main', run = 0): Promise<string> => {
    const directory = `default_${pod.metadata?.name}_${pod.metadata?.uid}`;
    return readFile(path.join(address.directory, 'logs', directory, name, `${run}.log`), 'utf8');
  };
  const messages = (name: string) => lab.api.events(name).map(({ message }) => message ?? '');

  // Not beside others: it kills the agent, and a pod that is starting then and is not to be restarted would fail.
  test('an image volume shows all layers of an image, read-only, and goes with its pod', async (t) => {
    lab.create('models', {
      volumes: [{ name: 'model', image: { reference: MODEL_IMAGE } }],
      initContainers: [
        shell('first', 'cat /part/weights', {
          volumeMounts: [{ name: 'model', mountPath: '/part', subPath: 'model' }],
        }),
      ],
      containers: [
        shell('main', 'cat /model/model/*; echo x > /model/x || echo refused; trap "exit 0" TERM; sleep 1000 & wait', {
          volumeMounts: [{ name: 'model', mountPath: '/model' }],
        }),
      ],
    });
    const pod = await lab.pod('models', 'to be ready', isReady);
    await eventually('what its containers have seen', async () => (await logOf(pod)).includes('refused'));
    t.match(await logOf(pod, 'first'), / new$/m);
    t.match(await logOf(pod), / hellonew/);
    const uid = pod.metadata?.uid ?? '-';
    const mountsOfPod = async () => (await readMounts()).filter(({ mountPoint }) => mountPoint.includes(uid));
    t.ok((await mountsOfPod()).length > 0);
    t.match(await lab.ctr('snapshots', 'list'), uid);
    const before = lab.agentPid;
    await lab.stopAgent();
    lab.startAgent();
    t.not(lab.agentPid, before);
    lab.api.deletePod('models', 0);
    await lab.gone('models');
    t.same(await mountsOfPod(), []);
    t.notMatch(await lab.ctr('snapshots', 'list'), uid, 'containerd keeps no view of it');
  });

  test('pods', { jobs: 8 }, async (t) => {
    t.test('a pod whose image volume cannot be had says so, and why', async (t) => {
      const missing = 'kedge.test/nowhere:1';
      lab.create('hopeless', {
        volumes: [{ name: 'model', image: { reference: missing, pullPolicy: 'Never' } }],
        containers: [shell('main', 'true', { volumeMounts: [{ name: 'model', mountPath: '/model' }] })],
      });
      lab.create('elsewhere', {
        volumes: [{ name: 'model', image: { reference: MODEL_IMAGE } }],
        containers: [
          shell('main', 'true', { volumeMounts: [{ name: 'model', mountPath: '/model', subPath: 'model/none' }] }),
        ],
      });
      const never = await lab.pod('hopeless', 'to wait', (pod) =>
        Boolean(statusOf(pod, 'main')?.state?.waiting?.message),
      );
      t.match(statusOf(never, 'main')?.state?.waiting, { reason: 'ErrImageNeverPull', message: missing });
      const partly = await lab.pod('elsewhere', 'to wait', (pod) =>
        /subPath/.test(statusOf(pod, 'main')?.state?.waiting?.message ?? ''),
      );
      t.match(statusOf(partly, 'main')?.state?.waiting, { reason: 'CreateContainerConfigError' });
      t.ok(messages('hopeless').some((message) => message.includes(missing)));
      for (const name of ['hopeless', 'elsewhere']) {
        lab.api.deletePod(name, 0);
        await lab.gone(name);
      }
    });

    t.test('an exit code restarts all containers of a pod, init containers first, in the same sandbox', async (t) => {
      const second = 'test $(wc -l < /shared/runs) = 2';
      lab.create('whole', {
        restartPolicy: 'Never',
        volumes: [{ name: 'shared', emptyDir: {} }],
        initContainers: [
          shell('setup', 'echo run >> /shared/runs', { volumeMounts: [{ name: 'shared', mountPath: '/shared' }] }),
        ],
        containers: [
          shell('main', 'touch /shared/main; exec sleep 1000', {
            volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
          }),
          // Each of them is to have run once before all are restarted.
          shell('watcher', `until test -e /shared/main; do sleep 0.1; done; ${second} && exec sleep 1000; exit 42`, {
            volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
            restartPolicy: 'Never',
            restartPolicyRules: [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }],
          }),
        ],
      });
      const pod = await lab.pod('whole', 'to run again', (pod) => {
        const names = ['setup', 'main', 'watcher'];
        return isReady(pod) && names.every((name) => statusOf(pod, name)?.restartCount === 1);
      });
      t.match(statusOf(pod, 'watcher')?.lastState, { terminated: { exitCode: 42 } });
      t.match(statusOf(pod, 'main')?.lastState, { terminated: { exitCode: 137 } });
      t.match(conditionOf(pod, 'AllContainersRestarting'), { status: 'False' });
      t.equal(lab.api.events('whole').filter(({ reason }) => reason === 'Killing').length, 1);
      lab.api.deletePod('whole', 0);
      await lab.gone('whole');
    });

    t.test('a stop signal that the runtime does not know is told of', async (t) => {
      const containers = [
        shell('main', 'trap "exit 0" USR1 TERM; sleep 1000 & wait', { lifecycle: { stopSignal: 'SIGUSR1' } }),
      ];
      lab.create('signal', { os: { name: 'linux' }, containers });
      await lab.pod('signal', 'to be ready', isReady);
      const told = () => messages('signal').filter((message) => /instead of SIGUSR1/.test(message));
      const isOld = /Version:\s+v?1\./.test(await lab.ctr('version'));
      if (isOld) t.equal((await eventually('the event', () => told().length > 0 && told())).length, 1);
      lab.api.deletePod('signal', 0);
      await lab.gone('signal');
    });

    t.test('the name of a pod is its whole name where it asks for that', async (t) => {
      lab.create('named', {
        hostname: 'db',
        subdomain: 'store',
        setHostnameAsFQDN: true,
        restartPolicy: 'Never',
        containers: [shell('main', 'cat /proc/sys/kernel/hostname; cat /etc/hosts')],
      });
      const pod = await lab.pod('named', 'to succeed', ({ status }) => status?.phase === 'Succeeded');
      t.match(await logOf(pod), / db\.store\.default\.svc\.cluster\.local$/m);
      lab.api.deletePod('named', 0);
      await lab.gone('named');
    });

    t.test('the grace period of a probe counts for the containers that it restarts, not that of the pod', async (t) => {
      lab.create('stubborn', {
        terminationGracePeriodSeconds: 3600,
        containers: [
          shell('main', 'trap "" TERM; while true; do sleep 1; done', {
            livenessProbe: {
              exec: { command: ['/bin/false'] },
              ...{ periodSeconds: 1, failureThreshold: 1, terminationGracePeriodSeconds: 1 },
            },
          }),
        ],
      });
      const pod = await lab.pod('stubborn', 'to be restarted', (pod) => (statusOf(pod, 'main')?.restartCount ?? 0) > 0);
      t.match(statusOf(pod, 'main')?.lastState, { terminated: { exitCode: 137 } });
      lab.api.deletePod('stubborn', 0);
      await lab.gone('stubborn');
    });

    t.test('/proc is masked, unless a pod asks for all of it', async (t) => {
      const look = 'grep -q "^proc /proc/sys proc ro," /proc/mounts && echo hidden || echo shown';
      lab.create('procs', {
        restartPolicy: 'Never',
        containers: [shell('masked', look), shell('unmasked', look, { securityContext: { procMount: 'Unmasked' } })],
      });
      const pod = await lab.pod('procs', 'to succeed', ({ status }) => status?.phase === 'Succeeded');
      t.match(await logOf(pod, 'masked'), 'hidden');
      t.match(await logOf(pod, 'unmasked'), 'shown');
      lab.api.deletePod('procs', 0);
      await lab.gone('procs');
    });
  });

  test('a Guaranteed container that asks for whole CPUs has them for itself, also when the agent is killed', async (t) => {
    const cpus = { requests: { cpu: '1', memory: '32Mi' }, limits: { cpu: '1', memory: '32Mi' } };
    const allowed = async (pod: Pod): Promise<string> => {
      const task = statusOf(pod, 'main')?.containerID?.slice('containerd://'.length) ?? '';
      const pid = /\s(\d+)\s/.exec(
        (await lab.ctr('tasks', 'list')).split('\n').find((one) => one.startsWith(task)) ?? '',
      );
      const status = await readFile(`/proc/${pid?.[1]}/status`, 'utf8');
      return /^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? '';
    };
    const stateFile = async () =>
      JSON.parse(await readFile(path.join(address.directory, 'cpu_manager_state'), 'utf8')) as object;
    const online = formatCpuSet(new Set((await readTopology()).map(({ cpu }) => cpu)));
    lab.create('sharing', { containers: [shell('main', 'exec sleep 1000')] });
    const sharing = await lab.pod('sharing', 'to be ready', isReady, 120);
    t.equal(await allowed(sharing), online);
    lab.create('pinned', { containers: [shell('main', 'exec sleep 1000', { resources: cpus })] });
    const pinned = await lab.pod('pinned', 'to be ready', isReady, 120);
    const own = await allowed(pinned);
    t.match(own, /^[1-9]\d*$/, 'not the reserved one');
    t.match(await stateFile(), { policyName: 'static', entries: { [pinned.metadata?.uid ?? '']: { main: own } } });
    const others = formatCpuSet(parseCpuSet(online).difference(parseCpuSet(own)));
    t.equal(await allowed(sharing), others);

    await lab.stopAgent('SIGKILL');
    lab.startAgent();
    lab.create('later', { containers: [shell('main', 'exec sleep 1000')] });
    t.equal(await allowed(await lab.pod('later', 'to be ready', isReady, 120)), others);
    t.equal(await allowed(pinned), own);
    lab.api.deletePod('pinned', 0);
    await lab.gone('pinned', 120);
    await eventually('the others to have all CPUs again', async () => (await allowed(sharing)) === online, 60);
    t.notMatch(await stateFile(), { entries: Object });
    for (const name of ['sharing', 'later']) {
      lab.api.deletePod(name, 0);
      await lab.gone(name, 120);
    }
  });

  test('stops the lab', async () => lab[Symbol.asyncDispose]());
});
