/** What load balancers, probes and scrapers are told of the service proxy. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test, type Test } from 'tap';
import { HttpPort } from '../../../../daemon/http-port.ts';
import { ProxyHealth } from '../../../../agent/network/services/health/proxy-health.ts';
import { serveProxyPorts } from '../../../../agent/network/services/health/proxy-ports.ts';
import { ServiceHealth } from '../../../../agent/network/services/health/service-health.ts';
import { ProxyMetrics } from '../../../../agent/network/services/proxy-metrics.ts';
import { Exposition } from '../../../../daemon/metrics/exposition.ts';
import type { Node } from '../../../../api/types/core/v1.gen.ts';
import { silent } from '../../../support/https-server.ts';
import { Log } from '../../../support/log.ts';
import { entryOf } from '../../../support/service-entries.ts';
import { eventually } from '../../../support/wait.ts';

async function freePort(): Promise<number> {
  const free = createServer().listen(0);
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  await once(free, 'close');
  return port;
}

const ask = async (port: number, path = '/'): Promise<readonly [number, unknown] | 'refused'> =>
  fetch(`http://127.0.0.1:${port}${path}`).then(
    async (response) => {
      const body = await response.text();
      const isJson = response.headers.get('content-type') === 'application/json';
      return [response.status, isJson ? (JSON.parse(body) as unknown) : body] as const;
    },
    () => 'refused' as const,
  );

const NODE: Node = { metadata: { name: 'n' }, spec: {} };

test('the proxy is unhealthy when rules lag behind, and while nothing was ever written', (t) => {
  let nowMs = 0;
  const health = new ProxyHealth(['IPv4', 'IPv6'], { node: () => NODE, now: () => nowMs });
  t.equal(health.isHealthy, true, 'it starts');
  nowMs = 60_000;
  t.equal(health.isHealthy, false, 'no rules after a minute');
  health.synced('IPv4', false);
  t.match(health.report(), { healthy: false, status: { IPv4: { healthy: true }, IPv6: { healthy: false } } });
  t.equal(health.report().status.IPv6?.lastUpdated, '0001-01-01T00:00:00Z');
  health.synced('IPv6', false);
  t.equal(health.isHealthy, true);
  health.pending('IPv4');
  nowMs += 59_999;
  health.pending('IPv4');
  t.equal(health.isHealthy, true, 'a change is not late yet');
  nowMs += 1;
  t.equal(health.isHealthy, false, 'the first change is what counts');
  health.synced('IPv4', true);
  t.equal(health.isHealthy, true, 'rules that are written again and again keep up');
  nowMs += 60_000;
  t.equal(health.isHealthy, false, 'what came meanwhile is late now');
  t.end();
});

const nodes: readonly (readonly [string, Node | undefined, boolean])[] = [
  ['not registered', undefined, false],
  ['ready', NODE, true],
  ['with another taint', { ...NODE, spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }, true],
  ['being deleted', { metadata: { name: 'n', deletionTimestamp: '2026-01-01T00:00:00Z' } }, false],
  [
    'about to be removed by the autoscaler',
    { ...NODE, spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] } },
    false,
  ],
];
for (const [name, node, isEligible] of nodes) {
  test(`a node ${name} is ${isEligible ? '' : 'not '}eligible for load balancers`, (t) => {
    t.equal(new ProxyHealth(['IPv4'], { node: () => node }).isEligible, isEligible);
    t.end();
  });
}

async function startPorts(t: Test) {
  let node: Node | undefined = NODE;
  let nowMs = 0;
  const health = new ProxyHealth(['IPv4'], { node: () => node, now: () => nowMs });
  const metrics = new ProxyMetrics('nftables', () => [
    {
      ...{ family: 'IPv4', pending: { service: 0, endpoint: 2 }, ruleCounts: undefined },
      withoutLocalEndpoints: { internal: 1, external: 0 },
    },
  ]);
  const ports = { health: await freePort(), metrics: await freePort() };
  const served = serveProxyPorts({
    ...{ health, proxyMode: 'nftables', logger: silent },
    ports: { ...ports, healthAddress: '127.0.0.1', metricsAddress: '127.0.0.1' },
    metrics: {
      healthAsked: (path, status) => metrics.healthAsked(path, status),
      async text() {
        const to = new Exposition();
        metrics.write(to);
        return to.toString();
      },
    },
  });
  t.teardown(() => served[Symbol.dispose]());
  await eventually(
    'both ports',
    async () => (await ask(ports.health)) !== 'refused' && (await ask(ports.metrics)) !== 'refused',
  );
  return {
    ...{ health, metrics, ports },
    setNode: (next: Node | undefined) => (node = next),
    pass: (ms: number) => (nowMs += ms),
  };
}

test('healthz says whether the node is to get connections, livez whether the proxy works', async (t) => {
  const { health, metrics, ports, setNode, pass } = await startPorts(t);
  health.synced('IPv4', false);
  t.match(await ask(ports.health, '/healthz'), [
    200,
    { healthy: true, nodeEligible: true, status: { IPv4: { healthy: true } } },
  ]);
  setNode(undefined);
  t.match(await ask(ports.health, '/healthz?verbose'), [503, { healthy: true, nodeEligible: false }]);
  const [code, alive] = (await ask(ports.health, '/livez')) as [number, object];
  t.equal(code, 200);
  t.notOk('nodeEligible' in alive);
  health.pending('IPv4');
  pass(60_000);
  t.match(await ask(ports.health, '/livez'), [503, { healthy: false }]);
  t.match(await ask(ports.health, '/metrics'), [404, /not found/], 'each port has its own paths');
  metrics.changed('endpoint');
  metrics.pending('IPv4');
  metrics.wrote('IPv4', 0.003, { failed: false, isFull: true });
  metrics.wrote('IPv4', 0.003, { failed: true, isFull: false });
  metrics.programmed('IPv4', 0.4);
  metrics.reconciledFlows('IPv4', 0.01, 3);
  const [, exposition] = (await ask(ports.metrics, '/metrics')) as [number, string];
  for (const line of [
    'kubeproxy_proxy_healthz_total{code="200"} 1',
    'kubeproxy_proxy_healthz_total{code="503"} 1',
    'kubeproxy_proxy_livez_total{code="503"} 1',
    'kubeproxy_sync_proxy_rules_endpoint_changes_total 1',
    'kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.004"} 2',
    'kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family="IPv4"} 1',
    'kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1',
    'kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1',
    'kubeproxy_network_programming_duration_seconds_bucket{ip_family="IPv4",le="0.25"} 0',
    'kubeproxy_network_programming_duration_seconds_bucket{ip_family="IPv4",le="0.5"} 1',
    'kubeproxy_conntrack_reconciler_sync_duration_seconds_count{ip_family="IPv4"} 1',
    'kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv4"} 3',
    'kubeproxy_sync_proxy_rules_endpoint_changes_pending 2',
    'kubeproxy_sync_proxy_rules_service_changes_pending 0',
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="internal"} 1',
  ])
    t.ok(exposition.includes(`${line}\n`), line);
  t.match(exposition, /^kubeproxy_sync_proxy_rules_last_timestamp_seconds\{ip_family="IPv4"\} \d/m);
  t.match(exposition, /^kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds\{ip_family="IPv4"\} \d/m);
  t.strictSame(await ask(ports.metrics, '/proxyMode'), [200, 'nftables']);
  t.strictSame(await ask(ports.metrics, '/healthz'), [200, 'ok']);
});

test('the health check of a Service counts endpoints of both families', async (t) => {
  const port = await freePort();
  let isProxyHealthy = true;
  using checks = new ServiceHealth({ isProxyHealthy: () => isProxyHealthy, onError: () => undefined, logger: silent });
  const service = (clusterIP: string, endpoints: readonly string[]) =>
    entryOf({
      ...{ clusterIP, endpoints },
      spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: port },
    });
  const told = (localEndpoints: number, serviceProxyHealthy = true) => ({
    service: { namespace: 'default', name: 'web' },
    ...{ localEndpoints, serviceProxyHealthy },
  });
  checks.update('default/web', 'IPv4', service('10.43.0.5', []));
  checks.update('default/web', 'IPv6', service('fd00:43::5', []));
  await eventually('the server', async () => (await ask(port)) !== 'refused');
  t.same(await ask(port), [503, told(0)]);
  checks.update('default/web', 'IPv6', service('fd00:43::5', ['fd00:42::2']));
  t.same(await ask(port), [200, told(1)]);
  checks.update('default/web', 'IPv4', service('10.43.0.5', ['10.42.0.2']));
  t.same(await ask(port), [200, told(1)], 'a pod counts once');
  t.equal((await fetch(`http://127.0.0.1:${port}/`)).headers.get('x-load-balancing-endpoint-weight'), '1');
  isProxyHealthy = false;
  t.same(await ask(port), [503, told(1, false)], 'the rules lag behind');
  isProxyHealthy = true;
  checks.update('default/web', 'IPv4', undefined);
  t.same(await ask(port), [200, told(1)]);
  checks.update('default/web', 'IPv6', undefined);
  await eventually('the server to close', async () => (await ask(port)) === 'refused');
});

test('a port that is taken is tried again, and its Service is told once', async (t) => {
  const other = createServer((_, response) => response.end('other')).listen(0);
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const errors: string[] = [];
  const logger = new Log();
  const served = new HttpPort({
    ...{ port, logger, fields: { serves: 'a test' }, retryMs: 20 },
    answer: () => ({ status: 200, type: 'text/plain', body: 'mine' }),
    onError: ({ message }) => errors.push(message),
  });
  t.teardown(() => {
    served[Symbol.dispose]();
    other.close();
  });
  await eventually('the first failure', () => errors.length > 0);
  t.match(errors, [/EADDRINUSE/]);
  other.close();
  other.closeAllConnections();
  await once(other, 'close');
  await eventually('the port', async () => (await ask(port))[1] === 'mine');
  t.equal(errors.length, 1);
  t.strictSame(logger.shown, ['error: failed to listen', 'info: listening again']);
});

test('what strangers send to a port', async (t) => {
  let answers = 0;
  const port = await freePort();
  const logger = new Log();
  const served = new HttpPort({
    ...{ port, address: '127.0.0.1', logger, fields: {} },
    answer(path) {
      answers++;
      if (path === '/broken') throw new Error('broken');
      return path === '/' ? { status: 200, type: 'text/plain', body: 'mine' } : undefined;
    },
  });
  t.teardown(() => served[Symbol.dispose]());
  await eventually('the port', async () => (await ask(port)) !== 'refused');
  const send = async (bytes: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1');
    socket.end(bytes);
    return (await text(socket)).split('\r\n')[0]!;
  };
  const before = answers;
  t.equal(await send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n'), 'HTTP/1.1 405 Method Not Allowed');
  t.match(await send(`GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`), /^HTTP\/1.1 431 /);
  t.match(await send('nonsense\r\n\r\n'), /^HTTP\/1.1 400 /);
  t.equal(answers, before, 'none of these reaches the handler');
  t.match(await send('GET /__proto__ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /^HTTP\/1.1 404 /);
  t.equal(
    await send('GET /broken HTTP/1.1\r\nHost: a\r\n\r\n'),
    '',
    'an error of ours ends the connection and is logged',
  );
  t.strictSame(logger.shown, ['error: failed to answer']);
  t.strictSame(await ask(port), [200, 'mine']);
});
