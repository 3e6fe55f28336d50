import t from 'tap';
import { parseSchedule } from '../../../api/kinds/batch/cron-schedule.ts';
import { jobOf } from '../../../control-plane/controllers/workloads/cron-job/cron-job.ts';
import { nextTime } from '../../../api/domain/next-time.ts';
import { planCronJob, type CronJobState } from '../../../control-plane/controllers/workloads/cron-job/plan.ts';
import type { CronJob, CronJobSpec, CronJobStatus, Job } from '../../../api/types/batch/v1.gen.ts';

t.test('the next time of a schedule', async (t) => {
  for (const [schedule, zone, after, next] of [
    ['*/15 * * * *', 'UTC', '2026-01-01T00:00:00Z', '2026-01-01T00:15:00Z'],
    ['*/15 * * * *', 'UTC', '2026-01-01T00:14:59Z', '2026-01-01T00:15:00Z'],
    ['30 9 * * mon-fri', 'UTC', '2026-01-02T09:30:00Z', '2026-01-05T09:30:00Z'],
    ['0 0 29 feb *', 'UTC', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00Z'],
    ['@monthly', 'UTC', '2026-01-31T12:00:00Z', '2026-02-01T00:00:00Z'],
    ['@every 90m', 'UTC', '2026-01-01T00:10:00Z', '2026-01-01T01:40:00Z'],
    // Day of the month or of the week, where both are restricted; both, where one is not.
    ['0 0 13 * fri', 'UTC', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'],
    ['0 0 */2 * fri', 'UTC', '2026-01-02T00:00:00Z', '2026-01-03T00:00:00Z'],
    ['0 0 13 * *', 'UTC', '2026-01-01T00:00:00Z', '2026-01-13T00:00:00Z'],
    ['0 12 * * *', 'America/New_York', '2026-01-01T00:00:00Z', '2026-01-01T17:00:00Z'],
    ['0 0 * * *', 'Asia/Kolkata', '2026-01-01T00:00:00Z', '2026-01-01T18:30:00Z'],
    // 02:30 is left out on 29 March, and 02:30 of 25 October comes twice.
    ['30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', '2026-03-30T00:30:00Z'],
    ['30 2 * * *', 'Europe/Berlin', '2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z'],
    // There is no midnight on 27 March 2022 in Beirut.
    ['0 12 * * *', 'Asia/Beirut', '2022-03-26T12:00:00Z', '2022-03-27T09:00:00Z'],
  ] as const) {
    const found = nextTime(parseSchedule(schedule), Date.parse(after), zone);
    t.equal(
      new Date(found ?? NaN).toISOString(),
      new Date(next).toISOString(),
      `${schedule} in ${zone} after ${after}`,
    );
  }
  t.equal(nextTime(parseSchedule('0 0 31 2 *'), 0, 'UTC'), undefined, 'never');
});

const NOON = Date.parse('2026-01-07T12:00:30Z');
const cronJobOf = (spec: Partial<CronJobSpec>, status: CronJobStatus = {}): CronJob => ({
  metadata: { namespace: 'default', name: 'cron', uid: 'cron', creationTimestamp: '2026-01-07T11:59:00Z' },
  spec: { schedule: '* * * * *', jobTemplate: { spec: { template: {} } }, ...spec },
  status,
});
const plan = (spec: Partial<CronJobSpec>, status?: CronJobStatus, more: Partial<CronJobState> = {}) =>
  planCronJob({ cronJob: cronJobOf(spec, status), jobs: [], gone: new Set(), now: NOON, localZone: 'UTC', ...more });
const startOf = ({ start }: ReturnType<typeof plan>) => start && new Date(start.at).toISOString().slice(11, 19);
const reference = (name: string) => ({ kind: 'Job', namespace: 'default', name, uid: `uid-${name}` });
const jobNamed = (name: string, condition?: string, startTime = '2026-01-07T11:00:00Z'): Job => ({
  metadata: { namespace: 'default', name, uid: `uid-${name}` },
  status: { startTime, completionTime: startTime, conditions: condition ? [{ type: condition, status: 'True' }] : [] },
});

t.test('which start is made', async (t) => {
  const last = (lastScheduleTime: string): CronJobStatus => ({ lastScheduleTime });
  const active = { active: [reference('before')] };
  for (const [what, spec, status, start, reason] of [
    ['the latest one', {}, {}, '12:00:00', undefined],
    ['not one that has been made', {}, last('2026-01-07T12:00:00Z'), undefined, undefined],
    [
      'not one that another server has made, whose clock is ahead',
      {},
      last('2026-01-07T12:05:00Z'),
      undefined,
      undefined,
    ],
    ['the latest one when the clock was set back', {}, last('2038-01-19T03:14:00Z'), '12:00:00', undefined],
    ['the latest of several missed ones', {}, last('2026-01-07T11:30:00Z'), '12:00:00', undefined],
    ['with a warning when very many are missed', {}, last('2026-01-01T00:00:00Z'), '12:00:00', 'TooManyMissedTimes'],
    ['none when it is too late', { startingDeadlineSeconds: 20 }, {}, undefined, undefined],
    ['one within the deadline', { startingDeadlineSeconds: 40 }, {}, '12:00:00', undefined],
    ['none when it is suspended', { suspend: true }, {}, undefined, undefined],
    ['one beside others', { concurrencyPolicy: 'Allow' }, active, '12:00:00', undefined],
    ['none beside others', { concurrencyPolicy: 'Forbid' }, active, undefined, 'JobAlreadyActive'],
    ['by its zone', { schedule: '0 17 * * *', timeZone: 'Asia/Karachi' }, {}, '12:00:00', undefined],
    [
      'the last of a day that is over',
      { schedule: '0 10,11 * * fri' },
      last('2026-01-02T10:00:00Z'),
      '11:00:00',
      undefined,
    ],
    ['counted from the last', { schedule: '@every 7m' }, last('2026-01-07T11:30:10Z'), '11:58:10', undefined],
    ['none of a schedule that never comes', { schedule: '0 0 31 2 *' }, {}, undefined, 'InvalidSchedule'],
    ['none in an unknown zone', { timeZone: 'Mars/Olympus' }, {}, undefined, 'UnknownTimeZone'],
  ] as const) {
    const planned = plan(spec, status);
    t.equal(startOf(planned), start, what);
    t.equal(planned.events[0]?.reason, reason, what);
  }
  t.equal(plan({}).againInMs, 30_100, 'the next one is looked for a moment after its time');
  t.equal(plan({}, last('2038-01-19T03:14:00Z')).againInMs, 30_100, 'also when the clock was set back');
  t.strictSame(plan({ concurrencyPolicy: 'Replace' }, active).start?.replaces, [reference('before')]);
});

t.test('finished and missing Jobs are not active any more, and the last success is noted', async (t) => {
  const status = { active: [reference('a'), reference('b'), reference('c')] };
  const jobs = [jobNamed('a', 'Complete'), jobNamed('b'), jobNamed('z')];
  const planned = plan({ suspend: true }, status, { jobs, gone: new Set(['uid-c']) });
  t.strictSame(planned.status.active, [reference('b')]);
  t.equal(planned.status.lastSuccessfulTime, '2026-01-07T11:00:00Z');
  t.strictSame(
    planned.events.map(({ reason }) => reason),
    ['SawCompletedJob', 'UnexpectedJob', 'MissingJob'],
  );
});

t.test('finished Jobs beyond the limits go, oldest first', async (t) => {
  const jobs = [
    jobNamed('new', 'Complete', '2026-01-07T11:00:00Z'),
    jobNamed('old', 'Complete', '2026-01-07T10:00:00Z'),
    jobNamed('failed', 'Failed'),
    jobNamed('running'),
  ];
  const limits = { suspend: true, successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 0 };
  const names = plan(limits, {}, { jobs }).surplus.map(({ metadata }) => metadata?.name);
  t.strictSame(names, ['old', 'failed']);
});

t.test('the Job of a start is named by its minute and says for which time it is', async (t) => {
  const { metadata } = jobOf(cronJobOf({ timeZone: 'Asia/Karachi' }), Date.parse('2026-01-07T12:00:00Z'));
  t.match(metadata, {
    name: 'cron-29463120',
    annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-07T17:00:00+05:00' },
    ownerReferences: [{ apiVersion: 'batch/v1', kind: 'CronJob', controller: true }],
  });
});
