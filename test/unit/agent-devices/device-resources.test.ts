import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import type { Container, Pod } from '../../../api/types/core/v1.gen.ts';
import { candidates, choose } from '../../../agent/devices/plugins/choose-devices.ts';
import type { DeviceAnswer, DevicePlugin } from '../../../agent/devices/plugins/device-plugin.ts';
import { DeviceRecords, type HeldDevices } from '../../../agent/devices/plugins/device-records.ts';
import { DeviceResources } from '../../../agent/devices/plugins/device-resources.ts';
import { PodPlacement } from '../../../agent/topology/pod-placement.ts';
import { silent } from '../../server/apiserver/server.ts';

const RESOURCE = 'example.com/widget';
const { signal } = new AbortController();
const NOTHING: DeviceAnswer = { envs: {}, mounts: [], devices: [], annotations: {}, cdiDevices: [] };

t.test('devices are chosen', (t) => {
  const devices = new Map([
    ['c', true],
    ['a', true],
    ['b', true],
    ['sick', false],
  ]);
  const chosen = (needed: number, taken: string[], reusable: string[] = [], preferred: string[] = [], near = 'abc') => {
    const isNear = (id: string): boolean => near.includes(id);
    const found = candidates({ needed, devices, taken: new Set(taken), reusable: new Set(reusable), isNear });
    return choose(needed, found, preferred).join(' ');
  };
  t.equal(chosen(2, []), 'a b');
  t.equal(chosen(2, ['a']), 'b c');
  t.equal(chosen(3, ['a']), 'b c', 'fewer when there are not enough; none is unhealthy');
  t.equal(chosen(2, ['a', 'c'], ['c']), 'c b', 'what is passed on comes first');
  t.equal(chosen(1, ['a', 'c'], ['a', 'c']), 'a');
  t.equal(chosen(2, [], [], ['c', 'b']), 'c b', 'as the plugin prefers');
  t.equal(chosen(2, ['c'], [], ['c', 'sick', 'unknown', 'b']), 'b a', 'but nothing that is not to be had');
  t.equal(chosen(2, [], [], ['b', 'b']), 'b a');
  t.equal(chosen(1, [], [], ['a'], 'bc'), 'b', 'the plugin has a say in those that are near');
  t.equal(chosen(2, [], [], ['b', 'a'], 'c'), 'c b', 'and in others only where these do not do');
  t.equal(chosen(2, [], ['a'], [], 'c'), 'a c', 'what is passed on is kept, wherever it is');
  t.end();
});

/** Records in memory, and a plugin that answers with the ids that it was asked for. */
async function start(
  kept = new Map<string, readonly HeldDevices[]>(),
  provided: string[] = [],
  placement?: () => PodPlacement | undefined,
) {
  const woken: string[] = [];
  const asked: string[] = [];
  const resources = await DeviceResources.open({
    records: {
      read: async () => new Map(kept),
      write: async (uid, held) => void kept.set(uid, held),
      remove: async (uid) => void kept.delete(uid),
      readResources: async () => [...provided],
      writeResources: async (names) => void provided.splice(0, provided.length, ...names),
    },
    onAmounts: () => undefined,
    onHealth: (uid) => woken.push(uid),
    ...(placement && { placement }),
    logger: silent,
  });
  const plugin = (): DevicePlugin => {
    const stub: Pick<DevicePlugin, 'resource' | 'allocate' | 'preferred' | 'beforeStart'> & Disposable = {
      resource: RESOURCE,
      allocate: async (ids) => {
        asked.push(ids.join(' '));
        return { ...NOTHING, envs: { IDS: ids.join(' ') } };
      },
      preferred: async () => undefined,
      beforeStart: async () => undefined,
      [Symbol.dispose]: () => undefined,
    };
    return stub as DevicePlugin;
  };
  return { resources, woken, asked, kept, provided, plugin };
}

const container = (name: string, amount: number, more: Partial<Container> = {}): Container => ({
  ...{ name, image: 'i', resources: { limits: { [RESOURCE]: String(amount), 'example.com/other': '1' } } },
  ...more,
});
const podOf = (uid: string, containers: Container[], initContainers: Container[] = []): Pod => ({
  metadata: { uid, name: uid, namespace: 'default' },
  spec: { containers, initContainers },
});
const healthy = (...ids: string[]): ReadonlyMap<string, boolean> => new Map(ids.map((id) => [id, true]));

t.test('init containers pass on what they had, sidecars keep it', async (t) => {
  const { resources, plugin } = await start();
  t.teardown(() => resources[Symbol.dispose]());
  const one = plugin();
  await resources.attach(one, signal);
  resources.listed(one, healthy('a', 'b', 'c'));
  const [init, sidecar, main] = [
    container('init', 2),
    container('sidecar', 1, { restartPolicy: 'Always' }),
    container('main', 2),
  ];
  const pod = podOf('p', [main], [init, sidecar]);
  const idsOf = async (of: Container): Promise<string | undefined> =>
    (await resources.devicesOf(pod, of, signal))[0]?.envs['IDS'];
  t.equal(await idsOf(init), 'a b');
  t.equal(await idsOf(sidecar), 'a');
  t.equal(await idsOf(main), 'b c');
});

