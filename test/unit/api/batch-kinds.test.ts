/** Jobs and CronJobs, by table: defaults, validation, columns. */
import t from 'tap';
import { cronJobs } from '../../../api/kinds/batch/cron-job.ts';
import { scheduleProblem } from '../../../api/kinds/batch/cron-schedule.ts';
import { commonIndex, readIndexes } from '../../../api/kinds/batch/index-intervals.ts';
import { jobs } from '../../../api/kinds/batch/job.ts';
import { isTimeZone } from '../../../api/kinds/batch/time-zone.ts';
import type { Job } from '../../../api/types/batch/v1.gen.ts';
import { cells, created, decoded, refused, refusedCreate, refusedStatus } from './kind-rules.ts';
import { CONTEXT } from './updates.ts';

const template = (spec: object = {}, metadata: object = {}) => ({
  metadata,
  spec: { containers: [{ name: 'c', image: 'i:1' }], restartPolicy: 'Never', ...spec },
});
const indexed = { completionMode: 'Indexed', completions: 5, parallelism: 2 };
const generated = {
  'batch.kubernetes.io/controller-uid': 'u',
  'batch.kubernetes.io/job-name': 'x',
  'controller-uid': 'u',
  'job-name': 'x',
};

t.test('defaults of jobs', async (t) => {
  const common = { backoffLimit: 6, completionMode: 'NonIndexed', suspend: false, manualSelector: false };
  for (const [spec, wanted] of [
    [{}, { ...common, completions: 1, parallelism: 1, podReplacementPolicy: 'TerminatingOrFailed' }],
    [{ parallelism: 3 }, { ...common, completions: undefined, parallelism: 3 }],
    [{ completions: 3 }, { ...common, completions: 3, parallelism: 1 }],
    [{ ...indexed, backoffLimitPerIndex: 1 }, { backoffLimit: 2_147_483_647 }],
    [
      { podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] }] } },
      {
        podReplacementPolicy: 'Failed',
        podFailurePolicy: { rules: [{ onPodConditions: [{ status: 'True' }] }] },
      },
    ],
  ] as const) {
    t.match(decoded(jobs, { spec: { template: template(), ...spec } }).spec, wanted, JSON.stringify(spec));
  }
  const job = created(jobs, { spec: { template: template({}, { labels: { app: 'x' } }) } });
  t.strictSame(job.metadata?.labels, { app: 'x', ...generated }, 'labels default to those of the template');
  t.strictSame(job.spec?.template.metadata?.labels, { app: 'x', ...generated });
  t.strictSame(job.spec?.selector, { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u' } });
});

