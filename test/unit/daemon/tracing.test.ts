/** The W3C trace context, and the configuration of traces. */
import t from 'tap';
import { readTracingConfiguration } from '../../../daemon/tracing/configuration.ts';
import { exportRequest } from '../../../daemon/tracing/otlp-messages.ts';
import { Span, spanning, type EndedSpan } from '../../../daemon/tracing/span.ts';
import { parseTraceparent, traceparent } from '../../../daemon/tracing/trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

t.test('traceparent is read as the specification has it', (t) => {
  const one = { traceId: TRACE, spanId: SPAN, isSampled: true };
  t.same(parseTraceparent(`00-${TRACE}-${SPAN}-01`), one);
  t.equal(traceparent(one), `00-${TRACE}-${SPAN}-01`);
  t.same(parseTraceparent(`00-${TRACE}-${SPAN}-00`), { ...one, isSampled: false });
  t.same(parseTraceparent(`cc-${TRACE}-${SPAN}-03-what-comes`), one, 'of a later version');
  for (const odd of [
    ...[undefined, '', 'x', `00-${TRACE}-${SPAN}`, `ff-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01-more`],
    ...[`00-${'0'.repeat(32)}-${SPAN}-01`, `00-${TRACE}-${'0'.repeat(16)}-01`, `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    `cc-${TRACE}-${SPAN}-01-${'x'.repeat(300)}`,
  ])
    t.equal(parseTraceparent(odd), undefined, String(odd));
  t.end();
});

t.test('a trace has a bounded number of spans, and values of a bounded length', (t) => {
  const ended: EndedSpan[] = [];
  const root = Span.root((span) => ended.push(span), 'root', { traceId: TRACE, spanId: '' }, performance.now());
  for (let each = 0; each < 1000; each++) spanning(root, 'step', (span) => span?.set('value', 'x'.repeat(10_000)));
  root.end('x'.repeat(10_000));
  root.end('again');
  t.equal(ended.length, 129);
  t.ok(
    ended.every(
      ({ attributes, failure }) => String(attributes.get('value') ?? '').length <= 256 && (failure ?? '').length <= 256,
    ),
  );
  t.end();
});

t.test('what a client sends is UTF-8 when it is exported: a collector refuses a batch that is not', (t) => {
  const ended: EndedSpan[] = [];
  const root = Span.root((span) => ended.push(span), 'root', { traceId: TRACE, spanId: '' }, performance.now());
  root.set('cut', `${'x'.repeat(255)}\u{1f600}`).set('sent', '\ud800');
  root.end('\udc00');
  const exported = JSON.stringify(exportRequest(new Map([['service.name', 'kedge']]), ended), (_, value: unknown) =>
    typeof value === 'string' && !value.isWellFormed() ? t.fail(`half a character: ${value}`) : value,
  );
  t.match(exported, /x\ufffd"/);
  t.end();
});

t.test('a step that fails is told with its reason, and fails as it would without a span', async (t) => {
  const ended: EndedSpan[] = [];
  const root = Span.root((span) => ended.push(span), 'root', { traceId: TRACE, spanId: '' }, performance.now());
  const fail = (): never => {
    throw new Error('no');
  };
  t.throws(() => spanning(root, 'at once', fail), /no/);
  await t.rejects(
    spanning(root, 'later', async () => fail()),
    /no/,
  );
  t.throws(() => spanning(undefined, 'untraced', fail), /no/);
  t.same(
    ended.map(({ name, failure }) => [name, failure]),
    [
      ['at once', 'no'],
      ['later', 'no'],
    ],
  );
});

t.test("upstream's TracingConfiguration is read strictly", (t) => {
  const read = (more: object, apiVersion = 'apiserver.config.k8s.io/v1') =>
    readTracingConfiguration(JSON.stringify({ apiVersion, kind: 'TracingConfiguration', ...more }));
  t.match(read({ endpoint: 'collector:4317', samplingRatePerMillion: 100 }), { samplingRatePerMillion: 100 });
  for (const endpoint of ['[::1]:4317', 'dns:///collector:4317', 'unix:///run/otel.sock'])
    t.match(read({ endpoint }), { endpoint });
  for (const version of ['v1beta1', 'v1alpha1']) t.ok(read({}, `apiserver.config.k8s.io/${version}`));
  for (const [more, why] of [
    [{ samplingRatePerMillion: -1 }, /samplingRatePerMillion/],
    [{ samplingRatePerMillion: 1_000_001 }, /samplingRatePerMillion/],
    [{ endpoint: 'https://collector' }, /endpoint/],
    [{ endpoint: 'collector' }, /endpoint/],
    [{ endpiont: 'x:1' }, /endpiont/],
  ] as const)
    t.throws(() => read(more), why);
  t.throws(() => read({}, 'v1'), /apiVersion/);
  t.end();
});
