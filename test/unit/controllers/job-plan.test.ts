import t from 'tap';
import { jobPodDetails } from '../../../control-plane/controllers/caches/job-pod.ts';
import { assess } from '../../../control-plane/controllers/workloads/job/assess.ts';
import {
  backoffLeftMs,
  NO_FAILURES,
  recordEnds,
  type Failures,
} from '../../../control-plane/controllers/workloads/job/backoff.ts';
import { IndexSet } from '../../../control-plane/controllers/workloads/job/index-set.ts';
import { podOf, type JobPod } from '../../../control-plane/controllers/workloads/job/job-pods.ts';
import { planPods } from '../../../control-plane/controllers/workloads/job/pod-plan.ts';
import { metSuccessRule } from '../../../control-plane/controllers/workloads/job/policies.ts';
import { settle, track } from '../../../control-plane/controllers/workloads/job/tracking.ts';
import type { Job, JobSpec, JobStatus } from '../../../api/types/batch/v1.gen.ts';
import { jobPodOf } from './job-pod-view.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const jobOf = (spec: Partial<JobSpec>, status: JobStatus = {}): Job => ({
  metadata: { namespace: 'default', name: 'job', uid: 'job' },
  spec: { template: { spec: { restartPolicy: 'Never', containers: [] } }, parallelism: 1, backoffLimit: 6, ...spec },
  status,
});
const look = (job: Job, pods: JobPod[], failures: Failures = NO_FAILURES) => assess({ job, pods, failures, now: NOW });
const plan = (spec: Partial<JobSpec>, pods: JobPod[], status?: JobStatus, failures?: Failures) =>
  planPods(look(jobOf(spec, status), pods, failures), true);
const names = (pods: readonly JobPod[]): string[] => pods.map(({ name }) => name);
const at = (index: number, phase = 'Running', more: Partial<JobPod> = {}, details = {}): JobPod =>
  jobPodOf(`p${index}-${phase}`, { phase, ...more }, { index, ...details });
const indexed = { completionMode: 'Indexed', completions: 4, parallelism: 4 } as const;

t.test('sets of indexes are read, joined and written as intervals', async (t) => {
  for (const [text, completions, size, written] of [
    ['', 10, 0, ''],
    ['1,3-5,7', 10, 5, '1,3-5,7'],
    ['0-1,2', 10, 3, '0-2'],
    ['0,1', 10, 2, '0,1'],
    ['1-9', 4, 3, '1-3'],
    ['5', 4, 0, ''],
    ['x,2-1,-,1-2-3,3', 10, 1, '3'],
  ] as const) {
    const set = IndexSet.parse(text, completions);
    t.strictSame([set.size, String(set)], [size, written], text);
  }
  const set = IndexSet.parse('1,3-5', 10);
  t.strictSame(
    [0, 1, 2, 3, 5, 6].filter((index) => set.has(index)),
    [1, 3, 5],
  );
  t.equal(String(set.union(IndexSet.of([2, 9, 0]))), '0-5,9');
  t.strictSame(set.missing(3, 10), [0, 2, 6]);
  t.strictSame(set.missing(9, 3), [0, 2]);
  t.equal(IndexSet.parse('0-6', 10).common(IndexSet.parse('1,3-4,6-9', 10)), 4);
});

t.test('how many pods a Job wants', async (t) => {
  const done = jobPodOf('done', { phase: 'Succeeded' });
  const running = jobPodOf('running');
  for (const [what, spec, pods, creates, removes] of [
    ['as many as may run at a time', { completions: 5, parallelism: 2 }, [], 2, []],
    ['no more than are left', { completions: 2, parallelism: 2 }, [done], 1, []],
    ['without completions, all at once', { parallelism: 3 }, [], 3, []],
    ['without completions, none once one has succeeded', { parallelism: 3 }, [done], 0, []],
    ['none when it is suspended', { completions: 2, parallelism: 2, suspend: true }, [running], 0, ['running']],
    ['fewer when it is scaled down', { completions: 5, parallelism: 0 }, [running], 0, ['running']],
  ] as const) {
    const { create, surplus } = plan(spec, [...pods]);
    t.strictSame([create.length, names(surplus)], [creates, removes], what);
  }
  t.equal(plan({ parallelism: 900 }, []).create.length, 500, 'at most so many at once');
  const lagging = planPods(look(jobOf({ parallelism: 2 }), []), false);
  t.equal(lagging.create.length, 0, 'none while the cache lacks some');
});

