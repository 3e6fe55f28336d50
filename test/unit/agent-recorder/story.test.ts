/** The story that `kedge replay` tells of records. */
import t from 'tap';
import { checkKinds, StoryText, timeGiven } from '../../../cli/node/replay.ts';
import type { Report } from '../../../agent/recorder/report.ts';
import { parseRecord } from '../../../agent/recorder/parse.ts';
import { boundBefore, isSelected, type Selection } from '../../../agent/recorder/selection.ts';
import { Story } from '../../../agent/recorder/story.ts';
import { KINDS, type LifeRecord, type Moment, type StoredRecord } from '../../../agent/recorder/stored.ts';

const START = Date.parse('2026-01-31T12:00:00.000Z');
const BOOT = 'boot-1';
const WEB = { pod: 'shop/web', podUID: 'uid-1' };

const life = (seconds: number, agent: number, boot = BOOT): LifeRecord => ({
  ...{ kind: 'life', format: 1, at: START + seconds * 1000, mono: 50_000 + seconds * 1000, boot },
  ...{ pid: agent, agentAt: agent, version: '1.2.3' },
});

/** A record so many seconds after the start; `ahead`: what the wall clock shows beyond that. */
const after = (seconds: number, what: Exclude<Report, { kind: 'program' }>, about: object = WEB, ahead = 0) =>
  ({ at: START + (seconds + ahead) * 1000, mono: 50_000 + seconds * 1000, ...about, ...what }) as StoredRecord;

function storyOf(records: readonly StoredRecord[], wanted: Selection = {}): string {
  const story = new Story();
  const text = new StoryText();
  const lines: string[] = [];
  let current: LifeRecord | undefined;
  for (const record of records) {
    if (record.kind === 'life') current = record;
    const read = { record, life: current };
    for (const line of story.tell(read, isSelected(read, wanted))) lines.push(...text.lines(line, (words) => words));
  }
  return lines.join('\n');
}

const exit = (exitCode: number, reason: string, next: string): Exclude<Report, { kind: 'program' }> => ({
  ...{ kind: 'exit', container: 'app', id: 'c1', exitCode, reason, ranMs: 12_300, next },
});

t.test('an end of a container is told with its cause and what follows', (t) => {
  const backOff = 'restart in 10 s because of back-off';
  t.equal(
    storyOf([
      life(0, 1),
      after(1, { kind: 'cri', call: 'CreateContainer', target: 'app', id: 'c1', ms: 120 }),
      after(2, { kind: 'seen', what: 'ran out of memory', id: 'c1' }),
      after(2.5, exit(137, 'OOMKilled', backOff)),
      after(12.5, {
        kind: 'plan',
        operation: 'sync',
        actions: [{ action: 'startContainer', container: 'app', why: 'x' }],
      }),
    ]),
    [
      '2026-01-31 (times are UTC)',
      '12:00:00.000  agent 1.2.3 (process 1) begins to record',
      '12:00:01.000  shop/web  CreateContainer app took 120ms',
      '12:00:02.000  shop/web  container app ran out of memory: the kernel has killed a process in it',
      `12:00:02.500  shop/web  container app exited with 137 (OOM killed) after 12.3s; ${backOff}`,
      '              ... 10s later',
      '12:00:12.500  shop/web  plan: start container app (x)',
    ].join('\n'),
  );
  const why = 'Container app failed liveness probe, will be restarted';
  const stop = after(1, {
    kind: 'plan',
    operation: 'sync',
    actions: [{ action: 'stopContainer', container: 'app', why }],
  });
  t.match(
    storyOf([life(0, 1), stop, after(2, exit(137, 'Error', 'restart at once'))]),
    `137 (stopped by the agent: ${why})`,
  );
  t.match(storyOf([life(0, 1), after(2, exit(139, 'Error', 'restart at once'))]), /139 \(SIGSEGV/, 'by itself');
  t.match(storyOf([life(0, 1), after(2, exit(3, 'Error', 'restart at once'))]), /exited with 3 after 12\.3s; restart/);
  t.end();
});

t.test('a clock that was set is told, and confuses no gap and no bound', (t) => {
  const seen = (n: number) => ({ kind: 'seen', what: `number ${n}` }) as const;
  const back = -3600;
  const records = [
    life(0, 1),
    after(1, seen(1)),
    after(2, seen(2), WEB, back),
    after(63, seen(3), WEB, back),
    after(64, seen(4), WEB, back + 7200),
  ];
  t.equal(
    storyOf(records).split('\n').slice(3).join('\n'),
    [
      '11:00:02.000  the clock was set back by 1h0m0s: times above are later than they seem',
      '11:00:02.000  shop/web  number 2',
      '              ... 1m1s later',
      '11:01:03.000  shop/web  number 3',
      '13:01:04.000  the clock went 2h0m0s ahead of the time that passed: it was set, or the host was suspended',
      '13:01:04.000  shop/web  number 4',
    ].join('\n'),
  );
  const now: Moment = { at: START + 3_665_000, mono: 50_000 + 65_000 };
  const lately = storyOf(records, { since: boundBefore(5_000, now, BOOT) });
  t.notMatch(lately, /number 2/, 'what is five seconds old was not an hour ago');
  t.match(lately, /number 3[^]*number 4/);
  t.end();
});

t.test('lives of the agent are told apart', (t) => {
  const ended = after(5, { kind: 'agent', what: 'stopped' }, {});
  const seen = after(1, { kind: 'seen', what: 'x' });
  t.match(
    storyOf([life(0, 1), seen, life(7, 2)]),
    /process 2\) begins to record; the one before it \(process 1\) has ended without a word/,
  );
  t.notMatch(storyOf([life(0, 1), seen, ended, life(7, 2)]), /without a word/);
  t.equal(storyOf([life(0, 1), seen, life(2, 1)]).split('begins').length, 2, 'a new segment is no new life');
  t.match(storyOf([life(0, 1), life(100, 2, 'boot-2')]), /the host has been booted/);
  t.match(
    storyOf([life(0, 1), { kind: 'lost', at: START, mono: 50_000, count: 7, why: 'ENOSPC' }]),
    /7 records could not be written before this: ENOSPC/,
  );
  t.end();
});

