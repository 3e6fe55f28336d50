/** Memory of NUMA nodes, devices near to it, and both together with CPUs: what pods are given, and how it is remembered. */
import { test } from 'tap';
import { exclusiveCpus } from '../../../agent/topology/cpu-assignment.ts';
import type { DeviceInventory, ResourceDevices } from '../../../agent/topology/device-assignment.ts';
import { bitsOf, hintsFor, maskOf, mergeHints, nodesIn, subsetsOf } from '../../../agent/topology/hints.ts';
import { memoryHints, memoryOf, type HostMemory, type MemoryState } from '../../../agent/topology/memory-assignment.ts';
import { hostMemory, memorySettings, parseReservedMemory } from '../../../agent/topology/memory-settings.ts';
import {
  checkMemoryState,
  decodeMemoryState,
  encodeMemoryState,
  memoryChecksum,
} from '../../../agent/topology/memory-state-file.ts';
import {
  MAX_PLACED_CONTAINERS,
  nodesOf,
  placeDevices,
  placePod,
  withoutPods,
  type Placement,
  type PlacementSettings,
} from '../../../agent/topology/place-pod.ts';
import { parseTopologyOptions, placementSettings } from '../../../agent/topology/placement-settings.ts';
import type { Topology } from '../../../agent/topology/take-cpus.ts';
import type { NumaNode } from '../../../agent/host/numa-nodes.ts';
import type { Container, Pod } from '../../../api/types/core/v1.gen.ts';

const MI = 2 ** 20;
const GI = 2 ** 30;
/** Numbers that look random, and are the same each time. */
const numbers = (seed: number) => (limit: number) => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
  return (seed >>> 8) % limit;
};

const cpusOn = (nodes: number, perNode: number): Topology =>
  Array.from({ length: nodes * perNode }, (_, cpu) => {
    const node = Math.floor(cpu / perNode);
    return { cpu, core: cpu, socket: node, node };
  });
const numaNode = (node: number, memoryBytes: number, pages = 0, distances: number[] = []): NumaNode => ({
  ...{ node, memoryBytes, distances },
  hugePages: new Map([[2048, pages]]),
});
/** Each node with so many GiB, and one MiB of huge pages for each of them. */
const memoryOn = (...gibibytes: number[]): HostMemory =>
  hostMemory(
    gibibytes.map((gib, node) => numaNode(node, gib * GI, gib * 2 * MI)),
    [{ node: 0, resource: 'memory', bytes: 512 * MI }],
  );
const settingsOf = (nodes: number, more: Partial<PlacementSettings> = {}): PlacementSettings => ({
  ...{ topology: cpusOn(nodes, 4), reserved: new Set([0]), isStatic: true, fullCores: false, distributed: false },
  ...{ policy: 'none', scope: 'container', memory: memoryOn(...Array.from({ length: nodes }, () => 4)), ...more },
});
const empty = ({ topology, memory = new Map() }: PlacementSettings): Placement => ({
  cpus: { shared: new Set(topology.map(({ cpu }) => cpu)), assigned: new Map() },
  memory: { host: memory, assigned: new Map() },
  promised: [],
});

const container = (name: string, cpu: string, memory: string, more: Record<string, string> = {}): Container => {
  const all = { cpu, memory, ...more };
  return { name, image: 'app:1', resources: { requests: all, limits: all } };
};
const podOf = (uid: string, containers: Container[], more: Partial<NonNullable<Pod['spec']>> = {}): Pod => ({
  metadata: { name: uid, namespace: 'default', uid },
  spec: { containers, ...more },
});
const placed = (pod: Pod, state: Placement, settings: PlacementSettings, inventory?: DeviceInventory): Placement => {
  const found = placePod(pod, state, settings, inventory);
  if ('reason' in found) throw new Error(`${found.reason}: ${found.message}`);
  return found;
};
const memoryNodes = ({ memory }: Placement, uid: string, name = 'main') =>
  memory.assigned
    .get(uid)
    ?.get(name)
    ?.map(({ nodes, resource, bytes }) => [nodes.join(' '), resource, bytes]);

