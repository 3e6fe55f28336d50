import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { events } from '../../../api/kinds/events/event.ts';
import { kinds } from '../../../api/registry.ts';
import type { AdmissionPlugin } from '../../../control-plane/apiserver/admission/plugin.ts';
import { certificateRequest } from '../../../agent/join/certificate-request.ts';
import { CONFIG_MAPS, configMap, pod, PODS, SERVICES, take, TestServer, type Answer } from './server.ts';

const MERGE = 'application/merge-patch+json';

t.test('owner references that are there twice are removed, with a warning', async (t) => {
  const owner = (uid: string, name = 'o') => ({ apiVersion: 'v1', kind: 'ConfigMap', name, uid });
  const addsOwner: AdmissionPlugin = {
    name: 'AddsOwner',
    mutate({ object }) {
      if (object?.metadata?.name === 'b') object.metadata.ownerReferences?.push(owner('1'));
    },
  };
  await using server = await TestServer.start({ admission: [addsOwner] });
  const body = (name: string, ...ownerReferences: object[]) => configMap(name, { ownerReferences });
  const created = await server.call('POST', CONFIG_MAPS, {
    body: body('a', owner('1'), owner('1'), owner('2'), owner('1', 'p'), owner('2')),
  });
  t.strictSame(created.body.metadata?.['ownerReferences'], [owner('1'), owner('2'), owner('1', 'p')]);
  t.match(created.headers['warning'], /contains duplicate entries; API server dedups .*observed: 1, 2"/);
  const updated = await server.call('PUT', `${CONFIG_MAPS}/a`, { body: body('a', owner('3'), owner('3')) });
  t.strictSame(updated.body.metadata?.['ownerReferences'], [owner('3')]);
  const admitted = await server.call('POST', CONFIG_MAPS, { body: body('b', owner('1')) });
  t.strictSame(admitted.body.metadata?.['ownerReferences'], [owner('1')]);
  t.match(admitted.headers['warning'], /contains duplicate entries after mutating admission happens; .*observed: 1"/);
  t.equal(
    (await server.call('POST', CONFIG_MAPS, { body: body('c', owner('1'), owner('2')) })).headers['warning'],
    undefined,
  );
});

t.test(
  'an update with an old resourceVersion is a conflict, and an update without changes writes nothing',
  async (t) => {
    await using server = await TestServer.start();
    const created = await server.call('POST', CONFIG_MAPS, { body: configMap('a', { labels: { x: '1', y: '2' } }) });
    t.equal(created.status, 201);
    const changed = await server.call('PUT', `${CONFIG_MAPS}/a`, { body: { ...created.body, data: { k: 'w' } } });
    t.equal(changed.status, 200);
    const next = String(Number(created.body.metadata?.resourceVersion) + 1);
    t.match(changed.body.metadata, { uid: created.body.metadata?.uid, resourceVersion: next });
    const stale = await server.call('PUT', `${CONFIG_MAPS}/a`, { body: { ...created.body, data: { k: 'x' } } });
    t.match(stale.body, {
      code: 409,
      reason: 'Conflict',
      message:
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
    });
    const reordered = { data: { k: 'w' }, metadata: { labels: { y: '2', x: '1' }, name: 'a' } };
    const unchanged = await server.call('PUT', `${CONFIG_MAPS}/a`, { body: reordered });
    t.equal(unchanged.body.metadata?.resourceVersion, next);
    const otherUid = { ...configMap('a'), metadata: { name: 'a', uid: '00000000-0000-0000-0000-000000000000' } };
    t.equal((await server.call('PUT', `${CONFIG_MAPS}/a`, { body: otherUid })).status, 409);
    t.equal((await server.call('PUT', `${CONFIG_MAPS}/b`, { body: configMap('a') })).status, 404);
    t.equal(
      (await server.call('PUT', `${CONFIG_MAPS}/%61`, { body: configMap('a') })).status,
      200,
      'names may be escaped',
    );
    t.equal((await server.call('PUT', `${CONFIG_MAPS}/a`, { body: configMap('b') })).status, 400);
  },
);

t.test('a new object has no resourceVersion, but in a dry run it may', async (t) => {
  await using server = await TestServer.start();
  const versioned = configMap('a', { resourceVersion: '7' });
  const refused = await server.call('POST', CONFIG_MAPS, { body: versioned });
  t.match(refused.body, { code: 500, message: 'resourceVersion should not be set on objects to be created' });
  t.equal((await server.call('POST', `${CONFIG_MAPS}?dryRun=All`, { body: versioned })).status, 201);
  const invalid = configMap('A_', { resourceVersion: '7' });
  t.equal((await server.call('POST', CONFIG_MAPS, { body: invalid })).status, 422, 'what is invalid is told first');
});

t.test('concurrent patches of one object are all applied', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      server.call('PATCH', `${CONFIG_MAPS}/a`, { type: MERGE, body: { data: { [`k${index}`]: 'v' } } }),
    ),
  );
  t.ok(answers.every(({ status }) => status === 200));
  const { body } = await server.call('GET', `${CONFIG_MAPS}/a`);
  t.equal(Object.keys(body.data as object).length, 41);
  const based = { metadata: { resourceVersion: '1' }, data: { late: 'v' } };
  t.equal((await server.call('PATCH', `${CONFIG_MAPS}/a`, { type: MERGE, body: based })).status, 409);
  t.equal((await server.call('PATCH', `${CONFIG_MAPS}/a`, { type: 'text/plain', body: {} })).status, 415);
});

