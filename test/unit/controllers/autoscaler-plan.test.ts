/** What an autoscaler decides: how many replicas metrics ask for, and what behaviors and bounds make of it. */
import t from 'tap';
import type { HPAScalingRules, HorizontalPodAutoscalerSpec } from '../../../api/types/autoscaling/v2.gen.ts';
import {
  firstHistory,
  normalize,
  withScaleEvent,
  type ScalingHistory,
} from '../../../control-plane/controllers/autoscaling/horizontal-pod-autoscaler/behavior.ts';
import {
  decideByBounds,
  decideByMetrics,
  statusOf,
  withChanges,
  type MetricOutcome,
} from '../../../control-plane/controllers/autoscaling/horizontal-pod-autoscaler/plan.ts';
import {
  averageCount,
  MetricError,
  sharedCount,
  utilizationCount,
  valueCount,
  type PodValues,
  type Scaled,
} from '../../../control-plane/controllers/autoscaling/horizontal-pod-autoscaler/replica-count.ts';
import { podRequestsOf } from '../../../control-plane/controllers/caches/pod-requests.ts';
import type { PodView } from '../../../control-plane/controllers/caches/pod-view.ts';
import { podViewOf } from './pod-view.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const MINUTE = 60_000;
const SECOND = 1000;

/** A pod of an hour, ready all the time, that requests a core. */
const pod = (name: string, more: Partial<PodView> = {}): PodView =>
  podViewOf(name, {
    ...{ startedAt: NOW - 60 * MINUTE, readyChangedAt: NOW - 59 * MINUTE },
    requests: { containers: [{ name: 'c', requests: { cpu: 1000, memory: 1_000_000 } }] },
    ...more,
  });
const DELETING = { deleting: true };
const FAILED = { phase: 'Failed' };
const PENDING = { phase: 'Pending' };
/** Started a minute ago, and unready. */
const STARTING = { startedAt: NOW - MINUTE, ready: false, readyStatus: 'False', readyChangedAt: NOW - MINUTE };
/** Ready for ten seconds: shorter than the window of its metric. */
const JUST_READY = { startedAt: NOW - MINUTE, readyChangedAt: NOW - 10 * SECOND };
const WAS_READY = { ready: false, readyStatus: 'False', readyChangedAt: NOW - MINUTE };
const NEVER_READY = { ready: false, readyStatus: 'False', readyChangedAt: NOW - 60 * MINUTE };

/** Pods of p0 on; a number is the usage of one in thousandths, undefined: no metric. */
type Row = readonly (readonly [usage: number | undefined, more?: Partial<PodView>])[];
const podsOf = (row: Row): PodView[] => row.map(([, more], index) => pod(`p${index}`, more));
const valuesOf = (row: Row): PodValues =>
  new Map(
    row.flatMap(([value], index) =>
      value === undefined ? [] : [[`p${index}`, { value, atMs: NOW - 5 * SECOND, windowMs: 15 * SECOND }] as const],
    ),
  );
const scaledOf = (row: Row, more: Partial<Scaled> = {}): Scaled => ({
  ...{ pods: podsOf(row), specReplicas: row.length, statusReplicas: row.length, now: NOW },
  tolerances: { up: 0.1, down: 0.1 },
  ...more,
});

t.test('utilization asks for replicas', (t) => {
  const rows: readonly (readonly [what: string, target: number, row: Row, replicas: number, utilization: number])[] = [
    ['twice the target', 50, [[1000], [1000]], 4, 100],
    ['half of it', 50, [[250], [250], [250], [250]], 2, 25],
    ['within the tolerance above', 50, [[549], [549]], 2, 54],
    ['above the tolerance', 50, [[560], [560]], 3, 56],
    ['within the tolerance below', 50, [[450], [450]], 2, 45],
    ['below the tolerance', 50, [[440], [440], [440], [440], [440], [440], [440], [440]], 8, 44],
    ['below it, with enough of them', 50, Array.from({ length: 10 }, () => [440] as const), 9, 44],
    ['nothing', 50, [[0], [0]], 0, 0],
    ['one that is missing counts as idle when there are too few', 50, [[1000], [undefined]], 2, 100],
    ['and even as idle there are too few', 50, [[2000], [2000], [undefined]], 8, 200],
    ['one that is missing counts as busy when there are too many', 50, [[100], [100], [undefined]], 3, 10],
    ['as busy as the target where that is higher', 200, [[100], [100], [100], [100], [undefined]], 2, 10],
    ['a pending one counts as idle when there are too few', 50, [[1000], [1000], [undefined, PENDING]], 4, 100],
    ['and not at all when there are too many', 50, [[100], [100], [undefined, PENDING]], 1, 10],
    ['one that starts is not believed', 50, [[500], [4000, STARTING]], 2, 50],
    ['one that has just become ready is not, either', 50, [[500], [4000, JUST_READY]], 2, 50],
    ['one that has never been ready is not', 50, [[500], [4000, NEVER_READY]], 2, 50],
    ['one that has been ready is', 50, [[500], [1500, WAS_READY]], 4, 100],
    ['those that go are left out', 50, [[1000], [1000], [9000, DELETING], [9000, FAILED]], 4, 100],
    ['unready ones do not turn scaling around', 100, [[1200], [9000, STARTING], [9000, STARTING]], 3, 120],
  ];
  for (const [what, percent, row, replicas, utilization] of rows) {
    const target = { resource: 'cpu', container: '', percent };
    t.match(utilizationCount(valuesOf(row), target, scaledOf(row)), { replicas, utilization }, what);
  }
  t.end();
});