test('a container has its memory of as few NUMA nodes as can give it', async (t) => {
  const settings = settingsOf(2);
  const one = placed(
    podOf('a', [container('main', '1', '2Gi', { 'hugepages-2Mi': '2Mi' })]),
    empty(settings),
    settings,
  );
  t.same(memoryNodes(one, 'a'), [
    ['0', 'memory', 2 * GI],
    ['0', 'hugepages-2Mi', 2 * MI],
  ]);
  const two = placed(podOf('b', [container('main', '1', '2Gi')]), one, settings);
  t.same(memoryNodes(two, 'b'), [['1', 'memory', 2 * GI]], 'the first node has no 2Gi left');
  t.match(placePod(podOf('c', [container('main', '1', '3Gi')]), two, settings), {
    reason: 'UnexpectedAdmissionError',
    message: /Allocate failed due to \[memorymanager\] failed to get the default NUMA affinity/,
  });
  t.equal(
    placed(podOf('a', [container('main', '1', '2Gi')]), two, settings).memory,
    two.memory,
    'it keeps what it has',
  );
  const more = placed(podOf('d', [container('main', '1', '6Gi')]), empty(settings), settings);
  t.same(memoryNodes(more, 'd'), [['0 1', 'memory', 6 * GI]]);
  t.match(placePod(podOf('e', [container('main', '1', '2Gi')]), more, settings), { message: /no NUMA nodes/ });
  t.same(memoryNodes(placed(podOf('e', [container('main', '1', '1Gi')]), more, settings), 'e'), [
    ['0 1', 'memory', GI],
  ]);
  t.same(memoryNodes(placed(podOf('e', [container('main', '1', '7000Mi')]), empty(settings), settings), 'e'), [
    ['0 1', 'memory', 7000 * MI],
  ]);
});

test('who is not Guaranteed by its containers has none', async (t) => {
  const settings = settingsOf(2);
  const main = container('main', '1', '1Gi');
  const burstable = { ...main, resources: { requests: { memory: '1Gi' } } };
  for (const pod of [
    podOf('a', [burstable]),
    podOf('a', [main], { resources: { limits: { cpu: '1', memory: '1Gi' } } }),
  ])
    t.equal(placed(pod, empty(settings), settings).memory.assigned.size, 0);
  const without = settingsOf(2, { memory: undefined });
  t.equal(placed(podOf('a', [main]), empty(without), without).memory.assigned.size, 0, 'nor of the policy None');
});

test('none of a size of pages that the host does not have is none, and the file goes on', async (t) => {
  const settings = settingsOf(2);
  const { memory } = placed(
    podOf('a', [container('main', '1', '1500m', { 'hugepages-16Mi': '0' })]),
    empty(settings),
    settings,
  );
  t.same(memory.assigned.get('a')?.get('main'), [{ nodes: [0], resource: 'memory', bytes: 2 }]);
  const read = decodeMemoryState(encodeMemoryState(memory), true);
  t.doesNotThrow(() => read && checkMemoryState(read, settings.memory ?? new Map()));
});

test('a pod of thousands of containers that want something for themselves is not taken, and no other one waits for that', async (t) => {
  const settings = settingsOf(2);
  const withInits = (count: number, cpu = '1'): Pod =>
    podOf('a', [container('main', cpu, '1Mi')], {
      initContainers: Array.from({ length: count }, (_, n) => container(`i${n}`, cpu, '1Mi')),
    });
  const before = process.cpuUsage();
  t.match(placePod(withInits(5_000), empty(settings), settings), {
    reason: 'UnexpectedAdmissionError',
    message: /5001 containers/,
  });
  placed(withInits(MAX_PLACED_CONTAINERS - 1), empty(settings), settings);
  const { user } = process.cpuUsage(before);
  t.ok(user < 5_000_000, `${Math.round(user / 1000)} ms of CPU time`);
  const none = settingsOf(2, { isStatic: false, memory: undefined });
  placed(withInits(5_000), empty(none), none);
});