t.test('the status changes through its subresource only, and nothing else does there', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', PODS, { body: pod('p') });
  const body = { spec: { nodeName: 'n1' }, status: { phase: 'Running' } };
  const status = await server.call('PATCH', `${PODS}/p/status`, { type: MERGE, body });
  t.match(status.body, { status: { phase: 'Running' } });
  t.notOk((status.body.spec as { nodeName?: string }).nodeName);
  const spec = await server.call('PATCH', `${PODS}/p`, {
    type: MERGE,
    body: { metadata: { labels: { a: 'b' } }, status: { phase: 'Failed' } },
  });
  t.match(spec.body, { metadata: { labels: { a: 'b' } }, status: { phase: 'Running' } });
});

t.test('status patches of all types leave the spec alone, and what they say of it is validated', async (t) => {
  await using server = await TestServer.start();
  const created = await server.call('POST', PODS, { body: pod('p') });
  const types = {
    [MERGE]: { status: { message: 'one' } },
    'application/strategic-merge-patch+json': { status: { message: 'two' } },
    'application/json-patch+json': [{ op: 'add', path: '/status/message', value: 'three' }],
  };
  for (const [type, body] of Object.entries(types)) {
    const { status, body: patched } = await server.call('PATCH', `${PODS}/p/status`, { type, body });
    t.equal(status, 200, type);
    t.same(patched.spec, created.body.spec, type);
    t.match(patched.status, { phase: 'Pending' }, type);
  }
  const { body: patched } = await server.call('GET', `${PODS}/p`);
  t.match(patched.status, { message: 'three' });
  t.equal(patched.metadata?.generation, created.body.metadata?.generation);
  const wrong = await server.call('PATCH', `${PODS}/p/status`, { type: MERGE, body: { spec: { containers: 'none' } } });
  t.equal(wrong.status, 422);
  t.match(wrong.body.message, /cannot unmarshal string into Go struct field PodSpec.spec.containers/);
  const unknown = await server.call('PATCH', `${PODS}/p/status?fieldValidation=Strict`, {
    type: MERGE,
    body: { spec: { colour: 'red' } },
  });
  t.equal(unknown.status, 422);
  t.match(unknown.body.message, /unknown field "spec.colour"/);
  const list = await server.call('PATCH', `${PODS}/p/status`, {
    type: 'application/json-patch+json',
    body: [{ op: 'replace', path: '', value: [] }],
  });
  t.equal(list.status, 422);
  t.match(list.body.message, /cannot unmarshal array/);
});