t.test('what makes utilization useless is told', (t) => {
  const cpu = { resource: 'cpu', container: '', percent: 50 };
  const said = (row: Row, target = cpu, values = valuesOf(row)): string => {
    try {
      return String(utilizationCount(values, target, scaledOf(row)).replicas);
    } catch (error) {
      if (error instanceof MetricError) return error.message;
      throw error;
    }
  };
  const none = { requests: { containers: [{ name: 'c', requests: {} }] } };
  const two = podRequestsOf({
    containers: [
      { name: 'a', resources: { requests: { cpu: '100m' } } },
      { name: 'b', resources: { requests: { cpu: '300m' } } },
    ],
    initContainers: [
      { name: 'once', resources: { requests: { cpu: '5' } } },
      { name: 'beside', restartPolicy: 'Always', resources: { requests: { cpu: '600m' } } },
    ],
  });
  const whole = podRequestsOf({
    resources: { requests: { cpu: '2' } },
    containers: [{ name: 'a', resources: { requests: { cpu: '100m' } } }],
  });
  t.equal(said([]), 'no pods returned by selector while calculating replica count');
  t.equal(said([[undefined]]), 'did not receive metrics for targeted pods (pods might be unready)');
  t.equal(said([[500, STARTING]]), 'did not receive metrics for targeted pods (pods might be unready)');
  t.equal(said([[500, none]]), 'missing request for cpu in container c of Pod p0');
  t.equal(said([[500]], { ...cpu, container: 'x' }), 'container x not found in Pod p0');
  t.equal(said([[1000, { requests: two }]]), '2', 'sidecars count, and other init containers do not');
  t.equal(said([[300, { requests: two }]], { ...cpu, container: 'b' }), '2', 'or one container');
  t.equal(said([[2000, { requests: whole }]]), '2', 'requests of the pod as a whole');
  t.equal(said([[100, { requests: whole }]], { ...cpu, container: 'a' }), '2');
  const others = new Map([['other', { value: 1, atMs: NOW, windowMs: 1 }]]);
  t.equal(said([[1]], cpu, others), 'no metrics returned matched known pods');
  t.end();
});

t.test('averages and single values ask for replicas', (t) => {
  const averages: readonly (readonly [what: string, row: Row, replicas: number, average: number])[] = [
    ['twice the target', [[20_000], [20_000]], 4, 20_000],
    ['within the tolerance', [[10_900]], 1, 10_900],
    ['one that is missing is at the target when there are too many', [[1_000], [1_000], [undefined]], 2, 1_000],
    ['and idle when there are too few', [[30_000], [30_000], [undefined]], 6, 30_000],
    ['readiness is for CPU', [[20_000], [20_000, STARTING]], 4, 20_000],
  ];
  for (const [what, row, replicas, average] of averages)
    t.match(averageCount(valuesOf(row), 10_000, '', scaledOf(row)), { replicas, average }, what);
  const three: Row = [[1], [1], [1, { ready: false }]];
  t.equal(valueCount(30_000, 10_000, scaledOf(three)), 6, 'the ready ones count');
  t.equal(valueCount(10_900, 10_000, scaledOf(three)), 3);
  t.equal(valueCount(25_000, 10_000, scaledOf([], { specReplicas: 0 })), 3);
  t.equal(valueCount(Number.MAX_SAFE_INTEGER, 1, scaledOf(three)), 2_147_483_647);
  t.throws(() => valueCount(30_000, 10_000, scaledOf([], { specReplicas: 1 })), /unable to calculate ready pods/);
  t.strictSame(sharedCount(45_000, 10_000, scaledOf(three)), { replicas: 5, average: 15_000 });
  t.strictSame(sharedCount(31_000, 10_000, scaledOf(three)), { replicas: 3, average: 10_334 });
  const loose = { tolerances: { up: 1, down: 0.1 } };
  t.equal(sharedCount(55_000, 10_000, scaledOf(three, loose)).replicas, 3, 'the tolerance of scaling up');
  t.equal(sharedCount(20_000, 10_000, scaledOf(three, loose)).replicas, 2, 'is not that of scaling down');
  t.end();
});

