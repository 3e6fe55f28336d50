/** Admission webhooks: real HTTPS servers, called by a real api-server. */
import type { ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import type { Logger } from '../../../client/logger.ts';
import type { AdmissionPlugin } from '../../../control-plane/apiserver/admission/plugin.ts';
import { webhookConditions } from '../../../control-plane/apiserver/admission/policies/match-conditions.ts';
import { AdmissionMetrics } from '../../../control-plane/apiserver/admission/metrics.ts';
import { mutatingAdmissionWebhook } from '../../../control-plane/apiserver/admission/webhooks/mutating-admission-webhook.ts';
import { validatingAdmissionWebhook } from '../../../control-plane/apiserver/admission/webhooks/validating-admission-webhook.ts';
import {
  WebhookClient,
  type ResolveService,
} from '../../../control-plane/apiserver/admission/webhooks/webhook-client.ts';
import { Log } from '../../support/log.ts';
import { readJson, sendJson, startHttpsServer, type HttpsServer } from './https-peer.ts';
import { configMap, CONFIG_MAPS, pod, PODS, silent, TestServer } from './server.ts';

const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1';
const ANY_RULE = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] };
const CONFIG_MAP_RULE = {
  operations: ['CREATE', 'UPDATE'],
  apiGroups: [''],
  apiVersions: ['v1'],
  resources: ['configmaps'],
};

interface Review {
  request: Record<string, unknown> & {
    uid: string;
    operation: string;
    name: string;
    object?: { metadata: { name: string; labels?: Record<string, string> }; data?: Record<string, string> };
  };
}
type Answer = Record<string, unknown>;

/** Webhooks at `/PATH`, each with what it answers; remembers what it was asked. */
class Webhooks implements AsyncDisposable {
  readonly asked: { path: string; request: Review['request'] }[] = [];
  readonly #answers = new Map<string, (request: Review['request'], response: ServerResponse) => Answer | undefined>();
  server!: HttpsServer;

  static async start(): Promise<Webhooks> {
    const webhooks = new Webhooks();
    webhooks.server = await startHttpsServer((request, response) => {
      void readJson(request).then((body) => {
        const review = (body as Review).request;
        const path = (request.url ?? '').replace(/^\/|\?.*$/g, '');
        webhooks.asked.push({ path, request: review });
        const answer = webhooks.#answers.get(path)?.(review, response);
        if (!answer) return;
        sendJson(response, {
          kind: 'AdmissionReview',
          apiVersion: 'admission.k8s.io/v1',
          response: { uid: review.uid, ...answer },
        });
      });
    });
    return webhooks;
  }

  on(path: string, answer: (request: Review['request'], response: ServerResponse) => Answer | undefined): void {
    this.#answers.set(path, answer);
  }

  /** A webhook of a configuration. */
  at(path: string, more: object = {}): object {
    return {
      name: `${path}.example.com`,
      clientConfig: { url: `${this.server.url}/${path}`, caBundle: this.server.caBundle },
      rules: [CONFIG_MAP_RULE],
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      ...more,
    };
  }

