/** Custom resources whose versions are converted by a webhook: a real HTTPS server, called by a real api-server. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import { AdmissionMetrics } from '../../../control-plane/apiserver/admission/metrics.ts';
import { mutatingAdmissionPolicy } from '../../../control-plane/apiserver/admission/policies/mutating-admission-policy.ts';
import { validatingAdmissionPolicy } from '../../../control-plane/apiserver/admission/policies/validating-admission-policy.ts';
import { mutatingAdmissionWebhook } from '../../../control-plane/apiserver/admission/webhooks/mutating-admission-webhook.ts';
import { validatingAdmissionWebhook } from '../../../control-plane/apiserver/admission/webhooks/validating-admission-webhook.ts';
import { eventually } from '../../support/wait.ts';
import { readJson, sendJson, startHttpsServer, type HttpsServer } from './https-peer.ts';
import { silent, take, TestServer, type Answer, type Json, type TestServerOptions } from './server.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const DEFINITION = `${DEFINITIONS}/endpoints.example.com`;
const at = (version: string): string => `/apis/example.com/${version}/namespaces/default/endpoints`;
const MERGE = 'application/merge-patch+json';
const APPLY = 'application/apply-patch+yaml';

interface Endpoint {
  apiVersion: string;
  kind: string;
  metadata: Record<string, unknown> & { name: string; labels?: Record<string, string> };
  hostPort?: string;
  host?: string;
  port?: string;
}

interface Review {
  apiVersion: string;
  kind: string;
  request: { uid: string; desiredAPIVersion: string; objects: Endpoint[] };
}

/** `hostPort` in v1 is `host` and `port` in v2, as in upstream's conformance suite. */
function convert({ hostPort, host, port, ...object }: Endpoint, apiVersion: string): Endpoint {
  if (apiVersion === 'example.com/v2') {
    const [itsHost = '', itsPort = ''] = (hostPort ?? '').split(':');
    return { ...object, apiVersion, host: itsHost, port: itsPort };
  }
  return { ...object, apiVersion, hostPort: `${host}:${port}` };
}

type Answerer = (review: Review, response: ServerResponse) => unknown;

const success = ({ apiVersion, kind, request }: Review, objects: unknown[]): object => ({
  apiVersion,
  kind,
  response: { uid: request.uid, convertedObjects: objects, result: { status: 'Success' } },
});

const converting: Answerer = (review) =>
  success(
    review,
    review.request.objects.map((object) => convert(object, review.request.desiredAPIVersion)),
  );

class Converter implements AsyncDisposable {
  readonly reviews: Review[] = [];
  answer: Answerer = converting;
  server!: HttpsServer;

  static async start(names?: readonly string[]): Promise<Converter> {
    const converter = new Converter();
    converter.server = await startHttpsServer(
      (request, response) => {
        void readJson(request).then((body) => {
          converter.reviews.push(body as Review);
          const answer = converter.answer(body as Review, response);
          if (answer !== undefined) sendJson(response, answer);
        });
      },
      names ? { names } : {},
    );
    return converter;
  }

