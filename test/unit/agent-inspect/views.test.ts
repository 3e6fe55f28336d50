/** How commands on the node show pods, usage and Events. */
import { test } from 'tap';
import { exitCodeOf } from '../../../agent/inspect/container-session.ts';
import { podView, podViewsOfRuntime } from '../../../agent/inspect/pod-view.ts';
import { RecentEvents } from '../../../agent/inspect/recent-events.ts';
import { countersOfSummary, usageBetween, type Counters } from '../../../agent/inspect/usage.ts';
import { eventsText } from '../../../cli/node/events.ts';
import { imagesText } from '../../../cli/node/images.ts';
import { psText } from '../../../cli/node/ps.ts';
import { bytesText, table } from '../../../cli/node/table.ts';
import { jsonText, printable, printableLines } from '../../../cli/output.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const at = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

const pod = (status: Pod['status'], more: Pod['metadata'] = {}): Pod => ({
  metadata: { namespace: 'shop', name: 'web', uid: 'u1', ...more },
  spec: { initContainers: [{ name: 'init' }], containers: [{ name: 'c', image: 'img:1' }] },
  status: { startTime: at(3600), ...status },
});
const status = { name: 'c', image: 'img:1', imageID: '', ready: false, restartCount: 4 };
const ended = { exitCode: 137, reason: 'OOMKilled', startedAt: at(100), finishedAt: at(90) };

test("a pod's containers are shown by what is wrong with them", (t) => {
  const row = (given: Pod): string =>
    psText([podView(given)], false, NOW)
      .split('\n')
      .at(-1)
      ?.replace(/ +/g, ' ') ?? '';
  const containers = (state: object, lastState: object = {}): Pod =>
    pod({ containerStatuses: [{ ...status, state, lastState }] });
  t.equal(row(pod({})), 'shop web c Waiting - 0 60m');
  t.equal(row(containers({ running: { startedAt: at(60) } })), 'shop web c Running no 4 60s');
  t.equal(row(containers({ terminated: ended })), 'shop web c OOMKilled (137) no 4 60m');
  t.equal(
    row(containers({ waiting: { reason: 'CrashLoopBackOff' } }, { terminated: ended })),
    'shop web c CrashLoopBackOff no 4 60m',
  );
  const going = pod(
    { containerStatuses: [{ ...status, state: { running: { startedAt: at(60) } } }] },
    { deletionTimestamp: at(1) },
  );
  t.equal(row(going), 'shop web c Terminating no 4 60s');
  t.match(podView(containers({ waiting: { reason: 'CrashLoopBackOff' } }, { terminated: ended })).containers[1], {
    exitCode: 137,
    finishedAt: ended.finishedAt,
  });
  t.end();
});

test('without the agent a pod is its newest sandbox, and the newest container of each name', (t) => {
  const sandbox = (id: string, attempt: number, state: string) => ({
    ...{ id, state, createdAt: attempt, labels: {}, annotations: {}, runtimeHandler: '' },
    metadata: { name: 'web', namespace: 'shop', uid: 'u1', attempt },
  });
  const container = (id: string, podSandboxId: string) => ({ id, podSandboxId, metadata: { name: 'c', attempt: 0 } });
  const of = (id: string, restarts: number, state: string) => ({
    ...{ id, state, createdAt: restarts, startedAt: 1e15, finishedAt: 2e15, exitCode: 3, reason: 'Error', message: '' },
    ...{ metadata: { name: 'c', attempt: restarts }, image: { image: 'img:1' }, imageRef: '', logPath: '' },
    ...{ labels: {}, annotations: { 'io.kubernetes.container.restartCount': String(restarts) } },
  });
  const views = podViewsOfRuntime({
    sandboxes: [sandbox('s0', 0, 'SANDBOX_NOTREADY'), sandbox('s1', 1, 'SANDBOX_READY')],
    sandboxStatuses: new Map([['s1', { network: { ip: '10.0.0.1', additionalIps: [] } }]]),
    containers: [container('c0', 's0'), container('c1', 's1'), container('gone', 's1')],
    containerStatuses: new Map([
      ['c0', of('c0', 0, 'CONTAINER_EXITED')],
      ['c1', of('c1', 1, 'CONTAINER_RUNNING')],
    ]),
  } as never);
  t.match(views, [
    { name: 'web', phase: 'Ready', ip: '10.0.0.1', containers: [{ id: 'c1', state: 'running', restarts: 1 }] },
  ]);
  t.equal(views[0]?.containers.length, 1);
  t.equal(views[0]?.containers[0]?.exitCode, undefined, 'what runs has no exit code');
  t.end();
});

