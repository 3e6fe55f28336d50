/** CustomResourceDefinitions and their instances, over HTTP. */
import t from 'tap';
import { terminatingDefinition } from '../../../control-plane/apiserver/admission/terminating-definition.ts';
import { eventually } from '../../support/wait.ts';
import { TestServer, type Answer, type Json } from './server.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const GROUP = '/apis/example.com';
const THINGS = `${GROUP}/v1/namespaces/default/things`;
const MERGE = 'application/merge-patch+json';
const APPLY = 'application/apply-patch+yaml';

const SCHEMA = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      required: ['color'],
      properties: {
        size: { type: 'integer', minimum: 1, default: 3 },
        color: { type: 'string', enum: ['red', 'blue'] },
        code: { type: 'string', pattern: '^[a-z]+$', maxLength: 5 },
        replicas: { type: 'integer' },
        extra: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        ports: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: {
            type: 'object',
            required: ['name'],
            properties: { name: { type: 'string' }, port: { 'x-kubernetes-int-or-string': true } },
          },
        },
        template: {
          type: 'object',
          'x-kubernetes-embedded-resource': true,
          'x-kubernetes-preserve-unknown-fields': true,
        },
      },
    },
    status: { type: 'object', properties: { ok: { type: 'boolean' }, replicas: { type: 'integer' } } },
  },
};

const version = (name: string, more: object = {}) => ({
  name,
  served: true,
  storage: name === 'v1',
  schema: { openAPIV3Schema: SCHEMA },
  subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
  additionalPrinterColumns: [
    { name: 'Color', type: 'string', jsonPath: '.spec.color' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
  selectableFields: [{ jsonPath: '.spec.color' }],
  ...more,
});

const definition = (versions: readonly object[] = [version('v1')], names: object = {}, scope = 'Namespaced') => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'things.example.com' },
  spec: {
    group: 'example.com',
    scope,
    names: { plural: 'things', kind: 'Thing', shortNames: ['th'], categories: ['all'], ...names },
    versions,
  },
});

const thing = (name: string, spec: object = { color: 'red' }, more: object = {}) => ({
  apiVersion: 'example.com/v1',
  kind: 'Thing',
  metadata: { name },
  spec,
  ...more,
});

const condition = ({ body }: Answer, type: string): string | undefined =>
  (body.status as { conditions?: { type: string; status: string }[] } | undefined)?.conditions?.find(
    (one) => one.type === type,
  )?.status;

async function establish(server: TestServer, body: Json | object = definition()): Promise<void> {
  const created = await server.call('POST', DEFINITIONS, { body });
  if (created.status !== 201) throw new Error(created.text);
  const name = String(created.body.metadata?.name);
  await eventually(
    'the definition to be established',
    async () => condition(await server.call('GET', `${DEFINITIONS}/${name}`), 'Established') === 'True',
  );
}

const messageOf = ({ body }: Answer): string => String(body['message']);

