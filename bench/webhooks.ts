/** What a round trip to an admission webhook adds to a create. */
import { once } from 'node:events';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { BenchServer, createNamespace, type BenchServerOptions } from './bench-server.ts';
import { ask, Connection, requestBytes, type Target } from './http.ts';
import { selfSigned } from './machine.ts';
import { median, type Report } from './report.ts';

const NAMESPACE = 'webhooks';
const RUNS = 3;
const CREATES = 300;
const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
const NAME = 'allow.bench.example.com';

export async function measureWebhooks(
  report: Report,
  options: BenchServerOptions,
  running: AsyncDisposableStack,
): Promise<void> {
  if (!report.wants('webhookRoundTrip')) return;
  const server = running.use(await BenchServer.start(options));
  const { target, pid } = server;
  await createNamespace(target, NAMESPACE);
  const { port, cert } = await allowEverything(running);
  const clientConfig = { url: `https://127.0.0.1:${port}/`, caBundle: Buffer.from(cert).toString('base64') };
  const webhook = {
    name: NAME,
    clientConfig,
    rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': NAMESPACE } },
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  };
  let next = 0;
  const creates = async (): Promise<number> => {
    const from = next;
    next += CREATES;
    return createMedian(target, from);
  };
  // Warm-up, not counted.
  await creates();
  await report.repeat(RUNS, [process.pid, pid], async () => {
    const without = await creates();
    await ask(target, 'POST', CONFIGURATIONS, { metadata: { name: NAME }, webhooks: [webhook] });
    const asked = await creates();
    await ask(target, 'DELETE', `${CONFIGURATIONS}/${NAME}`);
    return { webhookRoundTrip: asked - without };
  });
}

/** The median time of a create in milliseconds, one after the other over one connection. */
async function createMedian(target: Target, from: number): Promise<number> {
  using connection = await Connection.open(target);
  const times: number[] = [];
  for (let index = 0; index < CREATES; index++) {
    const body = JSON.stringify({ metadata: { name: `c-${from + index}` }, data: { key: 'value' } });
    const request = requestBytes(target, 'POST', `/api/v1/namespaces/${NAMESPACE}/configmaps`, body);
    const startedAt = performance.now();
    const { status } = await connection.send(request);
    if (status !== 201) throw new Error(`create: ${status}`);
    times.push(performance.now() - startedAt);
  }
  return median(times);
}

/** A webhook in this process. */
async function allowEverything(running: AsyncDisposableStack): Promise<{ port: number; cert: string }> {
  const { cert, key } = await selfSigned('-addext', 'subjectAltName=IP:127.0.0.1');
  const server = https.createServer({ cert, key }, (request, response) => {
    void json(request).then((review) => {
      const { uid } = (review as { request: { uid: string } }).request;
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({
          kind: 'AdmissionReview',
          apiVersion: 'admission.k8s.io/v1',
          response: { uid, allowed: true },
        }),
      );
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  running.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, cert };
}