t.test('a terminating pod is replaced at once, or when it has failed: podReplacementPolicy', async (t) => {
  const leaving = jobPodOf('leaving', { deleting: true }, { endedAt: NOW - 1000 });
  t.equal(plan({ completions: 1 }, [leaving]).create.length, 0, 'after the back-off of the failure');
  t.equal(look(jobOf({ completions: 1 }), [leaving]).failuresNow.count, 1);
  t.equal(plan({ completions: 1, podReplacementPolicy: 'Failed' }, [leaving]).create.length, 0);
  t.equal(look(jobOf({ completions: 1, podReplacementPolicy: 'Failed' }), [leaving]).failuresNow.count, 0);
});

t.test('an indexed Job fills its first gaps, and drops pods that are of no use', async (t) => {
  t.strictSame(plan({ ...indexed, completions: 6 }, [at(1), at(3, 'Succeeded')], { completedIndexes: '0' }).create, [
    { index: 2 },
    { index: 4 },
    { index: 5 },
  ]);
  const twice = [at(0, 'Running', { name: 'better' }), at(0, 'Pending', { name: 'second', ready: false }), at(9)];
  const odd = jobPodOf('odd');
  t.strictSame(names(plan(indexed, [...twice, odd]).surplus).sort(), ['odd', 'p9-Running', 'second']);
});

t.test('a Job is over for these reasons', async (t) => {
  const failed = (count: number) => Array.from({ length: count }, (_, i) => jobPodOf(`f${i}`, { phase: 'Failed' }));
  const exits = (exitCode: number) =>
    jobPodOf('x', { phase: 'Failed' }, { failedContainers: [{ name: 'c', exitCode }] });
  const policy = (action: 'FailJob' | 'Ignore'): Partial<JobSpec> => ({
    backoffLimit: 0,
    podFailurePolicy: { rules: [{ action, onExitCodes: { operator: 'In', values: [42] } }] },
  });
  const disrupted = jobPodOf('d', { phase: 'Failed' }, { conditions: [{ type: 'DisruptionTarget', status: 'True' }] });
  const ignored: Partial<JobSpec> = {
    backoffLimit: 0,
    podFailurePolicy: {
      rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
    },
  };
  const restarting: Partial<JobSpec> = {
    template: { spec: { restartPolicy: 'OnFailure', containers: [] } },
    backoffLimit: 3,
  };
  const perIndex = { ...indexed, completions: 2, backoffLimitPerIndex: 1, backoffLimit: 2 ** 31 - 1 };
  const gone = at(1, 'Failed', {}, { earlierFailures: 1 });
  const started = { startTime: '2025-12-31T23:59:00Z' };
  const target = { type: 'FailureTarget', status: 'True', reason: 'Old', message: 'before' };
  for (const [reason, spec, pods, status] of [
    [undefined, { backoffLimit: 1 }, failed(1), {}],
    ['BackoffLimitExceeded', { backoffLimit: 1 }, failed(2), {}],
    ['BackoffLimitExceeded', { backoffLimit: 1 }, failed(1), { failed: 1 }],
    ['BackoffLimitExceeded', restarting, [jobPodOf('r', {}, { totalRestarts: 3 })], {}],
    [undefined, restarting, [jobPodOf('r', {}, { totalRestarts: 2 })], {}],
    ['PodFailurePolicy', policy('FailJob'), [exits(42)], {}],
    ['BackoffLimitExceeded', policy('FailJob'), [exits(1)], {}],
    [undefined, policy('Ignore'), [exits(42)], {}],
    [undefined, ignored, [disrupted], {}],
    ['DeadlineExceeded', { activeDeadlineSeconds: 60 }, [], started],
    [undefined, { activeDeadlineSeconds: 61 }, [], started],
    [undefined, { activeDeadlineSeconds: 60, suspend: true }, [], started],
    [undefined, perIndex, [at(1, 'Failed')], {}],
    [undefined, perIndex, [gone], {}],
    ['FailedIndexes', perIndex, [gone, at(0, 'Succeeded')], {}],
    ['MaxFailedIndexesExceeded', { ...perIndex, completions: 9, maxFailedIndexes: 0 }, [gone], {}],
    [
      'SuccessPolicy',
      { ...indexed, successPolicy: { rules: [{ succeededIndexes: '1-2', succeededCount: 1 }] } },
      [at(2, 'Succeeded')],
      {},
    ],
    ['Old', {}, failed(0), { conditions: [target] }],
  ] as const) {
    const { end } = look(jobOf(spec as Partial<JobSpec>, status as JobStatus), [...pods]);
    t.equal(end?.reason, reason, `${reason ?? 'not over'}: ${JSON.stringify(spec)}`);
  }
  const { end } = look(jobOf(policy('FailJob')), [exits(42)]);
  t.equal(end?.message, 'Container c for pod default/x failed with exit code 42 matching FailJob rule at index 0');
});

