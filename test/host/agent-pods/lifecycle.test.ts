/** Pods on a real containerd: what the kubelet's users rely on. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { HELLO_IMAGE } from '../../../agent/images/bundled.ts';
import { eventually } from '../../support/wait.ts';
import { insideLab, isReady, Lab, shell } from './lab.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import type { RuntimeClass } from '../../../api/types/node/v1.gen.ts';

const statusOf = (pod: Pod, name: string) =>
  [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
    (status) => status.name === name,
  );
const conditionOf = (pod: Pod, type: string) => pod.status?.conditions?.find((condition) => condition.type === type);

await insideLab(import.meta.filename, async (address) => {
  const { test } = await import('tap');
  const lab = await Lab.start(address);
  const reasons = (name: string) => lab.api.events(name).map(({ reason }) => reason);

  test('pods', { jobs: 8 }, async (t) => {
    t.test('a pod runs, reports its status and is removed completely', async (t) => {
      lab.create('web', { containers: [shell('main', 'trap "exit 0" TERM; echo hello; sleep 1000 & wait')] });
      const pod = await lab.pod('web', 'to be ready', isReady);
      t.match(pod.status, { phase: 'Running', qosClass: 'BestEffort', podIP: /^10\.88\./, hostIP: '192.0.2.1' });
      t.match(statusOf(pod, 'main'), { ready: true, started: true, restartCount: 0, containerID: /^containerd:\/\// });
      // Before the shell has set its trap, the kernel keeps the signal from the first process of a container.
      const log = path.join(address.directory, 'logs', `default_web_${pod.metadata?.uid}`, 'main/0.log');
      await eventually('its greeting', async () => (await readFile(log, 'utf8')).includes('hello'));
      lab.api.deletePod('web', 30);
      await lab.gone('web', 25);
      t.equal(
        (await lab.ctr('containers', 'list')).includes(statusOf(pod, 'main')?.containerID?.slice(13) ?? '-'),
        false,
      );
      await eventually('its events', () =>
        ['Pulled', 'Created', 'Started', 'Killing'].every((r) => reasons('web').includes(r)),
      );
    });

    t.test("foreign changes of a running pod's status are reverted", async (t) => {
      lab.create('slandered', { containers: [shell('main', 'sleep 1000')] });
      const pod = await lab.pod('slandered', 'to be ready', isReady);
      const others = { type: 'example.com/gate', status: 'True' };
      const conditions = [{ type: 'Ready', status: 'False' }, others];
      lab.api.put('pods', { ...pod, status: { ...pod.status, phase: 'Pending', reason: 'Lost', conditions } });
      const restored = await lab.pod('slandered', 'to be ready again', isReady);
      t.match(restored.status, { phase: 'Running', reason: undefined });
      t.match(conditionOf(restored, others.type), others, 'and conditions of others are kept');
      lab.api.deletePod('slandered', 0);
      await lab.gone('slandered');
    });

    t.test('a crashing container is restarted, at once and then with back-off', async (t) => {
      lab.create('crash', { containers: [shell('main', 'echo no >&2; exit 3')] });
      const pod = await lab.pod(
        'crash',
        'to wait',
        (pod) => statusOf(pod, 'main')?.state?.waiting?.reason === 'CrashLoopBackOff',
      );
      t.match(statusOf(pod, 'main'), {
        restartCount: 1,
        state: { waiting: { message: /^back-off 10s restarting failed container=main pod=crash_default\(/ } },
        lastState: { terminated: { exitCode: 3, reason: 'Error' } },
      });
      t.equal(pod.status?.phase, 'Running');
      lab.api.deletePod('crash', 0);
      await lab.gone('crash');
    });

    t.test('pods that run to completion succeed or fail, with their termination messages', async (t) => {
      lab.create('good', {
        restartPolicy: 'Never',
        containers: [shell('main', 'echo -n well > /dev/termination-log')],
      });
      lab.create('bad', {
        restartPolicy: 'Never',
        containers: [shell('main', 'echo broken; exit 7', { terminationMessagePolicy: 'FallbackToLogsOnError' })],
      });
      const good = await lab.pod('good', 'to succeed', ({ status }) => status?.phase === 'Succeeded');
      t.match(statusOf(good, 'main')?.state?.terminated, { exitCode: 0, reason: 'Completed', message: 'well' });
      t.match(conditionOf(good, 'Ready'), { status: 'False', reason: 'PodCompleted' });
      const bad = await lab.pod('bad', 'to fail', ({ status }) => status?.phase === 'Failed');
      t.match(statusOf(bad, 'main')?.state?.terminated, { exitCode: 7, reason: 'Error', message: 'broken\n' });
      for (const name of ['good', 'bad']) lab.api.deletePod(name, 0);
      await Promise.all([lab.gone('good'), lab.gone('bad')]);
    });

    t.test('init containers run in order, sidecars before and alongside the containers', async (t) => {
      lab.create('ordered', {
        restartPolicy: 'Never',
        volumes: [{ name: 'shared', emptyDir: {} }],
        initContainers: [
          shell('first', 'echo first >> /s/log', { volumeMounts: [{ name: 'shared', mountPath: '/s' }] }),
          shell('side', 'echo side >> /s/log; trap "exit 0" TERM; sleep 1000 & wait', {
            restartPolicy: 'Always',
            startupProbe: { exec: { command: ['grep', 'side', '/s/log'] }, periodSeconds: 1 },
            volumeMounts: [{ name: 'shared', mountPath: '/s' }],
          }),
          shell('second', 'echo second >> /s/log', { volumeMounts: [{ name: 'shared', mountPath: '/s' }] }),
        ],
        containers: [
          shell('main', 'cat /s/log > /dev/termination-log', { volumeMounts: [{ name: 'shared', mountPath: '/s' }] }),
        ],
      });
      const pod = await lab.pod('ordered', 'to succeed', ({ status }) => status?.phase === 'Succeeded');
      t.equal(statusOf(pod, 'main')?.state?.terminated?.message, 'first\nside\nsecond\n');
      t.equal(statusOf(pod, 'first')?.state?.terminated?.reason, 'Completed');
      lab.api.deletePod('ordered', 0);
      await lab.gone('ordered');
    });

    t.test("a container's environment has variables from every source", async (t) => {
      lab.api.put('configmaps', { metadata: { name: 'settings' }, data: { COLOR: 'red', other: 'x' } });
      lab.api.put('secrets', {
        metadata: { name: 'keys' },
        data: { key: Buffer.from('hush').toString('base64'), raw: Buffer.from('cafeff', 'hex').toString('base64') },
      });
      lab.api.put('services', {
        metadata: { name: 'front-end' },
        spec: { clusterIP: '10.43.0.7', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
      });
      const script =
        'echo "$COLOR $P_COLOR $KEY $NODE $IP $CPU $JOINED $MAYBE- $FRONT_END_SERVICE_HOST $FRONT_END_PORT_80_TCP $1" > /dev/termination-log';
      lab.create('env', {
        restartPolicy: 'Never',
        containers: [
          {
            name: 'main',
            image: HELLO_IMAGE,
            command: ['/bin/sh', '-c', script, 'sh'],
            args: ['$(JOINED)!'],
            resources: { limits: { cpu: '500m' } },
            envFrom: [{ configMapRef: { name: 'settings' } }, { prefix: 'P_', configMapRef: { name: 'settings' } }],
            env: [
              { name: 'KEY', valueFrom: { secretKeyRef: { name: 'keys', key: 'key' } } },
              { name: 'RAW', valueFrom: { secretKeyRef: { name: 'keys', key: 'raw' } } },
              { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
              { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
              { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
              { name: 'JOINED', value: '$(COLOR)-$(NODE)-$$(X)' },
              { name: 'MAYBE', valueFrom: { configMapKeyRef: { name: 'nothing', key: 'x', optional: true } } },
            ],
          },
        ],
      });
      const pod = await lab.pod('env', 'to succeed', ({ status }) => status?.phase === 'Succeeded');
      t.equal(
        statusOf(pod, 'main')?.state?.terminated?.message,
        `red red hush node-1 ${pod.status?.podIP} 500 red-node-1-$(X) - 10.43.0.7 tcp://10.43.0.7:80 red-node-1-$(X)!\n`,
      );
      await eventually('the warning', () => reasons('env').includes('InvalidEnvironmentVariableValues'));
      lab.api.deletePod('env', 0);
      await lab.gone('env');
    });

    t.test('failures to start are reported with their reason', async (t) => {
      lab.create('why', {
        containers: [
          shell('no-config', 'true', { envFrom: [{ configMapRef: { name: 'absent' } }] }),
          { name: 'no-image', image: 'kedge.local/absent:1', imagePullPolicy: 'Never' },
          { name: 'no-name', image: 'Not A Name' },
          { name: 'no-registry', image: '127.0.0.1:1/absent:1' },
          shell('no-root', 'true', { securityContext: { runAsNonRoot: true } }),
          { name: 'no-program', image: HELLO_IMAGE, command: ['/absent'] },
        ],
      });
      const waits = (pod: Pod, name: string) => statusOf(pod, name)?.state?.waiting;
      const pod = await lab.pod('why', 'to report the reason', (pod) =>
        ['no-config', 'no-image', 'no-name', 'no-registry', 'no-root'].every((name) => {
          const { reason } = waits(pod, name) ?? {};
          return reason !== undefined && reason !== 'ContainerCreating' && reason !== 'ErrImagePull';
        }),
      );
      t.match(waits(pod, 'no-config'), {
        reason: 'CreateContainerConfigError',
        message: 'configmap "absent" not found',
      });
      t.match(waits(pod, 'no-image'), { reason: 'ErrImageNeverPull' });
      t.match(waits(pod, 'no-name'), { reason: 'InvalidImageName' });
      t.match(waits(pod, 'no-registry'), { reason: 'ImagePullBackOff', message: /^Back-off pulling image "127/ });
      t.match(waits(pod, 'no-root'), { reason: 'CreateContainerConfigError', message: /runAsNonRoot/ });
      t.match(statusOf(pod, 'no-program')?.lastState?.terminated ?? statusOf(pod, 'no-program')?.state, {});
      t.equal(pod.status?.phase, 'Pending');
      await eventually('events', () => ['Failed', 'BackOff', 'Pulling'].every((r) => reasons('why').includes(r)));
      lab.api.deletePod('why', 0);
      await lab.gone('why');
    });

    t.test('a pod runs with the handler of its RuntimeClass, and not without the class', async (t) => {
      const runtimeClass: RuntimeClass = { metadata: { name: 'plain' }, handler: 'runc' };
      lab.api.objects.set('/apis/node.k8s.io/v1/runtimeclasses/plain', runtimeClass);
      const containers = [shell('main', 'exec sleep 1000')];
      lab.create('of-class', { runtimeClassName: 'plain', containers });
      lab.create('of-no-class', { runtimeClassName: 'gone', containers });
      await lab.pod('of-class', 'to be ready', isReady);
      await eventually('the event', () => reasons('of-no-class').includes('FailedCreatePodSandBox'));
      t.equal(lab.api.pod('of-no-class')?.status?.phase, 'Pending');
      for (const name of ['of-class', 'of-no-class']) lab.api.deletePod(name, 0);
      await Promise.all([lab.gone('of-class'), lab.gone('of-no-class')]);
    });

    t.test('a pod that requires a user namespace does not run without one', async (t) => {
      lab.create('isolated', { hostUsers: false, containers: [shell('main', 'true')] });
      await eventually('the refusal', () => reasons('isolated').includes('FailedCreatePodSandBox'));
      t.match(
        lab.api.events('isolated').find(({ reason }) => reason === 'FailedCreatePodSandBox')?.message,
        /user namespaces \(hostUsers: false\) are not supported on this node/,
      );
      t.equal(lab.api.pod('isolated')?.status?.phase, 'Pending');
      lab.api.deletePod('isolated', 0);
      await lab.gone('isolated');
    });

    t.test('a container that exceeds its memory limit is OOMKilled', async (t) => {
      lab.create('hungry', {
        restartPolicy: 'Never',
        // containerd's shim looks out for it only once the container runs, and misses what happens before.
        containers: [
          shell('main', 'until [ -e /host/eat ]; do sleep 0.1; done; exec tail /dev/zero', {
            resources: { limits: { memory: '16Mi' } },
            volumeMounts: [{ name: 'host', mountPath: '/host' }],
          }),
        ],
        volumes: [{ name: 'host', hostPath: { path: address.directory } }],
      });
      await lab.pod('hungry', 'to be ready', isReady);
      await writeFile(`${address.directory}/eat`, '');
      const end = (pod: Pod) => statusOf(pod, 'main')?.state?.terminated;
      const pod = await lab.pod('hungry', 'to be killed', (pod) => end(pod)?.reason === 'OOMKilled');
      t.match(end(pod), { exitCode: 137 });
      t.equal(pod.status?.phase, 'Failed');
      lab.api.deletePod('hungry', 0);
      await lab.gone('hungry');
    });

    t.test('readiness probes gate readiness, and failed liveness probes restart containers', async (t) => {
      lab.create('probed', {
        containers: [
          {
            name: 'served',
            image: HELLO_IMAGE,
            ports: [{ name: 'http', containerPort: 8080 }],
            readinessProbe: { httpGet: { path: '/index.html', port: 'http' }, periodSeconds: 1 },
            livenessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
          },
          shell('stuck', 'exec sleep 1000', {
            livenessProbe: { exec: { command: ['false'] }, periodSeconds: 1, failureThreshold: 1 },
          }),
          shell('unready', 'exec sleep 1000', {
            readinessProbe: { httpGet: { port: 1 }, periodSeconds: 1, failureThreshold: 1 },
          }),
        ],
      });
      const pod = await lab.pod(
        'probed',
        'to be probed',
        (pod) => statusOf(pod, 'served')?.ready && (statusOf(pod, 'stuck')?.restartCount ?? 0) > 0,
      );
      t.match(conditionOf(pod, 'ContainersReady'), {
        status: 'False',
        reason: 'ContainersNotReady',
        message: /unready/,
      });
      t.equal(statusOf(pod, 'unready')?.ready, false);
      await eventually('events', () => {
        const messages = lab.api.events('probed').map(({ message }) => message ?? '');
        return (
          messages.includes('Container stuck failed liveness probe, will be restarted') &&
          messages.some((text) => /^Readiness probe failed: Get "http:.*connection refused/.test(text))
        );
      });
      lab.api.deletePod('probed', 0);
      await lab.gone('probed');
    });

    t.test('a container that ends well when its liveness probe has failed is restarted all the same', async (t) => {
      const script = 'trap "exit 0" TERM; while :; do sleep 0.1; done';
      const livenessProbe = { exec: { command: ['false'] }, periodSeconds: 1, failureThreshold: 1 };
      lab.create('gentle', { restartPolicy: 'OnFailure', containers: [shell('main', script, { livenessProbe })] });
      const pod = await lab.pod('gentle', 'to be restarted', (pod) => (statusOf(pod, 'main')?.restartCount ?? 0) > 0);
      t.match(statusOf(pod, 'main')?.lastState?.terminated, { exitCode: 0 });
      t.not(pod.status?.phase, 'Succeeded');
      lab.api.deletePod('gentle', 0);
      await lab.gone('gentle');
    });

    t.test('postStart and preStop hooks run within the grace period', async (t) => {
      lab.create('hooked', {
        terminationGracePeriodSeconds: 5,
        volumes: [{ name: 'host', hostPath: { path: address.directory } }],
        containers: [
          shell('main', 'trap "exit 0" TERM; sleep 1000 & wait', {
            volumeMounts: [{ name: 'host', mountPath: '/host' }],
            lifecycle: {
              postStart: { exec: { command: ['sh', '-c', 'sleep 2; echo started > /host/hooked'] } },
              preStop: { exec: { command: ['sh', '-c', 'echo stopped >> /host/hooked'] } },
            },
          }),
          shell('later', 'cp /host/hooked /host/seen-by-later; trap "exit 0" TERM; sleep 1000 & wait', {
            volumeMounts: [{ name: 'host', mountPath: '/host' }],
          }),
        ],
      });
      await lab.pod('hooked', 'to be ready', isReady);
      lab.api.deletePod('hooked', 5);
      await lab.gone('hooked');
      t.equal(await readFile(`${address.directory}/hooked`, 'utf8'), 'started\nstopped\n');
      t.equal(
        await readFile(`${address.directory}/seen-by-later`, 'utf8'),
        'started\n',
        'the next starts after the hook',
      );
    });

    t.test('a pod with host network, host aliases and a security context', async (t) => {
      lab.create('host', {
        restartPolicy: 'Never',
        hostNetwork: true,
        hostAliases: [{ ip: '192.0.2.9', hostnames: ['nine'] }],
        securityContext: { runAsUser: 1000, runAsGroup: 2000, supplementalGroups: [3000] },
        containers: [
          shell('main', 'id -u; id -g; id -G; grep -c nine /etc/hosts; touch /x 2>/dev/null || echo read-only', {
            terminationMessagePolicy: 'FallbackToLogsOnError',
            command: [
              '/bin/sh',
              '-c',
              '(id -u; id -G; grep -c nine /etc/hosts; touch /x 2>/dev/null || echo read-only) > /dev/termination-log',
            ],
            securityContext: {
              readOnlyRootFilesystem: true,
              allowPrivilegeEscalation: false,
              capabilities: { drop: ['ALL'] },
            },
          }),
        ],
      });
      const pod = await lab.pod('host', 'to succeed', ({ status }) => status?.phase === 'Succeeded');
      t.equal(statusOf(pod, 'main')?.state?.terminated?.message, '1000\n2000 3000\n1\nread-only\n');
      t.equal(pod.status?.podIP, '192.0.2.1');
      lab.api.deletePod('host', 0);
      await lab.gone('host');
    });

    t.test('a pod that exceeds its activeDeadlineSeconds fails', async (t) => {
      lab.create('late', { activeDeadlineSeconds: 3, containers: [shell('main', 'exec sleep 1000')] });
      const pod = await lab.pod(
        'late',
        'to fail',
        ({ status }) => status?.phase === 'Failed' && !!status.containerStatuses?.[0]?.state?.terminated,
      );
      t.match(pod.status, { reason: 'DeadlineExceeded', message: /longer than the specified deadline/ });
      lab.api.deletePod('late', 0);
      await lab.gone('late');
    });

    t.test('a dead sandbox is recreated, with its containers', async (t) => {
      lab.create('fallen', { containers: [shell('main', 'exec sleep 1000')] });
      const before = await lab.pod('fallen', 'to be ready', isReady);
      const sandbox = (await lab.ctr('containers', 'list')).split('\n').map((line) => line.split(/\s+/)[0] ?? '');
      const { CriClient } = await import('../../../agent/cri/client.ts');
      const cri = new CriClient(address.socket);
      const [own] = await cri.listPodSandboxes({ podUid: before.metadata?.uid });
      cri.close();
      t.ok(own && sandbox.includes(own.id));
      await lab.ctr('task', 'kill', '--signal', 'SIGKILL', own?.id ?? '');
      const after = await lab.pod(
        'fallen',
        'to run again',
        (pod) => isReady(pod) && statusOf(pod, 'main')?.restartCount === 1,
      );
      t.not(statusOf(after, 'main')?.containerID, statusOf(before, 'main')?.containerID);
      lab.api.deletePod('fallen', 0);
      await lab.gone('fallen');
    });
  });

  test('killing the agent restarts no container, and the next agent catches up', async (t) => {
    lab.create('stays', { containers: [shell('main', 'exec sleep 1000')] });
    lab.create('ends', { restartPolicy: 'Never', containers: [shell('main', 'sleep 1.5; exit 4')] });
    lab.create('leaves', { containers: [shell('main', 'exec sleep 1000')] });
    const before = await lab.pod('stays', 'to be ready', isReady);
    await lab.pod('leaves', 'to be ready', isReady);
    await lab.pod('ends', 'to run', ({ status }) => status?.phase === 'Running');
    await lab.stopAgent('SIGKILL');
    lab.api.objects.delete('/api/v1/namespaces/default/pods/leaves');
    const listed = await lab.ctr('task', 'list');
    t.match(listed, statusOf(before, 'main')?.containerID?.slice(13));
    lab.startAgent();
    const ended = await lab.pod('ends', 'to fail', ({ status }) => status?.phase === 'Failed');
    t.equal(statusOf(ended, 'main')?.state?.terminated?.exitCode, 4);
    const after = await lab.pod('stays', 'to be ready', isReady);
    t.equal(statusOf(after, 'main')?.containerID, statusOf(before, 'main')?.containerID);
    t.equal(statusOf(after, 'main')?.restartCount, 0);
    t.equal(after.status?.startTime, before.status?.startTime);
    await eventually(
      'the orphaned pod to be removed',
      async () => (await readdir(`${address.directory}/pods`)).length === 2,
    );
    for (const name of ['stays', 'ends']) lab.api.deletePod(name, 0);
    await Promise.all([lab.gone('stays'), lab.gone('ends')]);
  });

  test('a static pod runs from its file, has a mirror pod, and follows the file', async (t) => {
    const file = `${address.directory}/manifests/still.yaml`;
    const manifest = (text: string) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'still' },
        spec: { terminationGracePeriodSeconds: 0, containers: [shell('main', `echo ${text}; exec sleep 1000`)] },
      });
    await writeFile(file, manifest('one'));
    const first = await lab.pod('still-node-1', 'to be ready', isReady);
    t.match(first.metadata?.annotations, { 'kubernetes.io/config.source': 'file', 'kubernetes.io/config.mirror': /./ });
    await writeFile(file, manifest('two'));
    await lab.pod(
      'still-node-1',
      'to be another',
      (pod) => isReady(pod) && statusOf(pod, 'main')?.containerID !== statusOf(first, 'main')?.containerID,
    );
    await rm(file);
    await lab.gone('still-node-1');
  });

  test('annotations on pods of the API neither make them static nor block static pods', async (t) => {
    const file = `${address.directory}/manifests/wanted.yaml`;
    const spec = { terminationGracePeriodSeconds: 0, containers: [shell('main', 'exec sleep 1000')] };
    const env = [
      { name: 'SOURCE', valueFrom: { fieldRef: { fieldPath: "metadata.annotations['kubernetes.io/config.source']" } } },
    ];
    const printing = shell('main', 'echo "from $SOURCE" > /dev/termination-log', { env });
    const annotations = { 'kubernetes.io/config.source': 'file' };
    lab.create('tells', { restartPolicy: 'Never', containers: [printing] }, { annotations });
    const ended = await lab.pod('tells', 'to end', ({ status }) => status?.phase === 'Succeeded');
    t.equal(statusOf(ended, 'main')?.state?.terminated?.message, 'from api\n');

    // Somebody has the static pod's name in the API: it runs all the same, and its status is not written to theirs.
    lab.create('wanted-node-1', { containers: [shell('main', 'exit 1')], restartPolicy: 'Never' });
    await lab.pod('wanted-node-1', 'to fail', ({ status }) => status?.phase === 'Failed');
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'wanted' }, spec }));
    const { CriClient } = await import('../../../agent/cri/client.ts');
    const cri = new CriClient(address.socket);
    await eventually('the static pod to run', async () => {
      const [sandbox] = (await cri.listPodSandboxes({})).filter(
        ({ annotations: its }) => its['kubernetes.io/config.source'] === 'file',
      );
      return (await cri.listContainers({})).some(
        ({ podSandboxId, state }) => podSandboxId === sandbox?.id && state === 'CONTAINER_RUNNING',
      );
    });
    cri.close();
    t.equal(lab.api.pod('wanted-node-1')?.status?.phase, 'Failed');
    const before = lab.api.pod('wanted-node-1')?.metadata?.uid;
    lab.api.deletePod('wanted-node-1', 0);
    const mirror = await lab.pod('wanted-node-1', 'to be shown', (pod) => isReady(pod) && pod.metadata?.uid !== before);
    t.ok(mirror.metadata?.annotations?.['kubernetes.io/config.mirror']);

    // A mirror annotation added later does not make a pod static.
    const running = lab.create('stays', spec);
    await lab.pod('stays', 'to be ready', isReady);
    const seen = lab.api.pod('stays');
    lab.api.put('pods', {
      ...seen,
      metadata: { ...seen?.metadata, annotations: { 'kubernetes.io/config.mirror': 'x' } },
    });
    await rm(file);
    await lab.gone('wanted-node-1');
    t.equal(lab.api.pod('stays')?.metadata?.uid, running.metadata?.uid);
    for (const name of ['stays', 'tells']) lab.api.deletePod(name, 0);
    await Promise.all([lab.gone('stays'), lab.gone('tells')]);
  });

  test('a static pod survives the agent, and keeps its start time', async (t) => {
    const file = `${address.directory}/manifests/lasting.yaml`;
    const spec = { terminationGracePeriodSeconds: 0, containers: [shell('main', 'exec sleep 1000')] };
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'lasting' }, spec }));
    const before = await lab.pod('lasting-node-1', 'to be ready', isReady);
    await lab.stopAgent('SIGKILL');
    const startTime = '2026-01-01T00:00:00Z';
    lab.api.put('pods', { ...before, status: { ...before.status, startTime, hostIP: undefined } });
    lab.startAgent();
    const after = await lab.pod('lasting-node-1', 'to be reported', ({ status }) => status?.hostIP !== undefined);
    t.equal(after.status?.startTime, startTime);
    t.equal(statusOf(after, 'main')?.containerID, statusOf(before, 'main')?.containerID);
    await rm(file);
    await lab.gone('lasting-node-1');
  });

  test('stops the lab', async () => lab[Symbol.asyncDispose]());
});