/** None runs: nothing is asked of one. */
const CONTAINERS = {
  updateContainerResources: () => Promise.reject(new Error('no container runs')),
  containerStatus: () => Promise.reject(new Error('no container runs')),
};

t.test('devices are on the NUMA nodes that a pod was admitted with, whoever starts first', async (t) => {
  const { resources, plugin } = await start(new Map(), [], () => placement);
  t.teardown(() => resources[Symbol.dispose]());
  const ended = new Set<string>();
  const placement: PodPlacement = await PodPlacement.open({
    settings: {
      topology: [0, 1, 2, 3].map((cpu) => ({ cpu, core: cpu, socket: 0, node: cpu % 2 })),
      ...{ reserved: new Set([0]), isStatic: true, fullCores: false, distributed: false },
      ...{ policy: 'single-numa-node', scope: 'container' },
    },
    ...{ dataDir: t.testdir(), cri: CONTAINERS, logger: silent },
    ...{ running: () => [], isActive: (uid) => !ended.has(uid), devices: () => resources.inventory },
  });
  const one = plugin();
  await resources.attach(one, signal);
  const nodes = new Map([
    ['a', [1]],
    ['b', [0]],
    ['c', [1]],
  ]);
  resources.listed(one, healthy('a', 'b', 'c'), nodes);
  const pinned = (uid: string, cpu: string, widgets: string): Pod => {
    const all = { cpu, memory: '1Gi', [RESOURCE]: widgets };
    return podOf(uid, [{ name: 'main', image: 'i', resources: { requests: all, limits: all } }]);
  };
  const idsOf = async (pod: Pod) => (await resources.devicesOf(pod, pod.spec!.containers[0]!, signal))[0]?.envs['IDS'];
  const [far, near] = [pinned('far', '2', '1'), pinned('near', '1', '1')];
  t.equal(placement.admit(far), undefined);
  t.equal(placement.admit(near), undefined);
  t.equal(await idsOf(near), 'b', 'the only one on the node that is left');
  t.match(placement.admit(pinned('more', '1', '2')), { reason: 'TopologyAffinityError' });
  t.equal(await idsOf(far), 'a');
  const free = podOf('free', [container('main', 1)]);
  t.equal(placement.admit(free), undefined, 'one is left');
  const late = podOf('late', [container('main', 1)]);
  t.match(placement.admit(late), { reason: 'TopologyAffinityError' }, 'it is promised');
  await t.rejects(idsOf(late), /cannot be allocated with Topology locality/);
  ended.add('free');
  t.equal(await idsOf(late), 'c', 'a pod that has ended is promised nothing');
  await resources.release('near');
  ended.add('near');
  const again = pinned('again', '1', '1');
  t.equal(placement.admit(again), undefined);
  resources.listed(one, new Map([...healthy('a', 'c'), ['b', false]]), nodes);
  await t.rejects(idsOf(again), /Available: 0/, 'what it was promised is not healthy');
  await resources.release('late');
  ended.add('late');
  await t.rejects(idsOf(again), /are on the NUMA nodes that the container has/, 'and what is free is far');
});

t.test('two containers never have the same device', async (t) => {
  const { resources, plugin } = await start();
  t.teardown(() => resources[Symbol.dispose]());
  const one = plugin();
  await resources.attach(one, signal);
  resources.listed(one, healthy('a', 'b', 'c', 'd'));
  const pods = ['p', 'q', 'r', 's', 't'].map((uid) => podOf(uid, [container('main', 1)]));
  const outcomes = await Promise.allSettled(
    pods.map((pod) => resources.devicesOf(pod, pod.spec!.containers[0]!, signal)),
  );
  const given = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value[0]!.envs['IDS'] : []));
  t.strictSame(given.sort(), ['a', 'b', 'c', 'd']);
  const refused = outcomes.find((outcome) => outcome.status === 'rejected');
  t.match(refused?.reason, {
    message: `requested number of devices unavailable for ${RESOURCE}. Requested: 1, Available: 0`,
  });
  await resources.release('p');
  t.equal((await resources.devicesOf(pods[4]!, pods[4]!.spec!.containers[0]!, signal)).length, 1);
});

