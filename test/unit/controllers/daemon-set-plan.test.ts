import t from 'tap';
import type { PodView } from '../../../control-plane/controllers/caches/pod-view.ts';
import { podView } from '../../../control-plane/controllers/caches/pod-view.ts';
import { FailedPodBackoff } from '../../../control-plane/controllers/workloads/failed-pod-backoff.ts';
import { placementOf, podsOn } from '../../../control-plane/controllers/workloads/daemon-set/placement.ts';
import { planDaemonSet } from '../../../control-plane/controllers/workloads/daemon-set/plan.ts';
import { Interner } from '../../../control-plane/controllers/framework/interner.ts';
import type { DaemonSet, DaemonSetSpec } from '../../../api/types/apps/v1.gen.ts';
import type { PodSpec, Taint } from '../../../api/types/core/v1.gen.ts';
import { podViewOf } from './pod-view.ts';
import { daemonSetOf, hashOf, nodeViewOf, templateOf } from './sets.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');

/** A pod by its shorthand: `n1` an updated one of that node that is available, `n1 old`, `n2 unready`, `n1 failed`, ... */
function podOf(shorthand: string, index: number): PodView {
  const [node = ''] = shorthand.split(' ');
  const has = (word: string): boolean => shorthand.split(' ').includes(word);
  const phase = has('failed') ? 'Failed' : has('succeeded') ? 'Succeeded' : has('unbound') ? 'Pending' : 'Running';
  return podViewOf(shorthand, {
    ...{ nodeName: has('unbound') ? '' : node, pinnedTo: node, phase, createdAt: index },
    labels: { app: 'web', 'controller-revision-hash': has('old') ? 'old' : hashOf('v1') },
    ready: phase === 'Running' && !has('unready'),
    deleting: has('going'),
    readyChangedAt: has('fresh') ? NOW - 1000 : NOW - 3_600_000,
  });
}

const tainted = (effect: Taint['effect']) => ({ taints: [{ key: 'dedicated', effect }] });
const NODES = [
  ...['n1', 'n2', 'n3'].map((name) => nodeViewOf(name)),
  nodeViewOf('closed', tainted('NoSchedule')),
  nodeViewOf('emptied', tainted('NoExecute')),
];

const planOf = (set: DaemonSet, pods: readonly string[], backoff: Record<string, number> = {}) =>
  planDaemonSet({
    ...{ set, nodes: NODES, pods: pods.map(podOf), hashes: new Set([hashOf('v1')]), now: NOW },
    backoffMs: (node) => backoff[node] ?? 0,
  });

const shown = ({ create, remove }: ReturnType<typeof planOf>): string =>
  [...create.map((node) => `+${node}`), ...remove.map(({ name }) => `-${name}`)].join(', ');

const rolling = (rollingUpdate: object): Partial<DaemonSetSpec> => ({
  updateStrategy: { type: 'RollingUpdate', rollingUpdate },
});
const ALL = ['n1', 'n2', 'n3'];
const OLD = ['n1 old', 'n2 old', 'n3 old'];