  get config(): object {
    return { url: `${this.server.url}/crdconvert`, caBundle: this.server.caBundle };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

const string = { type: 'string' };
const version = (name: string, storage: boolean, properties: object, more: object = {}) => ({
  name,
  served: true,
  storage,
  schema: { openAPIV3Schema: { type: 'object', properties } },
  ...more,
});
const versions = (stored: string, more: object = {}) => [
  version('v1', stored === 'v1', { hostPort: string }, more),
  version(
    'v2',
    stored === 'v2',
    { host: string, port: string },
    { selectableFields: [{ jsonPath: '.host' }], ...more },
  ),
];

const definition = (clientConfig: object, stored = 'v1', more: object = {}) => ({
  metadata: { name: 'endpoints.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'endpoints', kind: 'Endpoint' },
    versions: versions(stored),
    conversion: { strategy: 'Webhook', webhook: { clientConfig, conversionReviewVersions: ['v1', 'v1beta1'] } },
    ...more,
  },
});

const v1 = (name: string, hostPort = 'localhost:8080', metadata: object = {}) => ({
  apiVersion: 'example.com/v1',
  kind: 'Endpoint',
  metadata: { name, ...metadata },
  hostPort,
});
const v2 = (name: string, host = 'localhost', port = '8080') => ({
  apiVersion: 'example.com/v2',
  kind: 'Endpoint',
  metadata: { name },
  host,
  port,
});

const messageOf = ({ body }: Answer): string => String(body['message']);

async function started(t: Test, stored = 'v1', options: TestServerOptions = {}) {
  const converter = await Converter.start();
  const server = await TestServer.start(options);
  t.teardown(async () => {
    await server[Symbol.asyncDispose]();
    await converter[Symbol.asyncDispose]();
  });
  await define(server, definition(converter.config, stored));
  return { converter, server };
}

async function define(server: TestServer, body: object): Promise<void> {
  const created = await server.call('POST', DEFINITIONS, { body });
  if (created.status !== 201) throw new Error(created.text);
  await eventually('both versions to be served', async () => (await server.call('GET', at('v2'))).status === 200);
}

/** Changes the version that is stored; returns when the server has. */
async function store(server: TestServer, stored: string): Promise<void> {
  const changed = await server.call('PATCH', DEFINITION, {
    body: { spec: { versions: versions(stored) } },
    type: MERGE,
  });
  if (changed.status !== 200) throw new Error(changed.text);
  const hash = createHash('sha256').update(`example.com/${stored}/Endpoint`).digest().subarray(0, 8).toString('base64');
  await eventually('the stored version to change', async () => {
    const lists = await Promise.all(['v1', 'v2'].map((one) => server.call('GET', `/apis/example.com/${one}`)));
    return lists.every(({ body }) => (body['resources'] as Json[] | undefined)?.[0]?.['storageVersionHash'] === hash);
  });
}

t.test('should be able to convert from CR v1 to CR v2', async (t) => {
  const { converter, server } = await started(t);
  const created = await server.call('POST', at('v1'), { body: v1('a') });
  t.equal(created.status, 201, created.text);
  t.equal(converter.reviews.length, 0, 'what is stored as it came is not converted');
  const read = await server.call('GET', `${at('v2')}/a`);
  t.match(read.body, { apiVersion: 'example.com/v2', kind: 'Endpoint', host: 'localhost', port: '8080' });
  t.notOk('hostPort' in read.body);
  t.strictSame(
    { ...read.body.metadata, managedFields: undefined },
    { ...created.body.metadata, managedFields: undefined },
    'with its metadata',
  );
  t.match(converter.reviews[0], {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'ConversionReview',
    request: {
      desiredAPIVersion: 'example.com/v2',
      objects: [{ apiVersion: 'example.com/v1', metadata: { name: 'a' } }],
    },
  });

  const other = await server.call('POST', at('v2'), { body: v2('b', 'example.com', '80') });
  t.match(other.body, { apiVersion: 'example.com/v2', host: 'example.com', port: '80' });
  t.match((await server.call('GET', `${at('v1')}/b`)).body, { hostPort: 'example.com:80' });
});

t.test('should be able to convert a non homogeneous list of CRs', async (t) => {
  const { converter, server } = await started(t);
  await server.call('POST', at('v1'), { body: v1('a') });
  await store(server, 'v2');
  await server.call('POST', at('v2'), { body: v2('b') });
  t.match((await server.call('GET', DEFINITION)).body, { status: { storedVersions: ['v1', 'v2'] } });

  converter.reviews.length = 0;
  const list1 = await server.call('GET', at('v1'));
  t.match(list1.body, { kind: 'EndpointList', apiVersion: 'example.com/v1' });
  t.match(list1.body.items, [
    { apiVersion: undefined, metadata: { name: 'a' }, hostPort: 'localhost:8080' },
    { metadata: { name: 'b' }, hostPort: 'localhost:8080' },
  ]);
  t.strictSame(
    converter.reviews.map(({ request }) => request.objects.map(({ metadata }) => metadata.name)),
    [['b']],
    'what is stored in the version that is asked for is not sent',
  );
  const list2 = await server.call('GET', at('v2'));
  t.match(list2.body.items, [
    { metadata: { name: 'a' }, host: 'localhost', port: '8080' },
    { metadata: { name: 'b' }, host: 'localhost', port: '8080' },
  ]);
  t.notOk('hostPort' in (list2.body.items?.[0] ?? {}));

  converter.reviews.length = 0;
  const rewritten = await server.call('PATCH', `${at('v2')}/a`, { body: {}, type: MERGE });
  t.not(rewritten.body.metadata?.['resourceVersion'], list2.body.items?.[0]?.metadata?.['resourceVersion']);
  t.equal(converter.reviews.length, 1, 'read in the old version');
  await server.call('GET', `${at('v2')}/a`);
  t.equal(converter.reviews.length, 1, 'and written in the new one');
  const same = await server.call('PATCH', `${at('v2')}/a`, { body: {}, type: MERGE });
  t.equal(same.body.metadata?.['resourceVersion'], rewritten.body.metadata?.['resourceVersion'], 'once');
  await server.stop();
  await using again = await TestServer.start({ directory: server.directory });
  t.match((await again.call('GET', at('v1'))).body.items, [
    { hostPort: 'localhost:8080' },
    { metadata: { name: 'b' } },
  ]);
});

t.test('lists are converted in batches, and selected by what they become', async (t) => {
  const { converter, server } = await started(t);
  for (let from = 0; from < 520; from += 40)
    await Promise.all(
      Array.from({ length: 40 }, (_, index) => `e${String(from + index).padStart(3, '0')}`).map((name) =>
        server.call('POST', at('v1'), { body: v1(name, `${name}:80`, { labels: { from: 'v1' } }) }),
      ),
    );
  converter.answer = (review) =>
    success(
      review,
      review.request.objects.map((object) => {
        const { metadata, ...converted } = convert(object, review.request.desiredAPIVersion);
        return { ...converted, metadata: { ...metadata, labels: { from: 'v2' } } };
      }),
    );
  const names = ({ body }: Answer): unknown[] => (body.items ?? []).map(({ metadata }) => metadata?.['name']);
  const all = await server.call('GET', at('v2'));
  t.equal(names(all).length, 520);
  t.ok(converter.reviews.length <= 3, 'not one review for each');
  t.equal(names(await server.call('GET', `${at('v2')}?labelSelector=from%3Dv1`)).length, 0);
  t.strictSame(names(await server.call('GET', `${at('v2')}?labelSelector=from%3Dv2&fieldSelector=host%3De007`)), [
    'e007',
  ]);
  t.equal((await server.call('GET', `${at('v1')}?fieldSelector=host%3De007`)).status, 400);

  const first = await server.call('GET', `${at('v2')}?limit=200`);
  const meta = first.body.metadata as { continue: string; remainingItemCount: number };
  t.match([names(first).length, meta.remainingItemCount], [200, 320]);
  await server.call('POST', at('v1'), { body: v1('zz') });
  const rest = await server.call('GET', `${at('v2')}?limit=400&continue=${encodeURIComponent(meta.continue)}`);
  t.strictSame([names(rest)[0], names(rest).length], ['e200', 320], 'a page of the past');
  const table = await server.call('GET', `${at('v2')}?limit=1`, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  t.match(table.body, { kind: 'Table', rows: [{ cells: ['e000'], object: { metadata: { labels: { from: 'v2' } } } }] });
  const removed = await server.call('DELETE', `${at('v2')}?labelSelector=from%3Dv2&fieldSelector=host%3De007`);
  t.equal(removed.status, 200);
  t.equal((await server.call('GET', `${at('v1')}/e007`)).status, 404);
  t.equal((await server.call('GET', `${at('v1')}/e008`)).status, 200);
});

t.test('watches show events in the version that is watched', async (t) => {
  const { converter, server } = await started(t);
  await server.call('POST', at('v1'), { body: v1('a') });
  const watches = Array.from({ length: 10 }, () => server.watch(`${at('v2')}?watch=1&resourceVersion=0`));
  const initial = server.watch(
    `${at('v2')}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
  );
  t.match(await take(initial, 2), [
    { type: 'ADDED', object: { apiVersion: 'example.com/v2', host: 'localhost' } },
    { type: 'BOOKMARK' },
  ]);
  const selected = server.watch(`${at('v2')}?watch=1&fieldSelector=host%3Dother`);
  const nexts = () => Promise.all(watches.map(async (watch) => (await watch.next()).value as { object: Json }));
  for (const event of await nexts()) t.match(event, { object: { metadata: { name: 'a' }, host: 'localhost' } });
  converter.reviews.length = 0;
  const events = nexts();
  await server.call('POST', at('v1'), { body: v1('b', 'other:1') });
  for (const event of await events) t.match(event, { object: { metadata: { name: 'b' }, host: 'other' } });
  t.equal(converter.reviews.length, 1, 'an event is converted once for all watchers');
  t.match(await selected.next(), { value: { type: 'ADDED', object: { metadata: { name: 'b' }, host: 'other' } } });
  await server.call('PATCH', `${at('v1')}/b`, { body: { hostPort: 'localhost:2' }, type: MERGE });
  t.match(await selected.next(), { value: { type: 'DELETED', object: { metadata: { name: 'b' }, host: 'other' } } });
  converter.answer = (review) => ({
    ...success(review, []),
    response: { uid: review.request.uid, result: { status: 'Failure', message: 'no more' } },
  });
  await server.call('POST', at('v1'), { body: v1('c') });
  t.match(await selected.next(), {
    value: {
      type: 'ERROR',
      object: { code: 500, message: 'conversion webhook for example.com/v1, Kind=Endpoint failed: no more' },
    },
  });
  t.match(await selected.next(), { done: true });
  for (const watch of watches) await watch.return(undefined);
});

t.test('writes go through the webhook both ways', async (t) => {
  const { converter, server } = await started(t);
  await server.call('POST', `${at('v2')}?fieldManager=one`, { body: v2('a', 'one', '1') });
  const patched = await server.call('PATCH', `${at('v2')}/a?fieldManager=two`, { body: { port: '2' }, type: MERGE });
  t.match(patched.body, { host: 'one', port: '2' });
  t.match((await server.call('GET', `${at('v1')}/a`)).body, { hostPort: 'one:2', metadata: { generation: 2 } });
  const put = await server.call('PUT', `${at('v1')}/a`, { body: v1('a', 'three:3') });
  t.match(put.body, { hostPort: 'three:3', metadata: { generation: 3 } });
  t.match((await server.call('GET', `${at('v2')}/a`)).body, { host: 'three', port: '3' });
  const dry = await server.call('PATCH', `${at('v2')}/a?dryRun=All`, { body: { host: 'dry' }, type: MERGE });
  t.match(dry.body, { apiVersion: 'example.com/v2', host: 'dry' });
  const dryCreated = await server.call('POST', `${at('v2')}?dryRun=All`, { body: v2('dry') });
  t.match(dryCreated.body, { apiVersion: 'example.com/v2', host: 'localhost' });

  const bad = await server.call('PATCH', `${at('v2')}/a`, { body: { port: 1 }, type: MERGE });
  t.equal(bad.status, 422, 'validated in the version of the request');
  const deleted = await server.call('DELETE', `${at('v2')}/a`);
  t.match(deleted.body, { status: 'Success' });
  t.equal((await server.call('GET', `${at('v1')}/a`)).status, 404);

  converter.answer = () => ({});
  const failed = await server.call('POST', at('v2'), { body: v2('b') });
  t.equal(failed.status, 500);
  t.match(
    messageOf(failed),
    /^conversion webhook for example.com\/v2, Kind=Endpoint failed: expected webhook response/,
  );
  t.equal((await server.call('GET', `${at('v1')}/b`)).status, 404, 'nothing was written');
  t.equal((await server.call('POST', at('v1'), { body: v1('b') })).status, 201, 'the stored version needs no webhook');
});

t.test('fields are owned in the version of their writer', async (t) => {
  const { server } = await started(t);
  const apply = (version: string, body: object, manager: string, more = '') =>
    server.call('PATCH', `${at(version)}/a?fieldManager=${manager}${more}`, { body, type: APPLY });
  t.equal((await apply('v2', v2('a', 'one', '1'), 'one')).status, 201);
  const managers = ({ body }: Answer): unknown =>
    (body.metadata?.['managedFields'] as Json[]).map(({ manager, apiVersion, fieldsV1 }: Json) => [
      manager,
      apiVersion,
      Object.keys(fieldsV1 as object)
        .sort()
        .join(),
    ]);
  const second = await apply('v1', v1('a', 'two:1'), 'two');
  t.equal(second.status, 409, second.text);
  t.match(messageOf(second), /conflict with "one": \.host/, 'the conflict is found in the version of the owner');
  const forced = await apply('v1', v1('a', 'two:1'), 'two', '&force=true');
  t.match(forced.body, { hostPort: 'two:1' });
  t.strictSame(managers(forced), [
    ['one', 'example.com/v2', 'f:port'],
    ['two', 'example.com/v1', 'f:hostPort'],
  ]);
  const merged = await server.call('PATCH', `${at('v2')}/a?fieldManager=three`, { body: { port: '9' }, type: MERGE });
  t.strictSame(managers(merged), [['three', 'example.com/v2', 'f:port']], 'the whole of hostPort has changed');
});

t.test('what a webhook must not answer', async (t) => {
  const { converter, server } = await started(t);
  await server.call('POST', at('v1'), { body: v1('a', 'localhost:8080', { labels: { a: 'b' } }) });
  const { body: stored } = await server.call('GET', `${at('v1')}/a`);
  const uid = String(stored.metadata?.['uid']);
  const what = 'conversion webhook for example.com/v1, Kind=Endpoint';
  const answering = (change: (object: Endpoint, metadata: Endpoint['metadata']) => unknown): Answerer => {
    return (review) =>
      success(
        review,
        review.request.objects.map((object) => {
          const converted = convert(object, review.request.desiredAPIVersion);
          return change(converted, converted.metadata);
        }),
      );
  };
  const withMetadata = (more: object): Answerer =>
    answering((object, metadata) => ({ ...object, metadata: { ...metadata, ...more } }));
  const responding = (response: object | undefined, more: object = {}): Answerer => {
    return ({ apiVersion, kind, request }) => ({
      apiVersion,
      kind,
      response: response && { uid: request.uid, ...response },
      ...more,
    });
  };
  const raw = (status: number, body: string): Answerer => {
    return (_review, response) => {
      response.statusCode = status;
      response.end(body);
      return undefined;
    };
  };
  const post = `${what} failed: Post "${converter.server.url}/crdconvert?timeout=30s": `;
  const rows: readonly (readonly [string, Answerer, string | RegExp])[] = [
    [
      'no review',
      () => ({}),
      `${what} failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got , Kind=`,
    ],
    [
      'another kind',
      responding({}, { kind: 'AdmissionReview' }),
      `${what} failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got apiextensions.k8s.io/v1, Kind=AdmissionReview`,
    ],
    ['no response', responding(undefined), `${what} failed: no response provided`],
    ['another uid', responding({ uid: 'x' }), /failed: expected response.uid="[-0-9a-f]{36}", got "x"$/],
    ['no result', responding({}), `${what} failed: response.result.status was '', not 'Success'`],
    [
      'a failure',
      responding({ result: { status: 'Failure' } }),
      `${what} failed: response.result.status was 'Failure', not 'Success'`,
    ],
    ['a reason', responding({ result: { status: 'Failure', message: 'I will not' } }), `${what} failed: I will not`],
    ['too few objects', responding({ result: { status: 'Success' } }), `${what} returned 0 objects, expected 1`],
    ['too many objects', (review) => success(review, [{}, {}]), `${what} returned 2 objects, expected 1`],
    [
      'another version',
      answering((object) => ({ ...object, apiVersion: 'example.com/v3' })),
      `${what} returned invalid object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v3)`,
    ],
    [
      'another kind of object',
      answering((object) => ({ ...object, kind: 'Other' })),
      `${what} returned invalid object at index 0: invalid kind (expected Endpoint, received Other)`,
    ],
    ['another name', withMetadata({ name: 'b' }), `${what} returned invalid object: must have the same name: a != b`],
    [
      'another namespace',
      withMetadata({ namespace: 'other' }),
      `${what} returned invalid object: must have the same namespace: default != other`,
    ],
    [
      'another uid of the object',
      withMetadata({ uid: 'x' }),
      `${what} returned invalid object: must have the same UID: ${uid} != x`,
    ],
    [
      'labels of a wrong type',
      withMetadata({ labels: [] }),
      `${what} returned invalid metadata: invalid metadata.labels of type []interface {} in converted object`,
    ],
    [
      'a label that is no string',
      withMetadata({ labels: { a: 1 } }),
      `${what} returned invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object`,
    ],
    [
      'a label that is not valid',
      withMetadata({ labels: { 'a b': '' } }),
      /returned invalid metadata: metadata.labels: Invalid value: "a b": name part must consist of/,
    ],
    ['a server error', raw(503, 'x'), `${what} failed: the server is currently unable to handle the request`],
    ['no JSON', raw(200, '<html>'), /failed: couldn't get version\/kind; json parse error/],
    ['a connection that is closed', (_review, response) => void response.destroy(), `${post}socket hang up`],
  ];
  for (const [title, answer, message] of rows) {
    converter.answer = answer;
    const read = await server.call('GET', `${at('v2')}/a`);
    t.equal(read.status, 500, title);
    t.notOk(read.body['reason'], title);
    if (typeof message === 'string') t.equal(messageOf(read), message, title);
    else t.match(messageOf(read), message, title);
    t.equal((await server.call('GET', at('v2'))).status, 500, `${title}, in a list`);
  }
  converter.answer = withMetadata({
    labels: { c: 'd' },
    annotations: { e: 'f' },
    creationTimestamp: null,
    generation: 9,
    finalizers: ['example.com/x'],
    ownerReferences: [{}],
    junk: 1,
  });
  const kept = await server.call('GET', `${at('v2')}/a`);
  t.match(kept.body.metadata, { labels: { c: 'd' }, annotations: { e: 'f' }, generation: 1 });
  t.equal(kept.body.metadata?.['creationTimestamp'], stored.metadata?.['creationTimestamp']);
  t.notOk('finalizers' in (kept.body.metadata ?? {}));
  t.notOk('junk' in (kept.body.metadata ?? {}));
  converter.answer = answering((object) => ({ ...object, unknown: 1 }));
  t.notOk('unknown' in (await server.call('GET', `${at('v2')}/a`)).body, 'the result is pruned by the schema');
  converter.answer = converting;
  t.equal((await server.call('GET', `${at('v2')}/a`)).status, 200);
});

t.test('a webhook of a service is called by its name, with reviews in v1beta1 where it knows no others', async (t) => {
  await using converter = await Converter.start(['hook.system.svc']);
  const asked: unknown[] = [];
  await using server = await TestServer.start({
    resolveService: (...service) => {
      asked.push(service);
      return { host: '127.0.0.1', port: converter.server.port };
    },
  });
  const service = { namespace: 'system', name: 'hook', path: '/convert' };
  const created = definition({ service, caBundle: converter.server.caBundle });
  Object.assign(created.spec.conversion.webhook, { conversionReviewVersions: ['v2', 'v1beta1', 'v1'] });
  await define(server, created);
  t.match((await server.call('GET', DEFINITION)).body, {
    spec: { conversion: { webhook: { clientConfig: { service: { port: 443 } } } } },
  });
  await server.call('POST', at('v1'), { body: v1('a') });
  const read = await server.call('GET', `${at('v2')}/a`);
  t.equal(read.status, 200, read.text);
  t.match(converter.reviews[0], { apiVersion: 'apiextensions.k8s.io/v1beta1' });
  t.strictSame(asked, [['system', 'hook', 443]]);
});

t.test('the version that is stored need not be served', async (t) => {
  await using converter = await Converter.start();
  await using server = await TestServer.start();
  const [first, second] = versions('v2');
  const body = definition(converter.config, 'v2', { versions: [first, { ...second, served: false }] });
  t.equal((await server.call('POST', DEFINITIONS, { body })).status, 201);
  await eventually('v1 to be served', async () => (await server.call('GET', at('v1'))).status === 200);
  t.equal((await server.call('GET', at('v2'))).status, 404);
  const created = await server.call('POST', at('v1'), { body: v1('a', 'one:1') });
  t.match(created.body, { apiVersion: 'example.com/v1', hostPort: 'one:1' });
  t.strictSame(
    converter.reviews.map(({ request }) => request.desiredAPIVersion),
    ['example.com/v2', 'example.com/v1'],
    'to the stored version and back',
  );
  const stored = await server.store.get('/registry/example.com/endpoints/default/a');
  t.match(JSON.parse(String(stored?.value)), { apiVersion: 'example.com/v2', host: 'one', port: '1' });
  t.match((await server.call('GET', at('v1'))).body.items, [{ hostPort: 'one:1' }]);
  t.match((await server.call('DELETE', `${at('v1')}/a`)).body, { status: 'Success' });
});

t.test('how a conversion must not be defined', async (t) => {
  await using server = await TestServer.start();
  const url = 'https://example.com/convert';
  const webhook = (clientConfig: object | undefined, conversionReviewVersions: unknown = ['v1']) => ({
    strategy: 'Webhook',
    webhook: { clientConfig, conversionReviewVersions },
  });
  const rows: readonly (readonly [object, string])[] = [
    [
      { strategy: 'Other' },
      'spec.conversion.strategy: Unsupported value: "Other": supported values: "None", "Webhook"',
    ],
    [
      webhook(undefined),
      'spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook',
    ],
    [webhook({}), 'spec.conversion.webhookClientConfig: Required value: exactly one of url or service is required'],
    [
      webhook({ url: 'http://example.com' }),
      'spec.conversion.webhookClientConfig.url: Invalid value: "http": \'https\' is the only allowed URL scheme; desired format: https://host[/path]',
    ],
    [
      webhook({ service: { namespace: 'a', name: 'b', port: 0 } }),
      'spec.conversion.webhookClientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive',
    ],
    [webhook({ url }, []), 'spec.conversion.conversionReviewVersions: Required value'],
    [
      webhook({ url }, ['v1', 'v1']),
      'spec.conversion.conversionReviewVersions[1]: Invalid value: "v1": duplicate version',
    ],
    [
      webhook({ url }, ['v2']),
      'spec.conversion.conversionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1',
    ],
    [
      { strategy: 'None', webhook: { clientConfig: { url }, conversionReviewVersions: [] } },
      'spec.conversion.webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook',
    ],
    [
      { strategy: 'None', webhook: { conversionReviewVersions: ['v1'] } },
      'spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook',
    ],
  ];
  for (const [conversion, message] of rows) {
    const answer = await server.call('POST', DEFINITIONS, { body: definition({}, 'v1', { conversion }) });
    t.equal(answer.status, 422, message);
    t.equal(
      messageOf(answer),
      `CustomResourceDefinition.apiextensions.k8s.io "endpoints.example.com" is invalid: ${message}`,
    );
  }
  await define(server, definition({ url }));
  const caBundle = Buffer.from('no certificate').toString('base64');
  const body = { spec: { conversion: { webhook: { clientConfig: { caBundle } } } } };
  const changed = await server.call('PATCH', DEFINITION, { body, type: MERGE });
  t.match(
    messageOf(changed),
    `spec.conversion.webhookClientConfig.caBundle: Invalid value: "${caBundle}": unable to load root certificates: unable to parse bytes as PEM block`,
  );
});

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const RULE = { operations: ['*'], apiGroups: ['example.com'], apiVersions: ['v2'], resources: ['endpoints'] };
const EVERYTHING = { authorize: () => ({ allowed: true, reason: '' }) };

/** With the plugins that ask webhooks and policies. */
const WITH_ADMISSION: TestServerOptions = {
  admission: ({ api, registry: { kinds }, webhookClient: client }) => {
    const metrics = new AdmissionMetrics();
    const policies = { api, kinds, authorizer: EVERYTHING, metrics };
    const webhooks = { api, kinds, client, metrics: metrics.webhooks, logger: silent, matchConditions: () => true };
    return [
      mutatingAdmissionPolicy(policies),
      mutatingAdmissionWebhook(webhooks),
      validatingAdmissionPolicy(policies),
      validatingAdmissionWebhook(webhooks),
    ];
  },
};

interface AdmissionRequest {
  uid: string;
  object: Endpoint;
  oldObject: Endpoint | null;
  [more: string]: unknown;
}

t.test('webhooks of another version see the object as their version has it', async (t) => {
  const { converter, server } = await started(t, 'v1', WITH_ADMISSION);
  const asked: AdmissionRequest[] = [];
  const peer = await startHttpsServer((request, response) => {
    void readJson(request).then((body) => {
      const review = (body as { request: AdmissionRequest }).request;
      asked.push(review);
      const operations = [{ op: 'replace', path: '/port', value: '9' }];
      const patch = request.url?.startsWith('/mutate')
        ? { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') }
        : {};
      sendJson(response, {
        kind: 'AdmissionReview',
        apiVersion: 'admission.k8s.io/v1',
        response: { uid: review.uid, allowed: review.object.host !== 'forbidden', ...patch },
      });
    });
  });
  t.teardown(() => peer[Symbol.asyncDispose]());
  const hook = (path: string, more: object = {}) => ({
    name: `${path}.example.com`,
    clientConfig: { url: `${peer.url}/${path}`, caBundle: peer.caBundle },
    rules: [RULE],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    ...more,
  });
  for (const [type, webhooks] of [
    ['mutating', [hook('mutate'), hook('exact', { matchPolicy: 'Exact' })]],
    ['validating', [hook('validate'), hook('again')]],
  ] as const)
    await server.call('POST', `${ADMISSION}/${type}webhookconfigurations`, {
      body: { metadata: { name: 'a' }, webhooks },
    });

  const created = await server.call('POST', at('v1'), { body: v1('a') });
  t.equal(created.status, 201, created.text);
  t.match(created.body, { apiVersion: 'example.com/v1', hostPort: 'localhost:9' }, 'the patch is converted back');
  t.equal(asked.length, 3);
  t.match(asked[0], {
    kind: { group: 'example.com', version: 'v2', kind: 'Endpoint' },
    requestKind: { version: 'v1' },
    object: { apiVersion: 'example.com/v2', kind: 'Endpoint', host: 'localhost', port: '8080' },
    oldObject: null,
  });
  for (const validating of asked.slice(1)) t.match(validating.object, { host: 'localhost', port: '9' });

  asked.length = converter.reviews.length = 0;
  const changed = await server.call('PATCH', `${at('v1')}/a`, { body: { hostPort: 'forbidden:1' }, type: MERGE });
  t.match(changed.body, {
    code: 400,
    message: 'admission webhook "mutate.example.com" denied the request without explanation',
  });
  t.match(asked[0], { object: { host: 'forbidden', port: '1' }, oldObject: { host: 'localhost', port: '9' } });
  t.equal(converter.reviews.length, 1, 'both are converted at once');

  converter.answer = (review) => ({ ...success(review, []), response: { uid: review.request.uid, result: {} } });
  t.match((await server.call('POST', at('v1'), { body: v1('b') })).body, {
    code: 500,
    message: /^conversion webhook for example.com\/v1, Kind=Endpoint failed/,
  });
});

t.test('policies of another version see the object as their version has it', async (t) => {
  const { converter, server } = await started(t, 'v1', WITH_ADMISSION);
  await server.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default' } } });
  const matchConstraints = { resourceRules: [RULE] };
  for (const [plural, body] of [
    [
      'mutatingadmissionpolicies',
      {
        matchConstraints,
        reinvocationPolicy: 'Never',
        mutations: [
          {
            patchType: 'JSONPatch',
            jsonPatch: { expression: '[JSONPatch{op: "replace", path: "/port", value: "9"}]' },
          },
        ],
      },
    ],
    ['mutatingadmissionpolicybindings', { policyName: 'a' }],
    [
      'validatingadmissionpolicies',
      {
        matchConstraints,
        validations: [{ expression: 'object.host != "forbidden" && object.port == "9"', message: 'no' }],
      },
    ],
    ['validatingadmissionpolicybindings', { policyName: 'a', validationActions: ['Deny'] }],
  ] as const) {
    const created = await server.call('POST', `${ADMISSION}/${plural}`, {
      body: { metadata: { name: 'a' }, spec: body },
    });
    t.equal(created.status, 201, created.text);
  }
  t.match((await server.call('POST', at('v1'), { body: v1('a') })).body, { hostPort: 'localhost:9' });
  t.match((await server.call('POST', at('v1'), { body: v1('b', 'forbidden:1') })).body, {
    code: 422,
    message: /denied request: no$/,
  });
  converter.answer = (review) => ({ ...success(review, []), response: { uid: review.request.uid, result: {} } });
  t.equal((await server.call('POST', at('v1'), { body: v1('c') })).status, 500);
});

t.test('conversions are counted', async (t) => {
  const { converter, server } = await started(t);
  await server.call('POST', at('v1'), { body: v1('a') });
  await server.call('GET', `${at('v2')}/a`);
  converter.answer = (review) => success(review, []);
  await server.call('GET', `${at('v2')}/a`);
  const { text } = await server.call('GET', '/metrics');
  const labels = 'crd_name="endpoints.example.com",from_version="v1",to_version="v2"';
  for (const line of [
    `apiserver_crd_conversion_webhook_duration_seconds_count{${labels},succeeded="true"} 1`,
    `apiserver_crd_conversion_webhook_duration_seconds_count{${labels},succeeded="false"} 1`,
    'apiserver_conversion_webhook_request_total{result="success",failure_type=""} 1',
    'apiserver_conversion_webhook_request_total{result="failure",failure_type="conversion_webhook_partial_response_failure"} 1',
    'apiserver_conversion_webhook_duration_seconds_count{result="success",failure_type=""} 1',
  ])
    t.ok(text.includes(line), line);
});
