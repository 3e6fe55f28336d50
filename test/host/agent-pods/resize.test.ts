/** Pods that are given other amounts of CPU and memory while they run: the truth is in their cgroups. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { eventually } from '../../support/wait.ts';
import { insideLab, isReady, Lab, shell } from './lab.ts';
import type { Container, Pod, ResourceRequirements } from '../../../api/types/core/v1.gen.ts';

const amounts = (cpu: string, memory: string): ResourceRequirements => ({
  requests: { cpu, memory },
  limits: { cpu, memory },
});
const MIB = 2 ** 20;

const statusOf = ({ status }: Pod) => status?.containerStatuses?.[0];
const conditionOf = ({ status }: Pod, type: string) => status?.conditions?.find((condition) => condition.type === type);
const runsWith =
  (resources: ResourceRequirements) =>
  (pod: Pod): boolean =>
    isReady(pod) &&
    !conditionOf(pod, 'PodResizeInProgress') &&
    JSON.stringify(statusOf(pod)?.resources) === JSON.stringify(resources);

await insideLab(import.meta.filename, async (address) => {
  const { test } = await import('tap');
  const lab = await Lab.start(address);
  const isV1 = / cgroup .*\bcpu\b/.test(await readFile('/proc/self/mountinfo', 'utf8'));

  const sleeper = (resources: ResourceRequirements, more: Partial<Container> = {}) =>
    shell('main', 'sleep 1000', { resources, ...more });
  /** As the api-server does with `pods/resize`. */
  const resize = (name: string, resources: ResourceRequirements): void => {
    const pod = lab.api.pod(name);
    if (!pod?.spec) throw new Error(`no pod ${name}`);
    const generation = (pod.metadata?.generation ?? 0) + 1;
    const containers = pod.spec.containers.map((container) => ({ ...container, resources }));
    lab.api.put('pods', { ...pod, metadata: { ...pod.metadata, generation }, spec: { ...pod.spec, containers } });
  };
  /** CPU quota in microseconds of 100 ms, and memory in bytes; of the pod's container, or of the pod. */
  const limitsOf = async (pod: Pod, of: 'container' | 'pod'): Promise<[cpu: number, memory: number]> => {
    const id = of === 'pod' ? '' : (statusOf(pod)?.containerID?.slice('containerd://'.length) ?? '-');
    const below = path.join(address.cgroupRoot, 'kubepods', `pod${pod.metadata?.uid}`, id);
    const read = async (controller: string, file: string): Promise<number> =>
      Number.parseInt(await readFile(path.join('/sys/fs/cgroup', isV1 ? controller : '', below, file), 'utf8'), 10);
    return isV1
      ? [await read('cpu', 'cpu.cfs_quota_us'), await read('memory', 'memory.limit_in_bytes')]
      : [await read('', 'cpu.max'), await read('', 'memory.max')];
  };

  test('resizes', { jobs: 4 }, async (t) => {
    t.test('a running container gets more, and gives it back', async (t) => {
      lab.create('web', { containers: [sleeper(amounts('100m', '64Mi'))] }, { generation: 1 });
      const before = await lab.pod('web', 'to be ready', isReady);
      t.match(statusOf(before), { resources: amounts('100m', '64Mi'), allocatedResources: { cpu: '100m' } });
      for (const [cpu, memory, quota, bytes] of [
        ['200m', '128Mi', 20_000, 128 * MIB],
        ['50m', '256Mi', 5_000, 256 * MIB],
        ['100m', '32Mi', 10_000, 32 * MIB],
      ] as const) {
        resize('web', amounts(cpu, memory));
        const pod = await lab.pod('web', `to run with ${cpu} and ${memory}`, runsWith(amounts(cpu, memory)));
        t.same(await limitsOf(pod, 'container'), [quota, bytes], `${cpu}, ${memory}`);
        t.same(await limitsOf(pod, 'pod'), [quota, bytes], `${cpu}, ${memory}: the pod`);
        t.match(statusOf(pod), { restartCount: 0, containerID: statusOf(before)?.containerID });
      }
      const reasons = () => new Set(lab.api.events('web').map(({ reason }) => reason));
      await eventually('its events', () => reasons().has('ResizeStarted') && reasons().has('ResizeCompleted'));
      lab.api.deletePod('web', 0);
      await lab.gone('web');
    });

    t.test('a container whose policy says so is restarted with what it gets', async (t) => {
      const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];
      lab.create('restarts', { containers: [sleeper(amounts('100m', '64Mi'), { resizePolicy })] }, { generation: 1 });
      await lab.pod('restarts', 'to be ready', isReady);
      resize('restarts', amounts('200m', '64Mi'));
      t.match(statusOf(await lab.pod('restarts', 'to have CPU', runsWith(amounts('200m', '64Mi')))), {
        restartCount: 0,
      });
      resize('restarts', amounts('300m', '128Mi'));
      const pod = await lab.pod('restarts', 'to have memory', runsWith(amounts('300m', '128Mi')));
      t.match(statusOf(pod), { restartCount: 1 });
      t.same(await limitsOf(pod, 'container'), [30_000, 128 * MIB]);
      lab.api.deletePod('restarts', 0);
      await lab.gone('restarts');
    });

    t.test(
      'a limit below what is in use is an error that is said, and ends when another one is asked for',
      async (t) => {
        const script = 'dd if=/dev/zero bs=40000000 count=1 | sleep 1000';
        const containers = [shell('main', script, { resources: amounts('100m', '128Mi') })];
        lab.create('full', { containers }, { generation: 1 });
        const pod = await lab.pod('full', 'to be ready', isReady);
        const usage = path.join(
          ...['/sys/fs/cgroup', isV1 ? 'memory' : '', address.cgroupRoot, 'kubepods', `pod${pod.metadata?.uid}`],
          isV1 ? 'memory.usage_in_bytes' : 'memory.current',
        );
        await eventually('it to use memory', async () => Number(await readFile(usage, 'utf8')) > 32 * MIB);
        resize('full', amounts('100m', '16Mi'));
        const error = await lab.pod(
          'full',
          'to fail',
          (pod) => conditionOf(pod, 'PodResizeInProgress')?.reason === 'Error',
        );
        t.match(conditionOf(error, 'PodResizeInProgress')?.message, /memory limit \(16777216\) below current usage/);
        t.match(statusOf(error), { restartCount: 0, resources: amounts('100m', '128Mi') });
        resize('full', amounts('100m', '128Mi'));
        await lab.pod('full', 'to be as before', runsWith(amounts('100m', '128Mi')));
        lab.api.deletePod('full', 0);
        await lab.gone('full');
      },
    );
  });

  test('what the node does not have waits, also for an agent after a crash', async (t) => {
    lab.create('large', { containers: [sleeper(amounts('1500m', '64Mi'))] });
    lab.create('waits', { containers: [sleeper(amounts('100m', '64Mi'))] }, { generation: 1 });
    await lab.pod('large', 'to be ready', isReady);
    await lab.pod('waits', 'to be ready', isReady);
    resize('waits', amounts('1', '64Mi'));
    const isDeferred = (pod: Pod): boolean => conditionOf(pod, 'PodResizePending')?.reason === 'Deferred';
    const pod = await lab.pod('waits', 'to wait', isDeferred);
    t.match(conditionOf(pod, 'PodResizePending'), { status: 'True', observedGeneration: 2, message: /cpu/ });
    await lab.stopAgent();
    lab.api.put('pods', { ...pod, status: { ...pod.status, conditions: [] } });
    lab.startAgent();
    const again = await lab.pod('waits', 'to wait again', isDeferred);
    t.same(await limitsOf(again, 'container'), [10_000, 64 * MIB]);
    lab.api.deletePod('large', 0);
    const given = await lab.pod('waits', 'to get what another pod had', runsWith(amounts('1', '64Mi')));
    t.same(await limitsOf(given, 'container'), [100_000, 64 * MIB]);
    t.match(statusOf(given), { restartCount: 0, containerID: statusOf(pod)?.containerID });
    t.equal(conditionOf(given, 'PodResizePending'), undefined);
    lab.api.deletePod('waits', 0);
    await lab.gone('waits');
  });

  test('stops the lab', async () => lab[Symbol.asyncDispose]());
});
