import t from 'tap';
import { priorityClasses } from '../../../api/kinds/scheduling/priority-class.ts';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { constraintsOf, immutabilityOf } from '../../../api/machinery/constraints.ts';
import { decodeObject } from '../../../api/machinery/decode.ts';
import { MAX_ERRORS } from '../../../api/machinery/limits.ts';
import {
  namedObject,
  int32,
  ip,
  linuxId,
  list,
  mapOf,
  optional,
  port,
  required,
  shortName,
  string,
  struct,
  type Shape,
} from '../../../api/machinery/schema.ts';
import { updateThrough } from './updates.ts';

const shapeOf = (field: Shape): Shape => struct('x.Outer', () => ({ f: optional(1, field), g: optional(2, string) }));
const everything = () => true;
const problems = (schema: Shape, object: object): string[] =>
  (constraintsOf(schema, everything)?.(object) ?? []).map(({ field, message }) => `${field}: ${message}`);

t.test("each constraint has upstream's message and holds at its boundary", async (t) => {
  const rows: readonly [Shape, valid: readonly unknown[], wrong: readonly (readonly [unknown, string])[]][] = [
    [{ ...int32, minimum: 0 }, [0, 5], [[-1, 'Invalid value: -1: must be greater than or equal to 0']]],
    [
      { ...int32, minimum: 0, exclusiveMinimum: true },
      [1],
      [
        [0, 'Invalid value: 0: must be greater than 0'],
        [-3, 'Invalid value: -3: must be greater than 0'],
      ],
    ],
    [{ ...int32, maximum: 9 }, [9, -9], [[10, 'Invalid value: 10: must be less than or equal to 9']]],
    [port, [1, 65_535], [0, 65_536].map((n) => [n, `Invalid value: ${n}: must be between 1 and 65535, inclusive`])],
    [linuxId, [0], [[-1, 'Invalid value: -1: must be between 0 and 2147483647, inclusive']]],
    [
      { ...string, supported: ['b', 'a'] },
      ['a', 'b'],
      [
        ['', 'Unsupported value: "": supported values: "b", "a"'],
        ['A', 'Unsupported value: "A": supported values: "b", "a"'],
      ],
    ],
    [{ ...string, maxBytes: 4 }, ['éé'], [['ééé', 'Too long: may not be more than 4 bytes']]],
    [{ ...list(int32), maxItems: 1 }, [[], [7]], [[[1, 2], 'Too many: 2: must have at most 1 item']]],
    [shortName, ['a-b'], [['a.b', 'Invalid value: "a.b": must not contain dots']]],
    [
      ip,
      ['10.0.0.1', '2001:db8::1'],
      [
        ['10.0.0.01', 'Invalid value: "10.0.0.01": must not have leading 0s'],
        ['::ffff:10.0.0.1', 'Invalid value: "::ffff:10.0.0.1": must not be an IPv4-mapped IPv6 address'],
      ],
    ],
  ];
  for (const [field, valid, wrong] of rows) {
    const schema = shapeOf(field);
    for (const f of [undefined, null, ...valid]) t.strictSame(problems(schema, { f }), [], JSON.stringify(f));
    for (const [f, message] of wrong) t.strictSame(problems(schema, { f }), [`f: ${message}`]);
  }
  const nonEmpty = struct('x.Needed', () => ({ f: optional(1, { ...shortName, nonEmpty: true }) }));
  for (const f of [undefined, null, '', 0, []]) t.strictSame(problems(nonEmpty, { f }), ['f: Required value']);
  t.strictSame(problems(nonEmpty, { f: 'a' }), []);
});

t.test('errors have the field path of their value in structs, lists and maps', async (t) => {
  const tree: Shape = struct('x.Tree', () => ({
    name: required(1, shortName, { nonEmpty: true }),
    branches: optional(2, list(tree)),
    byName: optional(3, mapOf(tree)),
    words: optional(4, list(string), { supported: ['a'] }),
    ids: optional(5, list(linuxId)),
    free: optional(6, namedObject('any')),
  }));
  const inner = { ids: [1, -1], words: ['a', 'b'], name: 'ok' };
  const object = {
    name: 'A',
    branches: [{ name: 'b' }, { branches: [inner] }],
    byName: { constructor: { name: 'x.y' }, ['__proto__']: { name: 'z' } },
    free: { name: '' },
  };
  t.strictSame(
    problems(tree, object).map((line) => line.slice(0, line.indexOf(' '))),
    [
      'name:',
      'branches[1].name:',
      'branches[1].branches[0].words[1]:',
      'branches[1].branches[0].ids[1]:',
      'byName[constructor].name:',
    ],
  );
});

t.test('a schema without constraints costs nothing, and the number of errors is limited', async (t) => {
  t.equal(constraintsOf(shapeOf(string), everything), undefined);
  t.equal(
    constraintsOf(shapeOf(port), (field) => field !== 'f'),
    undefined,
  );
  t.equal(immutabilityOf(shapeOf(port)), undefined);
  t.equal(problems(shapeOf(list(port)), { f: new Array<number>(5 * MAX_ERRORS).fill(0) }).length, MAX_ERRORS);
});

t.test('immutable fields are compared regardless of key order', async (t) => {
  const inner = struct('x.Inner', () => ({
    fixed: optional(1, namedObject('any'), { immutable: true }),
    free: optional(2, string),
  }));
  const outer: Shape = struct('x.Outer', () => ({ spec: optional(1, inner), self: optional(2, outer) }));
  const check = immutabilityOf(outer);
  const changed = (object: object, old: object) =>
    check?.(object, old).map(({ field, message }) => `${field}: ${message}`);
  t.strictSame(changed({ spec: { fixed: { a: 1, b: [2] }, free: 'x' } }, { spec: { fixed: { b: [2], a: 1 } } }), []);
  t.strictSame(changed({ spec: { fixed: { a: 2 } } }, { spec: { fixed: { a: 1 } } }), [
    'spec.fixed: Invalid value: {"a":2}: field is immutable',
  ]);
  t.strictSame(changed({ spec: {} }, { spec: { fixed: { a: 1 } } }), [
    'spec.fixed: Invalid value: null: field is immutable',
  ]);
  t.strictSame(changed({}, { spec: { fixed: { a: 1 } } }), []);
});

t.test('a kind validates by its schema, and its status on status updates', async (t) => {
  const priorityClass = { metadata: { name: 'x' }, value: 1, preemptionPolicy: '' };
  t.strictSame(
    priorityClasses.validate(decodeObject(priorityClasses, priorityClass).object).map(({ message }) => message),
    ['Required value'],
  );
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const { object } = decodeObject(deployments, {
    spec: { replicas: -1, selector: { matchLabels: { a: 'b' } }, template },
    status: { updatedReplicas: -1 },
  });
  deployments.applyDefaults(object);
  t.strictSame(
    deployments.validate(object).map(({ field }) => field),
    ['spec.replicas'],
  );
  t.strictSame(
    updateThrough(deployments, 'status')
      .validate(object, object)
      .map(({ field }) => field),
    ['status.updatedReplicas'],
  );
});
