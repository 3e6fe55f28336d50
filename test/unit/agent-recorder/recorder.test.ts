/** The recorder on a real disk: what it writes, what it survives, and what it leaves out. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t, { type Test } from 'tap';
import { RecordReader, type ReadRecord } from '../../../agent/recorder/read-records.ts';
import { Recorder } from '../../../agent/recorder/recorder.ts';
import { onBehalfOf, report } from '../../../agent/recorder/report.ts';
import { listSegments, recorderDirectory } from '../../../agent/recorder/segments.ts';
import { eventually } from '../../support/wait.ts';

const MIB = 1024 * 1024;
const POD = { pod: 'shop/web', podUID: 'uid-1' };

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const open = (dataDir: string, totalBytes = MIB) => Recorder.open({ dataDir, totalBytes, logger: quiet });

async function readAll(dataDir: string): Promise<{ records: ReadRecord[]; reader: RecordReader }> {
  const reader = new RecordReader(recorderDirectory(dataDir));
  return { records: await Array.fromAsync(reader.read()), reader };
}
const textOf = async (dataDir: string): Promise<string> =>
  (
    await Promise.all((await listSegments(recorderDirectory(dataDir))).map(({ path: file }) => readFile(file, 'utf8')))
  ).join('');
const directory = (t: Test): string => path.join(t.testdir({}), 'agent');

t.test(
  'what is reported is recorded with both clocks, the pod and the life of the agent, for root alone',
  async (t) => {
    const dataDir = directory(t);
    {
      await using held = new AsyncDisposableStack();
      held.use(await open(dataDir));
      onBehalfOf(POD, () => report({ kind: 'cri', call: 'StartContainer', id: 'abc', ms: 12 }));
      report({ kind: 'node', condition: 'Ready', status: 'True', reason: 'KubeletReady', message: '' });
    }
    report({ kind: 'agent', what: 'started' });
    const { records, reader } = await readAll(dataDir);
    t.strictSame(
      records.map(({ record }) => record.kind),
      ['life', 'cri', 'node'],
      'and nothing after its end',
    );
    t.match(records[1]?.record, { ...POD, call: 'StartContainer', id: 'abc', ms: 12 });
    t.notOk('pod' in (records[2]?.record ?? {}));
    for (const { record, life } of records) {
      t.ok(Math.abs(record.at - Date.now()) < 60_000 && record.mono > 0);
      t.equal(life?.pid, process.pid);
    }
    t.strictSame([reader.broken, reader.unfinishedBytes], [0, 0]);
    const [segment] = await listSegments(recorderDirectory(dataDir));
    t.equal((await stat(segment!.path)).mode & 0o777, 0o600);
    t.equal((await stat(recorderDirectory(dataDir))).mode & 0o777, 0o700);
  },
);

t.test('segments are bounded, and the oldest is dropped', async (t) => {
  const dataDir = directory(t);
  const total = 256 * 1024;
  {
    await using held = new AsyncDisposableStack();
    held.use(await open(dataDir, total));
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 400; i++) report({ kind: 'seen', what: `${round}-${i} ${'x'.repeat(200)}` }, POD);
      await eventually('the round to be written', async () => (await textOf(dataDir)).includes(`"${round}-399 `));
    }
  }
  const segments = await listSegments(recorderDirectory(dataDir));
  const bytes = segments.reduce((sum, one) => sum + one.bytes, 0);
  t.ok(bytes <= total, `${bytes} bytes in ${segments.length} segments`);
  t.ok(bytes > total / 2);
  t.ok((segments[0]?.number ?? 0) > 1, 'the first is gone');
  const { records, reader } = await readAll(dataDir);
  t.match(records.at(-1)?.record, { what: /^7-399 / });
  t.equal(records[0]?.record.kind, 'life', 'every segment says whose it is');
  t.equal(reader.broken, 0);
});

t.test('hostile texts break no line, reach no terminal and fill no disk', async (t) => {
  const dataDir = directory(t);
  const hostile = `\u001b]0;owned\u0007\n{"kind":"agent","at":1,"mono":1}\r\u202e${'\ud800'}${'y'.repeat(100_000)}`;
  {
    await using held = new AsyncDisposableStack();
    held.use(await open(dataDir));
    report({ kind: 'seen', what: hostile, container: hostile }, { pod: hostile, podUID: hostile });
    report({ kind: 'program', args: [hostile, hostile], exit: 1, ms: 1, error: hostile });
    const action = { action: hostile, why: hostile };
    report({ kind: 'plan', operation: hostile, actions: Array.from({ length: 1000 }, () => action) }, POD);
  }
  const text = await textOf(dataDir);
  t.equal(text.split('\n').length, 5, 'four lines');
  // eslint-disable-next-line no-control-regex
  t.notMatch(text.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f\u202e]|\\u00[01]/);
  t.ok(text.length < 40_000, `${text.length} characters`);
  t.equal((await readAll(dataDir)).reader.broken, 0);
});

t.test('no secret is recorded', async (t) => {
  const dataDir = directory(t);
  const secret = 'pl4nted-s3cret';
  {
    await using held = new AsyncDisposableStack();
    held.use(await open(dataDir));
    report({ kind: 'program', args: ['mount', '-o', `password=${secret}`], exit: 1, ms: 1, error: `token=${secret}` });
    report({ kind: 'log', level: 'warn', message: `asked https://u:${secret}@host/`, error: `"password":"${secret}"` });
    const said = `Readiness probe failed: ${secret}`;
    report({ kind: 'event', type: 'Warning', reason: 'Unhealthy', object: 'pod/a/b', message: said }, POD);
  }
  const text = await textOf(dataDir);
  t.notOk(text.includes(secret), text);
  t.match(text, /Readiness probe failed"/, 'nor what a container has said');
});

t.test('an agent that is killed in the middle of a line loses that line alone, and the next one goes on', async (t) => {
  const dataDir = directory(t);
  const script = `
    import { Recorder } from ${JSON.stringify(path.resolve('agent/recorder/recorder.ts'))};
    import { report } from ${JSON.stringify(path.resolve('agent/recorder/report.ts'))};
    const nothing = () => undefined;
    const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
    await Recorder.open({ dataDir: process.argv[1], totalBytes: ${MIB}, logger });
    let n = 0;
    setInterval(() => { for (let i = 0; i < 50; i++) report({ kind: 'seen', what: 'number ' + n++ }); }, 1);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, dataDir], { stdio: 'inherit' });
  const exit = once(child, 'exit');
  await eventually('some records', async () => (await textOf(dataDir)).includes('number 1000'));
  child.kill('SIGKILL');
  await exit;
  const [segment] = (await listSegments(recorderDirectory(dataDir))).slice(-1);
  await appendFile(segment!.path, '{"at":1796052315354,"mono":2804');
  const { records, reader } = await readAll(dataDir);
  const numbers = records.flatMap(({ record }) => (record.kind === 'seen' ? Number(record.what.slice(7)) : []));
  t.ok(numbers.length > 900);
  t.ok(
    numbers.every((number, index) => index === 0 || number === numbers[index - 1]! + 1),
    'in order, without a gap',
  );
  t.ok(reader.unfinishedBytes > 0, 'the half line is told');
  {
    await using held = new AsyncDisposableStack();
    held.use(await open(dataDir));
    report({ kind: 'agent', what: 'started' });
  }
  const after = await readAll(dataDir);
  t.match(after.records.at(-1), { record: { kind: 'agent' }, life: { pid: process.pid } });
  t.strictSame([after.reader.broken, after.reader.unfinishedBytes], [1, 0]);
});

t.test('a crash is recorded with its error', async (t) => {
  const dataDir = directory(t);
  const script = `
    import { Recorder } from ${JSON.stringify(path.resolve('agent/recorder/recorder.ts'))};
    import { report } from ${JSON.stringify(path.resolve('agent/recorder/report.ts'))};
    const nothing = () => undefined;
    const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
    await Recorder.open({ dataDir: process.argv[1], totalBytes: ${MIB}, logger });
    report({ kind: 'agent', what: 'started' });
    setTimeout(() => { report({ kind: 'seen', what: 'last' }); throw new Error('out of ideas'); }, 100);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, dataDir], { stdio: 'ignore' });
  await once(child, 'exit');
  const { records } = await readAll(dataDir);
  t.match(
    records.slice(-2).map(({ record }) => record),
    [{ what: 'last' }, { kind: 'agent', what: 'crashed', error: /out of ideas/ }],
  );
});

t.test('a disk that cannot be written stops nothing, and what was lost is counted', async (t) => {
  const dataDir = directory(t);
  const blocked = recorderDirectory(dataDir);
  await mkdir(dataDir);
  await writeFile(blocked, 'a file in the place of the directory');
  const warnings: string[] = [];
  let failures = 0;
  const debug = (): void => void failures++;
  const logger = { ...quiet, debug, warn: (_: object, message: string) => void warnings.push(message) };
  {
    await using held = new AsyncDisposableStack();
    held.use(await Recorder.open({ dataDir, totalBytes: MIB, logger }));
    for (let i = 0; i < 5; i++) report({ kind: 'seen', what: `lost ${i}` });
    await eventually('them to be lost', () => failures > 0);
    await rm(blocked);
    report({ kind: 'seen', what: 'kept' });
    await eventually('the disk to be tried again', async () => (await textOf(dataDir)).includes('kept'));
  }
  const { records } = await readAll(dataDir);
  t.match(
    records.map(({ record }) => record),
    [{ kind: 'life' }, { kind: 'lost', count: 5, why: /EEXIST|ENOTDIR/ }, { what: 'kept' }],
  );
  t.equal(warnings.length, 1);
});

t.test('what repeats is written once, and a failure that lasts is counted', async (t) => {
  const dataDir = directory(t);
  const look = { kind: 'program', args: ['iptables', '-C', 'x'], ms: 1 } as const;
  {
    await using held = new AsyncDisposableStack();
    held.use(await open(dataDir));
    for (let i = 0; i < 100; i++) report({ ...look, exit: 0 });
    for (let i = 0; i < 10; i++) report({ ...look, exit: 1, error: 'no' });
    report({ ...look, exit: 0 });
    for (let i = 0; i < 3; i++) onBehalfOf(POD, () => report({ ...look, exit: 0 }));
  }
  const told = (await readAll(dataDir)).records.slice(1).map(({ record }) => record);
  t.match(told, [{ exit: 0 }, { exit: 1, again: 99 }, { exit: 0, again: 9 }, { ...POD }, { ...POD }, { ...POD }]);
  t.equal(told.length, 6);
});