t.test('a dry run answers as if and leaves no trace', async (t) => {
  await using server = await TestServer.start();
  const created = await server.call('POST', `${CONFIG_MAPS}?dryRun=All`, { body: configMap('a') });
  t.equal(created.status, 201);
  t.ok(created.body.metadata?.uid);
  t.equal((await server.call('GET', `${CONFIG_MAPS}/a`)).status, 404);
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  const written = await server.store.latestRevision();
  const patched = await server.call('PATCH', `${CONFIG_MAPS}/a?dryRun=All`, {
    type: MERGE,
    body: { data: { k: 'w' } },
  });
  t.match(patched.body, { data: { k: 'w' } });
  t.equal((await server.call('DELETE', `${CONFIG_MAPS}/a?dryRun=All`)).status, 200);
  t.match((await server.call('GET', `${CONFIG_MAPS}/a`)).body, { data: { k: 'v' } });
  t.equal(await server.store.latestRevision(), written);
  t.equal((await server.call('POST', `${CONFIG_MAPS}?dryRun=Some`, { body: configMap('b') })).status, 422);
});

t.test('unknown and duplicate fields of bodies and patches are reported in textual order', async (t) => {
  await using server = await TestServer.start();
  const service = (name: string) =>
    `{"metadata":{"name":"${name}"},"spec":{"nope":{"a":1,"a":2},"type":"ClusterIP","type":"ExternalName",` +
    '"externalName":"a.example","ports":[{"port":1,"port":80,"odd":1}]},"nope":1}';
  const found = [
    'unknown field "spec.nope"',
    'duplicate field "spec.type"',
    'duplicate field "spec.ports[0].port"',
    'unknown field "spec.ports[0].odd"',
    'unknown field "nope"',
  ];
  const warnings = (answer: Answer) => String(answer.headers.warning).replaceAll('\\"', '"');
  const inHeader = (problems: string[]) => problems.map((problem) => `299 - "${problem}"`).join(', ');
  const strict = await server.call('POST', `${SERVICES}?fieldValidation=Strict`, { body: service('a') });
  t.match(strict.body, {
    code: 400,
    message: `Service in version "v1" cannot be handled as a Service: strict decoding error: ${found.join(', ')}`,
  });
  t.equal(warnings(await server.call('POST', SERVICES, { body: service('a') })), inHeader(found));

  const yaml = 'metadata: {name: b}\ndata:\n  k: v\n  k: w\nodd: 1\nimmutable: false\neven: 1\n';
  const refused = await server.call('POST', `${CONFIG_MAPS}?fieldValidation=Strict`, {
    body: yaml,
    type: 'application/yaml',
  });
  t.match(String(refused.body.message), /strict decoding error: yaml: unmarshal errors:\n {2}line 4: key "k" already/);
  t.match(String(refused.body.message), /in map, unknown field "even", unknown field "odd"$/);

  const patch = (query: string, type: string, body: string) =>
    server.call('PATCH', `${SERVICES}/a${query}`, { body, type: `application/${type}+json` });
  const merge = '{"spec":{"externalName":"b.example","externalName":"c.example","nope":1}}';
  const merged = ['duplicate field "spec.externalName"', 'unknown field "spec.nope"'];
  t.equal(warnings(await patch('', 'merge-patch', merge)), inHeader(merged));
  for (const type of ['merge-patch', 'strategic-merge-patch']) {
    const answer = await patch('?fieldValidation=Strict', type, merge);
    t.match(answer.body, { code: 422, reason: 'Invalid' });
    t.ok(String(answer.body.message).endsWith(`strict decoding error: ${merged.join(', ')}`), type);
  }
  const operations = '[{"op":"add","path":"/spec/x","path":"/spec/nope","value":1,"odd":1}]';
  t.equal(
    warnings(await patch('', 'json-patch', operations)),
    inHeader([
      'json patch unknown field "[0].odd"',
      'json patch duplicate field "[0].path"',
      'unknown field "spec.nope"',
    ]),
  );
  const wrongType = await patch('', 'merge-patch', '{"spec":{"externalName":1}}');
  t.match(wrongType.body, { code: 422, reason: 'Invalid', message: /^ "" is invalid: patch: Invalid value/ });
  const ofMap = await patch('', 'strategic-merge-patch', '{"metadata":{"labels":"none"}}');
  t.match(ofMap.body, { code: 422, reason: 'Invalid', message: /cannot restore map from string$/ });
});

