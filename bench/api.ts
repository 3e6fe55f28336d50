/** What the api-server takes and gives: creates, gets, lists, watch events and status patches, over TLS. */
import tls from 'node:tls';
import { load, requestBytes, type Target } from './http.ts';

export interface Row {
  readonly measure: string;
  readonly value: number;
  readonly unit: string;
}

const NAMESPACE = 'bench';
const CONNECTIONS = 32;
const WATCHERS = 500;
const WATCH_EVENTS = 200;

/** A pod as a Deployment makes it: 2.7 KB once it is stored. Nobody schedules it. */
const podBody = (name: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: { app: 'bench', tier: 'web', 'pod-template-hash': '7c5ddbdf54' },
      annotations: {
        'example.com/checksum': 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c',
        note: 'x'.repeat(400),
      },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: 'bench',
          uid: '5c0f1e0a-9c1b-4f6e-8a57-0d2f6c1b2a3d',
          controller: false,
        },
      ],
    },
    spec: {
      schedulerName: 'nobody',
      containers: [
        {
          name: 'web',
          image: 'registry.example.com/team/web:1.2.3',
          ports: [{ name: 'http', containerPort: 8080 }],
          env: [
            { name: 'MODE', value: 'production' },
            { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          ],
          resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
          livenessProbe: { httpGet: { path: '/healthz', port: 'http' } },
          readinessProbe: { httpGet: { path: '/ready', port: 'http' } },
          volumeMounts: [{ name: 'config', mountPath: '/etc/web' }],
        },
      ],
      volumes: [{ name: 'config', configMap: { name: 'web' } }],
    },
  });

const collection = `/api/v1/namespaces/${NAMESPACE}/pods`;

/** A source of so many requests. */
function* requests(count: number, make: (index: number) => Buffer): Generator<Buffer, undefined> {
  for (let index = 0; index < count; index++) yield make(index);
}
const taking = (source: Iterator<Buffer, undefined>) => (): Buffer | undefined => source.next().value;

export async function createNamespace(target: Target): Promise<void> {
  const body = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
  await load(target, 1, 201, taking(requests(1, () => requestBytes(target, 'POST', '/api/v1/namespaces', body))));
  const account = requestBytes(target, 'GET', `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/default`);
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      await load(target, 1, 200, taking(requests(1, () => account)));
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

export async function createPods(target: Target, from: number, count: number): Promise<Row> {
  const rate = await load(
    target,
    CONNECTIONS,
    201,
    taking(requests(count, (index) => requestBytes(target, 'POST', collection, podBody(`pod-${from + index}`)))),
  );
  return { measure: `create pods, ${CONNECTIONS} connections, durable`, value: rate.perSecond, unit: '/s' };
}

export async function getPods(target: Target, pods: number, count: number): Promise<Row> {
  const prepared = Array.from({ length: 512 }, (_, index) =>
    requestBytes(target, 'GET', `${collection}/pod-${index % pods}`),
  );
  const rate = await load(
    target,
    CONNECTIONS,
    200,
    taking(requests(count, (index) => prepared[index % prepared.length] ?? Buffer.alloc(0))),
  );
  return { measure: 'get a pod', value: rate.perSecond, unit: '/s' };
}

export async function listPods(target: Target, pods: number, count: number): Promise<Row[]> {
  const request = requestBytes(target, 'GET', collection);
  const rate = await load(target, 2, 200, taking(requests(count, () => request)));
  return [
    { measure: `list ${pods.toLocaleString('en')} pods`, value: rate.perSecond, unit: '/s' },
    { measure: `list ${pods.toLocaleString('en')} pods`, value: rate.bytes / rate.seconds / 1e6, unit: 'MB/s' },
  ];
}

export async function patchStatus(target: Target, pods: number, count: number): Promise<Row> {
  const body = (index: number): string => JSON.stringify({ status: { message: `m${index}`, phase: 'Running' } });
  const rate = await load(
    target,
    CONNECTIONS,
    200,
    taking(
      requests(count, (index) =>
        requestBytes(
          target,
          'PATCH',
          `${collection}/pod-${index % pods}/status`,
          body(index),
          'application/merge-patch+json',
        ),
      ),
    ),
  );
  return { measure: 'merge-patch status', value: rate.perSecond, unit: '/s' };
}

/** Events that arrive at all watchers together, while one pod's status is patched again and again. */
export async function watchEvents(target: Target): Promise<Row> {
  using stack = new DisposableStack();
  let arrived = 0;
  const expected = WATCHERS * WATCH_EVENTS;
  const { promise: all, resolve, reject } = Promise.withResolvers<void>();
  const path = `${collection}?watch=true&fieldSelector=metadata.name%3Dpod-0&resourceVersion=${await resourceVersion(target)}`;
  const open = Array.from({ length: WATCHERS }, () => {
    const { promise: ready, resolve: isReady } = Promise.withResolvers<void>();
    const socket = tls.connect(
      { host: target.host, port: target.port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] },
      () => socket.write(requestBytes(target, 'GET', path)),
    );
    stack.defer(() => socket.destroy());
    socket.on('error', reject);
    socket.on('data', (data: Buffer) => {
      isReady();
      for (let at = data.indexOf('{"type":"MODIFIED"'); at >= 0; at = data.indexOf('{"type":"MODIFIED"', at + 1))
        arrived++;
      if (arrived >= expected) resolve();
    });
    return ready;
  });
  await Promise.all(open);
  const start = performance.now();
  await patchOne(target, WATCH_EVENTS);
  await all;
  const seconds = (performance.now() - start) / 1000;
  return { measure: `watch events to ${WATCHERS} watchers`, value: expected / seconds, unit: '/s' };
}

async function patchOne(target: Target, count: number): Promise<void> {
  const source = requests(count, (index) =>
    requestBytes(
      target,
      'PATCH',
      `${collection}/pod-0/status`,
      JSON.stringify({ status: { message: `w${index}` } }),
      'application/merge-patch+json',
    ),
  );
  await load(target, 1, 200, taking(source));
}

async function resourceVersion(target: Target): Promise<string> {
  const response = await new Promise<string>((resolve, reject) => {
    const socket = tls.connect(
      { host: target.host, port: target.port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] },
      () => socket.write(requestBytes(target, 'GET', `${collection}/pod-0`)),
    );
    socket.once('error', reject);
    let text = '';
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      const version = /"resourceVersion":"(\d+)"/.exec(text)?.[1];
      if (!version) return;
      socket.destroy();
      resolve(version);
    });
  });
  return response;
}
