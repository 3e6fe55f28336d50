import t from 'tap';
import { addressRanges } from '../../../api/domain/address-range.ts';
import { LOAD_BALANCER_IPS } from '../../../api/domain/load-balancer.ts';
import type { Service } from '../../../api/types/core/v1.gen.ts';
import { nodeView } from '../../../control-plane/controllers/caches/node-view.ts';
import { Interner } from '../../../control-plane/controllers/framework/interner.ts';
import { AddressPools } from '../../../control-plane/controllers/network/load-balancer/address-pools.ts';
import {
  mayBalance,
  planNodeAddresses,
  planPoolAddresses,
  type AddressesPlan,
} from '../../../control-plane/controllers/network/load-balancer/addresses-plan.ts';
import {
  planAnnouncers,
  type Announcers,
  type AnnouncersView,
} from '../../../control-plane/controllers/network/load-balancer/announcers-plan.ts';

const pools = new AddressPools(addressRanges(['192.0.2.1-192.0.2.3', '198.51.100.7']));
interface Asked {
  readonly has?: readonly string[];
  readonly asks?: string;
  readonly loadBalancerIP?: string;
  readonly families?: ('IPv4' | 'IPv6')[];
}
const service = ({ has = [], asks, loadBalancerIP, families = ['IPv4'] }: Asked): Service => ({
  metadata: { name: 'web', ...(asks !== undefined && { annotations: { [LOAD_BALANCER_IPS]: asks } }) },
  spec: { type: 'LoadBalancer', ipFamilies: families, ...(loadBalancerIP && { loadBalancerIP }) },
  status: { loadBalancer: { ingress: has.map((ip) => ({ ip })) } },
});
const shown = ({ addresses, problem }: AddressesPlan) => [addresses.map(({ text }) => text).join(), problem];

t.test('addresses of the pools', (t) => {
  const rows: [what: string, asked: Asked, taken: readonly string[], addresses: string, problem?: string][] = [
    ['the first that is free', {}, ['192.0.2.1'], '192.0.2.2'],
    ['of the next range when one is used up', {}, ['192.0.2.1', '192.0.2.2', '192.0.2.3'], '198.51.100.7'],
    ['what it has is kept', { has: ['192.0.2.3'] }, [], '192.0.2.3'],
    ['but not what another had before', { has: ['192.0.2.3'] }, ['192.0.2.3'], '192.0.2.1'],
    ['nor what is in no pool any more', { has: ['203.0.113.1'] }, [], '192.0.2.1'],
    ['one that is asked for', { asks: '192.0.2.2' }, [], '192.0.2.2'],
    ['instead of the one it has', { asks: '192.0.2.2', has: ['192.0.2.1'] }, [], '192.0.2.2'],
    ['as the field of the API', { loadBalancerIP: '198.51.100.7' }, [], '198.51.100.7'],
    ['taken', { asks: '192.0.2.2' }, ['192.0.2.2'], '', '"192.0.2.2" is asked for and is taken'],
    ['in no pool', { asks: '203.0.113.1' }, [], '', '"203.0.113.1" is asked for and is in no pool'],
    ['no address', { asks: 'a\n' }, [], '', '"a" is asked for and is not an IP address'],
    ['of a family that it has not', { asks: '::1' }, [], '', '"::1" is asked for, and the Service has no IPv6'],
    ['two', { asks: '192.0.2.1, 192.0.2.2' }, [], '', 'more than one IPv4 address is asked for'],
    [
      'all taken',
      {},
      ['192.0.2.1', '192.0.2.2', '192.0.2.3', '198.51.100.7'],
      '',
      'all IPv4 addresses of the pools are taken',
    ],
    ['what there is of two families', { families: ['IPv6', 'IPv4'] }, [], '192.0.2.1', 'no pool has IPv6 addresses'],
  ];
  for (const [what, asked, taken, addresses, problem] of rows) {
    const plan = planPoolAddresses(service(asked), pools, ({ text }) => taken.includes(text));
    t.strictSame(shown(plan), [addresses, problem], what);
  }
  t.end();
});

const node = (name: string, more: { labels?: Record<string, string>; ready?: string; external?: string } = {}) =>
  nodeView(
    {
      metadata: { name, labels: more.labels ?? {} },
      status: {
        conditions: [{ type: 'Ready', status: more.ready ?? 'True' }],
        addresses: [
          { type: 'InternalIP', address: `10.0.0.${name.length}` },
          ...(more.external ? [{ type: 'ExternalIP', address: more.external }] : []),
        ],
      },
    },
    new Interner(),
  );

