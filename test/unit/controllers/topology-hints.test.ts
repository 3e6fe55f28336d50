/** Which zone endpoints are for by the topology mode of their Service: tables, and what holds for any cluster. */
import t from 'tap';
import {
  topologyHints,
  wantsTopologyHints,
  zoneShares,
  type HintedEndpoint,
} from '../../../control-plane/controllers/network/topology-hints.ts';
import { reconcileEndpointSlices } from '../../../control-plane/controllers/network/endpoint-slice-plan.ts';
import { TopologyState } from '../../../control-plane/controllers/network/topology-state.ts';
import { nodeView, type NodeView } from '../../../control-plane/controllers/caches/node-view.ts';
import { Interner } from '../../../control-plane/controllers/framework/interner.ts';
import type { Service } from '../../../api/types/core/v1.gen.ts';
import { Random } from '../../fuzz/random.ts';
import { podViewOf } from './pod-view.ts';

const ZONE = 'topology.kubernetes.io/zone';
const node = (name: string, zone: string, cpu: string, labels: object = {}, status = 'True'): NodeView =>
  nodeView(
    {
      metadata: { name, labels: { ...(zone && { [ZONE]: zone }), ...labels } },
      status: { allocatable: { cpu }, conditions: [{ type: 'Ready', status }] },
    },
    new Interner(),
  );
const shares = (parts: Readonly<Record<string, number>>) => new Map(Object.entries(parts));
/** `aab` are endpoints in zones; with `hints`, those that they are for so far, `-` for none. */
const endpoints = (zones: string, hints = ''): HintedEndpoint[] =>
  [...zones].map((zone, index) => {
    const hint = hints[index] ?? '-';
    return { zone: zone === '?' ? undefined : zone, hint: hint === '-' ? undefined : hint };
  });
const hint = (...args: Parameters<typeof topologyHints>): string => {
  const hints = topologyHints(...args);
  return 'problem' in hints ? hints.problem : hints.zones.join('');
};

t.test('the modes of a Service', (t) => {
  const wants = (annotations: Record<string, string>): boolean => wantsTopologyHints({ metadata: { annotations } });
  const name = 'service.kubernetes.io/topology-mode';
  t.ok(wants({ [name]: 'Auto' }));
  t.ok(wants({ [name]: 'auto' }));
  for (const mode of ['', 'AUTO', 'Disabled', 'example.com/mode']) t.notOk(wants({ [name]: mode }));
  t.ok(wants({ 'service.kubernetes.io/topology-aware-hints': 'Auto', [name]: 'Disabled' }), 'the old name goes first');
  t.notOk(wantsTopologyHints({}));
  t.end();
});

t.test('shares of zones', (t) => {
  const two = [node('1', 'b', '3'), node('2', 'a', '500m'), node('3', 'a', '500m')];
  t.same(
    [...(zoneShares(two) ?? [])],
    [
      ['a', 0.25],
      ['b', 0.75],
    ],
  );
  const control = node('4', 'c', '8', { 'node-role.kubernetes.io/control-plane': '' });
  const gone = node('5', 'd', '8', {}, 'Unknown');
  t.same([...(zoneShares([...two, control, gone])?.keys() ?? [])], ['a', 'b'], 'not of those that run no pods');
  for (const [what, odd] of [
    ['no zone', node('6', '', '1')],
    ['no CPU', node('6', 'a', '0')],
  ] as const)
    t.equal(zoneShares([...two, odd]), undefined, what);
  t.equal(zoneShares(two.slice(1)), undefined, 'one zone');
  t.equal(zoneShares([]), undefined);
  t.end();
});

