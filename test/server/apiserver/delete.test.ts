import t from 'tap';
import { CONFIG_MAPS, configMap, pod, PODS, TestServer } from './server.ts';

const MERGE = 'application/merge-patch+json';

t.test('a scheduled pod is deleted gracefully, and a second delete can only shorten the grace period', async (t) => {
  await using server = await TestServer.start();
  const remove = async (body?: object) => (await server.call('DELETE', `${PODS}/p`, { body })).body;
  await server.call('POST', PODS, { body: pod('p', { nodeName: 'n1', terminationGracePeriodSeconds: 50 }) });
  const first = await remove();
  t.match(first, { kind: 'Pod', metadata: { deletionGracePeriodSeconds: 50, deletionTimestamp: String } });
  t.match(await remove({ gracePeriodSeconds: 90 }), { metadata: { deletionGracePeriodSeconds: 50 } });
  t.match(await remove(), { metadata: { deletionGracePeriodSeconds: 50 } });
  const shorter = await remove({ gracePeriodSeconds: 10 });
  t.match(shorter, { metadata: { deletionGracePeriodSeconds: 10 } });
  t.equal(
    Date.parse(String(first.metadata?.deletionTimestamp)) - Date.parse(String(shorter.metadata?.deletionTimestamp)),
    40_000,
  );
  t.match(await remove({ gracePeriodSeconds: 0 }), { kind: 'Pod' });
  t.equal((await server.call('GET', `${PODS}/p`)).status, 404);

  await server.call('POST', PODS, { body: pod('unscheduled') });
  await server.call('DELETE', `${PODS}/unscheduled`);
  t.equal((await server.call('GET', `${PODS}/unscheduled`)).status, 404, 'an unscheduled pod is deleted at once');
});

t.test('an object with finalizers is deleted with the last finalizer', async (t) => {
  await using server = await TestServer.start();
  const url = `${CONFIG_MAPS}/a`;
  await server.call('POST', CONFIG_MAPS, { body: configMap('a', { finalizers: ['example.com/x', 'example.com/y'] }) });
  t.match((await server.call('DELETE', url)).body, { metadata: { deletionGracePeriodSeconds: 0 } });
  const patch = (finalizers: string[]) =>
    server.call('PATCH', url, { type: MERGE, body: { metadata: { finalizers } } });
  t.match((await patch(['example.com/x', 'example.com/new'])).body, {
    code: 422,
    message: /no new finalizers can be added if the object is being deleted/,
  });
  t.equal((await patch(['example.com/x'])).status, 200);
  t.equal((await server.call('GET', url)).status, 200);
  t.equal((await patch([])).status, 200);
  t.equal((await server.call('GET', url)).status, 404);
});

t.test('propagation policies become finalizers for the garbage collector', async (t) => {
  await using server = await TestServer.start();
  const finalizersAfter = async (name: string, body: object) => {
    await server.call('POST', CONFIG_MAPS, { body: configMap(name) });
    const answer = await server.call('DELETE', `${CONFIG_MAPS}/${name}`, { body });
    return answer.body.metadata?.finalizers ?? answer.body.status;
  };
  t.strictSame(await finalizersAfter('a', { propagationPolicy: 'Orphan' }), ['orphan']);
  t.strictSame(await finalizersAfter('b', { propagationPolicy: 'Foreground' }), ['foregroundDeletion']);
  t.equal(await finalizersAfter('c', { propagationPolicy: 'Background' }), 'Success');
  t.equal((await server.call('DELETE', `${CONFIG_MAPS}/a`, { body: { propagationPolicy: 'Nope' } })).status, 422);
});

t.test('a delete checks preconditions, and returns what was deleted', async (t) => {
  await using server = await TestServer.start();
  const { body } = await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  const remove = (preconditions: object) =>
    server.call('DELETE', `${CONFIG_MAPS}/a`, { body: { kind: 'DeleteOptions', apiVersion: 'v1', preconditions } });
  t.match((await remove({ uid: 'other' })).body, { code: 409, message: /UID in precondition: other/ });
  t.match((await remove({ resourceVersion: '99' })).body, { code: 409 });
  t.match((await remove({ uid: body.metadata?.uid, resourceVersion: body.metadata?.resourceVersion })).body, {
    kind: 'Status',
    status: 'Success',
    details: { name: 'a', kind: 'configmaps', uid: body.metadata?.uid },
  });
  t.match((await remove({})).body, { code: 404, message: 'configmaps "a" not found' });
});