t.test('invalid bodies are rejected with a message', async (t) => {
  await using server = await TestServer.start();
  const post = (body: unknown, query = '', type = 'application/json') =>
    server.call('POST', `${CONFIG_MAPS}${query}`, { body, type });
  t.match((await post('{"a":')).body, { code: 400, reason: 'BadRequest' });
  t.match((await post('')).body, { code: 400 });
  t.match((await post({ ...configMap('a'), data: { k: 'x'.repeat(4 * 1024 * 1024) } })).body, {
    code: 413,
    reason: 'RequestEntityTooLarge',
  });
  t.equal((await post(configMap('a'), '', 'application/x-protobuf')).status, 415);
  t.match((await post({ ...configMap('a'), nope: 1 }, '?fieldValidation=Strict')).body, {
    code: 400,
    message: 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "nope"',
  });
  const warned = await post({ ...configMap('a'), nope: 1 });
  t.equal(warned.status, 201);
  t.equal(warned.headers.warning, '299 - "unknown field \\"nope\\""');
  t.match((await post(configMap('a'))).body, { code: 409, reason: 'AlreadyExists' });
  t.match((await post({ data: {} })).body, { code: 422, message: /name or generateName is required/ });
  t.match((await post(configMap('x', { namespace: 'other' }))).body, { code: 400 });
  t.match((await post(configMap('x', { resourceVersion: '5' }))).body, { code: 500 });
  t.equal((await server.call('PUT', CONFIG_MAPS, { body: {} })).status, 405);
  t.match((await server.call('GET', '/api/v1/namespaces/default/nopes')).body, { code: 404, reason: 'NotFound' });
  t.equal((await server.call('GET', '/apis/nope.io/v1')).text, '404 page not found\n');
});

t.test('generateName yields unique names, concurrently too', async (t) => {
  await using server = await TestServer.start();
  const body = { metadata: { generateName: 'job-' }, data: {} };
  const answers = await Promise.all(Array.from({ length: 50 }, () => server.call('POST', CONFIG_MAPS, { body })));
  const names = answers.map((answer) => String(answer.body.metadata?.name));
  t.equal(new Set(names).size, 50);
  t.ok(names.every((name) => /^job-[bcdfghjklmnpqrstvwxz2456789]{5}$/.test(name)));
});

t.test('an event is one object in two groups', { skip: !kinds.includes(events) }, async (t) => {
  await using server = await TestServer.start();
  const body = {
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    reason: 'R',
    message: 'm',
  };
  const created = await server.call('POST', '/api/v1/namespaces/default/events', { body });
  t.equal(created.status, 201);
  const other = await server.call('GET', '/apis/events.k8s.io/v1/namespaces/default/events/e');
  t.match(other.body, {
    apiVersion: 'events.k8s.io/v1',
    metadata: { name: 'e', uid: created.body.metadata?.uid, resourceVersion: created.body.metadata?.resourceVersion },
    regarding: { name: 'p' },
    note: 'm',
  });
  const found = async (group: string, selector: string) =>
    (await server.call('GET', `/${group}/namespaces/default/events?fieldSelector=${encodeURIComponent(selector)}`)).body
      .items?.length;
  const patch = { body: { reportingComponent: 'c.example/c' }, type: 'application/merge-patch+json' };
  await server.call('PATCH', '/api/v1/namespaces/default/events/e', patch);
  t.equal(await found('apis/events.k8s.io/v1', 'regarding.name=p,reportingController=c.example/c'), 1);
  t.equal(await found('apis/events.k8s.io/v1', 'regarding.kind!=Pod'), 0);
  t.equal(await found('api/v1', 'involvedObject.name=p,reportingComponent=c.example/c'), 1);
  t.equal(
    await found('apis/events.k8s.io/v1', 'involvedObject.name=p'),
    undefined,
    'each form has its own field names',
  );
});