t.test('endpoints are for their own zones, and some for those that have too few', (t) => {
  const half = shares({ a: 0.5, b: 0.5 });
  const third = shares({ a: 1 / 3, b: 1 / 3, c: 1 / 3 });
  const rows: [what: string, expected: string, ...Parameters<typeof topologyHints>][] = [
    ['each zone has its share', 'aabb', endpoints('aabb'), half],
    ['one zone gives', 'baab', endpoints('aaab'), half],
    ['a zone without endpoints', 'bcaa', endpoints('aaaa'), shares({ a: 0.5, b: 0.25, c: 0.25 })],
    ['small differences stay', 'aaaaaabbbbb', endpoints('aaaaaabbbbb'), half],
    ['hints that are balanced stay', 'abab', endpoints('aabb', 'abab'), half],
    ['a new endpoint is for its own zone', 'aaabbb', endpoints('aaabbb', 'aaabb'), half],
    ['hints of a zone that is gone do not', 'aabb', endpoints('aabb', 'aacc'), half],
    ['hints that are not balanced any more do not', 'aabb', endpoints('aabb', 'aaab'), half],
    ['a zone without nodes gives all', 'abab', endpoints('abcc', ''), half],
  ];
  for (const [what, expected, ...args] of rows) t.equal(hint(...args), expected, what);
  t.match(hint(endpoints('a'), half), /fewer endpoints than zones \(1 endpoints, 2 zones\)/);
  t.match(hint(endpoints('aabbc'), half), /too few endpoints for its CPU \(5 endpoints, 2 zones\)/);
  t.match(hint(endpoints('abcc'), third), /too few endpoints/);
  t.match(hint(endpoints('aab?'), half), /no zone/);
  t.match(hint(endpoints('aabb'), undefined), /in one zone/);
  t.end();
});

t.test('in any cluster, no zone gets less than its share by more than a fifth, and what has moved stays', (t) => {
  const random = new Random(20);
  let [hinted, balanced] = [0, 0];
  for (let round = 0; round < 2_000; round++) {
    const names = ['a', 'b', 'c', 'd'].slice(0, 2 + random.below(3));
    const cpu = names.map(() => 1 + random.below(20));
    const total = cpu.reduce((sum, one) => sum + one, 0);
    const parts = new Map(names.map((name, index) => [name, cpu[index]! / total]));
    const some = Array.from({ length: random.below(60) }, (): HintedEndpoint => {
      const zone = names[random.below(names.length)];
      return { zone, hint: random.below(2) === 0 ? names[random.below(names.length)] : undefined };
    });
    const hints = topologyHints(some, parts);
    if ('problem' in hints) continue;
    hinted++;
    const count = (zone: string): number => hints.zones.filter((each) => each === zone).length;
    const minimum = (zone: string): number => Math.ceil((parts.get(zone)! * some.length) / 1.2);
    // What is rounded may be one endpoint.
    const short = names.filter((name) => count(name) < minimum(name) - 1);
    if (hints.zones.length !== some.length || short.length > 0)
      t.fail(JSON.stringify({ parts: [...parts], some, hints }));
    if (names.some((name) => count(name) < minimum(name))) continue;
    balanced++;
    const again = topologyHints(
      some.map(({ zone }, index) => ({ zone, hint: hints.zones[index] })),
      parts,
    );
    if ('problem' in again || again.zones.join() !== hints.zones.join()) t.fail(JSON.stringify({ some, hints, again }));
  }
  t.ok(hinted > 500 && balanced > 0.9 * hinted, `${hinted} clusters with hints, ${balanced} have all that they need`);
  t.end();
});

const service = (annotations: Record<string, string>, spec: object = {}): Service => ({
  metadata: { namespace: 'default', name: 'web', uid: 's1', annotations },
  spec: { selector: { app: 'web' }, clusterIP: '10.43.0.7', ipFamilies: ['IPv4'], ports: [{ port: 80 }], ...spec },
});
const AUTO = { 'service.kubernetes.io/topology-mode': 'Auto' };