t.test('success policies', async (t) => {
  for (const [rule, succeeded, met] of [
    [{ succeededIndexes: '1-2' }, '1', undefined],
    [{ succeededIndexes: '1-2' }, '0-2', 0],
    [{ succeededIndexes: '1-2', succeededCount: 1 }, '2', 0],
    [{ succeededCount: 2 }, '0', undefined],
    [{ succeededCount: 2 }, '0,3', 0],
    [{ succeededIndexes: '7' }, '0', undefined],
  ] as const) {
    t.equal(metSuccessRule({ rules: [rule] }, IndexSet.parse(succeeded, 4), 4), met, JSON.stringify(rule));
  }
});

t.test('the back-off doubles with each failure since the last success, up to ten minutes', async (t) => {
  const ended = (endedAt: number) => jobPodOf('p', {}, { endedAt });
  for (const [count, waitMs] of [
    [0, 0],
    [1, 10_000],
    [3, 40_000],
    [7, 600_000],
    [5000, 600_000],
  ] as const) {
    t.equal(backoffLeftMs({ count, lastAt: NOW }, NOW), waitMs, `${count} failures`);
  }
  t.equal(backoffLeftMs({ count: 1, lastAt: NOW - 20_000 }, NOW), 0);
  const before = { count: 2, lastAt: 5 };
  t.strictSame(recordEnds(before, [], []), before);
  t.strictSame(recordEnds(before, [], [ended(9), ended(7)]), { count: 4, lastAt: 9 });
  t.strictSame(recordEnds(before, [ended(8)], [ended(7)]), NO_FAILURES);
  t.strictSame(recordEnds(before, [ended(8)], [ended(7), ended(9)]), { count: 1, lastAt: 9 });
  const failures = { count: 1, lastAt: NOW - 4000 };
  t.match(plan({ completions: 2 }, [], {}, failures), { create: [], backoffMs: 6000 });
});

t.test('an index that fails takes its count along to its next pod, for which the failed one stays', async (t) => {
  const spec = { ...indexed, completions: 2, parallelism: 2, backoffLimitPerIndex: 3, backoffLimit: 2 ** 31 - 1 };
  const failed = at(0, 'Failed', {}, { earlierFailures: 1, endedAt: NOW - 60_000 });
  const assessment = look(jobOf(spec), [failed, at(1)]);
  t.strictSame(planPods(assessment, true).create, [{ index: 0, failures: { counted: 2, ignored: 0 } }]);
  const after = { active: 2, ready: 0, terminating: 0, isSettled: true, isManaged: true };
  t.strictSame(names(track(assessment, after).release), []);
  t.strictSame(names(track(look(jobOf(spec), [failed, at(0), at(1)]), after).release), ['p0-Failed']);
  const waiting = at(0, 'Failed', {}, { earlierFailures: 0, endedAt: NOW - 4000 });
  t.match(plan(spec, [waiting, at(1)]), { create: [], backoffMs: 6000 });
});