t.test('jobs are validated', async (t) => {
  const onExit = (more: object) => ({
    podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [1], ...more } }] },
  });
  const rule = 'spec.podFailurePolicy.rules[0]';
  const success = (...rules: object[]) => ({ ...indexed, successPolicy: { rules } });
  const at = 'spec.successPolicy.rules';
  for (const [spec, wanted] of [
    [{}, []],
    [indexed, []],
    [
      { parallelism: -1, ttlSecondsAfterFinished: -1 },
      [
        'spec.parallelism: Invalid value: -1: must be greater than or equal to 0',
        'spec.ttlSecondsAfterFinished: Invalid value: -1: must be greater than or equal to 0',
      ],
    ],
    [
      { template: template({ restartPolicy: 'Always' }) },
      ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ],
    [
      { completionMode: 'Other' },
      ['spec.completionMode: Unsupported value: "Other": supported values: "NonIndexed", "Indexed"'],
    ],
    [
      { completionMode: 'Indexed', parallelism: 100_001 },
      [
        'spec.completions: Required value: when completion mode is Indexed',
        'spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed',
      ],
    ],
    [
      { backoffLimitPerIndex: 1, maxFailedIndexes: 1 },
      [
        'spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
        'spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode',
      ],
    ],
    [
      { ...indexed, maxFailedIndexes: 6 },
      [
        'spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified',
        'spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions',
      ],
    ],
    [
      { ...indexed, completions: 100_001, parallelism: 10_001, backoffLimitPerIndex: 1 },
      [
        'spec.maxFailedIndexes: Required value: must be specified when completions is above 100000',
        'spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index',
      ],
    ],
    [
      { managedBy: 'me' },
      ['spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")'],
    ],
    [{ managedBy: '' }, ['spec.managedBy: Required value']],
    [{ managedBy: `a.io/${'x'.repeat(60)}` }, ['spec.managedBy: Too long: may not be more than 63 bytes']],
    [
      { ...onExit({}), template: template({ restartPolicy: 'OnFailure' }) },
      [
        'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified',
      ],
    ],
    [
      { ...onExit({}), podReplacementPolicy: 'TerminatingOrFailed' },
      ['spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'],
    ],
    [
      onExit({ operator: '', values: [2, 1, 0], containerName: 'other' }),
      [
        `${rule}.onExitCodes.operator: Required value: valid values: ["In" "NotIn"]`,
        `${rule}.onExitCodes.containerName: Invalid value: "other": must be one of the container or initContainer names in the pod template`,
        `${rule}.onExitCodes.values: Invalid value: [2,1,0]: must be ordered`,
      ],
    ],
    [
      onExit({ values: [0, 0] }),
      [
        `${rule}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator`,
        `${rule}.onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator`,
        `${rule}.onExitCodes.values[1]: Duplicate value: 0`,
      ],
    ],
    [
      { podFailurePolicy: { rules: [{ action: 'FailIndex' }] } },
      [
        `${rule}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set`,
        `${rule}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required`,
      ],
    ],
    [
      { podFailurePolicy: { rules: [{ action: 'Stop', onPodConditions: [{ type: '', status: 'Maybe' }] }] } },
      [
        `${rule}.action: Unsupported value: "Stop": supported values: "Count", "FailIndex", "FailJob", "Ignore"`,
        `${rule}.onPodConditions[0].type: Invalid value: "": name part must be non-empty`,
        `${rule}.onPodConditions[0].type: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
        `${rule}.onPodConditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"`,
      ],
    ],
    [
      { successPolicy: { rules: [] } },
      ['spec.successPolicy: Invalid value: {"Rules":null}: requires indexed completion mode'],
    ],
    [success(), [`${at}: Required value: at least one rules must be specified when the successPolicy is specified`]],
    [success({}), [`${at}[0]: Required value: at least one of succeededCount or succeededIndexes must be specified`]],
    [
      success({ succeededIndexes: '0,2-3', succeededCount: 4 }),
      [
        `${at}[0].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of indexes in the specified succeededIndexes field)`,
      ],
    ],
    [
      success({ succeededIndexes: '3-1' }),
      [
        `${at}[0].succeededIndexes: Invalid value: "3-1": error parsing succeededIndexes: non-increasing order, previous: 3, current: 1`,
      ],
    ],
    [
      { selector: { matchLabels: { a: 'b' } } },
      [
        'spec.selector: Invalid value: {"matchLabels":{"a":"b","batch.kubernetes.io/controller-uid":"u"}}: `selector` not auto-generated',
        `spec.template.metadata.labels: Invalid value: ${JSON.stringify({ 'job-name': 'x', 'batch.kubernetes.io/job-name': 'x', 'controller-uid': 'u', 'batch.kubernetes.io/controller-uid': 'u' })}: \`selector\` does not match template \`labels\``,
      ],
    ],
    [
      { manualSelector: true },
      [
        'spec.selector: Required value',
        'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`',
      ],
    ],
    [
      { template: template({}, { labels: { 'job-name': 'other' } }) },
      [
        `spec.template.metadata.labels[job-name]: Invalid value: ${JSON.stringify({ 'job-name': 'other', 'batch.kubernetes.io/job-name': 'x', 'controller-uid': 'u', 'batch.kubernetes.io/controller-uid': 'u' })}: must be 'x'`,
      ],
    ],
  ] as const) {
    t.strictSame(refusedCreate(jobs, { spec: { template: template(), ...spec } }), wanted, JSON.stringify(spec));
  }
  const name = 'n'.repeat(62);
  t.strictSame(refusedCreate(jobs, { metadata: { name, uid: 'u' }, spec: { template: template(), ...indexed } }), [
    `metadata.name: Invalid value: "${name}": will not able to create pod with invalid DNS label: ${name}-4`,
  ]);
});

