/** Exclusive CPUs: which are taken, on which NUMA nodes, and how they are remembered. */
import { test } from 'tap';
import { withoutOthers, type CpuState } from '../../../agent/topology/cpu-assignment.ts';
import { formatCpuSet, parseCpuSet } from '../../../agent/topology/cpu-set.ts';
import { checkCpuState, checksumOf, decodeCpuState, encodeCpuState } from '../../../agent/topology/cpu-state-file.ts';
import { bitsOf, mergeHints, type Hint } from '../../../agent/topology/hints.ts';
import { placePod, type PlacementSettings } from '../../../agent/topology/place-pod.ts';
import { placementSettings, reservedResources } from '../../../agent/topology/placement-settings.ts';
import { takeDistributed, takePacked, type Topology } from '../../../agent/topology/take-cpus.ts';
import type { Container, Pod } from '../../../api/types/core/v1.gen.ts';

/** Sockets of one NUMA node each, with cores of two threads: threads of core N are N and N + cores, as the kernel numbers them. */
const hostOf = (sockets: number, coresPerSocket: number): Topology => {
  const cores = sockets * coresPerSocket;
  return Array.from({ length: cores * 2 }, (_, cpu) => {
    const core = cpu % cores;
    const socket = Math.floor(core / coresPerSocket);
    return { cpu, core, socket, node: socket };
  });
};
const all = (topology: Topology) => new Set(topology.map(({ cpu }) => cpu));
/** Numbers that look random, and are the same each time. */
const numbers = (seed: number) => (limit: number) => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
  return (seed >>> 8) % limit;
};

test('lists of CPUs are those of the kernel', (t) => {
  for (const text of ['', '0', '0-3', '0-1,4,6-7']) t.equal(formatCpuSet(parseCpuSet(text)), text);
  for (const text of ['1-', 'a', '3-1', '0,,1', '0-99999', '-1']) t.throws(() => parseCpuSet(text), RangeError);
  t.end();
});

test('CPUs that are taken are together: compared with every set that there is', (t) => {
  const random = numbers(7);
  const subsets = (cpus: readonly number[], size: number): number[][] =>
    size === 0
      ? [[]]
      : cpus.flatMap((cpu, index) => subsets(cpus.slice(index + 1), size - 1).map((rest) => [cpu, ...rest]));
  /** Cores that are neither whole nor untouched afterwards. */
  const broken = (topology: Topology, free: ReadonlySet<number>, taken: readonly number[]): number => {
    const left = free.difference(new Set(taken));
    const cores = [...Map.groupBy(topology, ({ core }) => core).values()];
    return cores.filter((core) => core.some(({ cpu }) => taken.includes(cpu)) && core.some(({ cpu }) => left.has(cpu)))
      .length;
  };
  const nodesOf = (topology: Topology, cpus: readonly number[]): number =>
    new Set(topology.flatMap(({ cpu, node }) => (cpus.includes(cpu) ? [node] : []))).size;
  const oneNode = hostOf(1, 4);
  for (let round = 0; round < 100; round++) {
    const topology = oneNode;
    const free = new Set([...all(topology)].filter(() => random(4) > 0));
    if (free.size === 0) continue;
    const count = 1 + random(free.size);
    const taken = [...takePacked(topology, free, count)];
    t.equal(taken.length, count);
    t.ok(new Set(taken).isSubsetOf(free));
    const others = subsets([...free], count);
    const fewest = Math.min(...others.map((one) => broken(topology, free, one)));
    t.equal(broken(topology, free, taken), fewest, 'no core is broken that need not be');
  }
  const twoNodes = hostOf(2, 2);
  for (let count = 1; count <= twoNodes.length; count++) {
    const taken = [...takePacked(twoNodes, all(twoNodes), count)];
    const fewest = Math.min(...subsets([...all(twoNodes)], count).map((one) => nodesOf(twoNodes, one)));
    t.equal(nodesOf(twoNodes, taken), fewest, 'no node is used that need not be');
  }
  t.throws(() => takePacked(oneNode, new Set([1]), 2), /requested=2, available=1/);
  t.equal(formatCpuSet(takePacked(hostOf(2, 4), all(hostOf(2, 4)), 8)), '0-3,8-11', 'a whole socket');
  t.equal(
    formatCpuSet(takeDistributed(hostOf(2, 4), all(hostOf(2, 4)), 12, 2)),
    '0-2,4-6,8-10,12-14',
    'alike from both',
  );
  t.equal(formatCpuSet(takeDistributed(hostOf(2, 4), all(hostOf(2, 4)), 4, 2)).length > 0, true);
  t.end();
});

