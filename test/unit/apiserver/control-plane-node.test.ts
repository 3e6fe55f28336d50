import { test } from 'tap';
import { CONTROL_PLANE_LABEL, markedNode, nodesAt, unmarkedNode } from '../../../api/domain/control-plane-node.ts';
import type { Node, Taint } from '../../../api/types/core/v1.gen.ts';
import { nodeOf } from '../../../control-plane/apiserver/bootstrap/control-plane-node.ts';

const TAINT: Taint = { key: CONTROL_PLANE_LABEL, effect: 'NoSchedule' };
const OTHERS: Taint[] = [
  { key: CONTROL_PLANE_LABEL, effect: 'NoExecute' },
  { key: 'gpu', effect: 'NoSchedule' },
];

const BOOT = '4f5c7a52-0d2e-4f5e-8a3a-3f0e8c6b2d11';
const node = (name: string, address: string, labels?: Record<string, string>, bootID = BOOT): Node => ({
  metadata: { name, ...(labels && { labels }) },
  status: {
    addresses: [
      { type: 'Hostname', address: name },
      { type: 'InternalIP', address },
    ],
    nodeInfo: { bootID } as NonNullable<Node['status']>['nodeInfo'] & object,
  },
});

test('a node that says it has the address of a server is not taken for its own', async (t) => {
  const found = (all: readonly Node[], address: string, bootId = BOOT) =>
    nodeOf({ address, bootId }, all)?.metadata?.name;
  const claims = node('claims', '10.0.0.1', {}, '00000000-0000-4000-8000-000000000000');
  t.equal(found([claims], '10.0.0.1'), undefined, 'it does not know the boot of the host');
  t.equal(found([claims, node('own', '10.0.0.1')], '10.0.0.1'), 'own');
  t.equal(found([node('own', '10.0.0.1')], ''), undefined);
  const labels = { [CONTROL_PLANE_LABEL]: '' };
  for (const own of [node('own', '10.0.0.1'), node('own', '10.0.0.1', labels)])
    t.equal(found([node('copies', '10.0.0.1'), own], '10.0.0.1'), undefined, 'what the other node says is copied');
  t.equal(found([node('a', '10.0.0.1', {}, '')], '10.0.0.1', ''), undefined, 'a kernel that does not say');
});

test('the node of a server is found by its address', async (t) => {
  const all = [
    node('a', '10.0.0.1'),
    node('10.0.0.2', '10.0.0.3'),
    node('c', 'fd00:0::1'),
    { metadata: { name: 'new' } },
  ];
  const namesAt = (address: string) => Array.from(nodesAt(all, address), ({ metadata }) => metadata?.name);
  t.strictSame(namesAt('10.0.0.1'), ['a']);
  t.strictSame(namesAt('10.0.0.2'), [], 'a name is no address');
  t.strictSame(namesAt('fd00::1'), ['c'], 'however the address is written');
  t.strictSame(namesAt(''), []);
});

test('it is labelled once, and tainted where that is wanted', async (t) => {
  const plain = node('a', '10.0.0.1', { zone: 'z' });
  t.strictSame(markedNode(plain, { taint: false }), {
    ...plain,
    metadata: { name: 'a', labels: { zone: 'z', [CONTROL_PLANE_LABEL]: '' } },
  });
  t.equal(markedNode(node('a', '10.0.0.1', { [CONTROL_PLANE_LABEL]: 'mine' }), { taint: false }), undefined);
  const tainted = markedNode({ ...plain, spec: { unschedulable: true, taints: OTHERS } }, { taint: true });
  t.strictSame(tainted?.spec, { unschedulable: true, taints: [...OTHERS, TAINT] });
  t.equal(tainted && markedNode(tainted, { taint: true }), undefined, 'both are there');
  t.equal(tainted && markedNode(tainted, { taint: false }), undefined, 'a taint that others may have set stays');
});

test('a host that is no server any more has neither, and keeps what is not of that', async (t) => {
  const labels = { zone: 'z', [CONTROL_PLANE_LABEL]: '' };
  const marked = { ...node('a', '10.0.0.1', labels), spec: { podCIDR: '10.42.0.0/24', taints: [TAINT, ...OTHERS] } };
  const unmarked = unmarkedNode(marked);
  t.strictSame(unmarked?.metadata?.labels, { zone: 'z' });
  t.strictSame(unmarked?.spec, { podCIDR: '10.42.0.0/24', taints: OTHERS });
  t.equal(unmarked && unmarkedNode(unmarked), undefined);
  t.equal(unmarkedNode({ metadata: { name: 'new' } }), undefined);
});