t.test('approval of a certificate request is immutable, and its certificate is validated', async (t) => {
  await using server = await TestServer.start();
  const url = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = certificateRequest({ commonName: 'carol', organization: 'testers' }, publicKey, privateKey);
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const spec = { request: base64(pem), signerName: 'example.com/e2e', usages: ['client auth'] };
  t.equal((await server.call('POST', url, { body: { metadata: { name: 'csr' }, spec } })).status, 201);
  const patch = (subresource: string, status: object) =>
    server.call('PATCH', `${url}/csr/${subresource}`, { body: { status }, type: MERGE });
  const condition = (type: string) => ({ type, status: 'True', reason: 'Test' });

  t.match((await patch('status', { conditions: [condition('Approved')] })).body.status, { conditions: undefined });
  await patch('approval', { conditions: [condition('Approved')] });
  t.match((await patch('approval', { conditions: [condition('Other')] })).body, {
    code: 422,
    message: /status.conditions: Forbidden: updates may not remove a condition of type "Approved"/,
  });
  const noted = await patch('status', { conditions: [condition('Noted')] });
  t.match(noted.body.status, {
    conditions: [{ type: 'Approved' }, { type: 'Noted', lastUpdateTime: /^20/, lastTransitionTime: /^20/ }],
  });
  t.match((await patch('status', { certificate: base64(pem) })).body, {
    code: 422,
    message: /only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"/,
  });
  t.match((await patch('status', { certificate: base64('x') })).body, {
    code: 422,
    message: /must contain one or more/,
  });
  t.equal((await patch('status', { certificate: base64(server.ca) })).status, 200);
  t.match((await patch('status', { certificate: base64(server.ca + server.ca) })).body, {
    code: 422,
    message: /updates may not modify existing certificate content/,
  });
});

t.test('a namespace gets its name as a label, generated names included', async (t) => {
  await using server = await TestServer.start();
  const { metadata } = (
    await server.call('POST', '/api/v1/namespaces', { body: { metadata: { generateName: 'e2e-' } } })
  ).body;
  t.match(metadata?.name, /^e2e-.{5}$/);
  t.match(metadata?.labels, { 'kubernetes.io/metadata.name': metadata?.name });
});

t.test('deprecated kinds return a warning', async (t) => {
  await using server = await TestServer.start();
  const { status, headers } = await server.call('GET', '/api/v1/endpoints');
  t.equal(status, 200);
  t.match(headers.warning, /^299 - "v1 Endpoints is deprecated in v1.33\+/);
});

t.test('events expire after their last write', async (t) => {
  await using server = await TestServer.start({ eventTtlMs: 600 });
  const url = '/api/v1/namespaces/default/events';
  const event = (name: string) => ({
    metadata: { name },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    reason: 'R',
  });
  await server.call('POST', url, { body: event('e') });
  const [added, deleted] = await take(server.watch('/api/v1/events?watch=1'), 2);
  t.match([added, deleted], [{ type: 'ADDED' }, { type: 'DELETED', object: { metadata: { name: 'e' } } }]);
  t.equal((await server.call('GET', `${url}/e`)).status, 404);
});

t.test('a read-only store yields a Status for writes, and reads continue', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  await server.store.close();
  const refused = await server.call('POST', CONFIG_MAPS, { body: configMap('b') });
  t.match(refused.body, { code: 503, reason: 'ServiceUnavailable', message: /the store cannot be written to/ });
  t.equal((await server.call('DELETE', `${CONFIG_MAPS}/a`)).status, 503);
  const list = await server.call('GET', CONFIG_MAPS);
  t.strictSame(
    list.body.items?.map(({ metadata }) => metadata?.name),
    ['a'],
  );
});