t.test('updates of jobs', async (t) => {
  const change = (before: object, after: (job: Job) => void, status: object = {}): string[] => {
    const old = { ...created(jobs, { spec: { template: template(), ...before } }), status };
    const job = structuredClone(old);
    after(job);
    jobs.prepareForUpdate(job, old, CONTEXT);
    return [...jobs.validate(job, old), ...jobs.validateUpdate(job, old)].map(({ field, message }) =>
      `${field}: ${message}`.replace(/(Invalid value: ).*(: field)/, '$1…$2'),
    );
  };
  const set = (more: object) => (job: Job) => void Object.assign(job.spec ?? {}, more);
  const inPod = (more: object) => (job: Job) => void Object.assign(job.spec?.template.spec ?? {}, more);
  const frozen = (field: string) => [`spec.${field}: Invalid value: …: field is immutable`];
  const affinity = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } };
  const resources = { requests: { cpu: '1' } };
  const containers = [{ name: 'c', image: 'i:1', resources }];
  const started = { startTime: '2026-01-01T00:00:00Z' };
  const suspended = { conditions: [{ type: 'Suspended', status: 'True' }] };
  for (const [what, before, after, status, wanted] of [
    ['parallelism', {}, set({ parallelism: 3, suspend: true }), {}, []],
    ['completions', {}, set({ completions: 3 }), {}, frozen('completions')],
    ['completions of an indexed one', indexed, set({ completions: 3, parallelism: 3 }), {}, []],
    [
      'completions alone',
      indexed,
      set({ completions: 3 }),
      {},
      ['spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism'],
    ],
    ['completion mode', { completions: 1 }, set({ completionMode: 'Indexed' }), {}, frozen('completionMode')],
    ['managedBy', {}, set({ managedBy: 'a.io/x' }), {}, frozen('managedBy')],
    ['template', {}, inPod({ nodeSelector: { a: 'b' } }), {}, frozen('template')],
    ['directives while suspended', { suspend: true }, inPod({ nodeSelector: { a: 'b' }, affinity }), {}, []],
    [
      'directives of a started one',
      { suspend: true },
      inPod({ nodeSelector: { a: 'b' } }),
      started,
      frozen('template'),
    ],
    [
      'directives of a suspended one',
      { suspend: true },
      inPod({ nodeSelector: { a: 'b' } }),
      { ...started, ...suspended },
      [],
    ],
    [
      'directives with active pods',
      { suspend: true },
      inPod({ tolerations: [], nodeSelector: { a: 'b' } }),
      { active: 1 },
      frozen('template'),
    ],
    [
      'resources while suspended',
      { suspend: true },
      inPod({
        containers: [
          { ...decoded(jobs, { spec: { template: { spec: { containers } } } }).spec?.template.spec?.containers[0] },
        ],
      }),
      {},
      [],
    ],
    [
      'image while suspended',
      { suspend: true },
      inPod({
        containers: [{ name: 'c', image: 'i:2', imagePullPolicy: 'IfNotPresent', terminationMessagePolicy: 'File' }],
      }),
      {},
      frozen('template.spec'),
    ],
  ] as const) {
    t.strictSame(change(before, after, status), wanted, what);
  }
});