test('init containers pass their memory on, and sidecars keep theirs', async (t) => {
  const settings = settingsOf(1);
  const inits = [
    container('first', '1', '1Gi'),
    { ...container('side', '1', '256Mi'), restartPolicy: 'Always' },
    container('second', '1', '2Gi'),
  ];
  const pod = podOf('a', [container('main', '1', '1536Mi'), container('other', '1', '1Gi')], { initContainers: inits });
  const state = placed(pod, empty(settings), settings);
  const table = state.memory.host.get(0)?.tables.get('memory');
  t.equal(table?.reserved, 2816 * MI, 'the sidecar, and what runs beside it: more than any init container');
  t.same(memoryNodes(state, 'a', 'main'), [['0', 'memory', 1536 * MI]]);
  t.same(memoryNodes(state, 'a', 'second'), [['0', 'memory', 0]], 'all of it has been taken over');
  t.same(withoutPods(state, () => false).memory.host, settings.memory);
});

test('CPUs, memory and devices are on the same NUMA node, or the pod is not taken', async (t) => {
  const gpus: ResourceDevices = {
    devices: new Map(['a0', 'b0', 'c1'].map((id) => [id, true])),
    nodes: new Map([
      ['a0', [0]],
      ['b0', [0]],
      ['c1', [1]],
    ]),
    held: [],
  };
  const inventory: DeviceInventory = new Map([['x.com/gpu', gpus]]);
  const single = settingsOf(2, { policy: 'single-numa-node' });
  const wants = (uid: string, cpu: string, memory: string, gpu: string) =>
    podOf(uid, [container('main', cpu, memory, { 'x.com/gpu': gpu })]);
  const first = placed(wants('a', '3', '1Gi', '1'), empty(single), single, inventory);
  t.same([nodesOf('a', 'main', first, single), first.promised[0]?.ids], [0b01, ['a0']]);
  const second = placed(wants('b', '4', '1Gi', '1'), first, single, inventory);
  t.same([nodesOf('b', 'main', second, single), second.promised[1]?.ids], [0b10, ['c1']]);
  const misaligned = {
    reason: 'TopologyAffinityError',
    message: 'Resources cannot be allocated with Topology locality',
  };
  t.match(
    placePod(wants('c', '4', '1Gi', '2'), empty(single), single, inventory),
    misaligned,
    'two are on the first node',
  );
  t.match(placePod(wants('c', '1', '4Gi', '2'), empty(single), single, inventory), misaligned, 'memory of the other');
  t.match(placePod(wants('c', '1', '1Gi', '3'), empty(single), single, inventory), misaligned, 'of both');
  const best = settingsOf(2, { policy: 'best-effort' });
  const loose = placed(wants('c', '4', '1Gi', '2'), empty(best), best, inventory);
  t.equal(loose.promised[0]?.ids.length, 2, 'taken all the same, as near as can be');
  t.match(placePod(wants('d', '1', '1Gi', '2'), loose, best, inventory), { message: /Requested: 2/ });
  const unknown: DeviceInventory = new Map([['x.com/gpu', { ...gpus, nodes: new Map() }]]);
  t.equal(placed(wants('a', '3', '1Gi', '1'), empty(single), single, unknown).promised.length, 0, 'anywhere is near');
  const none = settingsOf(2);
  t.equal(placed(wants('a', '3', '1Gi', '1'), empty(none), none, inventory).promised.length, 0);
});

test('a pod that was taken before its plugin registered has devices near to its CPUs, or none', async (t) => {
  const single = settingsOf(2, { policy: 'single-numa-node' });
  const main = container('main', '4', '1Gi', { 'x.com/gpu': '1' });
  const pod = podOf('a', [main]);
  const state = placed(pod, empty(single), single);
  t.equal(nodesOf('a', 'main', state, single), 0b10);
  const gpusOn = (node: number): DeviceInventory =>
    new Map([['x.com/gpu', { devices: new Map([['g', true]]), nodes: new Map([['g', [node]]]), held: [] }]]);
  t.match(placeDevices(pod, main, 'x.com/gpu', state, single, gpusOn(1)), { ids: ['g'], nodes: 0b10 });
  t.match(placeDevices(pod, main, 'x.com/gpu', state, single, gpusOn(0)), { reason: 'TopologyAffinityError' });
});