t.test('a subresource changes its own part only', async (t) => {
  await using server = await TestServer.start();
  const url = '/api/v1/namespaces/default/pods';
  const containers = [{ name: 'c', image: 'i:1' }];
  const made = await server.call('POST', url, {
    body: { metadata: { name: 'p', labels: { a: 'b' } }, spec: { containers } },
  });
  t.equal(made.status, 201);
  const mirror = { annotations: { 'kubernetes.io/config.mirror': 'x' } };
  const patch = (subresource: string, body: object) =>
    server.call('PATCH', `${url}/p${subresource}`, { body, type: MERGE });
  for (const subresource of ['', '/status']) {
    t.match((await patch(subresource, { metadata: mirror })).body, {
      code: 422,
      message: /metadata.annotations\[kubernetes.io\/config.mirror\]: Forbidden: may not add mirror pod annotation/,
    });
  }
  const binding = { metadata: { name: 'p', ...mirror }, target: { name: 'n' } };
  t.match((await server.call('POST', `${url}/p/binding`, { body: binding })).body, {
    code: 422,
    message: /may not add mirror pod annotation/,
  });
  const debugging = { name: 'd', image: 'i', targetContainerName: 'c' };
  const debugged = await patch('/ephemeralcontainers', {
    metadata: { labels: { a: 'changed' }, finalizers: ['example.com/f'], ...mirror },
    spec: { ephemeralContainers: [debugging] },
  });
  t.equal(debugged.status, 200);
  t.match(debugged.body, { metadata: { labels: { a: 'b' } }, spec: { ephemeralContainers: [{ name: 'd' }] } });
  const malformed = await patch('/ephemeralcontainers', { spec: { ephemeralContainers: [debugging, { name: 'E_' }] } });
  t.equal(malformed.status, 422);
  t.match(malformed.body.message, /ephemeralContainers\[1\]\.name: Invalid value: "E_"/);
  t.match(malformed.body.message, /ephemeralContainers\[1\]\.image: Required value/);
  t.notOk(debugged.body.metadata?.annotations);
  t.notOk(debugged.body.metadata?.finalizers);

  await server.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'n' } } });
  const namespace = { metadata: { name: 'n' }, spec: { finalizers: ['Not A Finalizer'] } };
  const finalized = await server.call('PUT', '/api/v1/namespaces/n/finalize', { body: namespace });
  t.match(finalized.body, { code: 422, message: /spec.finalizers: Invalid value: "Not A Finalizer"/ });

  for (const body of [{ metadata: { labels: { a: 'c' } } }, { spec: { containers: [{ name: 'c', image: 'i:2' }] } }]) {
    t.equal((await patch('/resize', body)).status, 200);
  }
  t.match((await server.call('GET', `${url}/p`)).body, { metadata: { labels: { a: 'b' } }, spec: { containers } });
});

t.test('the size limit counts the unescaped object', async (t) => {
  await using server = await TestServer.start();
  const zeros = { metadata: { name: 'zeros' }, data: { file: '\0'.repeat(400_000) } };
  t.equal((await server.call('POST', CONFIG_MAPS, { body: zeros })).status, 201);
  await server.call('POST', PODS, { body: pod('long') });
  const status = { message: 'x'.repeat(1_600_000) };
  const answer = await server.call('PATCH', `${PODS}/long/status`, { type: MERGE, body: { status } });
  t.match(answer, { status: 413, body: { message: 'Request entity too large: limit is 1572864' } });
});

t.test('a binding is for the pod that it names, as it is, once nothing gates its scheduling', async (t) => {
  await using server = await TestServer.start();
  const url = '/api/v1/namespaces/default/pods';
  const spec = { containers: [{ name: 'c', image: 'i:1' }], schedulingGates: [{ name: 'example.com/quota' }] };
  const { body: made } = await server.call('POST', url, { body: { metadata: { name: 'p' }, spec } });
  const bind = async (metadata: object) => {
    const body = { metadata: { name: 'p', ...metadata }, target: { kind: 'Node', name: 'n' } };
    return (await server.call('POST', `${url}/p/binding`, { body })).body;
  };
  t.match(await bind({}), { code: 409, message: /"p": pod p has non-empty .spec.schedulingGates$/ });
  await server.call('PATCH', `${url}/p`, { body: { spec: { schedulingGates: null } }, type: MERGE });
  await server.call('PATCH', `${url}/p/status`, { body: { status: { nominatedNodeName: 'other' } }, type: MERGE });
  const { resourceVersion } = made.metadata ?? {};
  t.match(await bind({ resourceVersion }), { code: 409, message: /ResourceVersion in precondition: / });
  t.match(await bind({ uid: 'another' }), { code: 409, message: /UID in precondition: another/ });
  t.match(await bind({ uid: made.metadata?.uid }), { status: 'Success' });
  const { body: bound } = await server.call('GET', `${url}/p`);
  t.match(bound, { spec: { nodeName: 'n' }, status: { phase: 'Pending' } });
  t.notOk(Object.hasOwn(bound['status'] as object, 'nominatedNodeName'), 'it was for those who did not know the node');
});