t.test('the status of a job changes as jobs proceed', async (t) => {
  const condition = (...types: string[]) => ({ conditions: types.map((type) => ({ type, status: 'True' })) });
  const time = '2026-01-02T00:00:00Z';
  const done = { startTime: time, completionTime: time, ...condition('SuccessCriteriaMet', 'Complete') };
  const at = 'status.conditions: Invalid value:';
  for (const [spec, before, after, wanted] of [
    [{}, {}, { active: 1, ready: 1, startTime: time }, []],
    [{}, {}, done, []],
    [{}, {}, { active: -1 }, ['status.active: Invalid value: -1: must be greater than or equal to 0']],
    [{}, {}, { active: 1, ready: 2 }, ['status.ready: Invalid value: 2: cannot set more ready pods than active']],
    [
      {},
      {},
      { completionTime: time },
      [
        `status.completionTime: Invalid value: "${time}": cannot set completionTime when there is no Complete=True condition`,
      ],
    ],
    [
      {},
      {},
      condition('Complete'),
      [
        'status.completionTime: Required value: completionTime is required for Complete jobs',
        `${at} cannot set Complete=True condition without the SuccessCriteriaMet=true condition`,
        'status.startTime: Required value: startTime is required for finished job',
      ],
    ],
    [
      {},
      {},
      { startTime: time, ...condition('Failed') },
      [`${at} cannot set Failed=True condition without the FailureTarget=true condition`],
    ],
    [
      {},
      done,
      { ...done, startTime: '2026-01-01T00:00:00Z' },
      ['status.startTime: Invalid value: "2026-01-01T00:00:00Z": field is immutable for unsuspended job once set'],
    ],
    [
      {},
      done,
      { startTime: time },
      [
        `${at} cannot disable the terminal Complete=True condition`,
        `${at} cannot disable the SuccessCriteriaMet=True condition`,
      ],
    ],
    [
      {},
      { failed: 2, succeeded: 2 },
      { failed: 1, succeeded: 1 },
      [
        'status.failed: Invalid value: 1: cannot decrease the failed counter',
        'status.succeeded: Invalid value: 1: cannot decrease the succeeded counter',
      ],
    ],
    [
      {},
      {},
      { completedIndexes: '1' },
      [
        'status.completedIndexes: Invalid value: "1": error parsing completedIndexes: too large index: "1"',
        'status.completedIndexes: Invalid value: "1": cannot set non-empty completedIndexes when non-indexed completion mode',
      ],
    ],
    [
      { ...indexed, backoffLimitPerIndex: 1 },
      {},
      { completedIndexes: '0-2', failedIndexes: '2,4' },
      ['status.failedIndexes: Invalid value: "2,4": failedIndexes and completedIndexes overlap at index: 2'],
    ],
    [
      indexed,
      {},
      { failedIndexes: '' },
      ['status.failedIndexes: Invalid value: "": cannot set non-null failedIndexes when backoffLimitPerIndex is null'],
    ],
    [
      {},
      {},
      { uncountedTerminatedPods: { succeeded: ['a', ''], failed: ['a'] } },
      [
        'status.uncountedTerminatedPods.succeeded[1]: Invalid value: "": must not be empty',
        'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
      ],
    ],
    [
      {},
      {},
      { ...condition('SuccessCriteriaMet', 'FailureTarget') },
      [`${at} cannot set SuccessCriteriaMet=True and FailureTarget=true conditions`],
    ],
  ] as const) {
    const given = { template: template(), ...spec };
    t.strictSame(refusedStatus(jobs, before, after, given), wanted, JSON.stringify(after));
  }
});

t.test('columns of jobs', async (t) => {
  const now = Date.parse('2026-01-02T00:10:00Z');
  const row = (spec: object, status: object, metadata: object = {}) =>
    cells(jobs, { metadata: { name: 'x', ...metadata }, spec: { template: template(), ...spec }, status }, now).slice(
      1,
      4,
    );
  const condition = (type: string) => ({ conditions: [{ type, status: 'True' }] });
  t.strictSame(row({}, {}), ['Running', '0/1', '']);
  t.strictSame(row({ parallelism: 3 }, { succeeded: 1, startTime: '2026-01-02T00:00:00Z' }), [
    'Running',
    '1/1 of 3',
    '10m',
  ]);
  t.strictSame(
    row({}, { startTime: '2026-01-02T00:00:00Z', completionTime: '2026-01-02T00:00:07Z', ...condition('Complete') }),
    ['Complete', '0/1', '7s'],
  );
  t.strictSame(row({}, condition('Suspended'))[0], 'Suspended');
  t.strictSame(row({}, condition('FailureTarget'))[0], 'FailureTarget');
});