t.test('what has ended is noted, released and counted, in this order', async (t) => {
  const spec = { completions: 2, parallelism: 2, backoffLimit: 3 };
  const pods = [jobPodOf('good', { phase: 'Succeeded' }), jobPodOf('bad', { phase: 'Failed' }), jobPodOf('busy')];
  const after = { active: 1, ready: 1, terminating: 0, isSettled: true, isManaged: true };
  const assessment = look(jobOf(spec), pods);
  const tracking = track(assessment, after);
  t.match(tracking.status, {
    ...{ active: 1, ready: 1, succeeded: 0, failed: 0 },
    uncountedTerminatedPods: { succeeded: ['uid-good'], failed: ['uid-bad'] },
  });
  t.strictSame(names(tracking.release), ['good', 'bad']);
  const none = settle(assessment, tracking, tracking.status, tracking.held).status;
  t.match(none, { succeeded: 0, failed: 0 }, 'not before the finalizer is gone');
  const one = settle(assessment, tracking, tracking.status, new Set(['uid-bad'])).status;
  t.match(one, { succeeded: 1, failed: 0, uncountedTerminatedPods: { failed: ['uid-bad'] } });
  const released = pods.map((pod) => (pod.name === 'busy' ? pod : { ...pod, finalizers: [] }));
  const again = track(look(jobOf(spec, tracking.status), released), after);
  t.match(again.status, { succeeded: 1, failed: 1, uncountedTerminatedPods: {} }, 'after a crash in between');
  t.strictSame(again.release, []);
});

t.test('a Job is finished when its pods are counted and none is terminating', async (t) => {
  const job = jobOf({ completions: 1 });
  const assessment = look(job, [jobPodOf('good', { phase: 'Succeeded' })]);
  const after = { active: 0, ready: 0, terminating: 0, isSettled: true, isManaged: true };
  const types = ({ conditions = [] }: JobStatus) => conditions.map(({ type }) => type);
  const tracking = track(assessment, after);
  t.strictSame(types(tracking.status), ['SuccessCriteriaMet']);
  t.equal(settle(assessment, tracking, tracking.status, tracking.held).isFinished, false);
  const finished = settle(assessment, tracking, tracking.status, new Set());
  t.match(finished, {
    isFinished: true,
    status: { completionTime: '2026-01-01T00:00:00Z' },
    events: [{ reason: 'Completed' }],
  });
  t.strictSame(types(finished.status), ['SuccessCriteriaMet', 'Complete']);
  const leaving = track(assessment, { ...after, terminating: 1 });
  t.equal(settle(assessment, leaving, leaving.status, new Set()).isFinished, false);
});

t.test('the status notes at most 500 pods at a time', async (t) => {
  const pods = Array.from({ length: 700 }, (_, index) => jobPodOf(`p${index}`, { phase: 'Succeeded' }));
  const after = { active: 0, ready: 0, terminating: 0, isSettled: true, isManaged: true };
  const assessment = look(jobOf({ completions: 700, parallelism: 700 }), pods);
  const tracking = track(assessment, after);
  t.equal(tracking.status.uncountedTerminatedPods?.succeeded?.length, 500);
  t.equal(tracking.release.length, 500);
  t.equal(settle(assessment, tracking, tracking.status, new Set()).isFinished, false);
});

t.test('pods of an indexed Job are named, labelled and told by their index', async (t) => {
  const job = jobOf({
    ...indexed,
    template: {
      spec: { containers: [{ name: 'c' }, { name: 'd', env: [{ name: 'JOB_COMPLETION_INDEX', value: 'x' }] }] },
    },
  });
  const pod = podOf(job, { index: 3, failures: { counted: 1, ignored: 0 } });
  t.match(pod.metadata, {
    generateName: 'job-3-',
    labels: { 'batch.kubernetes.io/job-completion-index': '3' },
    annotations: {
      'batch.kubernetes.io/job-completion-index': '3',
      'batch.kubernetes.io/job-index-failure-count': '1',
    },
    finalizers: ['batch.kubernetes.io/job-tracking'],
  });
  t.equal(pod.spec?.hostname, 'job-3');
  t.match(pod.spec?.containers, [{ env: [{ valueFrom: { fieldRef: {} } }] }, { env: [{ value: 'x' }] }]);
  const long = { ...job, metadata: { ...job.metadata, name: 'n'.repeat(63) } };
  t.equal(podOf(long, { index: 12 }).metadata?.generateName?.length, 58);
});

t.test('annotations that users have changed are as good as absent', async (t) => {
  for (const [text, index] of [
    ['3', 3],
    ['-1', undefined],
    ['x', undefined],
    ['1e3', undefined],
    ['9'.repeat(30), undefined],
  ] as const) {
    const annotations = { 'batch.kubernetes.io/job-completion-index': text };
    t.equal(jobPodDetails({ metadata: { annotations } }, [])?.index, index, text);
  }
});