const bounds = (more: Partial<HorizontalPodAutoscalerSpec> = {}): HorizontalPodAutoscalerSpec => ({
  ...{ scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' }, minReplicas: 1, maxReplicas: 100 },
  ...more,
});
const pods = (value: number, periodSeconds = 60) => ({ type: 'Pods', value, periodSeconds });
const percent = (value: number, periodSeconds = 60) => ({ type: 'Percent', value, periodSeconds });
const behavior = (scaleUp: HPAScalingRules = {}, scaleDown: HPAScalingRules = {}) => ({
  scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: [pods(4), percent(100)], ...scaleUp },
  scaleDown: { selectPolicy: 'Max', policies: [percent(100)], ...scaleDown },
});
/** Recommendations, and scalings, by how many seconds ago they were. */
const past = (
  recommendations: readonly (readonly [replicas: number, secondsAgo: number])[],
  [ups, downs]: readonly (readonly (readonly [change: number, secondsAgo: number])[])[] = [],
): ScalingHistory => ({
  recommendations: recommendations.map(([replicas, ago]) => ({ replicas, atMs: NOW - ago * SECOND })),
  ups: (ups ?? []).map(([change, ago]) => ({ change, atMs: NOW - ago * SECOND })),
  downs: (downs ?? []).map(([change, ago]) => ({ change, atMs: NOW - ago * SECOND })),
});

