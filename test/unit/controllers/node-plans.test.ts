import t from 'tap';
import { EvictionRateLimiter } from '../../../control-plane/controllers/nodes/eviction-rate-limiter.ts';
import {
  desiredTaints,
  evictionMode,
  needsEviction,
  unknownConditions,
  type EvictionMode,
} from '../../../control-plane/controllers/nodes/node-health-plan.ts';
import type { NodeView } from '../../../control-plane/controllers/caches/node-view.ts';
import { clusterRanges } from '../../../api/domain/cluster-ranges.ts';
import { nextPodCidr, podRanges, type PodRange } from '../../../control-plane/controllers/nodes/node-ipam.ts';
import { evictionTime } from '../../../control-plane/controllers/nodes/taint-eviction-plan.ts';
import { surplusTerminated } from '../../../control-plane/controllers/garbage/pod-garbage.ts';
import { podViewOf } from './pod-view.ts';
import type { NodeCondition } from '../../../api/types/core/v1.gen.ts';

const NOW = Date.parse('2026-01-01T00:10:00Z');
const HOUR_MS = 3_600_000;
const condition = (type: string, status: string): NodeCondition => ({ type, status, reason: 'KubeletSays' });
const node = (more: Partial<NodeView> = {}): NodeView => ({
  namespace: '',
  name: 'n1',
  uid: 'u1',
  owners: [],
  finalizers: [],
  deleting: false,
  labels: {},
  resourceVersion: '1',
  createdAt: NOW - 600_000,
  providerID: '',
  podCIDRs: [],
  unschedulable: false,
  taints: [],
  conditions: [condition('Ready', 'True'), condition('MemoryPressure', 'False')],
  addresses: [],
  cpuMillis: 4_000,
  localPathDirectory: '',
  hasNfsClient: false,
  ...{ isAttachedTo: false, volumesAttached: [], volumesInUse: [] },
  ...more,
});
const lost = node({ conditions: [condition('Ready', 'Unknown')] });

t.test("a node without heartbeats beyond the grace period becomes Unknown, with upstream's messages", async (t) => {
  t.equal(unknownConditions(node(), 40_000, 40_000, NOW), undefined);
  const conditions = unknownConditions(node(), 40_001, 40_000, NOW);
  t.match(conditions, [
    {
      type: 'Ready',
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
      lastTransitionTime: '2026-01-01T00:10:00Z',
    },
    { type: 'MemoryPressure', status: 'Unknown', reason: 'NodeStatusUnknown' },
    { type: 'DiskPressure', reason: 'NodeStatusNeverUpdated', message: 'Kubelet never posted node status.' },
    { type: 'PIDPressure', reason: 'NodeStatusNeverUpdated' },
  ]);
  t.equal(unknownConditions(node({ conditions: [...conditions!] }), HOUR_MS, 40_000, NOW), undefined, 'said once');
  const ahead = { ...condition('Ready', 'True'), lastTransitionTime: '2026-01-01T00:10:05Z' };
  t.match(
    unknownConditions(node({ conditions: [ahead] }), HOUR_MS, 40_000, NOW)?.[0],
    { status: 'Unknown', lastTransitionTime: '2026-01-01T00:10:05Z' },
    'never earlier than the last transition',
  );
});

t.test('a new node has a minute until its first status', async (t) => {
  const newcomer = node({ conditions: [] });
  t.equal(unknownConditions(newcomer, 60_000, 40_000, NOW), undefined);
  t.ok(unknownConditions(newcomer, 60_001, 40_000, NOW));
});

t.test('conditions and unschedulable become taints; foreign taints are kept, outdated ones removed', async (t) => {
  const keys = (view: NodeView, mode: EvictionMode = 'evict') =>
    desiredTaints(view, mode, NOW).map(({ key, effect }) => `${key}:${effect}`);
  t.strictSame(keys(lost), ['node.kubernetes.io/unreachable:NoSchedule', 'node.kubernetes.io/unreachable:NoExecute']);
  t.strictSame(keys(lost, 'cancel'), ['node.kubernetes.io/unreachable:NoSchedule']);
  const own = { key: 'gpu', effect: 'NoSchedule' } as const;
  const recovering = node({
    taints: [own, ...desiredTaints(lost, 'evict', NOW)],
    conditions: [condition('Ready', 'False')],
  });
  t.strictSame(keys(recovering), [
    'gpu:NoSchedule',
    'node.kubernetes.io/not-ready:NoSchedule',
    'node.kubernetes.io/not-ready:NoExecute',
  ]);
  const well = node({ taints: recovering.taints });
  t.strictSame(desiredTaints(well, 'evict', NOW), [own]);
  t.strictSame(
    keys(node({ unschedulable: true, conditions: [condition('Ready', 'True'), condition('DiskPressure', 'True')] })),
    ['node.kubernetes.io/disk-pressure:NoSchedule', 'node.kubernetes.io/unschedulable:NoSchedule'],
  );
  const settled = node({ taints: [own] });
  t.equal(desiredTaints(settled, 'evict', NOW), settled.taints, 'the same array when nothing changes');
});