  paths(): string[] {
    return this.asked.map(({ path }) => path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

const patch = (...operations: object[]) => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
});

const noService: ResolveService = () => {
  throw new Error('service "x" not found');
};

async function started(t: Test, more: { resolve?: ResolveService; before?: AdmissionPlugin[]; logger?: Logger } = {}) {
  const client = new WebhookClient(more.resolve ?? noService);
  const metrics = new AdmissionMetrics();
  const webhooks = await Webhooks.start();
  const server = await TestServer.start({
    admission: ({ api, registry }) => {
      const matchConditions = webhookConditions(
        { authorize: () => ({ allowed: true, reason: '' }) },
        metrics.conditions,
      );
      const options = {
        api,
        kinds: registry.kinds,
        client,
        metrics: metrics.webhooks,
        logger: more.logger ?? silent,
        matchConditions,
      };
      return [...(more.before ?? []), mutatingAdmissionWebhook(options), validatingAdmissionWebhook(options)];
    },
  });
  t.teardown(async () => {
    await server[Symbol.asyncDispose]();
    client[Symbol.dispose]();
    await webhooks[Symbol.asyncDispose]();
  });
  const configure = async (type: 'mutating' | 'validating', name: string, ...hooks: object[]) => {
    const answer = await server.call('POST', `${CONFIGURATIONS}/${type}webhookconfigurations`, {
      body: { metadata: { name }, webhooks: hooks },
    });
    t.equal(answer.status, 201, answer.text);
  };
  const create = (name: string, metadata: object = {}, query = '') =>
    server.call('POST', `${CONFIG_MAPS}${query}`, { body: configMap(name, metadata) });
  return { server, webhooks, metrics, configure, create };
}

t.test('a validating webhook denies a request with its own words', async (t) => {
  const { server, webhooks, configure, create, metrics } = await started(t);
  await configure('validating', 'a', webhooks.at('deny'));
  for (const [status, wanted] of [
    [undefined, { code: 400, message: 'admission webhook "deny.example.com" denied the request without explanation' }],
    [{ message: 'no' }, { code: 400, message: 'admission webhook "deny.example.com" denied the request: no' }],
    [
      { reason: 'Forbidden', code: 403 },
      { code: 403, reason: 'Forbidden', message: 'admission webhook "deny.example.com" denied the request: Forbidden' },
    ],
    [{ code: 200, message: 'odd' }, { code: 400 }],
    [{ code: 1_000_000, message: 'odd' }, { code: 400 }],
  ] as const) {
    webhooks.on('deny', () => ({ allowed: false, status, warnings: ['careful'] }));
    const answer = await create('x');
    t.match(answer.body, { kind: 'Status', status: 'Failure', ...wanted });
    t.equal(answer.status, wanted.code);
    t.equal(answer.headers.warning, '299 - "careful"');
  }
  webhooks.on('deny', () => ({ allowed: true }));
  t.equal((await create('x')).status, 201);
  const { request } = webhooks.asked.at(-1) ?? {};
  t.match(request, {
    kind: { group: '', version: 'v1', kind: 'ConfigMap' },
    resource: { group: '', version: 'v1', resource: 'configmaps' },
    requestKind: { group: '', version: 'v1', kind: 'ConfigMap' },
    requestResource: { group: '', version: 'v1', resource: 'configmaps' },
    name: 'x',
    namespace: 'default',
    operation: 'CREATE',
    userInfo: { username: 'admin', groups: ['system:masters'] },
    object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data: { k: 'v' } },
    oldObject: null,
    dryRun: false,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
  });
  const exposition = new Exposition();
  metrics.write(exposition);
  t.match(
    exposition.toString(),
    /webhook_rejection_count\{name="deny.example.com",type="validating",operation="CREATE"/,
  );
  t.equal((await server.call('DELETE', `${CONFIG_MAPS}/x`)).status, 200, 'the rule has no DELETE');
});

t.test('mutating webhooks change what is stored, in the order of their names', async (t) => {
  const { server, webhooks, configure, create } = await started(t);
  await configure('mutating', 'b', webhooks.at('second'));
  await configure('mutating', 'a', webhooks.at('first'));
  const add = (key: string) => () =>
    patch({ op: 'add', path: `/data/${key}`, value: 'yes' }, { op: 'add', path: '/odd', value: 1 });
  webhooks.on('first', add('first'));
  webhooks.on('second', add('second'));
  const { body, status } = await create('x');
  t.equal(status, 201);
  t.strictSame(body.data, { k: 'v', first: 'yes', second: 'yes' });
  t.notOk('odd' in body, 'unknown fields are dropped');
  t.strictSame(webhooks.paths(), ['first', 'second']);
  t.match(webhooks.asked[1]?.request.object?.data, { first: 'yes' });
  t.strictSame((await server.call('GET', `${CONFIG_MAPS}/x`)).body.data, body.data);

  webhooks.on('first', () => patch({ op: 'replace', path: '/metadata/uid', value: 'mine' }));
  t.not((await create('y')).body.metadata?.uid, 'mine');
  webhooks.on('first', () => patch({ op: 'replace', path: '/metadata/namespace', value: 'other' }));
  t.match((await create('z')).body, { code: 400 });
  for (const [operations, wanted] of [
    [[{ op: 'remove', path: '/no/such' }], /Internal error occurred/],
    [[{ op: 'replace', path: '/data', value: 5 }], /Internal error occurred/],
    [[{ op: 'replace', path: '', value: null }], /Internal error occurred: .*patch leaves no object/],
  ] as const) {
    webhooks.on('first', () => patch(...operations));
    t.match((await create('bad')).body, { code: 500, message: wanted });
  }
});

t.test('a webhook is called again when another one changes the object later, if it wants to be', async (t) => {
  const { webhooks, configure, create } = await started(t);
  await configure('mutating', 'a', webhooks.at('again', { reinvocationPolicy: 'IfNeeded' }), webhooks.at('once'));
  webhooks.on('again', () => ({ allowed: true }));
  webhooks.on('once', () => patch({ op: 'add', path: '/data/once', value: 'yes' }));
  t.equal((await create('x')).status, 201);
  t.strictSame(webhooks.paths(), ['again', 'once', 'again']);
  webhooks.asked.length = 0;
  webhooks.on('once', () => ({ allowed: true }));
  t.equal((await create('y')).status, 201);
  t.strictSame(webhooks.paths(), ['again', 'once'], 'nothing has changed');
});

t.test('failures are refused or ignored, as the policy says', async (t) => {
  const { server, webhooks, configure, create, metrics } = await started(t);
  let more: object = {};
  const attempt = async (path: string, failurePolicy: string) => {
    // What is endless needs time to become too long on a busy machine.
    const hook = webhooks.at(path, { failurePolicy, timeoutSeconds: path === 'endless' ? 30 : 1, ...more });
    await configure('validating', 'only', hook);
    const answer = await create(`${path}-${failurePolicy.toLowerCase()}`);
    await server.call('DELETE', `${CONFIGURATIONS}/validatingwebhookconfigurations/only`);
    return answer;
  };
  webhooks.on('slow', () => undefined);
  webhooks.on('redirect', (_request, response) => void response.writeHead(302, { location: '/allow' }).end());
  webhooks.on('error', (_request, response) => void response.writeHead(500).end('oops'));
  webhooks.on('garbage', (_request, response) => void response.end('<html>'));
  webhooks.on('other', (_request, response) => void response.end('{"response":{"uid":"1","allowed":true}}'));
  webhooks.on('nothing', (_request, response) => void response.end('{}'));
  webhooks.on('broken', (_request, response) => void response.destroy());
  webhooks.on('endless', (_request, response) => {
    const more = (): void => {
      while (response.writable && response.write('x'.repeat(65_536)));
    };
    response.on('drain', more);
    more();
    return undefined;
  });
  webhooks.on('patch', () => patch({ op: 'add', path: '/data/x', value: 'y' }));
  const called = (path: string, why: string) =>
    new RegExp(`^Internal error occurred: failed calling webhook "${path}.example.com": ${why}`);
  for (const [path, why] of [
    ['slow', 'failed to call webhook: Post "https://127.0.0.1:\\d+/slow\\?timeout=1s": context deadline exceeded$'],
    ['redirect', 'failed to call webhook: the server responded with the status code 302'],
    ['error', 'failed to call webhook: an error on the server \\("oops"\\) has prevented the request from succeeding'],
    ['garbage', "failed to call webhook: couldn't get version/kind; json parse error: "],
    ['other', 'received invalid webhook response: expected response.uid='],
    ['nothing', 'received invalid webhook response: webhook response was absent'],
    ['broken', 'failed to call webhook: Post "https://127.0.0.1:\\d+/broken\\?timeout=1s": '],
    ['endless', "failed to call webhook: the webhook's answer is longer than "],
    ['patch', 'received invalid webhook response: validating webhook may not return response.patch$'],
  ] as const) {
    const answer = await attempt(path, 'Fail');
    t.match(answer.body, { code: 500, reason: 'InternalError', message: called(path, why) });
    t.equal((await attempt(path, 'Ignore')).status, 201, path);
  }
  const strange = Buffer.from(server.ca).toString('base64');
  for (const [what, clientConfig, why] of [
    [
      'certificate',
      { url: `${webhooks.server.url}/allow`, caBundle: strange },
      'tls: failed to verify certificate: x509: certificate signed by unknown authority',
    ],
    ['closed', { url: 'https://127.0.0.1:1/', caBundle: strange }, '.*ECONNREFUSED'],
    ['service', { service: { namespace: 'default', name: 'x' }, caBundle: strange }, 'service "x" not found'],
  ] as const) {
    more = { clientConfig };
    t.match((await attempt(what, 'Fail')).body, {
      message: called(what, `failed to call webhook: Post "[^ ]*": ${why}`),
    });
    t.equal((await attempt(what, 'Ignore')).status, 201, what);
  }
  const exposition = new Exposition();
  metrics.write(exposition);
  t.match(exposition.toString(), /webhook_fail_open_count\{name="slow.example.com",type="validating"\} 1/);
});

t.test('a webhook that is down is logged once, and once more when it answers again', async (t) => {
  const logger = new Log();
  const { webhooks, configure, create } = await started(t, { logger });
  await configure('validating', 'a', webhooks.at('down', { failurePolicy: 'Ignore' }));
  webhooks.on('down', (_request, response) => void response.writeHead(500).end('oops'));
  for (const name of ['a', 'b', 'c']) t.equal((await create(name)).status, 201);
  t.strictSame(logger.shown, ['warn: failed to call webhook']);
  t.equal(logger.count('failed to call webhook'), 3, 'the others are there at level debug');
  webhooks.on('down', () => ({ allowed: true }));
  for (const name of ['d', 'e']) t.equal((await create(name)).status, 201);
  t.strictSame(logger.shown, ['warn: failed to call webhook', 'info: webhook answers again']);
});

t.test('a status that is none is no answer, whatever the client reads', async (t) => {
  const { server, webhooks, configure } = await started(t);
  await configure('validating', 'a', webhooks.at('deny'));
  for (const status of [
    { details: { retryAfterSeconds: '5\r\nx-evil: 1' } },
    { details: { retryAfterSeconds: 2 ** 40 } },
    { details: { causes: 'x' } },
    { details: { causes: [5] } },
    { details: { name: {} } },
    { details: 5 },
    { code: '403' },
    { message: ['no'] },
    { reason: {} },
  ]) {
    webhooks.on('deny', () => ({ allowed: false, status }));
    const answer = await server.call('POST', CONFIG_MAPS, { body: configMap('x') });
    const why = /received invalid webhook response: json: cannot unmarshal/;
    t.match(answer.body, { code: 500, message: why }, JSON.stringify(status));
    t.notOk(answer.headers['x-evil']);
    const accept = 'application/vnd.kubernetes.protobuf';
    t.equal((await server.call('POST', CONFIG_MAPS, { body: configMap('x'), accept })).status, 500);
  }
  const causes = Array.from({ length: 10_000 }, () => ({ message: 'no' }));
  webhooks.on('deny', () => ({ allowed: false, status: { message: 'x'.repeat(1_000_000), details: { causes } } }));
  const { text, status } = await server.call('POST', CONFIG_MAPS, { body: configMap('x') });
  t.equal(status, 400);
  t.ok(text.length < 32_768, `${text.length} characters`);
});

t.test('a webhook may write the object that it is asked about', async (t) => {
  const { server, webhooks, configure, create } = await started(t);
  t.equal((await create('x')).status, 201);
  const target = `${CONFIG_MAPS}/x`;
  const note = (done: (status: number) => void, key: string) => {
    const body = { metadata: { annotations: { [key]: 'yes' } } };
    const type = 'application/merge-patch+json';
    void server.call('PATCH', target, { body, type, user: 'hook/system:masters' }).then(({ status }) => done(status));
  };
  const written: number[] = [];
  webhooks.on('notes', ({ uid, operation }, response) => {
    note((status) => {
      written.push(status);
      sendJson(response, {
        kind: 'AdmissionReview',
        apiVersion: 'admission.k8s.io/v1',
        response: { uid, allowed: true },
      });
    }, operation);
    return undefined;
  });
  const rules = [{ ...CONFIG_MAP_RULE, operations: ['UPDATE', 'DELETE'] }];
  const matchConditions = [{ name: 'others', expression: `request.userInfo.username != 'hook'` }];
  await configure('validating', 'a', webhooks.at('notes', { rules, matchConditions, timeoutSeconds: 3 }));
  const patched = await server.call('PATCH', target, {
    body: { data: { k: 'w' } },
    type: 'application/merge-patch+json',
  });
  t.equal(patched.status, 200, patched.text);
  t.match(patched.body, { data: { k: 'w' }, metadata: { annotations: { UPDATE: 'yes' } } }, 'neither write is lost');
  const removed = await server.call('DELETE', target);
  t.equal(removed.status, 200, removed.text);
  t.ok(written.every((status) => status === 200));
  t.equal((await server.call('GET', target)).status, 404);
});

t.test('the conditions of all webhooks of a configuration are limited together', async (t) => {
  const { server, webhooks } = await started(t);
  const expression = Array.from({ length: 6_000 }, () => '1==1').join('&&');
  const configuration = (count: number) => ({
    metadata: { name: 'x' },
    webhooks: Array.from({ length: count }, (_, index) =>
      webhooks.at(`h${index}`, { matchConditions: [{ name: 'c', expression }] }),
    ),
  });
  const post = (count: number) =>
    server.call('POST', `${CONFIGURATIONS}/validatingwebhookconfigurations?dryRun=All`, { body: configuration(count) });
  t.equal((await post(3)).status, 201);
  t.match(await post(4), { status: 422, body: { message: /may have at most 131072 characters in total/ } });
});

t.test('a webhook with side effects in a dry run, and one that has none', async (t) => {
  const { webhooks, configure, create } = await started(t);
  webhooks.on('allow', () => ({ allowed: true }));
  await configure('validating', 'a', webhooks.at('allow'));
  t.equal((await create('x', {}, '?dryRun=All&fieldManager=me')).status, 201);
  t.match(webhooks.asked[0]?.request, { dryRun: true, options: { dryRun: ['All'], fieldManager: 'me' } });
});

t.test('selectors choose by the labels of the object, old or new, and of its namespace', async (t) => {
  const { server, webhooks, configure, create } = await started(t);
  const namespaces = '/api/v1/namespaces';
  for (const [name, labels] of [
    ['default', {}],
    ['marked', { team: 'a' }],
  ] as const)
    await server.call('POST', namespaces, { body: { metadata: { name, labels } } });
  webhooks.on('object', () => ({ allowed: true }));
  webhooks.on('namespace', () => ({ allowed: false }));
  await configure('validating', 'a', webhooks.at('object', { objectSelector: { matchLabels: { app: 'x' } } }));
  await configure(
    'validating',
    'b',
    webhooks.at('namespace', {
      namespaceSelector: { matchLabels: { team: 'a' } },
      rules: [ANY_RULE, { ...ANY_RULE, resources: ['*'] }],
    }),
  );
  await create('plain');
  t.strictSame(webhooks.paths(), []);
  await create('labelled', { labels: { app: 'x' } });
  t.strictSame(webhooks.paths(), ['object']);
  await server.call('PUT', `${CONFIG_MAPS}/labelled`, { body: configMap('labelled') });
  t.strictSame(webhooks.paths(), ['object', 'object'], 'its old labels match');
  const there = await server.call('POST', `${namespaces}/marked/configmaps`, { body: configMap('x') });
  t.equal(there.status, 400);
  const other = await server.call('POST', namespaces, { body: { metadata: { name: 'new', labels: { team: 'a' } } } });
  t.match(other.body, { message: /"namespace.example.com" denied/ }, 'the labels that a namespace is to have');
  t.equal(webhooks.asked.at(-1)?.request.namespace, 'new');
  t.equal((await server.call('POST', namespaces, { body: { metadata: { name: 'free' } } })).status, 201);
});

t.test('a rule for one version matches requests for another one', async (t) => {
  const { server, webhooks, configure } = await started(t);
  webhooks.on('events', () => ({ allowed: true }));
  const rules = [{ operations: ['CREATE'], apiGroups: ['events.k8s.io'], apiVersions: ['v1'], resources: ['events'] }];
  await configure('validating', 'a', webhooks.at('events', { rules }));
  const body = {
    metadata: { name: 'e', namespace: 'default' },
    involvedObject: { namespace: 'default', name: 'p', kind: 'Pod' },
    message: 'told',
    type: 'Normal',
    reason: 'Tested',
  };
  const answer = await server.call('POST', '/api/v1/namespaces/default/events', { body });
  t.equal(answer.status, 201, answer.text);
  t.match(webhooks.asked[0]?.request, {
    kind: { group: 'events.k8s.io', version: 'v1', kind: 'Event' },
    resource: { group: 'events.k8s.io', version: 'v1', resource: 'events' },
    requestKind: { group: '', version: 'v1', kind: 'Event' },
    requestResource: { group: '', version: 'v1', resource: 'events' },
    object: { apiVersion: 'events.k8s.io/v1', kind: 'Event', note: 'told', regarding: { name: 'p' } },
  });
});

t.test('connections and deletes are asked about; configurations of webhooks never are', async (t) => {
  const { server, webhooks, configure } = await started(t);
  webhooks.on('deny', ({ operation }) => ({ allowed: operation === 'CREATE', status: { message: 'not here' } }));
  await configure(
    'validating',
    'a',
    webhooks.at('deny', {
      rules: [{ ...ANY_RULE, resources: ['*', '*/*'] }].map((rule) => ({ ...rule, resources: ['*/*'] })),
    }),
  );
  t.equal((await server.call('POST', PODS, { body: pod('p') })).status, 201);
  const exec = await server.call('GET', `${PODS}/p/exec?command=ls&stdout=true`);
  t.match(exec.body, { message: 'admission webhook "deny.example.com" denied the request: not here' });
  t.match(webhooks.asked.at(-1)?.request, {
    operation: 'CONNECT',
    kind: { group: '', version: 'v1', kind: 'PodExecOptions' },
    resource: { resource: 'pods' },
    subResource: 'exec',
    requestSubResource: 'exec',
    name: 'p',
    object: { kind: 'PodExecOptions', command: ['ls'], stdout: true },
    options: null,
  });
  const removed = await server.call('DELETE', `${PODS}/p?gracePeriodSeconds=0`);
  t.match(removed.body, { code: 400 });
  t.match(webhooks.asked.at(-1)?.request, {
    operation: 'DELETE',
    object: null,
    oldObject: { kind: 'Pod', metadata: { name: 'p' } },
    options: { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', gracePeriodSeconds: 0 },
  });
  const asked = webhooks.asked.length;
  t.equal((await server.call('DELETE', `${CONFIGURATIONS}/validatingwebhookconfigurations/a`)).status, 200);
  t.equal(webhooks.asked.length, asked);
});

t.test('a hundred requests at once each get their answer', async (t) => {
  const { webhooks, configure, create } = await started(t);
  webhooks.on('odd', ({ name }) => ({ allowed: Number(name.slice(1)) % 2 === 0 }));
  await configure('validating', 'a', webhooks.at('odd'));
  const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => create(`n${index}`)));
  t.strictSame(
    answers.map(({ status }) => status),
    answers.map((_, index) => (index % 2 === 0 ? 201 : 400)),
  );
});

