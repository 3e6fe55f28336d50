import t from 'tap';
import { resourceMetrics } from '../../../agent/stats/resource-metrics.ts';
import { readSamples, type NodeSamples, type Sample } from '../../../control-plane/apiserver/nodes/metrics/samples.ts';
import { addSamples, nodeUsage, podUsage, usageBetween } from '../../../control-plane/apiserver/nodes/metrics/usage.ts';

const T0 = Date.parse('2026-01-01T00:00:00Z');
const ROUND_MS = 15_000;
const GIB = 2 ** 30;

const of = (name: string, labels: string, ...values: (string | number)[]): string =>
  `${name}${labels} ${values.join(' ')}\n`;
const container = (labels: string): string =>
  of('container_cpu_usage_seconds_total', labels, 1.5, T0) +
  of('container_memory_working_set_bytes', labels, 4096, T0) +
  of('container_start_time_seconds', labels, T0 / 1000 - 60);

t.test('samples are read from the text of a node', (t) => {
  const read = (text: string) => readSamples(text, T0 + 5);
  const rows: readonly (readonly [what: string, text: string, pods: Record<string, string[]>])[] = [
    ['a container', container('{container="c",namespace="a",pod="p"}'), { 'a/p': ['c'] }],
    ['labels in another order', container('{pod="p",container="c",namespace="a"}'), { 'a/p': ['c'] }],
    ['spaces and a last comma', container('{ pod="p", container="c", namespace="a", }'), { 'a/p': ['c'] }],
    ['braces in a value', container('{container="c}{",namespace="a",pod="p"}'), { 'a/p': ['c}{'] }],
    ['quotes in a value', container('{container="c\\"\\\\\\n",namespace="a",pod="p"}'), { 'a/p': ['c"\\\n'] }],
    ['other metrics', `${of('pod_swap_usage_bytes', '{pod="p"}', 0)}# HELP x\n\nnonsense {`, {}],
    ['no value', 'container_cpu_usage_seconds_total{pod="p"}\n', {}],
    ['no end of labels', 'container_cpu_usage_seconds_total{pod="p" 1\n', {}],
    ['not a number', of('container_cpu_usage_seconds_total', '{pod="p",namespace="a",container="c"}', 'NaN'), {}],
    [
      'a container without memory spoils its pod',
      container('{container="c",namespace="a",pod="p"}') +
        of('container_cpu_usage_seconds_total', '{container="d",namespace="a",pod="p"}', 1),
      {},
    ],
    [
      'names that objects have by themselves',
      container('{container="__proto__",namespace="a",pod="constructor"}'),
      {
        'a/constructor': ['__proto__'],
      },
    ],
  ];
  for (const [what, text, pods] of rows) {
    const found = [...read(text).pods].map(([key, containers]) => [key, [...containers.keys()]] as const);
    t.strictSame(found, Object.entries(pods), what);
  }
  t.strictSame(read(container('{container="c",namespace="a",pod="p"}')).pods.get('a/p')?.get('c'), {
    ...{ atMs: T0, startedAtMs: T0 - 60_000, cpuNanoseconds: 1_500_000_000, memoryBytes: 4096 },
  });
  const node = of('node_cpu_usage_seconds_total', '', 2) + of('node_memory_working_set_bytes', '', 1.5e9);
  t.strictSame(
    read(node).node,
    { atMs: T0 + 5, startedAtMs: 0, cpuNanoseconds: 2_000_000_000, memoryBytes: 1_500_000_000 },
    'what has no time was measured when it came',
  );
  t.equal(read(of('node_cpu_usage_seconds_total', '', 2)).node, undefined);
  t.end();
});

t.test('what an agent writes is read', (t) => {
  const usage = { cpuNanoseconds: 3e9, workingSetBytes: 8192, swapBytes: 0 };
  const host = { cpuNanoseconds: 7e9, workingSetBytes: GIB, swapUsedBytes: 0 };
  const measured = { name: 'c', id: 'i', image: 'x', startedAtMs: T0 - 1000, cgroup: '/c', atMs: T0, usage };
  const pod = { metadata: { name: 'p', namespace: 'a' } };
  const pods = [{ pod, own: undefined, containers: [measured], sandbox: undefined }];
  const text = resourceMetrics(host as never, T0, pods as never, false);
  const { node, pods: read } = readSamples(text, 0);
  t.strictSame(node, { atMs: T0, startedAtMs: 0, cpuNanoseconds: 7e9, memoryBytes: GIB });
  t.strictSame(read.get('a/p')?.get('c'), {
    ...{ atMs: T0, startedAtMs: T0 - 1000, cpuNanoseconds: 3e9, memoryBytes: 8192 },
  });
  t.end();
});