t.test('nothing is evicted while no node is ready, and evictions pause in a disrupted zone', async (t) => {
  const nodes = (ready: number, silent: number, labels: NodeView['labels'] = {}): NodeView[] => [
    ...Array.from({ length: ready }, () => node({ labels })),
    ...Array.from({ length: silent }, () => ({ ...lost, labels })),
  ];
  t.equal(evictionMode(lost, nodes(1, 1)), 'evict');
  t.equal(evictionMode(lost, nodes(0, 1)), 'cancel', 'no other node');
  t.equal(evictionMode(lost, nodes(0, 3)), 'cancel');
  t.equal(evictionMode(lost, nodes(1, 2)), 'evict', 'two nodes are no disruption');
  t.equal(evictionMode(lost, nodes(2, 3)), 'hold');
  t.equal(evictionMode(lost, nodes(3, 3)), 'evict');
  t.equal(evictionMode(lost, nodes(20, 31)), 'evict slowly', 'a large zone continues slowly');
  const elsewhere = { 'topology.kubernetes.io/zone': 'b' };
  t.equal(evictionMode(lost, [...nodes(10, 0, elsewhere), ...nodes(2, 3)]), 'hold', 'zones are judged separately');
  t.equal(evictionMode(lost, [...nodes(1, 0, elsewhere), ...nodes(0, 3)]), 'evict', 'another zone has ready nodes');
});

t.test('nodes of a zone are evicted one after the other', async (t) => {
  const limiter = new EvictionRateLimiter();
  t.equal(limiter.take('a', 'n1', 'evict', NOW), 0);
  t.equal(limiter.take('a', 'n1', 'evict', NOW + 1), 0, 'a retry of the same node is not limited');
  t.equal(limiter.take('a', 'n2', 'evict', NOW + 1_000), 9_000);
  t.equal(limiter.take('b', 'n3', 'evict', NOW + 1_000), 0, 'each zone has its own limit');
  t.equal(limiter.take('a', 'n2', 'hold', NOW + 2_000), 0, 'no eviction, no limit');
  t.equal(limiter.take('a', 'n2', 'evict', NOW + 10_000), 0);
  t.equal(limiter.take('a', 'n4', 'evict slowly', NOW + 20_000), 90_000);
  t.notOk(needsEviction(node()));
  t.ok(needsEviction(lost));
  t.notOk(needsEviction({ ...lost, taints: desiredTaints(lost, 'evict', NOW) }));
});

t.test('a pause keeps the taints of evictions in progress', async (t) => {
  const leaving = { ...lost, taints: desiredTaints(lost, 'evict', NOW) };
  t.equal(desiredTaints(leaving, 'hold', NOW), leaving.taints);
  t.strictSame(
    desiredTaints(leaving, 'cancel', NOW).map(({ effect }) => effect),
    ['NoSchedule'],
  );
  t.strictSame(
    desiredTaints(lost, 'hold', NOW).map(({ effect }) => effect),
    ['NoSchedule'],
  );
});

t.test(
  'a pod is evicted at its shortest tolerationSeconds, at once without a toleration, never without tolerationSeconds',
  async (t) => {
    const taint = {
      key: 'node.kubernetes.io/unreachable',
      effect: 'NoExecute',
      timeAdded: '2026-01-01T00:10:00Z',
    } as const;
    const other = { key: 'other', value: 'x', effect: 'NoExecute' } as const;
    const since = { createdAt: NOW - 600_000, noticedAt: NOW - 5_000 };
    t.equal(evictionTime([taint], [], since), 0);
    t.equal(evictionTime([{ ...taint, effect: 'NoSchedule' }], [], since), Infinity);
    const forMinutes = { key: taint.key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 } as const;
    t.equal(evictionTime([taint], [forMinutes], since), NOW + 300_000);
    t.equal(evictionTime([taint], [{ ...forMinutes, tolerationSeconds: 0 }], since), NOW);
    t.equal(evictionTime([taint], [{ operator: 'Exists' }], since), Infinity);
    t.equal(evictionTime([taint, other], [forMinutes], since), 0, 'one untolerated taint is enough');
    const both = [forMinutes, { key: 'other', value: 'x', tolerationSeconds: 60 }];
    t.equal(evictionTime([taint, other], both, since), since.noticedAt + 60_000, 'a taint without timeAdded is new');
    const young = { createdAt: NOW + 9_000, noticedAt: NOW + 10_000 };
    t.equal(evictionTime([taint], [forMinutes], young), young.createdAt + 300_000);
  },
);

t.test('each node gets the first free pod CIDR', async (t) => {
  const [options] = podRanges('10.42.0.0/16', { IPv4: 24, IPv6: 64 }) as [PodRange];
  t.equal(nextPodCidr([], options), '10.42.0.0/24');
  t.equal(nextPodCidr(['10.42.0.0/24', '10.42.2.0/24'], options), '10.42.1.0/24');
  t.equal(nextPodCidr(['10.42.0.0/22'], options), '10.42.4.0/24', 'larger CIDRs assigned manually are respected');
  const all = Array.from({ length: 256 }, (_, index) => `10.42.${index}.0/24`);
  t.equal(nextPodCidr(all, options), undefined);
  t.equal(
    nextPodCidr(['10.200.1.0/26'], { range: clusterRanges('10.200.1.0/25')[0], nodeMaskSize: 26 }),
    '10.200.1.64/26',
  );
  t.equal(nextPodCidr(['10.42.0.64/26'], options), '10.42.1.0/24', 'a smaller CIDR occupies the one that contains it');
  t.equal(nextPodCidr(['10.0.0.0/8'], options), undefined, "a CIDR around the cluster's occupies all");
  t.equal(
    nextPodCidr(['192.168.0.0/16', 'fd00::/8', '::/0', 'nonsense'], options),
    '10.42.0.0/24',
    'others occupy nothing',
  );
});

t.test('terminated pods beyond the threshold are deleted, oldest first', async (t) => {
  const ended = [3, 1, 2].map((createdAt) => podViewOf(`e${createdAt}`, { phase: 'Succeeded', createdAt }));
  const pods = [...ended, podViewOf('running')];
  t.strictSame(
    surplusTerminated(pods, 1).map(({ name }) => name),
    ['e1', 'e2'],
  );
  t.strictSame(surplusTerminated(pods, 3), []);
});
