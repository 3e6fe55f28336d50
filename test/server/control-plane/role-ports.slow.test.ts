import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { ApiClient } from '../../../client/api-client.ts';
import { loadKubeconfig } from '../../../client/kubeconfig.ts';
import { serverProcess } from '../../support/server-process.ts';
import { eventually } from '../../support/wait.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

interface Asked {
  readonly method?: string;
  readonly token?: string;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

t.test('scheduler and controllers have the ports of their upstream counterparts', async (t) => {
  const folder = t.testdir();
  const ports = { scheduler: await freePort(), controllers: await freePort() };
  await using server = serverProcess(
    folder,
    ...['--port=0', `--port-file=${path.join(folder, 'port')}`, `--admin-kubeconfig=${path.join(folder, 'admin')}`],
    ...[`--scheduler-port=${ports.scheduler}`, `--controllers-port=${ports.controllers}`],
  );
  const ca = () => readFile(path.join(folder, 'pki/ca.crt'));
  const ask = async (port: number, at: string, { method = 'GET', token, cert, key }: Asked = {}) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const asked = request({
      ...{ host: '127.0.0.1', port, path: at, method, headers, ca: await ca(), agent: false },
      ...(cert && { cert, key }),
    }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    return { status: response.statusCode, body: await text(response) };
  };
  await eventually('both ports to be open', async () => {
    if (!server.alive) throw new Error(await readFile(server.log, 'utf8'));
    const open = await Promise.all(Object.values(ports).map((port) => ask(port, '/healthz').catch(() => undefined)));
    return open.every((answer) => answer?.status === 200);
  });
  const { server: url, ...credentials } = await loadKubeconfig(path.join(folder, 'admin'));
  await using client = new ApiClient({ server: url, ...credentials });

  for (const port of Object.values(ports)) {
    for (const healthy of ['/healthz', '/livez?verbose', '/readyz'])
      t.strictSame(await ask(port, healthy), { status: 200, body: 'ok' }, `${healthy} is for anybody`);
    t.equal((await ask(port, '/metrics')).status, 403, 'metrics are not');
    t.equal((await ask(port, '/metrics', { token: 'wrong' })).status, 401);
    t.equal((await ask(port, '/constructor')).status, 404);
    t.equal((await ask(port, '/healthz', { method: 'POST' })).status, 405);
  }

  await client.request('POST', '/api/v1/namespaces/default/serviceaccounts', {
    body: { metadata: { name: 'scraper' } },
  });
  const issued = await client.request('POST', '/api/v1/namespaces/default/serviceaccounts/scraper/token', {
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
  });
  const { token } = (JSON.parse(issued.body) as { status: { token: string } }).status;
  t.match(await ask(ports.controllers, '/metrics', { token }), { status: 403, body: /serviceaccount:default:scraper/ });

  const { cert, key } = credentials;
  const metrics = async (port: number): Promise<string> => {
    const { status, body } = await ask(port, '/metrics', { cert, key });
    t.equal(status, 200);
    return body;
  };
  // What the dashboards of kubernetes-mixin and kube-prometheus ask for.
  await eventually('the controllers to lead', async () =>
    (await metrics(ports.controllers)).includes('workqueue_depth{name="deployment-controller"} '),
  );
  const ofControllers = await metrics(ports.controllers);
  for (const name of ['adds_total', 'queue_duration_seconds_bucket', 'work_duration_seconds_bucket', 'retries_total'])
    t.match(ofControllers, new RegExp(`^workqueue_${name}\\{name="`, 'm'));
  for (const name of ['unfinished_work_seconds', 'longest_running_processor_seconds'])
    t.match(ofControllers, new RegExp(`^workqueue_${name}\\{name="deployment-controller"\\} 0$`, 'm'));
  t.match(ofControllers, 'leader_election_master_status{name="kube-controller-manager"} 1\n');
  t.match(ofControllers, /^rest_client_requests_total\{code="20[01]",method="POST",host="127\.0\.0\.1:\d+"\} \d+$/m);
  t.match(ofControllers, /^rest_client_request_duration_seconds_bucket\{verb="GET",host="[^"]+",le="0.005"\} \d+$/m);
  const ofScheduler = await metrics(ports.scheduler);
  t.match(ofScheduler, 'leader_election_master_status{name="kube-scheduler"} 1\n');
  t.match(ofScheduler, /^scheduler_pending_pods\{queue="active"\} 0$/m);
  for (const all of [ofScheduler, ofControllers])
    for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes'])
      t.match(all, new RegExp(`^${name} `, 'm'));

  const { body: together } = await client.request('GET', '/metrics', { accept: '*/*' });
  const families = Array.from(together.matchAll(/^# TYPE (\S+) /gm), ([, name]) => name);
  t.match(together, /^workqueue_depth\{/m);
  t.strictSame(families, [...new Set(families)], 'the api-server says each family once');
});
