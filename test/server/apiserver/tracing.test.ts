/** Traces of requests, as a collector of OpenTelemetry gets them. */
import t from 'tap';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import { OtlpExporter } from '../../../daemon/tracing/otlp-exporter.ts';
import { Tracer } from '../../../daemon/tracing/tracer.ts';
import { AdmissionMetrics } from '../../../control-plane/apiserver/admission/metrics.ts';
import { validatingAdmissionWebhook } from '../../../control-plane/apiserver/admission/webhooks/validating-admission-webhook.ts';
import { Collector } from '../../support/collector.ts';
import { eventually } from '../../support/wait.ts';
import { readJson, sendJson, startHttpsServer } from './https-peer.ts';
import { configMap, CONFIG_MAPS, silent, TestServer } from './server.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const SAMPLED = `00-${TRACE}-${PARENT}-01`;
/** May read and write here, but not say what is traced. */
const ALLOWED = { authorize: () => ({ allowed: true, reason: '' }) };

const exporterTo = (endpoint: string, more: { delayMs?: number; exportLimitMs?: number } = {}): OtlpExporter =>
  new OtlpExporter({
    endpoint,
    resource: new Map([['service.name', 'apiserver']]),
    logger: silent,
    delayMs: 20,
    ...more,
  });

const metricsOf = (exporter: OtlpExporter): string => {
  const to = new Exposition();
  exporter.write(to);
  return to.toString();
};

t.test('a request is traced from authentication to the store, and a webhook is told of it', async (t) => {
  await using collector = await Collector.start();
  await using exporter = exporterTo(collector.endpoint);
  const told: (string | string[] | undefined)[] = [];
  await using hook = await startHttpsServer((request, response) => {
    told.push(request.headers['traceparent']);
    void readJson(request).then((body) => {
      const { uid } = (body as { request: { uid: string } }).request;
      sendJson(response, {
        ...{ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' },
        response: { uid, allowed: true },
      });
    });
  });
  await using server = await TestServer.start({
    tracer: new Tracer({ samplingRatePerMillion: 0, take: exporter.take }),
    authorizer: ALLOWED,
    admission: ({ api, registry, webhookClient }) => [
      validatingAdmissionWebhook({
        ...{ api, kinds: registry.kinds, client: webhookClient, logger: silent },
        ...{ metrics: new AdmissionMetrics().webhooks, matchConditions: () => true },
      }),
    ],
  });
  await server.call('POST', '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations', {
    body: {
      ...{ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration' },
      metadata: { name: 'watching' },
      webhooks: [
        {
          ...{ name: 'watching.example.com', sideEffects: 'None', admissionReviewVersions: ['v1'] },
          clientConfig: { url: `${hook.url}/`, caBundle: hook.caBundle },
          rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
        },
      ],
    },
  });
  const traced = await server.call('POST', CONFIG_MAPS, { body: configMap('one'), headers: { traceparent: SAMPLED } });
  t.equal(traced.status, 201, traced.text);
  const root = await eventually('the spans of the request', () =>
    collector.spans.find(({ parentId }) => parentId === PARENT),
  );
  t.match(root, {
    ...{ name: 'POST /api/v1/namespaces/{:namespace}/configmaps', traceId: TRACE, kind: 'SPAN_KIND_SERVER' },
    attributes: { 'http.response.status_code': '201', 'audit-id': String(traced.headers['audit-id']) },
  });
  t.equal(collector.resource['service.name'], 'apiserver');
  const below = collector.spans.filter(({ parentId }) => parentId === root.spanId);
  t.same(below.map(({ name }) => name).sort(), [
    'Admit',
    'Authentication',
    'Authorization',
    'Call validating webhook',
    'Store',
    'Validate',
  ]);
  t.match(collector.named('Store'), {
    kind: 'SPAN_KIND_CLIENT',
    attributes: { operation: 'create', resource: 'configmaps' },
  });
  const call = collector.named('Call validating webhook');
  t.match(call, { attributes: { webhook: 'watching.example.com', operation: 'CREATE' } });
  t.same(told, [`00-${TRACE}-${call?.spanId}-01`], 'the webhook continues the trace');
  t.ok(below.every(({ traceId, durationMs }) => traceId === TRACE && durationMs <= root.durationMs));

  const before = collector.spans.length;
  await server.call('GET', `${CONFIG_MAPS}/one`, { headers: { traceparent: `00-${TRACE}-${PARENT}-00` } });
  await server.call('GET', `${CONFIG_MAPS}/one`, { headers: { traceparent: 'nonsense' } });
  await server.call('GET', `${CONFIG_MAPS}/one`, { user: 'mallory/developers', headers: { traceparent: SAMPLED } });
  const rejected = await server.call('POST', CONFIG_MAPS, {
    body: configMap('one'),
    headers: { traceparent: SAMPLED },
  });
  t.equal(rejected.status, 409);
  await eventually('the next trace', () => collector.spans.length > before);
  const after = collector.spans.slice(before);
  t.notOk(
    after.some(({ name }) => name.startsWith('GET')),
    'neither unasked, nor because anybody asks',
  );
});

t.test('a share of the requests begins traces of its own', async (t) => {
  const names: string[] = [];
  const tracer = (samplingRatePerMillion: number) =>
    new Tracer({ samplingRatePerMillion, take: ({ name, parentId }) => void (parentId || names.push(name)) });
  await using server = await TestServer.start({ tracer: tracer(1_000_000), authorizer: ALLOWED });
  await server.call('GET', CONFIG_MAPS);
  await server.call('GET', `${CONFIG_MAPS}/none`, { user: 'mallory/developers', headers: { traceparent: SAMPLED } });
  await server.call('GET', '/version');
  t.same(names, [
    'GET /api/v1/namespaces/{:namespace}/configmaps',
    'GET /api/v1/namespaces/{:namespace}/configmaps/{:name}',
    'GET',
  ]);
  const of = { name: 'GET', header: undefined, isTrusted: false, startedAt: 0 };
  const tenth = tracer(100_000);
  const begun = Array.from({ length: 4000 }, () => tenth.begin(of)).filter((span) => span !== undefined).length;
  t.ok(begun > 280 && begun < 520, `${begun} of 4000, of which a tenth was asked for`);
});

t.test('a collector that hangs, or is away, harms nobody', async (t) => {
  await using collector = await Collector.start();
  collector.hangs = true;
  const exporter = exporterTo(collector.endpoint, { delayMs: 1, exportLimitMs: 100 });
  const tracer = new Tracer({ samplingRatePerMillion: 1_000_000, take: exporter.take });
  const begin = () => tracer.begin({ name: 'GET', header: undefined, isTrusted: false, startedAt: performance.now() });
  for (let each = 0; each < 3000; each++) begin()?.end();
  t.match(metricsOf(exporter), /dropped_spans_total\{reason="queue_full"\} [1-9]/, 'the queue is bounded');
  await eventually('the export to be given up', () =>
    /dropped_spans_total\{reason="export_failed"\} [1-9]/.test(metricsOf(exporter)),
  );
  collector.hangs = false;
  await eventually('spans to be taken again', () => /exported_spans_total [1-9]/.test(metricsOf(exporter)));
  await exporter[Symbol.asyncDispose]();

  const nowhere = exporterTo('127.0.0.1:1', { exportLimitMs: 200 });
  new Tracer({ samplingRatePerMillion: 1_000_000, take: nowhere.take })
    .begin({ name: 'GET', header: undefined, isTrusted: false, startedAt: 0 })
    ?.end();
  await nowhere[Symbol.asyncDispose]();
  t.match(metricsOf(nowhere), /exported_spans_total 0\n/);
});
