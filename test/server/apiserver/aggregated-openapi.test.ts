/** OpenAPI documents of aggregated APIs: a real HTTPS server of the test behind a real api-server. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import { createAggregation } from '../../../control-plane/apiserver/aggregation/main.ts';
import { eventually } from '../../support/wait.ts';
import { sendJson, startHttpsServer } from './https-peer.ts';
import { silent, TestServer, type Json } from './server.ts';

const GROUP = 'garden.example.com';
const ROOT = `/apis/${GROUP}/v1`;
const NAME = `apis/${GROUP}/v1`;
const FLOWER = 'com.example.garden.v1.Flower';
const STATUS = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status';
const GVK = 'x-kubernetes-group-version-kind';
const PROTOBUF = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';

const flower = {
  type: 'object',
  properties: { color: { type: 'string' }, status: { $ref: `#/definitions/${STATUS}` } },
  [GVK]: [{ group: GROUP, version: 'v1', kind: 'Flower' }],
};
const v2 = {
  swagger: '2.0',
  info: { title: 'garden', version: '1' },
  parameters: { pretty: { name: 'pretty', in: 'query', type: 'string' } },
  paths: {
    [`${ROOT}/flowers`]: {
      parameters: [{ $ref: '#/parameters/pretty' }],
      get: { operationId: 'listFlowers', responses: { 200: { schema: { $ref: `#/definitions/${FLOWER}` } } } },
    },
    '/api/v1/pods': { get: { operationId: 'stolen' } },
  } as Record<string, unknown>,
  definitions: {
    [FLOWER]: flower,
    [STATUS]: { type: 'object', description: 'another one', [GVK]: [{ group: '', version: 'v1', kind: 'Status' }] },
    'io.k8s.api.core.v1.Pod': {
      type: 'object',
      description: 'stolen',
      [GVK]: [{ group: '', version: 'v1', kind: 'Pod' }],
    },
  } as Record<string, unknown>,
};
const v3 = { openapi: '3.0.0', paths: {}, components: { schemas: { [FLOWER]: { type: 'object' } } } };
const index = (hash: string) => ({
  paths: {
    [NAME]: { serverRelativeURL: `/openapi/v3/${NAME}?hash=${hash}` },
    'api/v1': { serverRelativeURL: '/openapi/v3/api/v1?hash=stolen' },
  },
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function started(t: Test) {
  const handlers = new Map<string, Handler>([
    [
      ROOT,
      (_, response) => sendJson(response, { kind: 'APIResourceList', groupVersion: `${GROUP}/v1`, resources: [] }),
    ],
    ['/openapi/v3', (_, response) => sendJson(response, index('ONE'))],
    [`/openapi/v3/${NAME}`, (_, response) => sendJson(response, v3)],
    ['/openapi/v2', (_, response) => sendJson(response, v2)],
  ]);
  const peer = await startHttpsServer(
    (request, response) => {
      const handler = handlers.get(new URL(request.url ?? '/', 'https://x').pathname);
      if (handler) return handler(request, response);
      response.statusCode = 404;
      response.end();
    },
    { names: ['garden.default.svc'] },
  );
  const server = await TestServer.start({
    aggregated: ({ api, registry }, pki, signal) =>
      createAggregation({
        api,
        kinds: registry.kinds,
        resolve: () => ({ host: '127.0.0.1', port: peer.port }),
        identity: () => pki.frontProxyClient,
        logger: silent,
        signal,
      }),
  });
  t.teardown(async () => {
    await server[Symbol.asyncDispose]();
    await peer[Symbol.asyncDispose]();
  });
  const spec = {
    group: GROUP,
    version: 'v1',
    service: { namespace: 'default', name: 'garden' },
    caBundle: peer.caBundle,
    groupPriorityMinimum: 100,
    versionPriority: 10,
  };
  await server.call('POST', '/api/v1/namespaces/default/services', {
    body: { metadata: { name: 'garden' }, spec: { ports: [{ port: 443 }] } },
  });
  await server.call('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    body: {
      metadata: { name: 'garden', labels: { 'kubernetes.io/service-name': 'garden' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.1'] }],
      ports: [{ name: '', port: 443 }],
    },
  });
  const register = async (): Promise<void> => {
    const body = { metadata: { name: `v1.${GROUP}` }, spec };
    const answer = await server.call('POST', '/apis/apiregistration.k8s.io/v1/apiservices', { body });
    if (answer.status !== 201) throw new Error(answer.text);
  };
  let changes = 0;
  const change = async (): Promise<void> => {
    await server.call('PATCH', `/apis/apiregistration.k8s.io/v1/apiservices/v1.${GROUP}`, {
      body: { metadata: { annotations: { change: String(++changes) } } },
      type: 'application/merge-patch+json',
    });
  };
  const swagger = async () =>
    (await server.call('GET', '/openapi/v2')).body as unknown as { paths: Json; definitions: Record<string, Json> };
  const hash = async () => {
    const { paths } = (await server.call('GET', '/openapi/v3')).body as unknown as {
      paths: Record<string, { serverRelativeURL: string }>;
    };
    return paths[NAME]?.serverRelativeURL.split('hash=')[1];
  };
  return { server, handlers, register, change, swagger, hash };
}

t.test('the documents of an aggregated API are merged', async (t) => {
  const { server, handlers, register, change, swagger, hash } = await started(t);
  const before = await swagger();
  await register();
  await eventually('its group version to be listed', async () => (await hash()) === 'ONE');
  const document = await server.call('GET', `/openapi/v3/${NAME}?hash=ONE`);
  t.strictSame(document.body, v3);
  t.equal((await server.call('GET', `/openapi/v3/apis/${GROUP}/v2`)).status, 404);

  await eventually('its paths to be there', async () => `${ROOT}/flowers` in (await swagger()).paths);
  const { paths, definitions } = await swagger();
  t.match(paths[`${ROOT}/flowers`], {
    parameters: [{ name: 'pretty' }],
    get: { responses: { 200: { schema: { $ref: `#/definitions/${FLOWER}` } } } },
  });
  t.match(definitions[FLOWER], {
    properties: { status: { $ref: `#/definitions/${STATUS}_v2` } },
    [GVK]: [{ group: GROUP }],
  });
  t.strictSame(
    definitions[`${STATUS}_v2`],
    { type: 'object', description: 'another one' },
    'another name, and no kind',
  );
  t.strictSame(definitions[STATUS], before.definitions[STATUS]);
  t.strictSame(paths['/api/v1/pods'], before.paths['/api/v1/pods'], 'it speaks for itself only');
  t.strictSame(definitions['io.k8s.api.core.v1.Pod'], before.definitions['io.k8s.api.core.v1.Pod']);
  const { status, bytes } = await server.call('GET', '/openapi/v2', { accept: PROTOBUF });
  t.equal(status, 200);
  t.ok(bytes.includes(FLOWER));

  const conditional: unknown[] = [];
  handlers.set('/openapi/v2', (request, response) => {
    conditional.push(request.headers['if-none-match']);
    response.setHeader('etag', '"tag"');
    if (request.headers['if-none-match'] === '"tag"') response.statusCode = 304;
    response.end(JSON.stringify({ ...v2, paths: { [`${ROOT}/trees`]: {} } }));
  });
  handlers.set('/openapi/v3', (_, response) => sendJson(response, index('TWO')));
  await change();
  await eventually('the documents to be refreshed', async () => `${ROOT}/trees` in (await swagger()).paths);
  t.equal(await hash(), 'TWO');
  t.notOk(`${ROOT}/flowers` in (await swagger()).paths);
  await eventually('what has not changed to be kept', async () => {
    await change();
    return conditional.includes('"tag"');
  });
  t.ok(`${ROOT}/trees` in (await swagger()).paths);
  await server.call('DELETE', `/apis/apiregistration.k8s.io/v1/apiservices/v1.${GROUP}`);
  await eventually('them to vanish with the APIService', async () => (await hash()) === undefined);
  t.strictSame(await swagger(), before);
});

t.test('a server that is down or lies does not harm the documents of others', async (t) => {
  const { server, handlers, register, change, swagger, hash } = await started(t);
  await register();
  await eventually('its paths to be there', async () => `${ROOT}/flowers` in (await swagger()).paths);
  const asked = new Set<string>();
  const answering = (title: string, handler: Handler): void => {
    for (const path of ['/openapi/v2', `/openapi/v3/${NAME}`])
      handlers.set(path, (request, response) => {
        asked.add(title);
        handler(request, response);
      });
  };
  const nested = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
  const rows: readonly (readonly [string, Handler])[] = [
    ['no JSON', (_, response) => response.end('<html>')],
    ['nothing of it', (_, response) => sendJson(response, [])],
    ['a depth', (_, response) => response.end(`{"swagger":"2.0","paths":{"${ROOT}/x":${nested}}}`)],
    ['a flood', (_, response) => response.end(Buffer.alloc(9 * 1024 * 1024, ' '))],
    ['an end', (_, response) => response.destroy()],
    ['an error', (_, response) => response.writeHead(500).end()],
    [
      'paths without end',
      (_, response) => {
        const parameters = { big: { description: 'x'.repeat(100_000) } };
        const item = Array.from({ length: 1000 }, () => ({ $ref: '#/parameters/big' }));
        sendJson(response, { ...v2, parameters, paths: { [`${ROOT}/x`]: { parameters: item } } });
      },
    ],
    [
      'wrong types',
      (_, response) =>
        sendJson(response, {
          ...v2,
          paths: { [`${ROOT}/x`]: { get: 1, parameters: { a: null } } },
          definitions: { __proto__: 1 },
        }),
    ],
  ];
  for (const [title, handler] of rows) {
    answering(title, handler);
    await change();
    await eventually(`${title} to be answered`, async () => asked.has(title));
    const { paths, definitions } = await swagger();
    t.ok('/api/v1/pods' in paths && 'io.k8s.api.core.v1.Pod' in definitions, title);
    t.equal((await server.call('GET', '/openapi/v2', { accept: PROTOBUF })).status, 200, title);
    t.equal((await server.call('GET', '/openapi/v3/api/v1')).status, 200, title);
    t.equal((await server.call('GET', `/openapi/v3/${NAME}`)).status, 503, title);
  }
  t.equal(await hash(), 'ONE', 'what it had is kept');
});

t.test('version 3 is made of version 2 for servers that have only that', async (t) => {
  const { server, handlers, register, change, hash } = await started(t);
  handlers.delete('/openapi/v3');
  handlers.set('/openapi/v2', (_, response) =>
    sendJson(response, {
      ...v2,
      paths: {
        [`${ROOT}/flowers`]: {
          parameters: [{ $ref: '#/parameters/pretty' }],
          post: {
            operationId: 'createFlower',
            consumes: ['application/json'],
            produces: ['application/json'],
            parameters: [
              { name: 'body', in: 'body', required: true, schema: { $ref: `#/definitions/${FLOWER}` } },
              { name: 'dryRun', in: 'query', type: 'string', uniqueItems: true },
            ],
            responses: { 201: { description: 'Created', schema: { $ref: `#/definitions/${FLOWER}` } } },
            'x-kubernetes-action': 'post',
          },
        },
      },
      definitions: {
        ...v2.definitions,
        [FLOWER]: {
          ...flower,
          properties: {
            status: { description: 'how it is', $ref: `#/definitions/${STATUS}` },
            petals: { type: 'array', items: { $ref: `#/definitions/${STATUS}` } },
          },
        },
      },
    }),
  );
  await register();
  await eventually('its group version to be listed', async () => (await hash())?.length === 128);
  const reference = { $ref: `#/components/schemas/${STATUS}` };
  const schema = { $ref: `#/components/schemas/${FLOWER}` };
  const { body } = await server.call('GET', `/openapi/v3/${NAME}?hash=${await hash()}`);
  t.strictSame(body, {
    openapi: '3.0.0',
    info: { title: 'garden', version: '1' },
    paths: {
      [`${ROOT}/flowers`]: {
        post: {
          operationId: 'createFlower',
          'x-kubernetes-action': 'post',
          requestBody: { content: { 'application/json': { schema } } },
          parameters: [{ name: 'dryRun', in: 'query', schema: { type: 'string', uniqueItems: true } }],
          responses: { 201: { description: 'Created', content: { 'application/json': { schema } } } },
        },
        parameters: [{ name: 'pretty', in: 'query', schema: { type: 'string' } }],
      },
    },
    components: {
      schemas: {
        [FLOWER]: {
          type: 'object',
          properties: {
            status: { description: 'how it is', allOf: [reference] },
            petals: { type: 'array', items: reference },
          },
          [GVK]: [{ group: GROUP, version: 'v1', kind: 'Flower' }],
        },
        [STATUS]: { type: 'object', description: 'another one' },
      },
    },
  });
  handlers.set('/openapi/v3', (_, response) => sendJson(response, index('OWN')));
  await change();
  await eventually('the document of its own to be taken', async () => (await hash()) === 'OWN');
  t.strictSame((await server.call('GET', `/openapi/v3/${NAME}?hash=OWN`)).body, v3);
});