test('of as many nodes the closest are preferred, where the kernel says which', async (t) => {
  // A ring of four: each is close to the next.
  const far = [
    [10, 12, 40, 12],
    [12, 10, 12, 40],
    [40, 12, 10, 12],
    [12, 40, 12, 10],
  ];
  const nodes = far.map((distances, node) => numaNode(node, GI, 0, distances));
  const config = {
    ...({ cpuManagerPolicy: 'none', cpuManagerPolicyOptions: [], reservedCpus: '', reserved: [] } as const),
    ...({ topologyManagerPolicy: 'best-effort', topologyManagerScope: 'container' } as const),
    topologyManagerPolicyOptions: ['prefer-closest-numa-nodes=true'],
  };
  const { distances } = placementSettings(config, cpusOn(4, 1), nodes);
  const hints = [[0b0101, 0b1010, 0b1100].map((mask) => ({ nodes: mask, isPreferred: true }))];
  t.match(mergeHints(hints, { policy: 'restricted', allNodes: 0b1111 }), { nodes: 0b0101 });
  t.match(mergeHints(hints, { policy: 'restricted', allNodes: 0b1111, distances }), { nodes: 0b1100 });
  t.match(mergeHints(hints, { policy: 'best-effort', allNodes: 0b1111, distances }), { nodes: 0b1100 });
  t.throws(() => placementSettings(config, cpusOn(4, 1), [numaNode(0, GI)]), /does not say how far/);
  const most = (value: string) => parseTopologyOptions([`max-allowable-numa-nodes=${value}`]).mostNodes;
  t.equal(most('10'), 10);
  for (const bad of ['7', '13', 'true', 'x']) t.throws(() => most(bad), /from 8 to 12/, bad);
  const large = { ...config, topologyManagerPolicyOptions: [] as string[] };
  t.throws(() => placementSettings(large, cpusOn(9, 1)), /hosts of up to 8 NUMA nodes/);
  t.doesNotThrow(() =>
    placementSettings({ ...large, topologyManagerPolicyOptions: ['max-allowable-numa-nodes=9'] }, cpusOn(9, 1)),
  );
});

test('hints of memory are those that the counts allow: compared with every set of nodes', async (t) => {
  const random = numbers(5);
  for (let round = 0; round < 300; round++) {
    const host = memoryOn(...Array.from({ length: 1 + random(4) }, () => 1 + random(4)));
    const bytes = (1 + random(40)) * 256 * MI;
    const [hints = []] = memoryHints(host, new Map([['memory', bytes]]), new Map());
    const free = (mask: number) =>
      nodesIn(mask).reduce((sum, node) => sum + (host.get(node)?.tables.get('memory')?.free ?? 0), 0);
    const able = subsetsOf(maskOf(host.keys())).filter((mask) => free(mask) >= bytes);
    const fewest = Math.min(...able.map(bitsOf));
    t.same(
      hints,
      able.map((nodes) => ({ nodes, isPreferred: bitsOf(nodes) === fewest })),
    );
  }
});