t.test('reading takes time in proportion to the text', (t) => {
  const hostile = [
    `container_cpu_usage_seconds_total{${'a="b",'.repeat(100_000)}`,
    `container_cpu_usage_seconds_total{a="${'\\'.repeat(1_000_001)}`,
    `container_cpu_usage_seconds_total 1${' '.repeat(1_000_000)}x`,
    `container_cpu_usage_seconds_total{${'{'.repeat(1_000_000)}`,
    '\n'.repeat(1_000_000),
  ];
  const startedAt = performance.now();
  for (const text of hostile) t.equal(readSamples(text, T0).pods.size, 0);
  t.ok(performance.now() - startedAt < 2_000);
  t.end();
});

const sample = (atMs: number, cpuSeconds: number, more: Partial<Sample> = {}): Sample => ({
  ...{ atMs: T0 + atMs, startedAtMs: T0 - 100_000, cpuNanoseconds: cpuSeconds * 1e9, memoryBytes: 8 * 2 ** 20 },
  ...more,
});
const samples = (containers: Record<string, Sample>, node?: Sample): NodeSamples => ({
  node,
  pods: new Map([['a/p', new Map(Object.entries(containers))]]),
});

t.test('usage is what was used between two samples', (t) => {
  const rows: readonly (readonly [string, Sample, Sample, object | undefined])[] = [
    ['half a core', sample(0, 1), sample(15_023, 8.5115), { usage: { cpu: '500m', memory: '8Mi' }, window: '15.023s' }],
    [
      'odd amounts',
      sample(0, 0),
      sample(30_000, 0.001, { memoryBytes: 1025 }),
      { usage: { cpu: '33333n', memory: '1025' } },
    ],
    ['nothing', sample(0, 1), sample(60_000, 1), { usage: { cpu: '0' }, window: '1m0s' }],
    ['a counter that went back', sample(0, 2), sample(15_000, 1), undefined],
    ['another run', sample(0, 1), sample(15_000, 2, { startedAtMs: T0 - 200_000 }), undefined],
    ['one moment', sample(0, 1), sample(0, 2), undefined],
  ];
  for (const [what, previous, last, wanted] of rows) {
    const found = usageBetween(previous, last);
    if (wanted) t.match(found, wanted, what);
    else t.equal(found, undefined, what);
  }
  t.end();
});

t.test('a history has the usage of the last round', (t) => {
  const grow = (...rounds: NodeSamples[]) =>
    rounds.reduce<ReturnType<typeof addSamples> | undefined>(
      (known, next) => addSamples(known, next, ROUND_MS),
      undefined,
    )!;
  const used = (...rounds: NodeSamples[]) => podUsage(grow(...rounds), 'a/p');
  const cpu = (...rounds: NodeSamples[]) => used(...rounds)?.containers.map(({ usage }) => usage['cpu']);

  t.equal(used(samples({ c: sample(0, 1) })), undefined, 'nothing is known after the first');
  t.strictSame(cpu(samples({ c: sample(0, 1) }), samples({ c: sample(15_000, 4) })), ['200m']);
  const rounds = [samples({ c: sample(0, 1) }), samples({ c: sample(15_000, 4) }), samples({ c: sample(30_000, 19) })];
  t.strictSame(cpu(...rounds), ['1']);
  t.strictSame(cpu(...rounds, samples({ c: sample(30_000, 19) })), ['1'], 'the same sample once more says nothing new');
  t.equal(
    used(samples({ c: sample(0, 1) }), samples({ c: sample(15_000, 1), d: sample(15_000, 1) })),
    undefined,
    'a pod is shown when all its containers are known',
  );
  const young = sample(15_000, 6, { startedAtMs: T0 + 3_000 });
  t.match(used(samples({}), samples({ c: young })), { window: '12s', containers: [{ usage: { cpu: '500m' } }] });
  const younger = sample(15_000, 6, { startedAtMs: T0 + 10_000 });
  t.equal(used(samples({}), samples({ c: younger })), undefined, 'too short a time says nothing');
  t.equal(used(samples({ c: sample(0, 9) }), samples({ c: younger })), undefined, 'a restarted one begins anew');
  t.match(
    used(samples({ c: sample(0, 1), d: sample(-2_000, 1) }), samples({ c: sample(15_000, 4), d: sample(14_000, 4) })),
    { timestamp: '2026-01-01T00:00:14Z', window: '16s' },
    'the time is that of the container that was measured first',
  );
  t.match(nodeUsage(grow(samples({}, sample(0, 1)), samples({}, sample(15_000, 16)))), { usage: { cpu: '1' } });
  t.end();
});
