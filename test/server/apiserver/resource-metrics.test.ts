/** metrics.k8s.io, with nodes of the test: HTTPS servers that answer as agents do. */
import t, { type Test } from 'tap';
import { podMetrics } from '../../../api/kinds/metrics/pod-metrics.ts';
import { createAggregation } from '../../../control-plane/apiserver/aggregation/main.ts';
import { keepLocalApiServices } from '../../../control-plane/apiserver/aggregation/auto-registration.ts';
import { NodeScraper } from '../../../control-plane/apiserver/nodes/metrics/node-scraper.ts';
import { resourceMetrics } from '../../../control-plane/apiserver/nodes/metrics/resource-metrics.ts';
import { NodeBackends } from '../../../control-plane/apiserver/nodes/node-backend.ts';
import { ProtobufDecoder } from '../../../api/machinery/protobuf/decode.ts';
import { eventually } from '../../support/wait.ts';
import { sendJson, startHttpsServer } from './https-peer.ts';
import { silent, TestServer } from './server.ts';

const METRICS = '/apis/metrics.k8s.io/v1beta1';
const STARTED = Date.now();

/** Half a core on the node, and a quarter in each container. */
function usageText(pods: readonly string[], now = Date.now()): string {
  const seconds = (now - STARTED + 60_000) / 1000;
  const lines = [
    `node_cpu_usage_seconds_total ${seconds / 2} ${now}`,
    `node_memory_working_set_bytes ${2 ** 30} ${now}`,
  ];
  for (const pod of pods) {
    const labels = `{container="c",namespace="default",pod="${pod}"}`;
    lines.push(`container_cpu_usage_seconds_total${labels} ${seconds / 4} ${now}`);
    lines.push(`container_memory_working_set_bytes${labels} ${64 * 2 ** 20} ${now}`);
    lines.push(`container_start_time_seconds${labels} ${STARTED / 1000 - 60}`);
  }
  return `${lines.join('\n')}\n`;
}

async function cluster(t: Test) {
  let asked = 0;
  const peer = await startHttpsServer((request, response) => {
    asked++;
    if (request.url !== '/metrics/resource') response.statusCode = 404;
    response.end(usageText(['web', 'db', 'elsewhere']));
  });
  const server = await TestServer.start({
    computed: ({ registry, api }, signal) =>
      resourceMetrics({
        registry,
        nodes: new NodeBackends(api, () => ({
          ...{ cert: '', key: '', ca: Buffer.from(peer.caBundle, 'base64').toString() },
        })),
        logger: silent,
        signal,
      }),
    aggregated: ({ api, registry }, pki, signal) =>
      createAggregation({
        ...{ api, kinds: registry.kinds, logger: silent, signal },
        resolve: () => ({ host: '127.0.0.1', port: peer.port }),
        identity: () => pki.frontProxyClient,
      }),
  });
  t.teardown(async () => {
    await server[Symbol.asyncDispose]();
    await peer[Symbol.asyncDispose]();
  });
  const put = async (path: string, body: object, status?: object) => {
    const made = await server.call('POST', path, { body });
    t.equal(made.status, 201, made.text);
    if (!status) return;
    const { name } = made.body.metadata ?? {};
    const patched = await server.call('PATCH', `${path}/${String(name)}/status`, {
      ...{ body: { status }, type: 'application/merge-patch+json' },
    });
    t.equal(patched.status, 200, patched.text);
  };
  const node = (name: string, port: number) =>
    put(
      '/api/v1/nodes',
      { metadata: { name, labels: { role: name } } },
      {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
      },
    );
  const pod = (name: string, nodeName: string, phase = 'Running') =>
    put(
      '/api/v1/namespaces/default/pods',
      { metadata: { name, labels: { app: name } }, spec: { nodeName, containers: [{ name: 'c', image: 'x' }] } },
      { phase },
    );
  await put('/api/v1/namespaces', { metadata: { name: 'default' } });
  await node('one', peer.port);
  await pod('web', 'one');
  await pod('db', 'one');
  return { server, peer, node, pod, asked: () => asked };
}

t.test('the usage of nodes and pods is served', async (t) => {
  const { server, node, pod, asked } = await cluster(t);
  // Nothing listens on port 1, and `elsewhere` is of another node than the one that speaks of it.
  await node('dead', 1);
  await pod('elsewhere', 'dead');
  await pod('done', 'one', 'Succeeded');
  t.equal(asked(), 0, 'nobody has asked for metrics');

  const nodes = await server.call('GET', `${METRICS}/nodes`);
  t.match(nodes.body, { kind: 'NodeMetricsList', apiVersion: 'metrics.k8s.io/v1beta1', metadata: {} });
  t.match(nodes.body.items, [
    {
      metadata: { name: 'one', labels: { role: 'one' } },
      timestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
      window: /^2(\.\d+)?s$/,
      usage: { cpu: /^(5\d\d|49\d)/, memory: '1Gi' },
    },
  ]);
  t.equal(nodes.body.items?.length, 1);

  const pods = await server.call('GET', `${METRICS}/namespaces/default/pods`);
  t.strictSame(
    pods.body.items?.map(({ metadata }) => metadata?.['name']),
    ['db', 'web'],
  );
  t.match(pods.body.items?.[1], {
    containers: [{ name: 'c', usage: { memory: '64Mi' } }],
    metadata: { labels: { app: 'web' } },
  });
  const named = async (query: string) =>
    (await server.call('GET', `${METRICS}/pods?${query}`)).body.items?.map(({ metadata }) => metadata?.['name']);
  t.strictSame(await named('labelSelector=app=web'), ['web']);
  t.strictSame(await named('fieldSelector=metadata.name=db'), ['db']);

  const one = await server.call('GET', `${METRICS}/namespaces/default/pods/web`);
  t.match(one.body, { kind: 'PodMetrics', metadata: { name: 'web', namespace: 'default' } });
  const messages = await Promise.all(
    ['nodes/dead', 'nodes/none', 'namespaces/default/pods/done', 'namespaces/default/pods/none'].map(
      async (path) => (await server.call('GET', `${METRICS}/${path}`)).body['message'],
    ),
  );
  t.strictSame(messages, [
    'nodemetrics.metrics.k8s.io "dead" not found',
    'nodes "none" not found',
    'podmetrics.metrics.k8s.io "default/done" not found',
    'pods "none" not found',
  ]);
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const table = (await server.call('GET', `${METRICS}/pods?labelSelector=app=web`, { accept })).body;
  t.match(table['columnDefinitions'], [{ name: 'Name' }, { name: 'cpu' }, { name: 'memory' }, { name: 'Window' }]);
  t.match(table['rows'], [{ cells: ['web', String, '64Mi', String] }]);
  t.equal((await server.call('DELETE', `${METRICS}/nodes/one`)).status, 405);
  t.equal((await server.call('GET', `${METRICS}/nodes?watch=1`)).status, 405);
});

