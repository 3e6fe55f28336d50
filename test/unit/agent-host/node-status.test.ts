import { test } from 'tap';
import { parseTaints } from '../../../agent/node/node-labels.ts';
import {
  allocatableOf,
  capacityOf,
  conditionsWereChanged,
  nodeStatus,
  parseReserved,
  statusHasChanged,
  type NodeDescription,
  type NodeObservation,
} from '../../../agent/node/node-status.ts';
import { observePressure, parseThresholds, PRESSURE_HOLD_MS } from '../../../agent/node/pressure.ts';
import { addressingBy, cloudTaints } from '../../../agent/node/cloud-provider.ts';
import type { Node } from '../../../api/types/core/v1.gen.ts';

const capacity = capacityOf({
  processors: 2,
  memoryBytes: 4 * 1024 ** 3,
  diskBytes: 100 * 1024 ** 3,
  maxPods: 110,
  hugePages: new Map([
    [2048, 2 * 2048 * 1024],
    [1024 ** 2, 0],
  ]),
});

const description: NodeDescription = {
  name: 'n1',
  addresses: ['10.0.0.5'],
  addressing: 'own',
  port: 10250,
  facts: { osImage: 'Debian', kernelVersion: '6.1', machineId: 'm', systemUuid: 'u', bootId: 'b' },
  runtimeVersion: 'containerd://1.6.20',
  capacity,
  allocatable: capacity,
};

test('allocatable excludes reservations, eviction thresholds and huge pages', async (t) => {
  t.same(capacity, {
    cpu: '2',
    'ephemeral-storage': '104857600Ki',
    memory: '4194304Ki',
    pods: '110',
    'hugepages-2Mi': '4Mi',
    'hugepages-1Gi': '0',
  });
  const allocatable = allocatableOf(capacity, parseReserved(['cpu=200m', 'memory=256Mi', 'memory=256Mi']), {
    memory: '100Mi',
  });
  t.match(allocatable, { cpu: '1800m', memory: '3480Mi', pods: '110', 'hugepages-2Mi': '4Mi' });
  t.equal(allocatableOf(capacity, { cpu: '3' }, {})['cpu'], '0', 'never negative');
  t.throws(() => parseReserved(['cpu']), /is not RESOURCE=QUANTITY/);
});

test('the Node says how much swap the host has, where it has some', async (t) => {
  const swapOf = (swapBytes: number) => nodeStatus({ ...description, swapBytes }, calm, undefined, 0).nodeInfo?.swap;
  t.same(swapOf(2 * 1024 ** 3), { capacity: 2 * 1024 ** 3 });
  t.equal(swapOf(0), undefined);
});

const calm: NodeObservation = {
  problems: [],
  pressure: {},
  images: [],
  features: { supplementalGroupsPolicy: false },
  nodeApi: { status: 'False', reason: 'NodeAPIServed', message: '' },
  volumesInUse: [],
  devices: { capacity: {}, allocatable: {} },
};

test("conditions have upstream's messages and keep lastTransitionTime; conditions of others are kept", async (t) => {
  const first = nodeStatus(description, calm, undefined, 1_000_000);
  t.same(
    first.conditions?.map(({ type, status, reason }) => [type, status, reason]),
    [
      ['MemoryPressure', 'False', 'KubeletHasSufficientMemory'],
      ['DiskPressure', 'False', 'KubeletHasNoDiskPressure'],
      ['PIDPressure', 'False', 'KubeletHasSufficientPID'],
      ['NodeAPIUnavailable', 'False', 'NodeAPIServed'],
      ['Ready', 'True', 'KubeletReady'],
    ],
  );
  const node: Node = { status: first };
  const later = nodeStatus(description, calm, node, 2_000_000);
  t.notOk(statusHasChanged(later, first), 'a heartbeat alone is no change');
  t.equal(later.conditions?.at(-1)?.lastTransitionTime, first.conditions?.at(-1)?.lastTransitionTime);
  t.not(later.conditions?.at(-1)?.lastHeartbeatTime, first.conditions?.at(-1)?.lastHeartbeatTime);
  const broken = nodeStatus(description, { ...calm, problems: ['one', 'two'] }, node, 2_000_000);
  t.ok(statusHasChanged(broken, first));
  const able = nodeStatus(description, { ...calm, features: { supplementalGroupsPolicy: true } }, node, 2_000_000);
  t.ok(statusHasChanged(able, first), 'another runtime with more features');
  t.match(broken.conditions?.at(-1), { status: 'False', reason: 'KubeletNotReady', message: '[one, two]' });
});

