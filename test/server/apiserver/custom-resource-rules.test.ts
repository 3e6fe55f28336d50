/** Rules in CEL of custom resources, over HTTP: what upstream's conformance calls CustomResourceValidationRules. */
import t from 'tap';
import { eventually } from '../../support/wait.ts';
import { type Answer, TestServer } from './server.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const THINGS = '/apis/example.com/v1/namespaces/default/things';
const MERGE = 'application/merge-patch+json';

const definition = (spec: object, root: object = {}) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'things.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'things', kind: 'Thing' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', ...spec } }, ...root } },
      },
    ],
  },
});

const rules = (...list: readonly object[]) => ({ 'x-kubernetes-validations': list });
const INTEGER = { type: 'integer' };

const thing = (name: string, spec: object) => ({
  apiVersion: 'example.com/v1',
  kind: 'Thing',
  metadata: { name },
  spec,
});

async function establish(server: TestServer, body: object): Promise<Answer> {
  const created = await server.call('POST', DEFINITIONS, { body });
  if (created.status !== 201) throw new Error(created.text);
  await eventually('the kind to be served', async () => (await server.call('GET', THINGS)).status === 200);
  return created;
}

const messageOf = ({ body }: Answer): string => String(body['message']);

t.test('an object is created when it satisfies the rules, and rejected when it does not', async (t) => {
  await using server = await TestServer.start();
  const created = await establish(
    server,
    definition(
      {
        properties: { x: INTEGER, y: INTEGER, 'a-b': { type: 'string' }, label: { type: 'string', maxLength: 9 } },
        ...rules(
          { rule: 'self.x + self.y > 0' },
          { rule: "!has(self.a__dash__b) || self.a__dash__b == 'c'", message: 'must be c', fieldPath: '.a-b' },
          {
            rule: 'self.x < 100',
            messageExpression: "'too large for ' + self.label",
            reason: 'FieldValueForbidden',
            fieldPath: '.x',
          },
        ),
      },
      rules({ rule: "self.metadata.name.startsWith('t')", message: 'names start with t' }),
    ),
  );
  t.notOk(created.headers['warning']);
  t.equal((await server.call('POST', THINGS, { body: thing('t1', { x: 1, y: 1 }) })).status, 201);
  const cases: readonly (readonly [object, string])[] = [
    [
      thing('t2', { x: -1, y: 0 }),
      'Thing.example.com "t2" is invalid: spec: Invalid value: failed rule: self.x + self.y > 0',
    ],
    [thing('t2', { x: 1, y: 1, 'a-b': 'd' }), 'Thing.example.com "t2" is invalid: spec.a-b: Invalid value: must be c'],
    [
      thing('t2', { x: 100, y: 1, label: 'us' }),
      'Thing.example.com "t2" is invalid: spec.x: Forbidden: too large for us',
    ],
    [thing('u', { x: 1, y: 1 }), 'Thing.example.com "u" is invalid: <nil>: Invalid value: names start with t'],
    [
      thing('t2', { x: 1 }),
      'Thing.example.com "t2" is invalid: spec: Invalid value: "object": no such key: y evaluating rule: self.x + self.y > 0',
    ],
    [
      thing('t2', { x: 'a', y: 1 }),
      'Thing.example.com "t2" is invalid: [spec.x: Invalid value: "a": spec.x in body must be of type integer: "string", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]',
    ],
  ];
  for (const [body, message] of cases) {
    const answer = await server.call('POST', THINGS, { body });
    t.equal(answer.status, 422, message);
    t.equal(messageOf(answer), message);
  }
});

t.test('a definition is rejected when a rule cannot be right or may cost too much', async (t) => {
  await using server = await TestServer.start();
  const AT = 'spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule';
  const shown = (rule: string) =>
    `{"Rule":${JSON.stringify(rule)},"Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}`;
  const cases: readonly (readonly [object, string])[] = [
    [
      { properties: { x: INTEGER }, ...rules({ rule: 'self.z == 42' }) },
      `${AT}: Invalid value: ${shown('self.z == 42')}: compilation failed: ERROR: <input>:1:5: undefined field 'z'\n | self.z == 42\n | ....^`,
    ],
    [
      { properties: { x: INTEGER }, ...rules({ rule: 'self = 42' }) },
      `${AT}: Invalid value: ${shown('self = 42')}: compilation failed: ERROR: <input>:1:6: Syntax error: token recognition error at: '= '\n | self = 42\n | .....^\nERROR: <input>:1:8: Syntax error: extraneous input '42' expecting <EOF>\n | self = 42\n | .......^`,
    ],
    [
      { properties: { x: INTEGER }, ...rules({ rule: 'self.x' }) },
      `${AT}: Invalid value: ${shown('self.x')}: cel expression must evaluate to a bool`,
    ],
    [
      { properties: { x: { type: 'integer', default: 1, ...rules({ rule: 'self > 1' }) } } },
      'spec.validation.openAPIV3Schema.properties[spec].properties[x].default: Invalid value: 1: failed rule: self > 1',
    ],
    [{ properties: { x: INTEGER }, ...rules({ rule: ' ' }) }, `${AT}: Required value: rule is not specified`],
    [
      {
        properties: { x: { type: 'array', items: { type: 'string' } } },
        ...rules({ rule: 'self.x.all(s, self.x.all(t, s == t))' }),
      },
      `${AT}: Forbidden: estimated rule cost exceeds budget by factor of more than 100x`,
    ],
    [
      {
        properties: { x: { type: 'array', items: { type: 'array', items: { type: 'string' } } } },
        ...rules({ rule: 'self.x.all(s, s.all(t, t.contains("a")))' }),
      },
      `${AT}: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`,
    ],
    [
      {
        properties: {
          x: {
            type: 'array',
            maxItems: 5,
            items: { type: 'object', properties: { y: INTEGER }, ...rules({ rule: 'self == oldSelf' }) },
          },
        },
      },
      'spec.validation.openAPIV3Schema.properties[spec].properties[x].items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within spec.validation.openAPIV3Schema.properties[spec].properties[x]',
    ],
  ];
  for (const [spec, message] of cases) {
    const answer = await server.call('POST', DEFINITIONS, { body: definition(spec) });
    t.equal(answer.status, 422, message);
    t.ok(messageOf(answer).includes(message), `${messageOf(answer)}\n!=\n${message}`);
  }
});