t.test('addresses of the nodes', (t) => {
  const nodes = [
    node('b', { external: '203.0.113.2' }),
    node('aaa'),
    node('silent', { ready: 'Unknown' }),
    node('excluded', { labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } }),
  ].filter(mayBalance);
  const plan = (withEndpoints?: ReadonlySet<string>, problem?: string) =>
    shown(
      planNodeAddresses(
        { ...service({}), spec: { ipFamilies: ['IPv4'], ports: [{ port: 80 }] } },
        { nodes, withEndpoints, portProblem: () => problem },
      ),
    );
  t.strictSame(
    plan(),
    ['10.0.0.3,203.0.113.2', undefined],
    'external ones before internal ones, by the names of nodes',
  );
  t.strictSame(plan(new Set(['b', 'silent'])), ['203.0.113.2', undefined], 'where the endpoints are');
  t.strictSame(plan(new Set()), ['', 'no node can take part']);
  t.strictSame(plan(undefined, 'port TCP/80 is taken'), ['', 'port TCP/80 is taken']);
  t.end();
});

t.test('who announces', (t) => {
  const [NOBODY, A, B] = [
    { holder: undefined, takeover: undefined },
    { holder: 'a', takeover: undefined },
    { holder: 'b', takeover: undefined },
  ];
  interface Row {
    readonly now: Announcers;
    readonly nodes?: readonly string[];
    readonly candidates?: readonly string[];
    readonly silent?: readonly string[];
    readonly declined?: readonly string[];
    readonly announcing?: readonly string[];
    readonly then: Announcers;
  }
  const plan = (row: Row): Announcers => {
    const { nodes = ['a', 'b'], candidates = nodes, silent = [], declined = [], announcing = [] } = row;
    const view: AnnouncersView = {
      ...{ key: 'default/web', now: row.now, candidates },
      exists: (name) => nodes.includes(name),
      isSilent: (name) => silent.includes(name),
      hasDeclined: (name) => declined.includes(name),
      announces: (name) => announcing.includes(name),
    };
    return planAnnouncers(view);
  };
  const rows: Record<string, Row> = {
    'the only candidate': { now: NOBODY, candidates: ['a'], then: A },
    'no candidate': { now: NOBODY, candidates: [], then: NOBODY },
    'a holder keeps it, whoever else there is': { now: B, then: B },
    'one that is silent is to be followed': { now: A, silent: ['a'], then: { holder: 'a', takeover: 'b' } },
    'also when it counts as lost': {
      ...{ now: A, silent: ['a'], candidates: ['b'] },
      then: { holder: 'a', takeover: 'b' },
    },
    'nobody is left to follow': { now: A, silent: ['a', 'b'], then: A },
    'the one that follows has taken over': {
      ...{ now: { holder: 'a', takeover: 'b' }, silent: ['a'], announcing: ['b'] },
      then: B,
    },
    'what a silent one has listed before does not count': {
      ...{ now: { holder: 'a', takeover: 'b' }, nodes: ['a', 'b', 'c'], silent: ['a', 'b'], announcing: ['b'] },
      then: { holder: 'a', takeover: 'c' },
    },
    'the silent one is back before': { now: { holder: 'a', takeover: 'b' }, announcing: ['a'], then: A },
    'the one that was to follow is silent itself': {
      ...{ now: { holder: 'a', takeover: 'b' }, nodes: ['a', 'b', 'c'], silent: ['a', 'b'] },
      then: { holder: 'a', takeover: 'c' },
    },
    'a holder that lives and may not any more': { now: A, candidates: ['b'], then: B },
    'a node that is gone': { now: A, nodes: ['b'], then: B },
    'one that is not on the network of the address': { now: A, declined: ['a'], then: B },
    'none is': { now: A, declined: ['a', 'b'], then: A },
    'no endpoints anywhere': { now: A, candidates: [], then: NOBODY },
  };
  for (const [what, row] of Object.entries(rows)) t.strictSame(plan(row), row.then, what);
  t.end();
});

t.test('load balancers spread over the nodes, and few move when one comes', (t) => {
  const holderOf = (key: string, candidates: readonly string[]) =>
    planAnnouncers({
      ...{ key, candidates, now: { holder: undefined, takeover: undefined } },
      ...{ exists: () => true, isSilent: () => false, hasDeclined: () => false, announces: () => false },
    }).holder;
  const keys = Array.from({ length: 300 }, (_, index) => `default/web-${index}`);
  const before = keys.map((key) => holderOf(key, ['a', 'b', 'c']));
  for (const name of ['a', 'b', 'c']) {
    const share = before.filter((holder) => holder === name).length;
    t.ok(share > 60 && share < 140, `${name} has ${share} of 300`);
  }
  const after = keys.map((key) => holderOf(key, ['a', 'b', 'c', 'd']));
  t.ok(after.every((holder, index) => holder === before[index] || holder === 'd'));
  t.end();
});