t.test('what is done next', async (t) => {
  const surge = (maxSurge: number | string) => rolling({ maxSurge, maxUnavailable: 0 });
  for (const [what, spec, pods, wanted] of [
    ['a pod for each node that tolerates it', {}, [], '+n1, +n2, +n3'],
    ['nothing', {}, ALL, ''],
    ['not beside one that is not bound yet', {}, ['n1 unbound', 'n2', 'n3'], ''],
    ['not beside one that terminates', {}, ['n1 going', 'n2', 'n3'], ''],
    ['beside one that its finalizers keep', {}, ['n1 failed going', 'n2', 'n3'], '+n1'],
    ['one may stay where it would not be scheduled', {}, [...ALL, 'closed'], ''],
    ['but not where NoExecute says so', {}, [...ALL, 'emptied'], '-emptied'],
    ['a duplicate goes, the younger one', {}, ['n1', 'n2', 'n3', 'n1 unready'], '-n1 unready'],
    ['or the one that is not bound', {}, ['n1 unbound', 'n2', 'n3', 'n1'], '-n1 unbound'],
    ['failed and succeeded ones go', {}, ['n1 failed', 'n2 succeeded', 'n3'], '-n1 failed, -n2 succeeded'],
    ['one that waits for a node that is gone', {}, [...ALL, 'gone unbound', 'gone2'], '-gone unbound'],
    // Updated, with fewer pods.
    ['one old pod', {}, OLD, '-n1 old'],
    ['when there is one on each node', {}, ['n1 old', 'n2 old'], '+n3'],
    ['not while a new one is not available', {}, ['n1 unready', 'n2 old', 'n3 old'], ''],
    ['or one is missing', {}, ['n1 going', 'n2 old', 'n3 old'], ''],
    ['one that is not available anyway', {}, ['n1 unready', 'n2 old', 'n3 old unready'], '-n3 old unready'],
    ['as many as may be unavailable', rolling({ maxUnavailable: 2 }), OLD, '-n1 old, -n2 old'],
    ['a share, rounded up', rolling({ maxUnavailable: '34%' }), OLD, '-n1 old, -n2 old'],
    ['at least one', rolling({ maxUnavailable: 0, maxSurge: 0 }), OLD, '-n1 old'],
    ['strategy OnDelete', { updateStrategy: { type: 'OnDelete' } }, OLD, ''],
    // Updated, with more pods.
    ['a new pod beside one old one', surge(1), OLD, '+n1'],
    ['a share, rounded up', surge('34%'), OLD, '+n1, +n2'],
    ['no more while it is not available', surge(1), ['n1 old', 'n1 unready', 'n2 old', 'n3 old'], ''],
    ['the old one goes then', surge(1), ['n1 old', 'n1', 'n2 old', 'n3 old'], '-n1 old'],
    [
      'or when it is not ready itself',
      surge(1),
      ['n1 old unready', 'n1 unready', 'n2 old', 'n3 old'],
      '-n1 old unready',
    ],
    [
      'beside one that is not available in any case',
      surge(1),
      ['n1 old', 'n1 unready', 'n2 old', 'n3 old unready'],
      '+n3',
    ],
    ['beside one that terminates', surge(1), ['n1 old going', 'n2', 'n3'], '+n1'],
    ['duplicates of each kind go', surge(1), ['n1 old', 'n1 old fresh', 'n1 unready', 'n2', 'n3'], '-n1 old fresh'],
    ['an old one where none belongs, when enough others are there', surge(1), [...ALL, 'closed old'], '-closed old'],
    ['and not before', surge(1), ['n1', 'n2', 'n3 unready', 'closed old'], ''],
    [
      'one that is not available is no loss',
      surge(1),
      ['n1', 'n2', 'n3 unready', 'closed old unready'],
      '-closed old unready',
    ],
  ] as const) {
    t.equal(shown(planOf(daemonSetOf(spec as Partial<DaemonSetSpec>), pods)), wanted, what);
  }
  const patient = daemonSetOf({ minReadySeconds: 10 });
  const plan = planOf(patient, ['n1 fresh', 'n2 old', 'n3 old']);
  t.strictSame([shown(plan), plan.againInMs], ['', 9000], 'ready for too short a time');
});