t.test('an object whose rules cost too much when they are evaluated is rejected', async (t) => {
  await using server = await TestServer.start();
  const LIST = { type: 'array', maxItems: 90, items: { type: 'integer' } };
  const rule = 'self.x.all(a, self.x.all(b, self.x.all(c, a + b + c < 1000000)))';
  await establish(server, definition({ properties: { x: LIST }, ...rules({ rule, message: 'too much' }) }));
  const few = await server.call('POST', THINGS, { body: thing('few', { x: [1, 2, 3] }) });
  t.equal(few.status, 201);
  const many = await server.call('POST', THINGS, { body: thing('many', { x: Array.from({ length: 90 }, () => 1) }) });
  t.equal(many.status, 422);
  t.equal(
    messageOf(many),
    `Thing.example.com "many" is invalid: spec: Invalid value: "object": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: too much`,
  );
});

t.test('transition rules hold for updates, and what an update leaves as it was is not rejected', async (t) => {
  await using server = await TestServer.start();
  const NAMED = {
    type: 'array',
    maxItems: 5,
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    items: {
      type: 'object',
      required: ['name'],
      properties: { name: { type: 'string' }, size: INTEGER },
      ...rules({ rule: 'self.size >= oldSelf.size', message: 'must not shrink' }),
    },
  };
  await establish(
    server,
    definition({
      properties: {
        fixed: { type: 'string', maxLength: 20, ...rules({ rule: 'self == oldSelf' }) },
        once: {
          type: 'string',
          maxLength: 20,
          ...rules({ rule: "oldSelf.hasValue() || self == 'first'", optionalOldSelf: true }),
        },
        other: INTEGER,
        list: NAMED,
      },
    }),
  );
  const body = thing('a', { fixed: 'x', once: 'first', list: [{ name: 'n', size: 1 }] });
  t.equal((await server.call('POST', THINGS, { body })).status, 201);
  const patch = (spec: object) => server.call('PATCH', `${THINGS}/a`, { body: { spec }, type: MERGE });
  const changed = await patch({ fixed: 'y' });
  t.equal(changed.status, 422);
  t.equal(
    messageOf(changed),
    'Thing.example.com "a" is invalid: spec.fixed: Invalid value: "y": failed rule: self == oldSelf',
  );
  const shrunk = await patch({
    list: [
      { name: 'm', size: 0 },
      { name: 'n', size: 0 },
    ],
  });
  t.equal(messageOf(shrunk), 'Thing.example.com "a" is invalid: spec.list[1]: Invalid value: must not shrink');
  t.equal(
    (
      await patch({
        list: [
          { name: 'm', size: 0 },
          { name: 'n', size: 2 },
        ],
        once: 'second',
      })
    ).status,
    200,
  );
  const late = await server.call('POST', THINGS, { body: thing('b', { once: 'second' }) });
  t.equal(
    messageOf(late),
    `Thing.example.com "b" is invalid: spec.once: Invalid value: "second": failed rule: oldSelf.hasValue() || self == 'first'`,
  );
  const stricter = definition({
    properties: {
      fixed: { type: 'string', maxLength: 20, ...rules({ rule: "self == 'z'" }) },
      other: { type: 'integer', ...rules({ rule: 'self > 0' }) },
    },
  });
  const { spec } = stricter;
  const name = 'things.example.com';
  t.equal((await server.call('PATCH', `${DEFINITIONS}/${name}`, { body: { spec }, type: MERGE })).status, 200);
  await eventually('the new rules to be served', async () => (await patch({ other: -1 })).status === 422);
  const kept = await patch({ other: 1 });
  t.equal(kept.status, 200);
  t.match(kept.headers['warning'], /spec.fixed: Invalid value: \\"x\\": failed rule: self == 'z'/);
});