test('rates are computed from counters; what has started anew has none', (t) => {
  const look = (atMs: number, cpuNanoseconds: number, rxBytes?: number): Counters => ({
    ...{ namespace: 'shop', pod: 'web', container: '', atMs, cpuNanoseconds, memoryBytes: 5, rxBytes },
  });
  const used = (before: Counters[], after: Counters) => usageBetween(before, [after])[0];
  t.match(used([look(0, 0, 0)], look(2000, 1e9, 4096)), { milliCores: 500, rxRate: 2048, memoryBytes: 5 });
  t.equal(used([], look(2000, 1e9))?.milliCores, undefined, 'not seen before');
  t.equal(used([look(0, 2e9)], look(2000, 1e9))?.milliCores, undefined, 'started anew');
  t.equal(used([look(2000, 1)], look(2000, 1e9))?.milliCores, undefined, 'no time has passed');
  t.equal(used([look(0, 1)], look(2000, 1e9))?.rxRate, undefined, 'nobody counts the network');
  t.end();
});

test("the agent's summary is read by node, pods and containers", (t) => {
  const part = { cpu: { time: '', usageCoreNanoSeconds: 7 }, memory: { workingSetBytes: 8 } };
  const found = countersOfSummary(
    {
      node: { nodeName: 'n', ...part, network: { rxBytes: 1, txBytes: 2 }, fs: { usedBytes: 3 } },
      pods: [
        {
          ...{ podRef: { namespace: 'shop', name: 'web' }, ...part, 'ephemeral-storage': { usedBytes: 9 } },
          containers: [{ name: 'c', ...part, rootfs: { usedBytes: 4 }, logs: { usedBytes: 5 } }],
        },
      ],
    },
    1000,
  );
  t.match(found, [
    { pod: '', rxBytes: 1, txBytes: 2, diskBytes: 3 },
    { namespace: 'shop', pod: 'web', container: '', diskBytes: 9 },
    { pod: 'web', container: 'c', cpuNanoseconds: 7, memoryBytes: 8, diskBytes: 9, atMs: 1000 },
  ]);
  t.end();
});

test('Events are counted, and the oldest are forgotten', (t) => {
  const events = new RecentEvents();
  const regarding = { kind: 'Pod', namespace: 'shop', name: 'web' };
  const add = (reason: string, at: number) =>
    events.add({ regarding, type: 'Warning', reason, message: 'm\u001b[2J', at });
  add('A', NOW - 5000);
  add('B', NOW - 4000);
  add('A', NOW - 3000);
  t.match(events.list(), [
    { reason: 'B', count: 1 },
    { reason: 'A', count: 2, firstAt: NOW - 5000, lastAt: NOW - 3000 },
  ]);
  const text = eventsText(events.list(), false, NOW);
  t.match(text, /^3s \(x2 over 5s\) +Warning +A +pod\/shop\/web +m \[2J$/m);
  for (let index = 0; index < 2000; index++) add(`R${index}`, NOW);
  t.equal(events.list().length, 1000);
  t.equal(events.list().at(-1)?.reason, 'R1999');
  t.end();
});

test('an image without a name is listed, and one with several has a line for each', (t) => {
  const image = { id: `sha256:${'a'.repeat(64)}`, size: 3 * 1024 * 1024, uid: null, username: '', pinned: false };
  const text = imagesText(
    [
      { ...image, repoTags: ['b:1', 'a:1'], repoDigests: [] },
      { ...image, repoTags: [], repoDigests: [] },
    ],
    false,
  );
  t.strictSame(
    text.split('\n').map((line) => line.split(/ +/)[0]),
    ['IMAGE', '<none>', 'a:1', 'b:1'],
  );
  t.match(text, /3\.0MiB/);
  t.end();
});

test('tables are aligned, and no cell can move the cursor', (t) => {
  t.equal(
    table(
      ['A', 'B'],
      [
        ['long', 'x'],
        ['y', ''],
      ],
    ),
    'A      B\nlong   x\ny',
  );
  t.equal(printable('a\u001b[31mb\nc\u009bd'), 'a [31mb c d');
  t.equal(printable('pay\u202etxt.exe\u2066'), 'pay txt.exe ', 'nor what turns the direction of what follows');
  t.equal(printableLines('a\u001b]0;title\u0007\nb\r'), 'a ]0;title \nb ');
  const hostile = { name: 'a\u009b31m\u007f\u202eb\u001b\u2028' };
  t.match(jsonText(hostile), /"a\\u009b31m\\u007f\\u202eb\\u001b\\u2028"/);
  t.strictSame(JSON.parse(jsonText(hostile)), hostile, 'a program reads what it was');
  for (const [bytes, text] of [
    [0, '0B'],
    [1023, '1023B'],
    [1024, '1.0KiB'],
    [150 * 1024 ** 3, '150GiB'],
    [undefined, '-'],
  ] as const)
    t.equal(bytesText(bytes), text);
  t.end();
});

test("a command's exit code is in the runtime's last words", (t) => {
  const failed = (code: string) =>
    JSON.stringify({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: code }] },
    });
  t.equal(exitCodeOf('{"metadata":{},"status":"Success"}'), 0);
  t.equal(exitCodeOf(failed('42')), 42);
  t.throws(() => exitCodeOf(failed('x')), /could not run the command/);
  t.throws(() => exitCodeOf(''), /connection to the container runtime was lost/);
  t.throws(() => exitCodeOf('{"status":"Failure","message":"no such file"}'), /no such file/);
  t.end();
});