t.test('a pod, the node, kinds and times are selected', (t) => {
  const records = [
    life(0, 1),
    after(1, { kind: 'seen', what: 'of web' }),
    after(2, { kind: 'seen', what: 'of the other web' }, { pod: 'test/web', podUID: 'uid-2' }),
    after(3, { kind: 'log', level: 'warn', message: 'of the node' }, {}),
    after(4, { kind: 'probe', container: 'app', probe: 'Readiness', healthy: true }),
  ];
  const told = (wanted: Selection): number[] =>
    ['of web', 'of the other web', 'of the node', 'readiness probe'].flatMap((words, index) =>
      storyOf(records, wanted).includes(words) ? [index] : [],
    );
  t.strictSame(told({}), [0, 1, 2, 3]);
  t.strictSame(told({ pod: { namespace: undefined, name: 'web' } }), [0, 1, 3]);
  t.strictSame(told({ pod: { namespace: 'shop', name: 'web' } }), [0, 3]);
  t.strictSame(told({ pod: { namespace: undefined, name: 'eb' } }), []);
  t.strictSame(told({ nodeOnly: true }), [2]);
  t.strictSame(told({ kinds: new Set(['probe', 'log']) }), [2, 3]);
  t.strictSame(told({ since: { at: START + 2000 }, until: { at: START + 3500 } }), [1, 2]);
  t.end();
});

t.test('flags are checked', (t) => {
  t.strictSame(timeGiven('--since', '10m'), { ageMs: 600_000 });
  t.strictSame(timeGiven('--since', '2026-01-31T12:00:00Z'), { at: START });
  for (const odd of ['', 'yesterday', '-5m']) t.throws(() => timeGiven('--since', odd), /--since must be a duration/);
  checkKinds(['plan', 'cri'], KINDS);
  t.throws(() => checkKinds(['plans'], KINDS), /--kind must be of agent, .*, not "plans"/);
  t.end();
});

t.test('what is no record is none, whatever it looks like', (t) => {
  const record = after(1, { kind: 'cri', call: 'StartContainer', id: 'abc', ms: 1 });
  const line = (more: object): string => JSON.stringify({ ...record, ...more });
  t.strictSame(parseRecord(line({})), record);
  for (const odd of [
    ...[
      '',
      '{',
      'null',
      '[]',
      '7',
      line({}).slice(0, 40),
      line({ kind: 'of the future' }),
      line({ kind: '__proto__' }),
    ],
    ...[line({ at: -1 }), line({ at: 1e300 }), line({ mono: 'x' }), line({ ms: '1' }), line({ pod: 7 })],
    line({ kind: 'plan', operation: 'sync', actions: [null] }),
    line({ kind: 'status', phase: 'Running', ready: '1/1', waiting: [7] }),
  ])
    t.equal(parseRecord(odd), undefined, odd);
  t.end();
});