t.test('cron jobs', async (t) => {
  const spec = { schedule: '*/5 * * * *', jobTemplate: { spec: { template: template() } } };
  t.strictSame(
    decoded(cronJobs, { spec }).spec?.jobTemplate.spec?.completions,
    undefined,
    'a template has no defaults of Jobs',
  );
  t.match(decoded(cronJobs, { spec }).spec, {
    concurrencyPolicy: 'Allow',
    suspend: false,
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 1,
  });
  const at = 'spec.jobTemplate.spec';
  for (const [change, wanted] of [
    [{}, []],
    [{ schedule: '' }, ['spec.schedule: Required value']],
    [{ schedule: 'nope' }, ['spec.schedule: Invalid value: "nope": expected exactly 5 fields, found 1: [nope]']],
    [
      { schedule: 'TZ=UTC * * * * *' },
      [
        'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
      ],
    ],
    [{ timeZone: 'Europe/Berlin' }, []],
    [{ timeZone: '' }, ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string']],
    [{ timeZone: 'Nowhere/City' }, ['spec.timeZone: Invalid value: "Nowhere/City": unknown time zone Nowhere/City']],
    [
      { timeZone: 'Local' },
      [
        'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
      ],
    ],
    [
      { concurrencyPolicy: 'Never', startingDeadlineSeconds: -1 },
      [
        'spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0',
        'spec.concurrencyPolicy: Unsupported value: "Never": supported values: "Allow", "Forbid", "Replace"',
      ],
    ],
    [
      { jobTemplate: { spec: { template: template(), selector: {}, manualSelector: true } } },
      [
        `${at}.selector: Invalid value: {}: \`selector\` will be auto-generated`,
        `${at}.manualSelector: Unsupported value: true: supported values: "nil", "false"`,
      ],
    ],
    [
      { jobTemplate: { spec: { template: template({ restartPolicy: 'Always' }) } } },
      [`${at}.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"`],
    ],
  ] as const) {
    t.strictSame(refused(cronJobs, { spec: { ...spec, ...change } }), wanted, JSON.stringify(change));
  }
  const name = 'n'.repeat(53);
  t.strictSame(refused(cronJobs, { metadata: { name }, spec }), [
    `metadata.name: Invalid value: "${name}": must be no more than 52 characters`,
  ]);
  const old = decoded(cronJobs, { spec: { ...spec, schedule: 'TZ=UTC 1 * * * *' } });
  t.strictSame(cronJobs.validate(old, old), [], 'a zone that was in the schedule may stay');
  t.match(cronJobs.warnings(old, old), [/^cannot use TZ or CRON_TZ in spec.spec.schedule/]);
  t.strictSame(cells(cronJobs, { spec }), [
    'x',
    '*/5 * * * *',
    '<none>',
    'False',
    0,
    '<none>',
    '<unknown>',
    'c',
    'i:1',
    '<none>',
  ]);
});

t.test('schedules are those that robfig/cron accepts', async (t) => {
  for (const [schedule, problem] of [
    ['0 0 1 1 *', undefined],
    ['0-59/2,5 ? * JAN-dec SUN', undefined],
    ['5/15 * * * *', undefined],
    ['@daily', undefined],
    ['@every 1h30m', undefined],
    ['CRON_TZ=Asia/Tokyo 0 0 * * *', undefined],
    ['@often', 'unrecognized descriptor: @often'],
    ['@every soon', 'failed to parse duration @every soon: time: invalid duration "soon"'],
    ['60 * * * *', 'end of range (60) above maximum (59): 60'],
    ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
    ['* * * * 7', 'end of range (7) above maximum (6): 7'],
    ['9-5 * * * *', 'beginning of range (9) beyond end of range (5): 9-5'],
    ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
    ['*/2/3 * * * *', 'too many slashes: */2/3'],
    ['*/0 * * * *', 'step of range should be a positive number: */0'],
    ['x * * * *', 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
    ['* * * * * *', 'expected exactly 5 fields, found 6: [* * * * * *]'],
    ['TZ=0', 'invalid schedule format: runtime error: slice bounds out of range [:-1]'],
    ['TZ=No/Where * * * * *', 'provided bad location No/Where: unknown time zone No/Where'],
  ] as const) {
    t.equal(scheduleProblem(schedule), problem, schedule);
  }
  for (const [name, exists] of [
    ['UTC', true],
    ['Etc/GMT+3', true],
    ['US/Pacific', true],
    ['europe/berlin', false],
    ['+01:00', false],
  ] as const) {
    t.equal(isTimeZone(name), exists, name);
  }
});

t.test('sets of indexes', async (t) => {
  t.strictSame(readIndexes('', 5), { total: 0 });
  t.strictSame(readIndexes('0,2-4', 5), { total: 4 });
  t.match(readIndexes('2,1', 5), { problem: 'non-increasing order, previous: 2, current: 1' });
  t.match(readIndexes('a', 5), { problem: 'cannot convert string to integer for index: "a"' });
  t.match(readIndexes('1-2-3', 5), { problem: /at most two parts separated by '-'$/ });
  t.equal(commonIndex('0-2,x,7', '3,5-8', 9), 7);
  t.equal(commonIndex('0-2', '3', 9), undefined);
});