t.test('failed pods are backed off from, and have events', async (t) => {
  const failing = planOf(daemonSetOf(), ['n1 failed', 'n2', 'n3 succeeded'], { n1: 700 });
  t.equal(shown(failing), '-n3 succeeded');
  t.equal(failing.againInMs, 700);
  t.strictSame(
    failing.ended.map(({ name }) => name),
    ['n3 succeeded'],
  );
  const surging = daemonSetOf(rolling({ maxSurge: 1, maxUnavailable: 0 }));
  const waiting = planOf(surging, ['n1 failed', 'n2', 'n3'], { n1: 700 });
  t.strictSame([shown(waiting), waiting.againInMs], ['', 700], 'no other pod is made beside it, which would fail, too');
  t.equal(shown(planOf(surging, ['n1 failed', 'n2', 'n3'])), '+n1, -n1 failed');
  const backoff = new FailedPodBackoff();
  const set = { uid: 's', generation: 1 };
  const waits: number[] = [];
  for (let at = 0, failures = 0; failures < 12; failures++) {
    waits.push(backoff.remainingMs(set, 'n', at));
    at += backoff.remainingMs(set, 'n', at);
    backoff.failed(set, 'n', at);
  }
  t.strictSame(waits.slice(0, 5), [0, 1000, 2000, 4000, 8000]);
  t.equal(waits.at(-1), 900_000);
  t.equal(backoff.remainingMs(set, 'other', 0), 0);
  backoff.failed(set, 'n', 10_000_000);
  t.equal(backoff.remainingMs(set, 'n', 10_000_000), 1000, 'after half an hour it starts anew');
  t.equal(backoff.remainingMs({ ...set, generation: 2 }, 'n', 10_000_000), 0, 'a new generation is tried at once');
  backoff.forget('s');
  t.equal(backoff.remainingMs(set, 'n', 10_000_000), 0);
});

t.test('the status counts nodes', async (t) => {
  t.match(planOf(daemonSetOf(), ['n1', 'n2 old unready', 'closed', 'emptied going', 'gone']).status, {
    ...{ desiredNumberScheduled: 3, currentNumberScheduled: 2, numberMisscheduled: 2, numberReady: 1 },
    ...{ updatedNumberScheduled: 1, numberAvailable: 1, numberUnavailable: 2, observedGeneration: 1 },
  });
  const set = daemonSetOf();
  set.metadata!.annotations = { 'deprecated.daemonset.template.generation': '5' };
  const labels = { app: 'web', 'pod-template-generation': '5' };
  const before = { nodes: NODES, hashes: new Set([hashOf('v1')]), now: NOW, backoffMs: () => 0 };
  const { status } = planDaemonSet({ ...before, set, pods: [{ ...podOf('n1 old', 0), labels }] });
  t.equal(status.updatedNumberScheduled, 1, 'pods from before there were hashes');
});

t.test('of two pods of one second that which is ready counts', (t) => {
  const pods = ['n1 unready', 'n1 zealous'].map((name) => ({ ...podOf(name, 0), createdAt: NOW - 5000 }));
  const set = daemonSetOf(rolling({ maxSurge: 1, maxUnavailable: 0 }));
  const { status } = planDaemonSet({
    ...{ set, nodes: NODES, pods, hashes: new Set([hashOf('v1')]), now: NOW, backoffMs: () => 0 },
  });
  t.match(status, { numberReady: 1, numberAvailable: 1 });
  t.end();
});

t.test('of two pods of one second always the same goes, and none that works before the other does', (t) => {
  const twins = (first: string, second: string): string => {
    const pods = [first, second].map((name) => ({ ...podOf(name, 0), name: name.slice(0, 4), createdAt: NOW - 5000 }));
    return shown(
      planDaemonSet({
        ...{ set: daemonSetOf(), nodes: NODES.slice(0, 1), pods, hashes: new Set([hashOf('v1')]), now: NOW },
        backoffMs: () => 0,
      }),
    );
  };
  for (const [first, second, gone] of [
    ['n1 a', 'n1 b', '-n1 b'],
    ['n1 a unready', 'n1 b', ''],
    ['n1 a unready', 'n1 b unready', '-n1 b'],
    ['n1 a', 'n1 b unready', '-n1 b'],
    ['n1 a unbound', 'n1 b unready', '-n1 b'],
    ['n1 a unbound', 'n1 b unbound', '-n1 b'],
    ['n1 a unbound', 'n1 b', '-n1 a'],
  ] as const)
    t.equal(twins(first, second), gone, `${first}, ${second}`);
  t.end();
});