t.test('a service is called where it is resolved to, under its own name', async (t) => {
  await using target = await startHttpsServer(
    (request, response) => {
      void readJson(request).then((body) => {
        const { uid } = (body as Review).request;
        const status = { message: `${request.headers.host} ${request.url}` };
        sendJson(response, {
          kind: 'AdmissionReview',
          apiVersion: 'admission.k8s.io/v1',
          response: { uid, allowed: false, status },
        });
      });
    },
    { names: ['hook.tools.svc'] },
  );
  const { webhooks, configure, create } = await started(t, {
    resolve: () => ({ host: '127.0.0.1', port: target.port }),
  });
  const service = { namespace: 'tools', name: 'hook', path: '/here', port: 8443 };
  await configure('validating', 'a', webhooks.at('x', { clientConfig: { service, caBundle: target.caBundle } }));
  t.match((await create('x')).body, { message: /denied the request: hook.tools.svc:8443 \/here\?timeout=10s$/ });
});

t.test('match conditions decide whether a webhook is called', async (t) => {
  const { server, webhooks, configure, create } = await started(t);
  webhooks.on('deny', () => ({ allowed: false }));
  await configure(
    'validating',
    'a',
    webhooks.at('deny', {
      matchConditions: [
        { name: 'not-system', expression: `request.userInfo.username != 'system'` },
        { name: 'named', expression: `object.metadata.name.startsWith('deny')` },
        { name: 'may', expression: `authorizer.requestResource.check('create').allowed()` },
      ],
    }),
  );
  t.equal((await create('spared')).status, 201);
  t.equal((await create('deny')).status, 400);
  const asSystem = await server.call('POST', CONFIG_MAPS, { body: configMap('deny'), user: 'system/system:masters' });
  t.equal(asSystem.status, 201);
  t.strictSame(webhooks.paths(), ['deny']);
});