t.test('the next agent goes on with what is on record', async (t) => {
  const first = await start();
  const plugin = first.plugin();
  await first.resources.attach(plugin, signal);
  first.resources.listed(plugin, healthy('a', 'b'));
  const [p, q] = [podOf('p', [container('main', 1)]), podOf('q', [container('main', 1)])];
  await first.resources.devicesOf(p, p.spec!.containers[0]!, signal);
  first.resources[Symbol.dispose]();

  const next = await start(first.kept);
  t.teardown(() => next.resources[Symbol.dispose]());
  t.ok(next.resources.holds('p'));
  t.equal(
    (await next.resources.devicesOf(p, p.spec!.containers[0]!, signal))[0]?.envs['IDS'],
    'a',
    'without the plugin',
  );
  await t.rejects(next.resources.devicesOf(q, q.spec!.containers[0]!, signal), {
    message: `the device plugin of ${RESOURCE} is not registered`,
  });
  const again = next.plugin();
  await next.resources.attach(again, signal);
  next.resources.listed(again, healthy('a', 'b'));
  t.equal((await next.resources.devicesOf(q, q.spec!.containers[0]!, signal))[0]?.envs['IDS'], 'b');
  t.strictSame(next.asked, ['b']);
});

t.test(
  'a container waits for a plugin that an earlier agent has had, though nobody has got anything of it',
  async (t) => {
    const first = await start();
    const plugin = first.plugin();
    await first.resources.attach(plugin, signal);
    first.resources.listed(plugin, healthy('a'));
    first.resources[Symbol.dispose]();

    const next = await start(first.kept, first.provided);
    t.teardown(() => next.resources[Symbol.dispose]());
    t.match(next.resources.amounts, { capacity: { [RESOURCE]: '0' }, allocatable: { [RESOURCE]: '0' } });
    const p = podOf('p', [container('main', 1)]);
    await t.rejects(next.resources.devicesOf(p, p.spec!.containers[0]!, signal), {
      message: `the device plugin of ${RESOURCE} is not registered`,
    });
  },
);

t.test('the node has nothing of a plugin that is not on record', async (t) => {
  const resources = await DeviceResources.open({
    records: {
      read: async () => new Map(),
      write: async () => undefined,
      remove: async () => undefined,
      readResources: async () => [],
      writeResources: () => Promise.reject(new Error('the disk is full')),
    },
    onAmounts: () => undefined,
    onHealth: () => undefined,
    logger: silent,
  });
  t.teardown(() => resources[Symbol.dispose]());
  const plugin = (await start()).plugin();
  await t.rejects(resources.attach(plugin, signal), { message: 'the disk is full' });
  resources.listed(plugin, healthy('a'));
  t.strictSame(resources.amounts.capacity, {});
});

t.test('records of devices are read again, and one that is damaged stands for nothing', async (t) => {
  const directory = t.testdir();
  const records = new DeviceRecords(directory, silent);
  t.strictSame(await records.readResources(), []);
  const held: HeldDevices = { container: 'main', resource: RESOURCE, ids: ['a'], answer: NOTHING };
  await records.write('resources', [held]);
  await records.writeResources([RESOURCE, 'example.com/__proto__']);
  t.strictSame(await records.readResources(), [RESOURCE, 'example.com/__proto__']);
  t.strictSame([...(await records.read())], [['resources', [held]]], 'a pod may have any uid');
  await writeFile(path.join(directory, 'resources'), '{"resources": [1]}');
  t.strictSame(await records.readResources(), []);
});

t.test('amounts and health follow the plugin', async (t) => {
  const { resources, plugin, woken } = await start();
  t.teardown(() => resources[Symbol.dispose]());
  const one = plugin();
  await resources.attach(one, signal);
  resources.listed(one, healthy('a', 'b'));
  const pod = podOf('p', [container('main', 1)]);
  await resources.devicesOf(pod, pod.spec!.containers[0]!, signal);
  resources.listed(
    one,
    new Map([
      ['a', true],
      ['b', false],
    ]),
  );
  t.strictSame(woken, [], 'the device of nobody');
  t.match(resources.amounts, { capacity: { [RESOURCE]: '2' }, allocatable: { [RESOURCE]: '1' } });
  const newer = plugin();
  await resources.attach(newer, signal);
  resources.listed(one, new Map());
  t.match(resources.amounts, { capacity: { [RESOURCE]: '2' } }, 'the earlier plugin is heard no more');
  resources.detach(newer);
  t.match(resources.amounts, { capacity: { [RESOURCE]: '2' }, allocatable: { [RESOURCE]: '0' } });
  t.strictSame(woken, ['p']);
  t.match(resources.statusOf(pod).get('main'), [
    { name: RESOURCE, resources: [{ resourceID: 'a', health: 'Unhealthy' }] },
  ]);
});

t.test('resources of no plugin, and those that a claim provides, are nobody’s business', async (t) => {
  const { resources, plugin } = await start();
  t.teardown(() => resources[Symbol.dispose]());
  const pod = podOf('p', [container('main', 1)]);
  t.strictSame(await resources.devicesOf(pod, pod.spec!.containers[0]!, signal), []);
  await resources.attach(plugin(), signal);
  const mapping = { containerName: 'main', resourceName: RESOURCE, requestName: 'r' };
  const claimed = {
    ...pod,
    status: { extendedResourceClaimStatus: { resourceClaimName: 'c', requestMappings: [mapping] } },
  };
  t.strictSame(await resources.devicesOf(claimed, pod.spec!.containers[0]!, signal), []);
});
