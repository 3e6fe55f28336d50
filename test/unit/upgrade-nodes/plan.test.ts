import { test } from 'tap';
import { readUpgradeRequest, readUpgradeState } from '../../../api/domain/node-upgrade.ts';
import type { Node, Pod } from '../../../api/types/core/v1.gen.ts';
import { podsToEvict } from '../../../cli/upgrade-nodes/drain.ts';
import { nameOf, planRollout, standingOf, type RolloutOptions } from '../../../cli/upgrade-nodes/plan.ts';

const SHA = `0123abcd${'0'.repeat(56)}`;
const ATTEMPT = '00000000-0000-4000-8000-000000000000';
const OPTIONS: RolloutOptions = {
  ...{ sha256: SHA, maxUnavailable: 1, servers: new Set<string>(), limitMs: 60_000, startedAtMs: 1_000 },
};
const request = (atMs = 2_000, more: object = {}): string =>
  JSON.stringify({ attempt: ATTEMPT, sha256: SHA, bytes: 10, healthySeconds: 120, atMs, ...more });
const state = (phase: string, more: object = {}): string => JSON.stringify({ attempt: ATTEMPT, phase, ...more });
const [REQUEST, STATE, PROGRAM, CORDONED] = [
  ...['kedge.io/upgrade-request', 'kedge.io/upgrade-state', 'kedge.io/program', 'kedge.io/upgrade-cordoned'],
] as const;

function node(name: string, annotations: Record<string, string> = {}, ready = true): Node {
  return {
    ...{ apiVersion: 'v1', kind: 'Node', metadata: { name, annotations } },
    status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  };
}
const NEW = '0.2.0-0123abcd';
const OLD = '0.1.0-aaaaaaaa';

test('how far a node is follows from its annotations alone', async (t) => {
  const rows: [string, Record<string, string>, boolean, object][] = [
    ['another version', { [PROGRAM]: OLD }, true, { kind: 'waiting' }],
    ['one that says nothing', {}, true, { kind: 'waiting' }],
    ['another version, not Ready', { [PROGRAM]: OLD }, false, { kind: 'silent' }],
    ['the version', { [PROGRAM]: NEW }, true, { kind: 'current' }],
    ['the version, cordoned', { [PROGRAM]: NEW, [CORDONED]: 'true' }, true, { kind: 'finished' }],
    ['cordoned', { [PROGRAM]: OLD, [CORDONED]: 'true' }, true, { kind: 'leaving' }],
    ['asked', { [PROGRAM]: OLD, [CORDONED]: 'true', [REQUEST]: request() }, true, { kind: 'upgrading' }],
    ['asked, its agent is away', { [PROGRAM]: OLD, [REQUEST]: request() }, false, { kind: 'upgrading' }],
    [
      'runs it and has not settled',
      { [PROGRAM]: NEW, [REQUEST]: request(), [STATE]: state('installing') },
      true,
      { kind: 'upgrading' },
    ],
    ['done', { [PROGRAM]: NEW, [REQUEST]: request(), [STATE]: state('done') }, true, { kind: 'finished' }],
    [
      'gone back',
      { [PROGRAM]: OLD, [REQUEST]: request(), [STATE]: state('failed', { reason: 'it was not well' }) },
      true,
      { kind: 'failed', reason: 'it was not well' },
    ],
    [
      'failed before this run',
      { [PROGRAM]: OLD, [REQUEST]: request(500), [STATE]: state('failed') },
      true,
      { kind: 'waiting' },
    ],
    [
      'the state of another attempt',
      { [PROGRAM]: OLD, [REQUEST]: request(), [STATE]: JSON.stringify({ attempt: 'x', phase: 'failed' }) },
      true,
      { kind: 'upgrading' },
    ],
    [
      'asked for another package',
      { [PROGRAM]: OLD, [REQUEST]: request(2_000, { sha256: 'f'.repeat(64) }) },
      true,
      { kind: 'waiting' },
    ],
    ['nonsense', { [PROGRAM]: OLD, [REQUEST]: '{', [STATE]: '[]' }, true, { kind: 'waiting' }],
  ];
  for (const [what, annotations, ready, expected] of rows)
    t.strictSame(standingOf(node('a', annotations, ready), OPTIONS, 3_000), expected, what);
  t.match(standingOf(node('a', { [PROGRAM]: OLD, [REQUEST]: request() }, false), OPTIONS, 70_000), {
    kind: 'failed',
    reason: 'it has not heard of it after 60 s, and is not Ready',
  });
});

const names = (nodes: readonly Node[]): string[] => nodes.map(nameOf);
const plan = (nodes: readonly Node[], options: Partial<RolloutOptions> = {}, refused = new Map<string, string>()) =>
  planRollout(nodes, { ...OPTIONS, ...options }, refused, 3_000);