t.test('metrics come in protobuf for clients that want it', async (t) => {
  const { server } = await cluster(t);
  const accept = 'application/vnd.kubernetes.protobuf';
  const json = await server.call('GET', `${METRICS}/namespaces/default/pods/web`);
  const answer = await server.call('GET', `${METRICS}/namespaces/default/pods/web`, { accept });
  t.equal(answer.headers['content-type'], accept);
  const decoded = new ProtobufDecoder().decode(answer.bytes, () => podMetrics.schema);
  t.match(decoded, { containers: json.body['containers'], window: json.body['window'] });
});

t.test('discovery and OpenAPI have metrics.k8s.io, and no APIService is in the way', async (t) => {
  const { server } = await cluster(t);
  const { core } = server;
  await keepLocalApiServices({
    ...{ api: core.api, kinds: core.registry.kinds, logger: silent, signal: AbortSignal.abort() },
  });
  t.match((await server.call('GET', METRICS)).body['resources'], [
    { name: 'nodes', kind: 'NodeMetrics', namespaced: false, verbs: ['get', 'list'] },
    { name: 'pods', kind: 'PodMetrics', namespaced: true, verbs: ['get', 'list'] },
  ]);
  const { text } = await server.call('GET', '/openapi/v3/apis/metrics.k8s.io/v1beta1');
  t.match(text, /io\.k8s\.metrics\.pkg\.apis\.metrics\.v1beta1\.PodMetricsList/);
  const service = '/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io';
  t.equal((await server.call('GET', service)).status, 404);
});

t.test('an installed metrics-server takes over by its APIService, until it is removed', async (t) => {
  const { server } = await cluster(t);
  const installed = await startHttpsServer(
    (request, response) =>
      sendJson(response, {
        kind: 'NodeMetricsList',
        apiVersion: 'metrics.k8s.io/v1beta1',
        metadata: {},
        items: [],
        path: request.url,
      }),
    { names: ['metrics-server.kube-system.svc'] },
  );
  t.teardown(() => installed[Symbol.asyncDispose]());
  const services = '/apis/apiregistration.k8s.io/v1/apiservices';
  const body = {
    metadata: { name: 'v1beta1.metrics.k8s.io' },
    spec: {
      ...{ group: 'metrics.k8s.io', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100 },
      ...{ service: { namespace: 'kube-system', name: 'metrics-server' }, insecureSkipTLSVerify: true },
    },
  };
  t.equal((await server.call('POST', services, { body })).status, 201);
  t.match((await server.call('GET', `${METRICS}/nodes`)).status, 503, 'it has not been reached yet');
  const resources = async () => (await server.call('GET', METRICS)).body['resources'];
  t.equal(await resources(), undefined, 'nothing of it is served here');
  t.equal((await server.call('DELETE', `${services}/v1beta1.metrics.k8s.io`)).status, 200);
  await eventually('metrics of this server', async () => {
    const { body } = await server.call('GET', `${METRICS}/nodes`);
    return body.items?.length === 1;
  });
});

t.test('nodes are asked only while somebody wants to know, and a dead one delays nobody', async (t) => {
  const asked = new Map<string, number>();
  const stopping = new AbortController();
  t.teardown(() => stopping.abort());
  const scraper = new NodeScraper({
    scrape: async (name, signal) => {
      asked.set(name, (asked.get(name) ?? 0) + 1);
      if (name === 'dead')
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('gone'))));
      return usageText([]);
    },
    nodeNames: () => ['live', 'dead'],
    logger: silent,
    signal: stopping.signal,
    times: { roundMs: 40, idleMs: 1_500, firstWindowMs: 20 },
  });
  t.equal(scraper.isScraping, false);
  const { signal } = new AbortController();
  const startedAt = performance.now();
  const histories = await scraper.histories(new Set(['live']), signal);
  t.ok(performance.now() - startedAt < 2_000);
  t.ok(histories('live'));
  t.equal(histories('dead'), undefined);
  await eventually('another round', () => (asked.get('live') ?? 0) > 3);
  t.equal(asked.get('dead'), 1, 'one request at a time');
  await eventually('the end of scraping', () => !scraper.isScraping);
  const count = asked.get('live');
  await scraper.histories(new Set(['live']), signal);
  t.ok(scraper.isScraping);
  t.ok((asked.get('live') ?? 0) > (count ?? 0));
  await t.rejects(scraper.histories(new Set(['dead']), AbortSignal.abort(new Error('left'))), { message: 'left' });
});