t.test('a match condition that cannot be evaluated follows the failure policy', async (t) => {
  const { webhooks, configure, create } = await started(t);
  const matchConditions = [
    { name: 'met', expression: 'true' },
    { name: 'broken', expression: 'object.data.missing == "x"' },
    { name: 'worse', expression: 'oldObject.data.k == "x"' },
  ];
  await configure('validating', 'a', webhooks.at('ignored', { matchConditions, failurePolicy: 'Ignore' }));
  t.equal((await create('a')).status, 201);
  await configure('mutating', 'b', webhooks.at('failed', { matchConditions }));
  t.match(await create('b'), {
    status: 403,
    body: {
      reason: 'Forbidden',
      message:
        /^configmaps "b" is forbidden: \[expression 'object.data.missing == "x"' resulted in error: no such key: missing, expression 'oldObject.data.k == "x"' resulted in error: .*\]$/,
    },
  });
  const unmet = [...matchConditions, { name: 'unmet', expression: 'false' }];
  await configure('validating', 'c', webhooks.at('unmet', { matchConditions: unmet }));
  t.strictSame(webhooks.paths(), []);
});

t.test('match conditions that do not compile are refused', async (t) => {
  const { server, webhooks } = await started(t);
  const configuration = (expression: string) => ({
    metadata: { name: 'x' },
    webhooks: [webhooks.at('x', { matchConditions: [{ name: 'c', expression }] })],
  });
  for (const [expression, wanted] of [
    [
      '... [bad',
      /webhooks\[0\].matchConditions\[0\].expression: Invalid value: "... \[bad": compilation failed: ERROR: <input>:1:2: Syntax error/,
    ],
    ['params.x', /compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' \(in container ''\)/],
    ['request.name', /must evaluate to bool but got string$/],
  ] as const)
    for (const type of ['mutating', 'validating']) {
      const answer = await server.call('POST', `${CONFIGURATIONS}/${type}webhookconfigurations`, {
        body: configuration(expression),
      });
      t.match(answer, { status: 422, body: { message: wanted } });
    }
});

t.test('requests that match conditions exclude are counted', async (t) => {
  const { webhooks, metrics, configure, create } = await started(t);
  const matchConditions = [{ name: 'c', expression: 'false' }];
  await configure('validating', 'a', webhooks.at('never', { matchConditions }));
  t.equal((await create('x')).status, 201);
  const exposition = new Exposition();
  metrics.write(exposition);
  const labels = 'name="never.example.com",kind="webhook",type="validating",operation="CREATE"';
  t.ok(exposition.toString().includes(`apiserver_admission_match_condition_exclusions_total{${labels}} 1`));
});