test('no more nodes are away at once than that, whoever is the reason', async (t) => {
  const old = ['a', 'b', 'c', 'd'].map((name) => node(name, { [PROGRAM]: OLD }));
  t.strictSame(names(plan(old).begin), ['a']);
  t.strictSame(names(plan(old, { maxUnavailable: 3 }).begin), ['a', 'b', 'c']);
  const busy = node('e', { [PROGRAM]: OLD, [REQUEST]: request() });
  t.strictSame(names(plan([...old, busy]).begin), []);
  t.strictSame(names(plan([...old, busy], { maxUnavailable: 2 }).begin), ['a']);
  const down = node('f', { [PROGRAM]: NEW }, false);
  t.strictSame(names(plan([...old, down]).begin), [], 'one that is down for another reason counts');
  t.equal(plan([...old, busy]).left, 5);
});

test('servers come first, and agents wait until they have', async (t) => {
  const nodes = ['a', 'b', 's'].map((name) => node(name, { [PROGRAM]: OLD }));
  const options = { servers: new Set(['s']), maxUnavailable: 3 };
  t.strictSame(names(plan(nodes, options).begin), ['s']);
  const asked = [...nodes.slice(0, 2), node('s', { [PROGRAM]: OLD, [REQUEST]: request() })];
  t.strictSame(names(plan(asked, options).begin), []);
  const done = [...nodes.slice(0, 2), node('s', { [PROGRAM]: NEW })];
  t.strictSame(names(plan(done, options).begin), ['a', 'b']);
});

test('after a failure nothing is begun, and what is under way goes on', async (t) => {
  const nodes = [
    node('a', { [PROGRAM]: OLD, [REQUEST]: request(), [STATE]: state('failed', { reason: 'why' }) }),
    node('b', { [PROGRAM]: OLD, [REQUEST]: request() }),
    node('c', { [PROGRAM]: OLD, [CORDONED]: 'true' }),
    node('d', { [PROGRAM]: OLD }),
  ];
  const { failed, upgrading, ask, begin, left } = plan(nodes, { maxUnavailable: 9 });
  t.strictSame(
    failed.map(({ node: one, reason }) => [nameOf(one), reason]),
    [['a', 'why']],
  );
  t.strictSame([names(upgrading), ask, begin, left], [['b'], [], [], 4]);
  t.match(plan([node('a', { [PROGRAM]: OLD, [CORDONED]: 'true' })], {}, new Map([['a', 'a budget']])).failed, [
    { reason: 'a budget' },
  ]);
});

test('what annotations may hold is checked before anything is done with it', async (t) => {
  t.ok(readUpgradeRequest(request()));
  for (const more of [
    { sha256: '../../etc/passwd' },
    { sha256: SHA.toUpperCase() },
    { attempt: '--back' },
    { bytes: 0 },
    { bytes: 2 ** 40 },
    { bytes: '10' },
    { healthySeconds: 1e9 },
    { atMs: -1 },
    { atMs: null },
  ])
    t.equal(readUpgradeRequest(request(2_000, more)), undefined, JSON.stringify(more));
  for (const text of [undefined, '', 'null', '[]', '"x"', '{'.repeat(10_000)]) {
    t.equal(readUpgradeRequest(text), undefined);
    t.equal(readUpgradeState(text), undefined);
  }
  t.equal(readUpgradeState(state('rebooting')), undefined);
});

test('a drain leaves what would come back, and refuses what would be lost', async (t) => {
  const pod = (name: string, more: object = {}, spec: object = {}, status: object = {}): Pod => ({
    ...{ apiVersion: 'v1', kind: 'Pod' },
    metadata: { namespace: 'default', name, ...more },
    spec: { containers: [], ...spec },
    status,
  });
  const owned = (kind: string) => ({
    ownerReferences: [{ apiVersion: 'apps/v1', kind, name: 'x', uid: 'x', controller: true }],
  });
  const safe = { force: false, deleteEmptydirData: false, limitMs: 1 };
  const all = [
    pod('mirror', { annotations: { 'kubernetes.io/config.mirror': 'x' } }),
    pod('daemon', owned('DaemonSet')),
    pod('over', {}, {}, { phase: 'Succeeded' }),
    pod('web', owned('ReplicaSet')),
  ];
  const evicted = (options = safe, pods = all) => {
    const found = podsToEvict(pods, options);
    return typeof found === 'string' ? found : found.map(({ metadata }) => metadata?.name);
  };
  t.strictSame(evicted(), ['web']);
  const bare = [...all, pod('bare')];
  t.match(evicted(safe, bare), /^pod default\/bare has no controller.*--force/);
  t.strictSame(evicted({ ...safe, force: true }, bare), ['web', 'bare']);
  const scratch = [pod('scratch', owned('ReplicaSet'), { volumes: [{ name: 'x', emptyDir: {} }] })];
  t.match(evicted(safe, scratch), /--delete-emptydir-data/);
  t.strictSame(evicted({ ...safe, deleteEmptydirData: true }, scratch), ['scratch']);
});
