import t from 'tap';
import { VolumeMeter, writeVolumes } from '../../../agent/stats/volume-usage.ts';
import type { VolumeUsage } from '../../../agent/volumes/framework/volume-type.ts';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import type { Pod, Volume } from '../../../api/types/core/v1.gen.ts';

const podOf = (name: string, volumes: Volume[]): Pod => ({
  metadata: { name, namespace: 'default', uid: `uid-${name}` },
  spec: { containers: [], volumes },
});
const data: Volume = { name: 'data', persistentVolumeClaim: { claimName: 'claim' } };
const cache: Volume = { name: 'cache', emptyDir: {} };
const own: Volume = { name: 'own', ephemeral: {} };
const OF_CLAIM = { bytes: 40, inodes: 4, capacityBytes: 100, availableBytes: 60, totalInodes: 10, freeInodes: 6 };
const DISK = { totalBytes: 1000, freeBytes: 900, availableBytes: 800, totalInodes: 50, availableInodes: 30 };

function start(usage: (pod: Pod, names: readonly string[]) => Promise<Map<string, VolumeUsage>>) {
  const asked: string[] = [];
  const warnings: object[] = [];
  const none = (): void => undefined;
  const meter = new VolumeMeter({
    volumes: {
      usage: (pod, names) => {
        asked.push(`${pod.metadata?.name}: ${names.join()}`);
        return usage(pod, names);
      },
    },
    disk: async () => DISK,
    logger: { debug: none, info: none, error: none, warn: (fields) => warnings.push(fields) },
  });
  return { meter, asked, warnings };
}

t.test('volumes are measured once, for all requests of the next minute', async (t) => {
  const { meter, asked } = start(
    async () =>
      new Map<string, VolumeUsage>([
        ['data', OF_CLAIM],
        ['cache', { bytes: 7, inodes: 2 }],
      ]),
  );
  const pods = [podOf('a', [data, cache, { name: 'config', configMap: { name: 'c' } }]), podOf('b', [])];
  const [first, second] = await Promise.all([meter.measure(pods), meter.measure(pods)]);
  t.strictSame(asked, ['a: data', 'a: cache']);
  t.strictSame(first, second);
  t.match(first.get('uid-a'), [
    { name: 'data', claim: 'claim', ...OF_CLAIM },
    // What the node's own storage has.
    {
      name: 'cache',
      claim: undefined,
      bytes: 7,
      capacityBytes: 1000,
      availableBytes: 800,
      totalInodes: 50,
      freeInodes: 30,
    },
  ]);
  await meter.measure(pods);
  t.equal(asked.length, 2);
});

t.test('a pod whose volumes do not answer holds up no other', async (t) => {
  const { meter, warnings } = start(async (pod) => {
    if (pod.metadata?.name === 'stuck') throw new Error('timed out');
    return new Map([['data', OF_CLAIM]]);
  });
  const measured = await meter.measure([podOf('stuck', [data]), podOf('b', [data])]);
  t.strictSame(measured.get('uid-stuck'), []);
  t.equal(measured.get('uid-b')?.length, 1);
  t.equal(warnings.length, 1);
});

t.test('a volume that does not answer holds up no other of its pod', async (t) => {
  const { meter, warnings } = start(async (_, names) => {
    if (names.includes('data')) throw new Error('the server does not answer');
    return new Map([['cache', { bytes: 7, inodes: 2 }]]);
  });
  const measured = await meter.measure([podOf('a', [data, cache])]);
  t.strictSame(
    measured.get('uid-a')?.map(({ name }) => name),
    ['cache'],
  );
  t.match(warnings, [{ volume: 'data' }]);
});

t.test('metrics have each claim once', async (t) => {
  const { meter } = start(async (_, names) => new Map(names.map((name) => [name, OF_CLAIM])));
  const pods = [podOf('a', [data, cache]), podOf('b', [data, own])];
  const to = new Exposition();
  writeVolumes(to, pods, await meter.measure(pods));
  const lines = to
    .toString()
    .split('\n')
    .filter((line) => line.startsWith('kubelet_volume_stats_used_bytes'));
  t.strictSame(lines, [
    'kubelet_volume_stats_used_bytes{namespace="default",persistentvolumeclaim="claim"} 40',
    'kubelet_volume_stats_used_bytes{namespace="default",persistentvolumeclaim="b-own"} 40',
  ]);
});