test('what a policy makes of hints is what it says: compared with every choice of hints', (t) => {
  const random = numbers(11);
  const nodes = 0b111;
  for (let round = 0; round < 500; round++) {
    const hints = Array.from({ length: 1 + random(3) }, () =>
      Array.from({ length: random(4) }, (): Hint => {
        const isAny = random(5) === 0;
        return { ...(!isAny && { nodes: 1 + random(nodes) }), isPreferred: random(2) === 0 };
      }),
    );
    const choices = hints.reduce<Hint[][]>(
      (sofar, some) => {
        const offered: readonly Hint[] = some.length > 0 ? some : [{ isPreferred: false }];
        return sofar.flatMap((choice) => offered.map((hint) => [...choice, hint]));
      },
      [[]],
    );
    const good = choices.flatMap((choice) => {
      const named = choice.flatMap((hint) => hint.nodes ?? []);
      const isSame = named.every((one) => one === named[0]);
      return choice.every(({ isPreferred }) => isPreferred) && isSame ? [named[0] ?? nodes] : [];
    });
    const restricted = mergeHints(hints, { policy: 'restricted', allNodes: nodes });
    t.equal(restricted.isAdmitted, good.length > 0, JSON.stringify(hints));
    if (good.length > 0) {
      const best = good.toSorted((a, b) => bitsOf(a) - bitsOf(b) || a - b)[0];
      t.equal(restricted.nodes, best, 'the narrowest of those that all prefer');
    }
    const isSingle = choices.some((choice) => {
      const named = choice.flatMap((hint) => hint.nodes ?? []);
      const isGood = choice.every(({ isPreferred }) => isPreferred) && named.every((one) => one === named[0]);
      return isGood && (named[0] === undefined || bitsOf(named[0]) === 1);
    });
    t.equal(mergeHints(hints, { policy: 'single-numa-node', allNodes: nodes }).isAdmitted, isSingle);
    t.equal(mergeHints(hints, { policy: 'best-effort', allNodes: nodes }).isAdmitted, true);
  }
  t.end();
});

const container = (name: string, cpu?: string, more: Partial<Container> = {}): Container => ({
  ...{ name, image: 'app:1', ...more },
  ...(cpu !== undefined && { resources: { requests: { cpu, memory: '1Gi' }, limits: { cpu, memory: '1Gi' } } }),
});
const podOf = (uid: string, spec: Partial<NonNullable<Pod['spec']>>): Pod => ({
  metadata: { name: uid, namespace: 'default', uid },
  spec: { containers: [], ...spec },
});
const settingsOf = (topology: Topology, more: Partial<PlacementSettings> = {}): PlacementSettings => ({
  ...{ topology, reserved: new Set([0]), isStatic: true, fullCores: false, distributed: false },
  ...{ policy: 'none', scope: 'container', ...more },
});
const empty = (topology: Topology): CpuState => ({ shared: all(topology), assigned: new Map() });
const placeCpus = (pod: Pod, cpus: CpuState, settings: PlacementSettings) => {
  const before = { cpus, memory: { host: new Map(), assigned: new Map() }, promised: [] };
  const placed = placePod(pod, before, settings);
  return 'reason' in placed ? placed : placed.cpus;
};
const place = (pod: Pod, state: CpuState, settings: PlacementSettings): CpuState => {
  const placed = placeCpus(pod, state, settings);
  if ('reason' in placed) throw new Error(`${placed.reason}: ${placed.message}`);
  return placed;
};
const cpusOf = ({ assigned }: CpuState, uid: string, name: string) =>
  formatCpuSet(assigned.get(uid)?.get(name) ?? new Set());

test('containers of Guaranteed pods have whole CPUs for themselves, others share', (t) => {
  const topology = hostOf(1, 4);
  const settings = settingsOf(topology);
  const one = place(podOf('a', { containers: [container('main', '2')] }), empty(topology), settings);
  t.equal(cpusOf(one, 'a', 'main'), '1,5', 'a whole core, and not one of which a thread is reserved');
  t.equal(formatCpuSet(one.shared), '0,2-4,6-7');
  t.equal(place(podOf('a', { containers: [container('main', '2')] }), one, settings), one, 'what it has it keeps');
  for (const spec of [
    { containers: [container('main', '1500m')] },
    { containers: [container('main')] },
    { containers: [container('main', '1'), container('free')] },
    { containers: [container('main', '1')], resources: { limits: { cpu: '1' } } },
  ])
    t.equal(place(podOf('b', spec), one, settings), one);
  const inits = podOf('c', {
    initContainers: [container('setup', '3'), container('side', '1', { restartPolicy: 'Always' })],
    containers: [container('main', '2')],
  });
  const more = place(inits, one, settings);
  const [setup, side, main] = ['setup', 'side', 'main'].map((name) => parseCpuSet(cpusOf(more, 'c', name)));
  t.ok(
    side?.isSubsetOf(setup!) && main?.isSubsetOf(setup!) && side.isDisjointFrom(main),
    'init containers pass theirs on',
  );
  t.match(placeCpus(podOf('d', { containers: [container('main', '4')] }), more, settings), {
    ...{ reason: 'UnexpectedAdmissionError', message: /requested=4, available=2/ },
  });
  const back = withoutOthers(more, (uid) => uid === 'a');
  t.same([formatCpuSet(back.shared), [...back.assigned.keys()]], ['0,2-4,6-7', ['a']]);
  t.equal(
    withoutOthers(back, () => true),
    back,
  );
  t.end();
});