test('whatever comes and goes: nothing is given twice, groups stay apart, and the file goes on with it', async (t) => {
  const random = numbers(23);
  for (const policy of ['none', 'best-effort', 'restricted', 'single-numa-node'] as const)
    for (let round = 0; round < 25; round++) {
      const nodes = 1 + random(4);
      const settings = settingsOf(nodes, { policy, scope: random(2) === 0 ? 'pod' : 'container' });
      const ids = Array.from({ length: 6 }, (_, at) => `g${at}`);
      const gpus: ResourceDevices = {
        devices: new Map(ids.map((id) => [id, random(5) > 0])),
        nodes: new Map(ids.map((id) => [id, [random(nodes)]])),
        held: [],
      };
      const inventory: DeviceInventory = new Map([['x.com/gpu', gpus]]);
      let state = empty(settings);
      const pods = new Map<string, Pod>();
      const problems: string[] = [];
      for (let step = 0; step < 12; step++) {
        const uid = `p${step}`;
        const gpu = random(3);
        const some = Array.from({ length: 1 + random(2) }, (_, at) =>
          container(
            `c${at}`,
            String(1 + random(3)),
            `${(1 + random(20)) * 256}Mi`,
            gpu ? { 'x.com/gpu': String(gpu) } : {},
          ),
        );
        const initContainers = random(3) === 0 ? [container('init', '2', `${(1 + random(12)) * 256}Mi`)] : [];
        const pod = podOf(uid, some, { initContainers });
        const next = placePod(pod, state, settings, inventory);
        if (!('reason' in next)) {
          state = next;
          pods.set(uid, pod);
        }
        if (random(3) === 0) {
          const gone = `p${random(step + 1)}`;
          pods.delete(gone);
          state = withoutPods(state, (one) => one !== gone);
        }
        problems.push(...problemsOf(state, settings, pods));
      }
      t.same(problems, [], `${policy}, ${nodes} nodes`);
      const restored = decodeMemoryState(encodeMemoryState(state.memory), true);
      if (settings.memory && restored) checkMemoryState(restored, settings.memory);
      t.same(withoutPods(state, () => false).memory.host, settings.memory, 'all is given back');
    }
});

/** What does not hold. */
function problemsOf(state: Placement, settings: PlacementSettings, pods: ReadonlyMap<string, Pod>): string[] {
  const problems: string[] = [];
  const check = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(problem);
  };
  const blocks = [...state.memory.assigned.values()].flatMap((own) => [...own.values()].flat());
  for (const name of ['memory', 'hugepages-2Mi']) {
    const tables = [...state.memory.host.values()].flatMap(({ tables: of }) => of.get(name) ?? []);
    for (const { free, reserved, allocatable } of tables)
      check(free >= 0 && free + reserved === allocatable, `${name} does not add up`);
    const taken = tables.reduce((sum, { reserved }) => sum + reserved, 0);
    const given = blocks.reduce((sum, { resource, bytes }) => sum + (resource === name ? bytes : 0), 0);
    check(given === taken, `of ${name} ${taken} are taken, and ${given} given`);
  }
  for (const { nodes } of blocks)
    for (const node of nodes)
      check(String(state.memory.host.get(node)?.group) === String(nodes), `${node} is in two groups`);
  const hasInits = [...pods.values()].some(({ spec }) => spec?.initContainers?.length);
  const ids = state.promised.flatMap((one) => one.ids);
  check(hasInits || new Set(ids).size === ids.length, 'a device is given twice');
  if (settings.policy !== 'single-numa-node') return problems;
  for (const [uid, pod] of pods)
    for (const one of pod.spec?.containers ?? []) {
      const mask = nodesOf(uid, one.name, state, settings) ?? 0;
      const hasOwn = exclusiveCpus(pod, one) > 0 || memoryOf(pod, one).size > 0;
      check(bitsOf(mask) === (hasOwn ? 1 : 0), `${uid} is not on one node`);
      const promise = state.promised.find(({ podUid, container: name }) => podUid === uid && name === one.name);
      check((promise?.nodes ?? mask) === mask, `the devices of ${uid} are elsewhere`);
    }
  return problems;
}