test('addresses are left to a cloud where there is one', async (t) => {
  const own = [
    { type: 'InternalIP', address: '10.0.0.5' },
    { type: 'Hostname', address: 'n1' },
  ];
  const fresh: Node = { status: {} };
  const set: Node = { status: { addresses: [{ type: 'ExternalIP', address: '192.0.2.1' }] } };
  for (const [addressing, old, wanted] of [
    ['own', set, own],
    ['suggested', undefined, own],
    ['suggested', fresh, own],
    ['suggested', set, undefined],
    ['external', undefined, undefined],
    ['external', set, undefined],
  ] as const)
    t.strictSame(nodeStatus({ ...description, addressing }, calm, old, 1_000_000).addresses, wanted, addressing);
  for (const [cloudProvider, nodeIp, addressing, taints] of [
    ['', '10.0.0.5', 'own', 0],
    ['external', '', 'external', 1],
    ['external', '10.0.0.5', 'suggested', 1],
  ] as const) {
    t.equal(addressingBy({ cloudProvider, nodeIp }), addressing);
    t.equal(cloudTaints({ cloudProvider, nodeIp }).length, taints);
  }
});

test('lastTransitionTime never goes back, and conditions overwritten by others are restored', async (t) => {
  const said = nodeStatus(description, calm, undefined, 2_000_000);
  const unknown = (type: string) => ({ type, status: 'Unknown', lastTransitionTime: '2001-01-01T00:00:00Z' });
  const lost: Node = { status: { conditions: said.conditions?.map(({ type }) => unknown(type)) } };
  const ready = nodeStatus(description, calm, lost, 3_000_000).conditions?.at(-1);
  t.match(ready, { status: 'True', lastTransitionTime: '2001-01-01T00:00:00Z', lastHeartbeatTime: /^1970/ });
  t.ok(conditionsWereChanged(said, lost.status));
  t.ok(conditionsWereChanged(said, undefined));
  const others = { type: 'NetworkUnavailable', status: 'True' };
  t.notOk(conditionsWereChanged(said, { conditions: [others, ...(said.conditions ?? [])] }));
});

test('pressure starts below the threshold and is held for a while', async (t) => {
  const thresholds = parseThresholds(['memory.available<100Mi', 'nodefs.available<10%']);
  const Mi = 1024 ** 2;
  const low = { 'memory.available': { available: 99 * Mi, capacity: 1000 * Mi } };
  const fine = { 'memory.available': { available: 200 * Mi, capacity: 1000 * Mi } };
  const seen = observePressure(thresholds, low, {}, 1000);
  t.same(seen, { MemoryPressure: 1000 });
  t.same(observePressure(thresholds, { 'nodefs.available': { available: 9, capacity: 100 } }, {}, 5), {
    DiskPressure: 5,
  });
  const isUnder = (now: number): string | undefined =>
    nodeStatus(description, { ...calm, pressure: observePressure(thresholds, fine, seen, now) }, undefined, now)
      .conditions?.[0]?.status;
  t.equal(isUnder(2000), 'True');
  t.equal(isUnder(1000 + PRESSURE_HOLD_MS), 'False');
  t.equal(isUnder(500), 'False', 'the clock was set back since');
  for (const wrong of ['memory<1', 'memory.available<lots', 'memory.available<x%'])
    t.throws(() => parseThresholds([wrong]), { name: 'SettingValueError', message: new RegExp(`^"${wrong}"`) });
});

test("taints are parsed in kubectl's format", async (t) => {
  t.same(parseTaints(['a=b:NoSchedule', 'c:NoExecute']), [
    { key: 'a', value: 'b', effect: 'NoSchedule' },
    { key: 'c', effect: 'NoExecute' },
  ]);
  t.throws(() => parseTaints(['a=b:Never']), /is not key=value:effect/);
});