t.test('instances of a definition are served like any other kind', async (t) => {
  await using server = await TestServer.start();
  t.equal((await server.call('GET', THINGS)).status, 404);
  await establish(server);
  const { body: groups } = await server.call('GET', `${GROUP}/v1`);
  t.match(groups, {
    resources: [
      {
        name: 'things',
        singularName: 'thing',
        kind: 'Thing',
        shortNames: ['th'],
        categories: ['all'],
        namespaced: true,
      },
      { name: 'things/scale', group: 'autoscaling', version: 'v1', kind: 'Scale' },
      { name: 'things/status' },
    ],
  });
  const { body: openApi } = await server.call('GET', '/openapi/v3/apis/example.com/v1');
  const schemas = (openApi['components'] as { schemas: Record<string, Json> }).schemas;
  t.match(schemas['com.example.v1.Thing'], {
    properties: { spec: { properties: { color: { enum: ['red', 'blue'] } } }, metadata: {} },
    'x-kubernetes-group-version-kind': [{ group: 'example.com', version: 'v1', kind: 'Thing' }],
  });
  const { body: swagger } = await server.call('GET', '/openapi/v2');
  t.match((swagger['definitions'] as Record<string, Json>)['com.example.v1.Thing'], { properties: { spec: {} } });

  const created = await server.call('POST', THINGS, { body: thing('a', { color: 'red', junk: 1, extra: { any: 1 } }) });
  t.equal(created.status, 201);
  t.match(created.headers['warning'], /unknown field \\"spec.junk\\"/);
  t.strictSame(created.body['spec'], { color: 'red', extra: { any: 1 }, size: 3 });
  t.equal(created.body.metadata?.generation, 1);
  const strict = await server.call('POST', `${THINGS}?fieldValidation=Strict`, {
    body: thing('b', { color: 'red', junk: 1 }),
  });
  t.equal(strict.status, 400);
  t.match(messageOf(strict), /strict decoding error: unknown field "spec.junk"/);

  const { body: table } = await server.call('GET', THINGS, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  t.match(table, {
    columnDefinitions: [{ name: 'Name' }, { name: 'Color' }, { name: 'Age' }],
    rows: [{ cells: ['a', 'red'] }],
  });
  await server.call('POST', THINGS, { body: thing('c', { color: 'blue' }) });
  const { body: blue } = await server.call('GET', `${THINGS}?fieldSelector=spec.color%3Dblue`);
  t.strictSame(
    blue.items?.map(({ metadata }) => metadata?.name),
    ['c'],
  );
  t.match(blue, { kind: 'ThingList', apiVersion: 'example.com/v1' });

  const events = server.watch(`${THINGS}?watch=1&fieldSelector=spec.color%3Dblue`);
  t.match(await events.next(), { value: { type: 'ADDED', object: { metadata: { name: 'c' } } } });
  const status = await server.call('PATCH', `${THINGS}/c/status`, {
    body: { status: { ok: true }, spec: { color: 'red' }, metadata: { labels: { a: 'b' } } },
    type: MERGE,
  });
  t.match(status.body, { spec: { color: 'blue' }, status: { ok: true }, metadata: { generation: 1 } });
  t.notOk(status.body.metadata?.labels, 'an update of the status changes nothing of the metadata');
  t.match(await events.next(), { value: { type: 'MODIFIED', object: { status: { ok: true } } } });
  const changed = await server.call('PATCH', `${THINGS}/c`, {
    body: { spec: { color: 'red' }, status: { ok: false } },
    type: MERGE,
  });
  t.match(changed.body, { spec: { color: 'red' }, status: { ok: true }, metadata: { generation: 2 } });
  t.match(await events.next(), { value: { type: 'DELETED' } });
  await events.return(undefined);

  const scale = await server.call('PATCH', `${THINGS}/c/scale`, { body: { spec: { replicas: 4 } }, type: MERGE });
  t.match(scale.body, { kind: 'Scale', spec: { replicas: 4 } });
  t.match((await server.call('GET', `${THINGS}/c`)).body, { spec: { replicas: 4 } });
  const strategic = await server.call('PATCH', `${THINGS}/c`, {
    body: { spec: {} },
    type: 'application/strategic-merge-patch+json',
  });
  t.equal(strategic.status, 415);
  const protobuf = 'application/vnd.kubernetes.protobuf';
  t.equal((await server.call('GET', THINGS, { accept: protobuf })).status, 406);
  t.equal((await server.call('GET', THINGS, { accept: `${protobuf},application/json` })).status, 200);
});

t.test('instances are validated with the messages of upstream', async (t) => {
  await using server = await TestServer.start();
  await establish(server);
  const cases: readonly (readonly [spec: object, cause: object])[] = [
    [{}, { reason: 'FieldValueRequired', field: 'spec.color', message: 'Required value' }],
    [
      { color: 'green' },
      { field: 'spec.color', message: 'Unsupported value: "green": supported values: "red", "blue"' },
    ],
    [
      { color: 'red', size: 0 },
      { field: 'spec.size', message: 'Invalid value: 0: spec.size in body should be greater than or equal to 1' },
    ],
    [
      { color: 'red', size: 'x' },
      {
        reason: 'FieldValueTypeInvalid',
        field: 'spec.size',
        message: 'Invalid value: "x": spec.size in body must be of type integer: "string"',
      },
    ],
    [
      { color: 'red', code: 'A' },
      { field: 'spec.code', message: 'Invalid value: "A": spec.code in body should match \'^[a-z]+$\'' },
    ],
    [
      { color: 'red', code: 'abcdef' },
      { field: 'spec.code', message: 'Too long: may not be more than 5 bytes' },
    ],
    [
      { color: 'red', ports: [{ name: 'a' }, { name: 'a' }] },
      { field: 'spec.ports[1]', message: 'Duplicate value: {"name":"a"}' },
    ],
    [
      { color: 'red', ports: [{ name: 'a', port: 1.5 }] },
      { field: 'spec.ports[0].port', message: /must be of type integer,string: "number"/ },
    ],
    [
      { color: 'red', template: { kind: 'Pod' } },
      { field: 'spec.template.apiVersion', message: /must not be empty/ },
    ],
  ];
  for (const [spec, cause] of cases) {
    const { status, body } = await server.call('POST', THINGS, { body: thing('x', spec) });
    t.equal(status, 422, JSON.stringify(spec));
    t.match((body['details'] as { causes: object[] }).causes[0], cause);
  }
  const embedded = await server.call('POST', `${THINGS}?fieldValidation=Strict`, {
    body: thing('x', {
      color: 'red',
      template: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', nope: 1 }, spec: { any: 1 } },
    }),
  });
  t.match(messageOf(embedded), /unknown field "spec.template.metadata.nope"/);
});

t.test('what a definition may not be', async (t) => {
  await using server = await TestServer.start();
  const withSchema = (schema: object) =>
    definition([
      version('v1', {
        schema: { openAPIV3Schema: schema },
        subresources: {},
        selectableFields: [],
        additionalPrinterColumns: [],
      }),
    ]);
  const at = 'spec.validation.openAPIV3Schema';
  const cases: readonly (readonly [body: object, field: string, message: RegExp])[] = [
    [
      definition([version('v1', { schema: undefined, selectableFields: [] })]),
      'spec.versions[0].schema.openAPIV3Schema',
      /Required/,
    ],
    [definition([version('v1', { storage: false })]), 'spec.versions', /exactly one version marked as storage version/],
    [definition([version('v1')], { kind: 'Thing', listKind: 'Thing' }), 'spec.names.listKind', /may not be the same/],
    [{ ...definition(), metadata: { name: 'other.example.com' } }, 'metadata.name', /must be spec.names.plural/],
    [withSchema({ type: 'array', items: { type: 'string' } }), `${at}.type`, /must be object at the root/],
    [
      withSchema({ type: 'object', properties: { a: {} } }),
      `${at}.properties[a].type`,
      /must not be empty for specified object fields/,
    ],
    [
      withSchema({ type: 'object', properties: { a: { type: 'string', pattern: '(' } } }),
      `${at}.properties[a].pattern`,
      /valid regular expression/,
    ],
    [
      withSchema({ type: 'object', properties: { a: { type: 'integer', default: 'x' } } }),
      `${at}.properties[a].default`,
      /must be of type integer/,
    ],
    [
      withSchema({ type: 'object', properties: { a: { type: 'array' } } }),
      `${at}.properties[a].items`,
      /must be specified/,
    ],
    [
      withSchema({
        type: 'object',
        properties: { a: { type: 'string' } },
        anyOf: [{ properties: { b: { minLength: 1 } } }],
      }),
      `${at}.properties[b]`,
      /because it is defined in spec.validation.openAPIV3Schema.anyOf\[0\].properties\[b\]/,
    ],
    [
      withSchema({
        type: 'object',
        properties: { a: { type: 'array', 'x-kubernetes-list-type': 'map', items: { type: 'object' } } },
      }),
      `${at}.properties[a].x-kubernetes-list-map-keys`,
      /must not be empty/,
    ],
  ];
  for (const [body, field, message] of cases) {
    const answer = await server.call('POST', DEFINITIONS, { body });
    t.equal(answer.status, 422, field);
    const { causes } = answer.body['details'] as { causes: { field: string; message: string }[] };
    t.ok(
      causes.some((cause) => cause.field === field && message.test(cause.message)),
      `${field}: ${JSON.stringify(causes)}`,
    );
  }
});

t.test('versions convert into each other, and the stored one may change', async (t) => {
  await using server = await TestServer.start();
  await establish(server, definition([version('v1'), version('v2beta1')]));
  await server.call('POST', THINGS, { body: thing('a') });
  const other = THINGS.replace('v1', 'v2beta1');
  t.match((await server.call('GET', `${other}/a`)).body, { apiVersion: 'example.com/v2beta1', spec: { size: 3 } });
  await server.call('POST', other, { body: { ...thing('b'), apiVersion: 'example.com/v2beta1' } });
  t.match((await server.call('GET', THINGS)).body, {
    items: [{ metadata: { name: 'a' } }, { metadata: { name: 'b' } }],
  });

  const target = `${DEFINITIONS}/things.example.com`;
  const versions = [version('v1', { storage: false }), version('v2beta1', { storage: true })];
  const changed = await server.call('PATCH', target, { body: { spec: { versions } }, type: MERGE });
  t.strictSame((changed.body['status'] as Json)['storedVersions'], ['v1', 'v2beta1']);
  const both = async (): Promise<void> => {
    for (const path of [THINGS, other]) {
      const apiVersion = path === THINGS ? 'example.com/v1' : 'example.com/v2beta1';
      const { body } = await server.call('GET', path);
      t.match(body, {
        apiVersion,
        items: [{ metadata: { name: 'a' }, spec: { size: 3 } }, { metadata: { name: 'b' } }],
      });
      t.match((await server.call('GET', `${path}/a`)).body, { apiVersion, kind: 'Thing', metadata: { name: 'a' } });
    }
  };
  await eventually(
    'the stored version to change',
    async () =>
      (await server.call('POST', other, { body: { ...thing('c'), apiVersion: 'example.com/v2beta1' } })).status === 201,
  );
  await eventually('both versions to be served', async () => (await server.call('GET', THINGS)).status === 200);
  await both();
  const unserved = [version('v1', { storage: false, served: false }), version('v2beta1', { storage: true })];
  await server.call('PATCH', target, { body: { spec: { versions: unserved } }, type: MERGE });
  await eventually('a version to vanish', async () => (await server.call('GET', THINGS)).status === 404);
  t.equal((await server.call('GET', `${other}/a`)).status, 200);
  await server.stop();

  await using again = await TestServer.start({ directory: server.directory });
  t.match((await again.call('GET', `${other}/a`)).body, { spec: { size: 3 } }, 'it is served from the start');
});

t.test('defaults apply to what was stored before the schema had them', async (t) => {
  await using server = await TestServer.start();
  await establish(server);
  await server.call('POST', THINGS, { body: thing('a') });
  const spec = {
    ...SCHEMA.properties.spec,
    properties: { ...SCHEMA.properties.spec.properties, late: { type: 'string', default: 'yes' } },
  };
  const schema = { openAPIV3Schema: { ...SCHEMA, properties: { ...SCHEMA.properties, spec } } };
  await server.call('PATCH', `${DEFINITIONS}/things.example.com`, {
    body: { spec: { versions: [version('v1', { schema })] } },
    type: MERGE,
  });
  await eventually('the new default to be shown', async () => {
    const { body } = await server.call('GET', `${THINGS}/a`);
    return (body['spec'] as Json)['late'] === 'yes';
  });
  t.match((await server.call('GET', THINGS)).body, { items: [{ spec: { late: 'yes' } }] });
});

t.test('an update may keep what has become invalid', async (t) => {
  await using server = await TestServer.start();
  await establish(server);
  await server.call('POST', THINGS, { body: thing('a', { color: 'red', code: 'abc' }) });
  const code = { type: 'string', maxLength: 2 };
  const spec = { ...SCHEMA.properties.spec, properties: { ...SCHEMA.properties.spec.properties, code } };
  const schema = { openAPIV3Schema: { ...SCHEMA, properties: { ...SCHEMA.properties, spec } } };
  await server.call('PATCH', `${DEFINITIONS}/things.example.com`, {
    body: { spec: { versions: [version('v1', { schema })] } },
    type: MERGE,
  });
  const patch = (body: object) => server.call('PATCH', `${THINGS}/a`, { body, type: MERGE });
  await eventually('the new schema to apply', async () => (await patch({ spec: { code: 'abcd' } })).status === 422);
  t.equal((await patch({ spec: { color: 'blue' } })).status, 200);
});

t.test('a definition goes after its instances', async (t) => {
  await using server = await TestServer.start({ admission: [terminatingDefinition] });
  await establish(server);
  await server.call('POST', THINGS, {
    body: { ...thing('held'), metadata: { name: 'held', finalizers: ['example.com/x'] } },
  });
  await server.call('POST', THINGS, { body: thing('free') });
  const target = `${DEFINITIONS}/things.example.com`;
  t.equal((await server.call('DELETE', target)).status, 200);
  await eventually('the instances to go', async () => (await server.call('GET', THINGS)).body.items?.length === 1);
  t.equal(condition(await server.call('GET', target), 'Terminating'), 'True');
  const refused = /create not allowed while custom resource definition is terminating/;
  t.match(await server.call('POST', THINGS, { body: thing('new') }), { status: 403, body: { message: refused } });
  const applied = { ...thing('new'), metadata: { name: 'new' } };
  t.match(
    await server.call('PATCH', `${THINGS}/new?fieldManager=me`, { body: applied, type: APPLY }),
    { status: 403, body: { message: refused } },
    'nor by an apply',
  );
  const { resources } = (await server.call('GET', `${GROUP}/v1`)).body as {
    resources?: { name: string; verbs: string[] }[];
  };
  const discovered = resources?.find(({ name }) => name === 'things');
  t.strictSame(discovered?.verbs, ['delete', 'deletecollection', 'get', 'list', 'watch'], 'as discovery says');
  await server.call('PATCH', `${THINGS}/held`, { body: { metadata: { finalizers: null } }, type: MERGE });
  await eventually('the definition to go', async () => (await server.call('GET', target)).status === 404);
  await eventually('its paths to go', async () => (await server.call('GET', THINGS)).status === 404);
  await establish(server, definition([version('v1')], {}, 'Cluster'));
  t.strictSame(
    (await server.call('GET', `${GROUP}/v1/things`)).body.items,
    [],
    'the same name may come again, with another scope',
  );
});

t.test('names that are taken are not accepted until they are free', async (t) => {
  await using server = await TestServer.start();
  await establish(server);
  const other = {
    ...definition([version('v1')], { plural: 'others', kind: 'Thing' }),
    metadata: { name: 'others.example.com' },
  };
  await server.call('POST', DEFINITIONS, { body: other });
  const target = `${DEFINITIONS}/others.example.com`;
  await eventually(
    'the conflict to be told',
    async () => condition(await server.call('GET', target), 'NamesAccepted') === 'False',
  );
  t.equal(condition(await server.call('GET', target), 'Established'), 'False');
  t.equal((await server.call('GET', `${GROUP}/v1/namespaces/default/others`)).status, 404);
  await server.call('DELETE', `${DEFINITIONS}/things.example.com`);
  await eventually(
    'the names to be free',
    async () => condition(await server.call('GET', target), 'Established') === 'True',
  );
  t.equal((await server.call('GET', `${GROUP}/v1/namespaces/default/others`)).status, 200);
});

t.test('a definition is not served until the certificates of its conversion webhook are valid', async (t) => {
  await using server = await TestServer.start();
  const created = definition();
  const clientConfig = { url: 'https://127.0.0.1:9/convert', caBundle: Buffer.from('nothing').toString('base64') };
  const conversion = { strategy: 'Webhook', webhook: { clientConfig, conversionReviewVersions: ['v1'] } };
  await server.call('POST', DEFINITIONS, { body: { ...created, spec: { ...created.spec, conversion } } });
  const target = `${DEFINITIONS}/things.example.com`;
  await eventually(
    'the names to be accepted',
    async () => condition(await server.call('GET', target), 'NamesAccepted') === 'True',
  );
  t.match((await server.call('GET', target)).body.status, {
    conditions: [
      { type: 'NamesAccepted', status: 'True' },
      { type: 'Established', status: 'False', reason: 'InvalidCABundle' },
    ],
  });
  t.equal((await server.call('GET', THINGS)).status, 404);
  const body = { spec: { conversion: { webhook: { clientConfig: { caBundle: null } } } } };
  await server.call('PATCH', target, { body, type: MERGE });
  await eventually(
    'the definition to be established',
    async () => condition(await server.call('GET', target), 'Established') === 'True',
  );
  t.equal((await server.call('GET', THINGS)).status, 200);
});

t.test('instances are applied on the server by their schema', async (t) => {
  await using server = await TestServer.start();
  await establish(server);
  const apply = (manager: string, spec: object, force = false) =>
    server.call('PATCH', `${THINGS}/a?fieldManager=${manager}&force=${force}`, {
      body: thing('a', spec),
      type: 'application/apply-patch+yaml',
    });
  t.equal((await apply('one', { color: 'red', ports: [{ name: 'http', port: 80 }] })).status, 201);
  const merged = await apply('two', { ports: [{ name: 'https', port: 443 }] });
  t.match(merged.body['spec'], { color: 'red', ports: [{ name: 'http' }, { name: 'https' }] }, 'items have their keys');
  const conflict = await apply('two', { color: 'blue', ports: [{ name: 'https', port: 443 }] });
  t.equal(conflict.status, 409);
  t.match(conflict.body['details'], { causes: [{ reason: 'FieldManagerConflict', field: '.spec.color' }] });
  t.match((await apply('two', { color: 'blue' }, true)).body['spec'], { color: 'blue', ports: [{ name: 'http' }] });
  const status = await server.call('PATCH', `${THINGS}/a/status`, { body: { status: { ok: true } }, type: MERGE });
  const entries = status.body.metadata?.['managedFields'] as { subresource?: string; fieldsV1: object }[];
  t.strictSame(entries.find(({ subresource }) => subresource === 'status')?.fieldsV1, {
    'f:status': { '.': {}, 'f:ok': {} },
  });
});

t.test('columns, selectable fields and formats are what upstream takes', async (t) => {
  await using server = await TestServer.start();
  const create = (more: object, schema: object = SCHEMA) =>
    server.call('POST', `${DEFINITIONS}?dryRun=All`, {
      body: definition([version('v1', { schema: { openAPIV3Schema: schema }, ...more })]),
    });
  const column = (jsonPath: string) => ({ additionalPrinterColumns: [{ name: 'A', type: 'string', jsonPath }] });
  for (const path of ['.a "b"', '.a[?(@.b=="c")].d "e"', '.spec[', '..a', '.a}{.b'])
    t.equal((await create(column(path))).status, 201, path);
  const selectable = (jsonPath: string) => ({ selectableFields: [{ jsonPath }] });
  for (const [more, problem] of [
    [
      column('a'),
      'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "a": must be a simple json path starting with .',
    ],
    [
      column("['a']"),
      `spec.additionalPrinterColumns[0].JSONPath: Invalid value: "['a']": must be a simple json path starting with .`,
    ],
    [
      selectable('spec.color'),
      'spec.selectableFields[0].jsonPath: Invalid value: "spec.color": is an invalid path: expected [ or . but got: spec',
    ],
    [
      selectable(".spec['color']"),
      `spec.selectableFields[0].jsonPath: Invalid value: ".spec['color']": is an invalid path: array notation is not allowed`,
    ],
    [
      selectable('.spec.nope'),
      'spec.selectableFields[0].jsonPath: Invalid value: ".spec.nope": is an invalid path: does not refer to a valid field',
    ],
  ] as const) {
    const { status, body } = await create(more);
    t.equal(status, 422);
    t.equal(
      body['message'],
      `CustomResourceDefinition.apiextensions.k8s.io "things.example.com" is invalid: ${problem}`,
    );
  }
  const properties = {
    a: { type: 'string', format: 'date-time' },
    b: { type: 'array', items: { type: 'integer', format: 'date' } },
    c: { type: 'number', format: 'double' },
    d: { type: 'object', additionalProperties: { type: 'string', format: 'semver' } },
    e: { type: 'string', format: 'k8s-long-name' },
  };
  const answer = await create(selectable('.a'), { type: 'object', properties });
  t.equal(answer.status, 201);
  t.match(answer.headers['warning'], /unrecognized format \\"date\\"/);
  t.match(answer.headers['warning'], /unrecognized format \\"semver\\"/);
  t.notMatch(answer.headers['warning'], /double|date-time|k8s/);
});

t.test('schemas within schemas are decoded', async (t) => {
  await using server = await TestServer.start();
  const withItems = (items: unknown) =>
    definition([
      version('v1', {
        selectableFields: [],
        subresources: {},
        schema: { openAPIV3Schema: { type: 'object', properties: { list: { type: 'array', items } } } },
      }),
    ]);
  const typeless = await server.call('POST', DEFINITIONS, {
    body: withItems({ type: 'object', properties: { a: null } }),
  });
  t.equal(typeless.status, 422);
  t.match(
    messageOf(typeless),
    /properties\[list\]\.items\.properties\[a\]\.type: Required value: must not be empty for specified object fields/,
  );
  const wrong = await server.call('POST', DEFINITIONS, { body: withItems({ type: 'object', maxProperties: 'many' }) });
  t.equal(wrong.status, 400);
  t.match(messageOf(wrong), /cannot unmarshal string into Go struct field JSONSchemaProps/);
  const unknown = await server.call('POST', `${DEFINITIONS}?fieldValidation=Strict`, {
    body: withItems({ type: 'string', colour: 'red' }),
  });
  t.match(messageOf(unknown), /unknown field "spec.versions\[0\].schema.openAPIV3Schema.properties.list.items.colour"/);
});

t.test('hostile definitions and instances are bounded', async (t) => {
  await using server = await TestServer.start();
  const evil = {
    type: 'object',
    properties: {
      __proto__: { type: 'string' },
      constructor: { type: 'string' },
      slow: { type: 'string', pattern: '^(a+)+$' },
    },
  };
  const schema = JSON.parse(
    JSON.stringify(evil).replace('{"constructor"', '{"__proto__":{"type":"string"},"constructor"'),
  ) as object;
  await establish(
    server,
    definition([
      version('v1', {
        schema: { openAPIV3Schema: schema },
        subresources: {},
        selectableFields: [],
        additionalPrinterColumns: [],
      }),
    ]),
  );
  const start = performance.now();
  const slow = await server.call('POST', THINGS, {
    body: { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'a' }, slow: `${'a'.repeat(100_000)}!` },
  });
  t.equal(slow.status, 422);
  t.ok(performance.now() - start < 5_000, 'a pattern takes linear time');
  const body = `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"b"},"__proto__":"x","constructor":"y"}`;
  const { status, text } = await server.call('POST', THINGS, { body });
  t.equal(status, 201);
  t.match(text, /"__proto__":"x"/);
  let deep: object = { type: 'string' };
  for (let depth = 0; depth < 2_000; depth++) deep = { type: 'object', properties: { a: deep } };
  t.match(
    (
      await server.call('POST', DEFINITIONS, {
        body: definition([version('v1', { schema: { openAPIV3Schema: deep } })]),
      })
    ).status,
    400,
  );
});