t.test('a proposal is stabilized, and kept in its bounds and rates', (t) => {
  type Case = readonly [
    what: string,
    input: { spec?: Partial<HorizontalPodAutoscalerSpec>; history?: ScalingHistory; current: number; proposed: number },
    replicas: number,
    able: string,
    limit: string,
  ];
  const [ready, within] = ['ReadyForNewScale', 'DesiredWithinRange'];
  const rows: readonly Case[] = [
    ['up at once', { current: 3, proposed: 5 }, 5, ready, within],
    ['twice as many at most', { current: 3, proposed: 9 }, 6, ready, 'ScaleUpLimit'],
    ['but four in any case', { current: 1, proposed: 9 }, 4, ready, 'ScaleUpLimit'],
    ['up to the maximum', { current: 3, proposed: 9, spec: { maxReplicas: 5 } }, 5, ready, 'TooManyReplicas'],
    ['down to the minimum', { current: 3, proposed: 0, spec: { minReplicas: 2 } }, 2, ready, 'TooFewReplicas'],
    [
      'down when nothing more was wanted lately',
      { current: 5, proposed: 2, history: past([[9, 301]]) },
      2,
      ready,
      within,
    ],
    ['not when more was', { current: 5, proposed: 2, history: past([[4, 299]]) }, 4, 'ScaleDownStabilized', within],

    [
      'by a behavior: a window for up',
      {
        current: 2,
        proposed: 8,
        history: past([[3, 50]]),
        spec: { behavior: behavior({ stabilizationWindowSeconds: 60 }) },
      },
      3,
      'ScaleUpStabilized',
      within,
    ],
    [
      'and one for down',
      {
        current: 8,
        proposed: 2,
        history: past([[6, 50]]),
        spec: { behavior: behavior({}, { stabilizationWindowSeconds: 60 }) },
      },
      6,
      'ScaleDownStabilized',
      within,
    ],
    [
      'whose default is five minutes',
      { current: 8, proposed: 2, history: past([[6, 299]]), spec: { behavior: behavior() } },
      6,
      'ScaleDownStabilized',
      within,
    ],
    [
      'the larger of two policies',
      { current: 10, proposed: 99, spec: { behavior: behavior() } },
      20,
      ready,
      'ScaleUpLimit',
    ],
    [
      'the smaller',
      { current: 10, proposed: 99, spec: { behavior: behavior({ selectPolicy: 'Min' }) } },
      14,
      ready,
      'ScaleUpLimit',
    ],
    [
      'none',
      { current: 10, proposed: 99, spec: { behavior: behavior({ selectPolicy: 'Disabled' }) } },
      10,
      ready,
      'ScaleUpLimit',
    ],
    [
      'ten percent of one are one',
      { current: 1, proposed: 9, spec: { behavior: behavior({ policies: [percent(10)] }) } },
      2,
      ready,
      'ScaleUpLimit',
    ],
    [
      'what was added in the period counts',
      {
        current: 10,
        proposed: 99,
        history: past([], [[[3, 30]], []]),
        spec: { behavior: behavior({ policies: [pods(4)] }) },
      },
      11,
      ready,
      'ScaleUpLimit',
    ],
    [
      'what was added before does not',
      {
        current: 10,
        proposed: 99,
        history: past([], [[[3, 61]], []]),
        spec: { behavior: behavior({ policies: [pods(4)] }) },
      },
      14,
      ready,
      'ScaleUpLimit',
    ],
    [
      'what was removed may come back',
      {
        current: 10,
        proposed: 99,
        history: past([], [[], [[3, 30]]]),
        spec: { behavior: behavior({ policies: [pods(4)] }) },
      },
      17,
      ready,
      'ScaleUpLimit',
    ],
    [
      'never up to fewer than there are',
      {
        current: 10,
        proposed: 99,
        history: past([], [[[9, 30]], []]),
        spec: { behavior: behavior({ policies: [pods(4)] }) },
      },
      10,
      ready,
      'ScaleUpLimit',
    ],
    [
      'one down at a time',
      { current: 10, proposed: 2, spec: { behavior: behavior({}, { policies: [pods(1)] }) } },
      9,
      ready,
      'ScaleDownLimit',
    ],
    [
      'the smaller of two steps down',
      {
        current: 10,
        proposed: 2,
        spec: { behavior: behavior({}, { selectPolicy: 'Min', policies: [pods(1), percent(50)] }) },
      },
      9,
      ready,
      'ScaleDownLimit',
    ],
    [
      'the larger of two',
      { current: 10, proposed: 2, spec: { behavior: behavior({}, { policies: [pods(1), percent(50)] }) } },
      5,
      ready,
      'ScaleDownLimit',
    ],
    [
      'not down at all',
      { current: 10, proposed: 2, spec: { behavior: behavior({}, { selectPolicy: 'Disabled' }) } },
      10,
      ready,
      'ScaleDownLimit',
    ],
    ['not below the minimum', { current: 10, proposed: 0, spec: { behavior: behavior() } }, 1, ready, 'TooFewReplicas'],
    ['as it is', { current: 10, proposed: 10, spec: { behavior: behavior() } }, 10, ready, within],
  ];
  for (const [what, { spec, history = past([]), current, proposed }, replicas, able, limit] of rows) {
    const made = bounds(spec);
    const found = normalize({ spec: made, minReplicas: made.minReplicas ?? 1, current, proposed, history, now: NOW });
    t.match(found, { replicas, ableToScale: { reason: able }, limit: { reason: limit } }, what);
    t.equal(found.isLimited, limit !== within, what);
  }
  t.end();
});

t.test('a history forgets what nothing needs', (t) => {
  const spec = bounds({ behavior: behavior({ policies: [pods(4, 30)] }, { stabilizationWindowSeconds: 60 }) });
  const history = past(
    [
      [1, 100],
      [2, 50],
    ],
    [
      [
        [1, 100],
        [2, 20],
      ],
      [],
    ],
  );
  const { recommendations } = normalize({
    ...{ spec, minReplicas: 1, current: 3, proposed: 3, history, now: NOW },
  }).history;
  t.strictSame(
    recommendations.map(({ replicas }) => replicas),
    [2, 3],
  );
  const up = withScaleEvent(history, spec.behavior, { from: 3, to: 7, now: NOW });
  t.strictSame(
    up.ups.map(({ change }) => change),
    [2, 4],
  );
  t.strictSame(withScaleEvent(history, spec.behavior, { from: 7, to: 3, now: NOW }).downs, [{ change: 4, atMs: NOW }]);
  t.equal(withScaleEvent(history, undefined, { from: 3, to: 7, now: NOW }), history);
  t.end();
});

const proposal = (replicas: number, name = 'cpu resource'): MetricOutcome => ({
  ...{ replicas, name, status: { type: 'Resource' } },
});
const failure: MetricOutcome = {
  failure: { reason: 'FailedGetResourceMetric', message: 'the HPA was unable to compute the replica count: no' },
  ...{ event: 'no', summary: 'failed to get cpu resource metric value: no' },
};

