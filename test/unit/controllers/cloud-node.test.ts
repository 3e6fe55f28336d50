import { test } from 'tap';
import { planCloudNode, type CloudNode } from '../../../control-plane/controllers/nodes/cloud-node-plan.ts';
import { readInventory } from '../../../control-plane/inventory.ts';
import type { Taint } from '../../../api/types/core/v1.gen.ts';

const NOW = Date.parse('2026-06-15T12:00:00Z');
const WAITING: Taint = { key: 'node.cloudprovider.kubernetes.io/uninitialized', value: 'true', effect: 'NoSchedule' };
const DOWN: Taint = {
  key: 'node.cloudprovider.kubernetes.io/shutdown',
  effect: 'NoSchedule',
  timeAdded: '2026-06-15T12:00:00Z',
};
const OWN: Taint = { key: 'mine', effect: 'NoExecute' };

const node = (overrides: Partial<CloudNode> = {}): CloudNode => ({
  name: 'node-1',
  labels: { 'kubernetes.io/hostname': 'node-1' },
  taints: [],
  conditions: [{ type: 'Ready', status: 'True' }],
  addresses: [],
  providerID: '',
  deleting: false,
  ...overrides,
});
const UNREADY = [{ type: 'Ready', status: 'Unknown' }];
const OURS = { providerID: 'inventory://node-1' };

const HOSTS = readInventory(`
hosts:
- name: node-1
  addresses:
  - { type: InternalIP, address: 10.0.0.1 }
  - { type: ExternalIP, address: "2001:db8::1" }
  zone: rack-1
  region: north
  instanceType: r640
  labels: { example.com/disk: nvme }
- name: node-2
  shutdown: true
`);
const [FIRST, SECOND] = HOSTS.values();
const LABELS = {
  'example.com/disk': 'nvme',
  'topology.kubernetes.io/zone': 'rack-1',
  'topology.kubernetes.io/region': 'north',
  'node.kubernetes.io/instance-type': 'r640',
};
const ADDRESSES = [
  { type: 'InternalIP', address: '10.0.0.1' },
  { type: 'ExternalIP', address: '2001:db8::1' },
];

test('a Node that waits is given what the inventory knows, and opened', (t) => {
  t.strictSame(planCloudNode(node({ taints: [OWN, WAITING] }), FIRST, NOW), {
    labels: LABELS,
    providerID: 'inventory://node-1',
    taints: [OWN],
    addresses: ADDRESSES,
  });
  t.end();
});

test('one that has been initialized is kept as the inventory says', (t) => {
  const done = node({ ...OURS, labels: { ...LABELS, own: 'stays' }, addresses: ADDRESSES, taints: [OWN] });
  t.equal(planCloudNode(done, FIRST, NOW), 'nothing');
  t.strictSame(
    planCloudNode({ ...done, labels: { ...LABELS, 'topology.kubernetes.io/zone': 'rack-2' } }, FIRST, NOW),
    {
      labels: { 'topology.kubernetes.io/zone': 'rack-1' },
      providerID: undefined,
      taints: undefined,
      addresses: undefined,
    },
    'it was moved',
  );
  t.match(planCloudNode({ ...done, addresses: [] }, FIRST, NOW), { addresses: ADDRESSES, labels: undefined });
  t.equal(planCloudNode(node({ ...OURS, name: 'node-2', addresses: ADDRESSES }), SECOND, NOW), 'nothing', 'its own');
  t.end();
});

test('a host that is switched off', (t) => {
  const off = node({ ...OURS, name: 'node-2', conditions: UNREADY });
  t.match(planCloudNode(off, SECOND, NOW), { taints: [DOWN] });
  t.equal(planCloudNode({ ...off, taints: [DOWN] }, SECOND, NOW), 'nothing');
  t.equal(planCloudNode({ ...off, conditions: node().conditions }, SECOND, NOW), 'nothing', 'it answers');
  t.match(planCloudNode({ ...off, conditions: node().conditions, taints: [OWN, DOWN] }, SECOND, NOW), {
    taints: [OWN],
  });
  t.end();
});

test('a host that is not in the inventory', (t) => {
  t.equal(planCloudNode(node({ ...OURS, conditions: UNREADY }), undefined, NOW), 'delete');
  t.equal(planCloudNode(node(OURS), undefined, NOW), 'nothing', 'it answers');
  t.equal(planCloudNode(node({ ...OURS, conditions: UNREADY, deleting: true }), undefined, NOW), 'nothing');
  t.equal(planCloudNode(node({ taints: [WAITING], conditions: UNREADY }), undefined, NOW), 'unknown host');
  t.end();
});

test('Nodes of others are left alone', (t) => {
  for (const [what, other] of [
    ['an agent that asks nobody', node({ conditions: UNREADY })],
    ['a cloud has it', node({ providerID: 'aws:///i-1', conditions: UNREADY })],
    ['a cloud is about to initialize it', node({ providerID: 'aws:///i-1', taints: [WAITING] })],
  ] as const)
    for (const host of [FIRST, undefined]) t.equal(planCloudNode(other, host, NOW), 'nothing', what);
  t.end();
});

test('an inventory that is wrong says where', (t) => {
  for (const [text, message] of [
    ['', 'it holds no inventory'],
    ['[]', 'it holds no inventory'],
    ['hosts', 'it holds no inventory'],
    ['{}', 'it must have a list of hosts, which may be empty'],
    ['hosts:', 'it must have a list of hosts, which may be empty'],
    ['hosts: {}', /hosts/],
    ['hosts: [{}]', /hosts\[0\]\.name: Invalid value: ""/],
    ['hosts: [{name: A_b}]', /hosts\[0\]\.name: Invalid value: "A_b"/],
    ['hosts: [{name: a}, {name: a}]', 'hosts[1].name: Invalid value: "a": is the name of another host, too'],
    ['hosts: [{name: a, rack: 1}]', /unknown field "hosts\[0\]\.rack"/],
    ['hosts: [{name: a, zone: "a b"}]', /hosts\[0\]\.zone: Invalid value: "a b"/],
    ['hosts: [{name: a, labels: {"a b": c}}]', /hosts\[0\]\.labels: Invalid value: "a b"/],
    ['hosts: [{name: a, labels: {__proto__: "x y"}}]', /hosts\[0\]\.labels/],
    [
      'hosts: [{name: a, addresses: [{type: InternalIP, address: 10.0.0.999}]}]',
      /addresses\[0\]\.address: Invalid value/,
    ],
    ['hosts: [{name: a, addresses: [{type: Hostname, address: "a b"}]}]', /address: Invalid value: "a b"/],
    ['hosts: [{name: a, addresses: [{type: Mail, address: x}]}]', /addresses\[0\]\.type: Unsupported value: "Mail"/],
    ['hosts: [{name: a, shutdown: 1}]', /shutdown/],
    ['hosts: [\n', /yaml/i],
  ] as const)
    t.throws(() => readInventory(text), { name: 'SettingValueError', message }, JSON.stringify(text));
  t.equal(readInventory('hosts: []').size, 0);
  t.end();
});