t.test('deletecollection with a selector', async (t) => {
  await using server = await TestServer.start();
  for (const [name, app] of Object.entries({ a: 'x', b: 'y', c: 'x' })) {
    await server.call('POST', CONFIG_MAPS, { body: configMap(name, { labels: { app } }) });
  }
  const deleted = await server.call('DELETE', `${CONFIG_MAPS}?labelSelector=app%3Dx`);
  t.equal(deleted.body.items?.length, 2);
  const left = await server.call('GET', CONFIG_MAPS);
  t.strictSame(
    left.body.items?.map(({ metadata }) => metadata?.name),
    ['b'],
  );
});

t.test('deletecollection answers in every form that a list has', async (t) => {
  await using server = await TestServer.start();
  const protobuf = 'application/vnd.kubernetes.protobuf';
  const remove = async (accept: string) => {
    await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
    return server.call('DELETE', CONFIG_MAPS, { accept });
  };
  const binary = await remove(`${protobuf},application/json`);
  t.equal(binary.status, 200);
  t.equal(binary.headers['content-type'], protobuf);
  t.ok(binary.bytes.includes('ConfigMapList'));
  t.match((await remove('application/json;as=Table;v=v1;g=meta.k8s.io')).body, {
    kind: 'Table',
    rows: [{ object: { metadata: { name: 'a' } } }],
  });
  t.match((await remove('application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io')).body, {
    kind: 'PartialObjectMetadataList',
    items: [{ metadata: { name: 'a' } }],
  });
  t.match((await remove('application/yaml')).bytes.toString(), /^kind: ConfigMapList$/m);
  const json = (await remove('application/json')).body;
  t.match(json, { kind: 'ConfigMapList', metadata: { resourceVersion: /^\d+$/ } });
  t.notOk(json.items?.[0]?.metadata?.deletionTimestamp, 'as they were before');
});

t.test('a namespace is Terminating until it is empty and finalized', async (t) => {
  await using server = await TestServer.start();
  const url = '/api/v1/namespaces/x';
  await server.call('POST', '/api/v1/namespaces', {
    body: { metadata: { name: 'x' }, spec: { finalizers: ['kubernetes'] } },
  });
  const deleted = await server.call('DELETE', url);
  t.match(deleted.body, { metadata: { deletionTimestamp: String }, status: { phase: 'Terminating' } });
  t.equal((await server.call('GET', url)).status, 200);
  const finalized = { ...deleted.body, spec: { finalizers: [] } };
  t.equal((await server.call('PUT', `${url}/finalize`, { body: finalized })).status, 200);
  t.equal((await server.call('GET', url)).status, 404);
});

t.test('a pod can be bound once, and eviction deletes it', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', PODS, { body: pod('p') });
  const bind = (node: string) =>
    server.call('POST', `${PODS}/p/binding`, {
      body: { metadata: { name: 'p' }, target: { kind: 'Node', name: node } },
    });
  t.match((await bind('n1')).body, { kind: 'Status', status: 'Success', code: 201 });
  t.match((await bind('n2')).body, { code: 409, message: /already assigned to node "n1"/ });
  const bound = await server.call('GET', `${PODS}/p`);
  t.match(bound.body, {
    spec: { nodeName: 'n1' },
    status: { conditions: [{ type: 'PodScheduled', status: 'True', observedGeneration: 1 }] },
  });
  const body = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: 'p' },
    deleteOptions: { gracePeriodSeconds: 5 },
  };
  t.equal((await server.call('POST', `${PODS}/p/eviction`, { body })).status, 201);
  t.match((await server.call('GET', `${PODS}/p`)).body, { metadata: { deletionGracePeriodSeconds: 5 } });
});