t.test('the largest proposal decides, and a metric that fails prevents scaling down', (t) => {
  type Case = readonly [what: string, current: number, outcomes: MetricOutcome[], wanted: object];
  const invalid = (of: string) =>
    `invalid metrics (${of}), first error is: failed to get cpu resource metric value: no`;
  const rows: readonly Case[] = [
    ['one', 2, [proposal(4)], { desired: 4, rescaleReason: 'cpu resource above target', error: undefined }],
    ['the larger', 2, [proposal(3, 'a'), proposal(4, 'b')], { desired: 4, rescaleReason: 'b above target' }],
    ['down', 4, [proposal(2), proposal(3)], { desired: 3, rescaleReason: 'All metrics below target' }],
    ['no change', 4, [proposal(4)], { desired: 4, rescaleReason: undefined, error: undefined }],
    [
      'nothing wanted',
      4,
      [proposal(0, 'a'), proposal(0, 'b')],
      { desired: 1, rescaleReason: 'All metrics below target' },
    ],
    ['one fails, and up', 2, [failure, proposal(4)], { desired: 4, error: undefined }],
    ['one fails, and down', 4, [failure, proposal(2)], { desired: 4, error: invalid('1 invalid out of 2') }],
    ['all fail', 4, [failure], { desired: 4, error: invalid('1 invalid out of 1') }],
  ];
  for (const [what, current, outcomes, wanted] of rows) {
    const input = { spec: bounds(), current, history: past([]) };
    t.match(decideByMetrics(input, outcomes, NOW), wanted, what);
  }
  const { conditions, metrics } = decideByMetrics({ spec: bounds(), current: 4, history: past([]) }, [failure], NOW);
  t.strictSame(conditions, [
    ['ScalingActive', 'False', 'FailedGetResourceMetric', 'the HPA was unable to compute the replica count: no'],
  ]);
  t.strictSame(metrics, [{ type: '' }]);
  const up = decideByMetrics({ spec: bounds(), current: 1, history: past([]) }, [proposal(9)], NOW);
  t.strictSame(up.conditions, [
    [
      'ScalingActive',
      'True',
      'ValidMetricFound',
      'the HPA was able to successfully calculate a replica count from cpu resource',
    ],
    ['AbleToScale', 'True', 'ReadyForNewScale', 'recommended size matches current size'],
    [
      'ScalingLimited',
      'True',
      'ScaleUpLimit',
      'the desired replica count is increasing faster than the maximum scale rate',
    ],
  ]);
  t.end();
});

t.test('bounds need no metrics', (t) => {
  const decide = (current: number) =>
    decideByBounds({ spec: bounds({ minReplicas: 2, maxReplicas: 5 }), current, history: firstHistory(current, NOW) });
  t.match(decide(0), {
    desired: 0,
    rescaleReason: undefined,
    conditions: [['ScalingActive', 'False', 'ScalingDisabled']],
  });
  t.match(decide(1), { desired: 2, rescaleReason: 'Current number of replicas below Spec.MinReplicas' });
  t.match(decide(6), { desired: 5, rescaleReason: 'Current number of replicas above Spec.MaxReplicas' });
  t.equal(decide(2), undefined);
  t.equal(decide(5), undefined);
  t.end();
});

t.test('the status keeps the times of what has not changed', (t) => {
  const before = withChanges(undefined, [['AbleToScale', 'True', 'A', 'a']], NOW - MINUTE);
  const after = withChanges(
    before,
    [
      ['AbleToScale', 'True', 'B', 'b'],
      ['ScalingActive', 'True', 'C', 'c'],
    ],
    NOW,
  );
  t.match(after, [
    { type: 'AbleToScale', reason: 'B', message: 'b', lastTransitionTime: '2026-01-01T11:59:00Z' },
    { type: 'ScalingActive', lastTransitionTime: '2026-01-01T12:00:00Z' },
  ]);
  const scaled = statusOf({
    ...{ before: undefined, changes: [], now: NOW },
    scale: { current: 1, desired: 3, metrics: [], isRescaled: true },
  });
  t.match(scaled, { currentReplicas: 1, desiredReplicas: 3, lastScaleTime: '2026-01-01T12:00:00Z' });
  const lost = statusOf({ before: scaled, changes: [], now: NOW + MINUTE });
  t.match(lost, { currentReplicas: 1, desiredReplicas: 3, lastScaleTime: '2026-01-01T12:00:00Z' });
  const failed = statusOf({
    ...{ before: scaled, changes: [], now: NOW + MINUTE },
    scale: { current: 3, desired: undefined, metrics: [], isRescaled: false },
  });
  t.match(failed, { currentReplicas: 3, desiredReplicas: 3, lastScaleTime: '2026-01-01T12:00:00Z' });
  t.end();
});
