/** Server-side apply across versions of a kind, and after changes of its schema. */
import t from 'tap';
import { eventually } from '../../support/wait.ts';
import { TestServer, type Answer, type Json } from './server.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const APPLY = 'application/apply-patch+yaml';
const MERGE = 'application/merge-patch+json';
const at = (version: string): string => `/apis/example.com/${version}/namespaces/default/things/a`;

const version = (name: string, storage: boolean, list: object = {}) => ({
  name,
  served: true,
  storage,
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: {
        spec: {
          type: 'object',
          properties: {
            a: { type: 'string' },
            b: { type: 'string' },
            c: { type: 'string' },
            tags: { type: 'array', items: { type: 'string' }, ...list },
          },
        },
      },
    },
  },
});
const SET = { 'x-kubernetes-list-type': 'set' };

async function started(list: object = {}): Promise<TestServer> {
  const server = await TestServer.start();
  await server.call('POST', DEFINITIONS, {
    body: {
      metadata: { name: 'things.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'things', kind: 'Thing' },
        versions: [version('v1', true, list), version('v2', false, list)],
      },
    },
  });
  await eventually(
    'the versions to be served',
    async () => (await server.call('GET', '/apis/example.com/v2/things')).status === 200,
  );
  return server;
}

const apply = (server: TestServer, of: string, manager: string, spec: object, more = '') =>
  server.call('PATCH', `${at(of)}?fieldManager=${manager}${more}`, {
    body: { apiVersion: `example.com/${of}`, kind: 'Thing', metadata: { name: 'a' }, spec },
    type: APPLY,
  });

const owners = ({ body }: Answer): unknown =>
  (body.metadata?.['managedFields'] as Json[])
    .toSorted((one, other) => (String(one['manager']) < String(other['manager']) ? -1 : 1))
    .map(({ manager, apiVersion, fieldsV1 }) => [manager, apiVersion, (fieldsV1 as Record<string, unknown>)['f:spec']]);

t.test('an applier that changes its version removes what it no longer states', async (t) => {
  await using server = await started();
  await apply(server, 'v1', 'one', { a: '1', b: '2', c: '3' });
  await apply(server, 'v2', 'two', { b: '2' });
  const left = await apply(server, 'v2', 'one', { a: '1' });
  t.strictSame(left.body['spec'], { a: '1', b: '2' }, 'but what another manager states in its version stays');
  t.strictSame(owners(left), [
    ['one', 'example.com/v2', { 'f:a': {} }],
    ['two', 'example.com/v2', { 'f:b': {} }],
  ]);
  await apply(server, 'v1', 'two', { b: '2' });
  const rest = await apply(server, 'v1', 'one', {});
  t.strictSame(rest.body['spec'], { b: '2' });
  const kept = await apply(server, 'v2', 'two', { a: 'x', b: '2' });
  t.strictSame(kept.body['spec'], { a: 'x', b: '2' });
  const nothing = await apply(server, 'v2', 'two', { a: 'x', b: '2' });
  t.equal(
    nothing.body.metadata?.['resourceVersion'],
    kept.body.metadata?.['resourceVersion'],
    'a repetition writes nothing',
  );
});

t.test('an applier of a built-in kind that changes its version removes what it no longer states', async (t) => {
  await using server = await TestServer.start();
  const target = (of: string) =>
    `/apis/autoscaling/${of}/namespaces/default/horizontalpodautoscalers/a?fieldManager=one`;
  const scaler = (of: string, spec: object) => ({
    body: {
      apiVersion: `autoscaling/${of}`,
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'a' },
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' }, maxReplicas: 3, ...spec },
    },
    type: APPLY,
  });
  const created = await server.call(
    'PATCH',
    target('v2'),
    scaler('v2', { minReplicas: 2, behavior: { scaleDown: { stabilizationWindowSeconds: 5 } } }),
  );
  t.equal(created.status, 201, created.text);
  const changed = await server.call('PATCH', target('v1'), scaler('v1', { minReplicas: 2 }));
  t.equal(changed.status, 200, changed.text);
  const read = await server.call('GET', target('v2'));
  t.match(read.body['spec'], { minReplicas: 2, maxReplicas: 3 });
  t.notOk('behavior' in (read.body['spec'] as object), 'the behavior that v1 has no field for');
});

t.test('a list that has become atomic is owned as one by who owned items of it', async (t) => {
  await using server = await started(SET);
  await apply(server, 'v1', 'one', { tags: ['x'] });
  const both = await apply(server, 'v1', 'two', { tags: ['y'] });
  t.strictSame((both.body['spec'] as Json)['tags'], ['x', 'y']);
  const body = { spec: { versions: [version('v1', true), version('v2', false)] } };
  await server.call('PATCH', `${DEFINITIONS}/things.example.com`, { body, type: MERGE });
  const tryAll = (more = '') => apply(server, 'v1', 'two', { tags: ['y'] }, more);
  await eventually('the schema to change', async () => (await tryAll('&dryRun=All')).status === 409);
  const conflict = await tryAll();
  t.match(conflict.body, { message: 'Apply failed with 1 conflict: conflict with "one": .spec.tags' });
  const forced = await tryAll('&force=true');
  t.strictSame((forced.body['spec'] as Json)['tags'], ['y']);
  t.strictSame(owners(forced), [['two', 'example.com/v1', { 'f:tags': {} }]]);
});

t.test('a list that has become a set is merged again', async (t) => {
  await using server = await started();
  await apply(server, 'v1', 'one', { tags: ['x'] });
  const body = { spec: { versions: [version('v1', true, SET), version('v2', false, SET)] } };
  await server.call('PATCH', `${DEFINITIONS}/things.example.com`, { body, type: MERGE });
  await eventually(
    'the schema to change',
    async () => (await apply(server, 'v1', 'two', { tags: ['y'] }, '&dryRun=All')).status === 200,
  );
  const merged = await apply(server, 'v1', 'two', { tags: ['y'] });
  t.strictSame((merged.body['spec'] as Json)['tags'], ['x', 'y']);
  const again = await apply(server, 'v1', 'one', { tags: ['z'] });
  t.strictSame(owners(again), [
    ['one', 'example.com/v1', { 'f:tags': { 'v:"z"': {} } }],
    ['two', 'example.com/v1', { 'f:tags': { 'v:"y"': {} } }],
  ]);
});