test("the file has upstream's format and checksum, and one that cannot be gone on with is refused", async (t) => {
  // Of a file of upstream's.
  const table = { total: 2048, systemReserved: 512, allocatable: 1536, reserved: 512, free: 1024 };
  const upstream: MemoryState = {
    host: new Map([[0, { assignments: 0, tables: new Map([['memory', table]]), group: [] }]]),
    assigned: new Map([['pod', new Map([['container1', [{ nodes: [0], resource: 'memory', bytes: 512 }]]])]]),
  };
  t.equal(memoryChecksum('static', upstream), 4_215_593_881);
  const settings = settingsOf(2);
  const { memory } = placed(podOf('a', [container('main', '1', '6Gi')]), empty(settings), settings);
  const text = encodeMemoryState(memory);
  t.match(JSON.parse(text), {
    policyName: 'Static',
    machineState: { 0: { numberOfAssignments: 1, cells: [0, 1], memoryMap: { memory: { total: 4 * GI } } } },
    entries: { a: { main: [{ numaAffinity: [0, 1], type: 'memory', size: 6 * GI }] } },
  });
  t.same(decodeMemoryState(text, true), memory);
  t.throws(
    () => decodeMemoryState(text.replace('"numberOfAssignments":1', '"numberOfAssignments":2'), true),
    /corrupted/,
  );
  t.throws(
    () => decodeMemoryState(text, false),
    /configured policy "None" differs from state checkpoint policy "Static"/,
  );
  t.equal(decodeMemoryState('{"policyName":"None","machineState":{},"checksum":1}', false), undefined);
  for (const bad of ['{', '[]', '{"policyName":"Static","machineState":{"0":1}}', text.replace('[0,1]', '["0"]')])
    t.throws(() => decodeMemoryState(bad, true), { name: 'PlacementStateError' }, bad);
  t.doesNotThrow(() => checkMemoryState(memory, settings.memory ?? new Map()));
  t.throws(() => checkMemoryState(memory, memoryOn(4, 5)), /different from the real one/);
  t.throws(() => checkMemoryState(memory, memoryOn(8)), /uses the NUMA that does not exist/);
});

test('what is reserved of memory has to be what the node holds back', async (t) => {
  const of = {
    capacity: { memory: '8Gi', 'hugepages-2Mi': '64Mi' },
    allocatable: { memory: '6976Mi', 'hugepages-2Mi': '64Mi' },
  };
  const two = [numaNode(0, 4 * GI, 64 * MI), numaNode(1, 4 * GI)];
  const settings = (reservedMemory: string[], nodes = two) =>
    memorySettings({ memoryManagerPolicy: 'Static', reservedMemory }, nodes, of);
  const host = settings(['0:memory=1Gi', '1:memory=128Mi']);
  t.match(host?.get(0)?.tables.get('memory'), { total: 4 * GI, systemReserved: GI, allocatable: 3 * GI - 64 * MI });
  t.match(host?.get(1)?.tables.get('memory'), { systemReserved: 128 * MI, free: 4 * GI - 128 * MI });
  t.throws(() => settings(['0:memory=1Gi']), /has to be 1207959552 bytes together/);
  t.throws(() => settings(['0:memory=1Gi', '2:memory=128Mi']), /no NUMA node 2/);
  t.throws(() => settings(['0:memory=1Gi', '1:memory=128Mi', '0:hugepages-2Mi=2Mi']), /hugepages-2Mi/);
  t.match(
    settings([], [numaNode(0, 8 * GI, 64 * MI)])
      ?.get(0)
      ?.tables.get('memory'),
    { systemReserved: 1152 * MI },
  );
  t.equal(memorySettings({ memoryManagerPolicy: 'None', reservedMemory: [] }, two, of), undefined);
  const none = { capacity: { memory: '8Gi' }, allocatable: { memory: '8Gi' } };
  t.throws(
    () => memorySettings({ memoryManagerPolicy: 'Static', reservedMemory: [] }, two, none),
    /set memory in reserved/,
  );
  for (const bad of ['memory=1Gi', '0:cpu=1', '0:memory=', '0:memory=0', '0:memory=x', '-1:memory=1Gi', '0:memory'])
    t.throws(() => parseReservedMemory([bad]), /is not NODE:memory=QUANTITY/, bad);
});

test('every set of up to twelve nodes is looked at within the time that admission has', async (t) => {
  const allNodes = 2 ** 12 - 1;
  const units = Array.from({ length: 12 }, (_, node) => maskOf([node]));
  const hints = hintsFor({ all: units, free: units, reusable: [] }, 3, allNodes);
  const startedAt = performance.now();
  t.match(mergeHints([hints, hints, hints], { policy: 'best-effort', allNodes }), { nodes: 0b111 });
  const apart = [hints.slice(0, 2000), hints.slice(2000)].map((some) =>
    some.map(({ nodes }) => ({ nodes, isPreferred: false })),
  );
  t.match(mergeHints(apart, { policy: 'best-effort', allNodes }), { isAdmitted: true });
  t.ok(performance.now() - startedAt < 10_000);
});
