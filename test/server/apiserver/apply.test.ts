/** Server-side apply and field ownership, through the real server. */
import t from 'tap';
import { CONFIG_MAPS, configMap, TestServer, type Answer, type Json } from './server.ts';

const APPLY = 'application/apply-patch+yaml';
const MERGE = 'application/merge-patch+json';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';

const TYPE = { apiVersion: 'v1', kind: 'ConfigMap' };

const deployment = (spec: Json = {}, container: Json = { image: 'x:1' }): Json => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd' },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'x', ...container }] } },
    ...spec,
  },
});

const apply = (server: TestServer, path: string, body: unknown, manager = 'm1', query = ''): Promise<Answer> =>
  server.call('PATCH', `${path}?fieldManager=${manager}${query}`, { type: APPLY, body });

interface Entry {
  readonly manager: string;
  readonly operation: string;
  readonly subresource?: string;
  readonly time?: string;
  readonly fieldsV1: unknown;
}

const entriesOf = ({ body }: Answer): Entry[] => (body.metadata?.managedFields ?? []) as Entry[];
const fieldsOf = (answer: Answer, manager: string): unknown =>
  entriesOf(answer).find((entry) => entry.manager === manager)?.fieldsV1;

t.test('an apply creates, changes nothing when it is repeated, and removes what it no longer states', async (t) => {
  await using server = await TestServer.start();
  const created = await apply(server, `${DEPLOYMENTS}/d`, deployment({ replicas: 3 }));
  t.equal(created.status, 201);
  t.strictSame(
    entriesOf(created).map(({ manager, operation }) => [manager, operation]),
    [['m1', 'Apply']],
  );
  t.match(fieldsOf(created, 'm1'), {
    'f:spec': {
      'f:replicas': {},
      'f:selector': {},
      'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"x"}': { '.': {}, 'f:image': {}, 'f:name': {} } } } },
    },
  });
  const again = await apply(server, `${DEPLOYMENTS}/d`, deployment({ replicas: 3 }));
  t.equal(again.status, 200);
  t.equal(again.body.metadata?.resourceVersion, created.body.metadata?.resourceVersion);
  const less = await apply(server, `${DEPLOYMENTS}/d`, deployment());
  t.equal((less.body.spec as Json).replicas, 1, 'back to the default');
});

t.test('a field of another manager is a conflict, unless it is forced or the same', async (t) => {
  await using server = await TestServer.start();
  await apply(server, `${DEPLOYMENTS}/d`, deployment({ replicas: 3 }));
  t.equal((await apply(server, `${DEPLOYMENTS}/d`, deployment({ replicas: 3 }), 'm2')).status, 200, 'shared');
  const conflict = await apply(server, `${DEPLOYMENTS}/d`, deployment({ replicas: 4 }), 'm2');
  t.match(conflict.body, {
    status: 'Failure',
    code: 409,
    reason: 'Conflict',
    message: 'Apply failed with 1 conflict: conflict with "m1": .spec.replicas',
    details: {
      causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "m1"', field: '.spec.replicas' }],
    },
  });
  const forced = await apply(server, `${DEPLOYMENTS}/d`, deployment({ replicas: 4 }), 'm2', '&force=true');
  t.equal(forced.status, 200);
  t.notMatch(fieldsOf(forced, 'm1'), { 'f:spec': { 'f:replicas': {} } });
  const both = await apply(server, `${DEPLOYMENTS}/d`, deployment({ replicas: 5 }, { image: 'y' }), 'm3');
  t.equal(
    both.body.message,
    [
      'Apply failed with 3 conflicts: conflicts with "m1":',
      '- .spec.template.spec.containers[name="x"].image',
      'conflicts with "m2":',
      '- .spec.replicas',
      '- .spec.template.spec.containers[name="x"].image',
    ].join('\n'),
  );
});

t.test('other writers own what they change, by their field manager or their user agent', async (t) => {
  await using server = await TestServer.start();
  const created = await server.call('POST', `${CONFIG_MAPS}?fieldManager=maker`, { body: configMap('a') });
  t.match(entriesOf(created), [
    {
      manager: 'maker',
      operation: 'Update',
      apiVersion: 'v1',
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:data': { '.': {}, 'f:k': {} } },
    },
  ]);
  const headers = { 'user-agent': 'tool/1.2 (linux)' };
  const patched = await server.call('PATCH', `${CONFIG_MAPS}/a`, {
    type: MERGE,
    headers,
    body: { data: { k: 'new' } },
  });
  t.strictSame(fieldsOf(patched, 'maker'), { 'f:data': {} });
  t.strictSame(fieldsOf(patched, 'tool'), { 'f:data': { 'f:k': {} } });
  const conflict = await apply(server, `${CONFIG_MAPS}/a`, { ...TYPE, ...configMap('a') });
  t.equal(conflict.body.message, 'Apply failed with 1 conflict: conflict with "tool" using v1: .data.k');
  const reset = { type: MERGE, body: { metadata: { managedFields: [{}] } } };
  t.strictSame(entriesOf(await server.call('PATCH', `${CONFIG_MAPS}/a`, reset)), []);
  const late = await apply(
    server,
    `${CONFIG_MAPS}/a`,
    { ...TYPE, ...configMap('a'), data: { k: 'other' } },
    'm1',
    '&force=true',
  );
  t.strictSame(fieldsOf(late, 'before-first-apply'), { 'f:data': {} });
});

t.test('the status is owned through its subresource, and the replicas through the scale', async (t) => {
  await using server = await TestServer.start();
  const path = `${DEPLOYMENTS}/d`;
  await apply(server, path, { ...deployment({ replicas: 3 }), status: { replicas: 7 } });
  const status = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, status: { replicas: 2 } };
  const applied = await apply(server, `${path}/status`, status, 'm2');
  t.match(entriesOf(applied), [
    {},
    { manager: 'm2', subresource: 'status', fieldsV1: { 'f:status': { 'f:replicas': {} } } },
  ]);
  t.notMatch(fieldsOf(applied, 'm1'), { 'f:status': {} });
  const scale = { type: MERGE, body: { spec: { replicas: 5 } } };
  t.equal((await server.call('PATCH', `${path}/scale?fieldManager=scaler`, scale)).status, 200);
  const scaled = await server.call('GET', path);
  t.match(
    entriesOf(scaled).find(({ manager }) => manager === 'scaler'),
    {
      operation: 'Update',
      apiVersion: 'apps/v1',
      subresource: 'scale',
      fieldsV1: { 'f:spec': { 'f:replicas': {} } },
    },
  );
  const conflict = await apply(server, path, deployment({ replicas: 3 }));
  t.equal(
    conflict.body.message,
    'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas',
  );
});