test('whole cores only, one NUMA node only: a pod that cannot have that is not taken', (t) => {
  const topology = hostOf(2, 2);
  const cores = settingsOf(topology, { fullCores: true });
  const refusal = (cpu: string, settings: PlacementSettings) =>
    placeCpus(podOf('a', { containers: [container('main', cpu)] }), empty(topology), settings);
  t.match(refusal('3', cores), { reason: 'SMTAlignmentError', message: /requested 3 cpus not multiple/ });
  t.match(refusal('8', cores), { reason: 'SMTAlignmentError', message: /available physical CPUs = 6/ });
  t.notMatch(refusal('6', cores), { reason: String });
  const single = settingsOf(topology, { policy: 'single-numa-node' });
  t.match(refusal('5', single), { reason: 'TopologyAffinityError' });
  t.equal(cpusOf(refusal('4', single) as CpuState, 'a', 'main'), '2-3,6-7', 'the node without the reserved CPU');
  const pair = podOf('a', { containers: [container('one', '3'), container('two', '3')] });
  t.notMatch(placeCpus(pair, empty(topology), single), { reason: String });
  t.match(placeCpus(pair, empty(topology), { ...single, scope: 'pod' }), { reason: 'TopologyAffinityError' });
  t.end();
});

test("the file has upstream's format and checksum, and one that cannot be gone on with is refused", (t) => {
  const state: CpuState = {
    shared: parseCpuSet('0-2'),
    assigned: new Map([['pod', new Map([['main', parseCpuSet('3')]])]]),
  };
  const text = encodeCpuState(state);
  t.match(JSON.parse(text), { policyName: 'static', defaultCpuSet: '0-2', entries: { pod: { main: '3' } } });
  t.same(decodeCpuState(text, true), state);
  t.throws(() => decodeCpuState(text.replace('0-2', '0-1'), true), /corrupted/);
  t.throws(() => decodeCpuState(text, false), /configured policy "none" differs from state checkpoint policy "static"/);
  t.throws(() => decodeCpuState('{', true), /no JSON/);
  // Of files of upstream's.
  t.equal(checksumOf('none', '4-6', {}), 354_655_845);
  t.equal(checksumOf('none', '1-3', { pod: { container1: '4-6', container2: '1-3' } }), 3_610_638_499);
  // What a kubelet writes that gives no CPUs away.
  t.equal(decodeCpuState('{"policyName":"none","defaultCpuSet":"","checksum":1353318690}', false), undefined);
  const online = parseCpuSet('0-3');
  t.doesNotThrow(() => checkCpuState(state, online, parseCpuSet('0')));
  t.throws(() => checkCpuState(state, parseCpuSet('0-7'), parseCpuSet('0')), /doesn't match/);
  t.throws(() => checkCpuState(state, online, parseCpuSet('3')), /not all reserved cpus/);
  t.throws(() => checkCpuState({ ...state, shared: online }, online, parseCpuSet('0')), /overlaps/);
  t.end();
});

test('settings that the host cannot have are refused with what to do', (t) => {
  const topology = hostOf(1, 2);
  const config = {
    ...({ cpuManagerPolicy: 'static', cpuManagerPolicyOptions: ['full-pcpus-only=true'], reservedCpus: '' } as const),
    ...({ reserved: ['cpu=1500m'], topologyManagerPolicy: 'none', topologyManagerScope: 'container' } as const),
    topologyManagerPolicyOptions: [],
  };
  const settings = placementSettings(config, topology);
  t.match([formatCpuSet(settings.reserved), settings.fullCores], ['0,2', true], 'rounded up, whole cores first');
  t.throws(() => placementSettings({ ...config, reserved: [] }, topology), /set reserved-cpus/);
  t.throws(() => placementSettings({ ...config, reservedCpus: '9' }, topology), /has the CPUs 0-3/);
  t.same(reservedResources({ reserved: ['cpu=2', 'memory=1Gi'], reservedCpus: '0-2' }), ['memory=1Gi', 'cpu=3']);
  t.throws(() => placementSettings({ ...config, cpuManagerPolicyOptions: ['fast=true'] }, topology), /not one of/);
  t.end();
});