t.test('a node is chosen by name, labels, affinity and taints', async (t) => {
  const taint = (key: string, effect: Taint['effect'] = 'NoSchedule') => ({ taints: [{ key, effect }] });
  const edge = { labels: { kind: 'edge' } };
  const affinity = (terms: object[]): Partial<PodSpec> => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
  });
  const inEdge = { matchExpressions: [{ key: 'kind', operator: 'In', values: ['edge'] }] };
  for (const [spec, node, wanted] of [
    [{}, {}, 'runs'],
    [{ nodeName: 'n1' }, {}, 'runs'],
    [{ nodeName: 'n2' }, {}, 'never'],
    [{ nodeSelector: { kind: 'edge' } }, edge, 'runs'],
    [{ nodeSelector: { kind: 'edge' } }, {}, 'never'],
    [affinity([inEdge]), edge, 'runs'],
    [affinity([inEdge]), {}, 'never'],
    [affinity([{ matchFields: [{ key: 'metadata.name', operator: 'NotIn', values: ['n1'] }] }]), {}, 'never'],
    [affinity([{}]), {}, 'never'],
    [{}, taint('dedicated'), 'stays'],
    [{}, taint('dedicated', 'NoExecute'), 'never'],
    [{}, taint('dedicated', 'PreferNoSchedule'), 'runs'],
    [{ tolerations: [{ operator: 'Exists' }] }, taint('dedicated', 'NoExecute'), 'runs'],
    [{}, taint('node.kubernetes.io/not-ready', 'NoExecute'), 'runs'],
    [{}, taint('node.kubernetes.io/unreachable', 'NoExecute'), 'runs'],
    [{}, taint('node.kubernetes.io/disk-pressure'), 'runs'],
    [{}, taint('node.kubernetes.io/memory-pressure'), 'runs'],
    [{}, taint('node.kubernetes.io/pid-pressure'), 'runs'],
    [{}, taint('node.kubernetes.io/unschedulable'), 'runs'],
    [{}, taint('node.kubernetes.io/network-unavailable'), 'stays'],
    [{ hostNetwork: true }, taint('node.kubernetes.io/network-unavailable'), 'runs'],
  ] as const) {
    const set = daemonSetOf({ template: templateOf('v1', spec as Partial<PodSpec>) });
    const { shouldRun, mayStay } = placementOf(set)(nodeViewOf('n1', node));
    const found = shouldRun ? 'runs' : mayStay ? 'stays' : 'never';
    t.equal(found, wanted, `${JSON.stringify(spec)} on ${JSON.stringify(node)}`);
  }
});

t.test('a pod is pinned to its node, beside what its template prefers', async (t) => {
  const preferred = [{ weight: 1, preference: { matchExpressions: [{ key: 'a', operator: 'Exists' as const }] } }];
  const required = { nodeSelectorTerms: [{ matchExpressions: [{ key: 'b', operator: 'Exists' as const }] }] };
  const podAntiAffinity = {};
  const unreachable = {
    key: 'node.kubernetes.io/unreachable',
    operator: 'Exists' as const,
    effect: 'NoExecute' as const,
  };
  const template = templateOf('v1', {
    tolerations: [{ ...unreachable, tolerationSeconds: 5 }, { key: 'mine' }],
    affinity: {
      podAntiAffinity,
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: preferred,
        requiredDuringSchedulingIgnoredDuringExecution: required,
      },
    },
  });
  const pod = podsOn(daemonSetOf({ template }), 'abc')('n7');
  t.strictSame(pod.spec?.affinity, {
    podAntiAffinity,
    nodeAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: preferred,
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n7'] }] }],
      },
    },
  });
  t.strictSame(pod.spec?.tolerations?.slice(0, 2), [unreachable, { key: 'mine' }], 'tolerated for ever');
  t.equal(pod.spec?.tolerations?.length, 7);
  t.equal(pod.metadata?.labels?.['controller-revision-hash'], 'abc');
  t.equal(podView(pod, new Interner()).pinnedTo, 'n7');
  t.equal(podView({ spec: template.spec }, new Interner()).pinnedTo, '');
});