t.test('slices have the hints of the mode, and none where it says none', (t) => {
  const pods = [0, 1, 2, 3].map((number) =>
    podViewOf(`p${number}`, { ips: [`10.42.0.${number}`], nodeName: number < 3 ? 'n-a' : 'n-b' }),
  );
  const zoneOf = (nodeName: string): string => nodeName.slice(2);
  const half = shares({ a: 0.5, b: 0.5 });
  const hintsOf = (plan: ReturnType<typeof reconcileEndpointSlices>) =>
    [...plan.create, ...plan.update].flatMap(({ endpoints }) =>
      (endpoints ?? []).map(({ hints }) => hints?.forZones?.map(({ name }) => name).join() ?? '-'),
    );
  const first = reconcileEndpointSlices({ service: service(AUTO), pods, slices: [], zoneOf, shares: half });
  t.same(hintsOf(first), ['b', 'a', 'a', 'b']);
  t.same(first.topology, [{ addressType: 'IPv4', problem: undefined }]);
  const slices = first.create.map((slice) => ({ ...slice, metadata: { ...slice.metadata, name: 'web-1' } }));
  const state = { service: service(AUTO), pods, slices, zoneOf };
  t.same(reconcileEndpointSlices({ ...state, shares: half }).update, [], 'nothing changes');
  t.same(reconcileEndpointSlices({ ...state, shares: shares({ a: 0.55, b: 0.45 }) }).update, [], 'nor for a little');
  const none = reconcileEndpointSlices({ ...state, shares: undefined });
  t.same(hintsOf(none), ['-', '-', '-', '-'], 'all are taken away');
  t.match(none.topology, [{ addressType: 'IPv4', problem: /zone/ }]);
  const notReady = pods.map((pod, index) => (index === 1 ? { ...pod, ready: false } : pod));
  t.match(
    reconcileEndpointSlices({ ...state, pods: notReady, shares: half }).topology,
    [{ problem: /too few endpoints/ }],
    'endpoints that are not ready do not count',
  );
  const both = { trafficDistribution: 'PreferSameZone' };
  t.same(
    hintsOf(reconcileEndpointSlices({ ...state, slices: [], service: service(AUTO, both), shares: half })),
    ['b', 'a', 'a', 'b'],
    'the mode goes before the traffic distribution',
  );
  t.equal(reconcileEndpointSlices({ ...state, service: service({}) }).topology, undefined);
  t.end();
});

t.test('what becomes of hints is told once, and a node that changes concerns those alone that ask for them', (t) => {
  const told: string[] = [];
  const queued: string[] = [];
  const nodes = [node('1', 'a', '1'), node('2', 'b', '1')];
  const state = new TopologyState(() => nodes, {
    event: (_, type, reason, message) => told.push(`${type} ${reason} ${message}`),
  });
  const queue = { add: (key: string) => queued.push(key) } as unknown as Parameters<TopologyState['nodeHandlers']>[0];
  const handlers = state.nodeHandlers(queue);
  t.same([...(state.shares ?? [])].length, 2);
  const report = (problem: string | undefined): void =>
    state.report('default/web', service(AUTO), [{ addressType: 'IPv4', problem }]);
  report(undefined);
  report(undefined);
  report('there is one zone');
  report('there is one zone');
  state.report('default/web', service({}), undefined);
  state.report('default/web', service({}), undefined);
  t.same(told, [
    'Normal TopologyAwareHintsEnabled Topology Aware Hints has been enabled, addressType: IPv4',
    'Warning TopologyAwareHintsDisabled there is one zone, addressType: IPv4',
    'Warning TopologyAwareHintsDisabled Topology Aware Hints has been disabled',
  ]);
  report(undefined);
  handlers.onUpdate?.(nodes[0]!, node('1', 'a', '1'), '1');
  t.same(queued, [], 'a heartbeat');
  const old = nodes[0]!;
  nodes[0] = node('1', 'a', '3');
  handlers.onUpdate?.(old, nodes[0], '1');
  t.same(queued, ['default/web']);
  t.equal(state.shares?.get('a'), 0.75);
  t.end();
});
