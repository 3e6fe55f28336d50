/** Sets of fields: their algebra, their JSON form, and what is compared, merged and removed by a schema. */
import t from 'tap';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { applyConflict } from '../../../api/machinery/fieldset/apply.ts';
import { addedFieldsText } from '../../../api/machinery/fieldset/added-text.ts';
import { compare } from '../../../api/machinery/fieldset/compare.ts';
import {
  difference,
  differenceBelow,
  eachPath,
  fieldSetOf,
  fieldsText,
  intersection,
  intersectionBelow,
  isSubset,
  union,
  FieldSet,
} from '../../../api/machinery/fieldset/field-set.ts';
import { DEDUCED, fieldTypeOf, type FieldType } from '../../../api/machinery/fieldset/field-type.ts';
import { fieldsOf, misfits } from '../../../api/machinery/fieldset/fields-of.ts';
import { merge } from '../../../api/machinery/fieldset/merge.ts';
import { Owner } from '../../../api/machinery/fieldset/owners.ts';
import { canonicalElement, displayElement } from '../../../api/machinery/fieldset/path-element.ts';
import { reconciled } from '../../../api/machinery/fieldset/reconcile.ts';
import { prune, removeFields } from '../../../api/machinery/fieldset/remove.ts';

const set = (json: unknown): FieldSet => fieldSetOf(json);
const json = (fields: FieldSet | undefined): unknown => fields && (JSON.parse(fieldsText(fields)) as unknown);
const POD = fieldTypeOf(pods.schema);
const DEPLOYMENT = fieldTypeOf(deployments.schema);

const A = { 'f:a': {}, 'f:b': { '.': {}, 'f:c': {} } };
const B = { 'f:b': { 'f:c': {}, 'f:d': {} }, 'f:e': {} };

for (const [name, found, expected] of [
  ['union', union(set(A), set(B)), { 'f:a': {}, 'f:b': { '.': {}, 'f:c': {}, 'f:d': {} }, 'f:e': {} }],
  ['intersection', intersection(set(A), set(B)), { 'f:b': { 'f:c': {} } }],
  ['difference', difference(set(A), set(B)), { 'f:a': {}, 'f:b': {} }],
  ['difference keeps what is below', difference(set(A), set({ 'f:b': {} })), { 'f:a': {}, 'f:b': { 'f:c': {} } }],
  ['differenceBelow does not', differenceBelow(set(A), set({ 'f:b': {} })), { 'f:a': {} }],
] as const) {
  t.test(`set operation: ${name}`, async (t) => t.strictSame(json(found), expected));
}

t.test('subsets, and sets that nothing is taken from', async (t) => {
  t.ok(isSubset(set({ 'f:b': { 'f:c': {} } }), set(A)));
  t.notOk(isSubset(set(B), set(A)));
  const fields = set(A);
  t.equal(difference(fields, set({ 'f:x': {} })), fields);
});

t.test('elements have one form, and are shown as upstream does', async (t) => {
  t.equal(canonicalElement('k:{"b": 1, "a":"x"}'), 'k:{"a":"x","b":1}');
  t.equal(canonicalElement('v: 3'), 'v:3');
  t.equal(canonicalElement('x:future'), undefined);
  t.throws(() => canonicalElement('k:{'));
  t.throws(() => canonicalElement(`v:${'['.repeat(100_000)}${']'.repeat(100_000)}`));
  t.throws(() => canonicalElement('name'));
  t.strictSame(['f:a.b', 'k:{"name":"x","port":1}', 'v:"y"', 'i:2'].map(displayElement), [
    '.a.b',
    '[name="x",port=1]',
    '[="y"]',
    '[2]',
  ]);
  const paths: string[] = [];
  eachPath(set({ 'v:1': {}, 'f:b': { '.': {}, 'f:c': {} }, 'f:a': {} }), (path) => paths.push(path));
  t.strictSame(paths, ['.a', '.b', '[=1]', '.b.c']);
});

t.test('a conflict counts all fields, and lists the first of them', async (t) => {
  const fields = set({ 'f:data': Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`f:k${index}`, {}])) });
  const owner = new Owner({ manager: 'a', operation: 'Apply', apiVersion: 'v1', subresource: '' }, undefined, fields);
  const { status } = applyConflict(new Map([[owner.id, fields]]), new Map([[owner.id, owner]]));
  t.match(status.message, 'Apply failed with 5000 conflicts: conflicts with "a":\n- .data.k0\n');
  t.equal(status.details?.causes?.length, 1000);
  t.equal(status.message?.split('\n').length, 1001);
});

const container = (fields: object) => ({ spec: { containers: [{ name: 'c', ...fields }] } });
const inContainer = (fields: object) => ({ 'f:spec': { 'f:containers': { 'k:{"name":"c"}': fields } } });
const PORT_80 = 'k:{"containerPort":80,"protocol":"TCP"}';

/** What a configuration states. */
for (const [name, type, value, expected] of [
  ['scalars and maps', POD, { metadata: { labels: { a: '1' } } }, { 'f:metadata': { 'f:labels': { 'f:a': {} } } }],
  ['an empty map', POD, { metadata: { labels: {} } }, { 'f:metadata': { 'f:labels': {} } }],
  ['an empty list', POD, container({ env: [] }), inContainer({ '.': {}, 'f:name': {} })],
  ['null', POD, { spec: { nodeName: null } }, { 'f:spec': { 'f:nodeName': {} } }],
  [
    'keys with defaults',
    POD,
    container({ ports: [{ containerPort: 80 }] }),
    inContainer({ '.': {}, 'f:name': {}, 'f:ports': { [PORT_80]: { '.': {}, 'f:containerPort': {} } } }),
  ],
  ['an atomic list', POD, container({ args: ['a'] }), inContainer({ '.': {}, 'f:name': {}, 'f:args': {} })],
  [
    'an atomic struct',
    DEPLOYMENT,
    { spec: { selector: { matchLabels: { a: 'b' } } } },
    { 'f:spec': { 'f:selector': {} } },
  ],
  ['a set', POD, { metadata: { finalizers: ['x/y'] } }, { 'f:metadata': { 'f:finalizers': { 'v:"x/y"': {} } } }],
  ['no schema', DEDUCED, { a: { b: [1] } }, { 'f:a': { '.': {}, 'f:b': {} } }],
] as const satisfies readonly (readonly [string, FieldType, unknown, unknown])[]) {
  t.test(`fields of ${name}`, async (t) => t.strictSame(json(fieldsOf(type, value)), expected));
}

/** What differs: changed, removed. */
for (const [name, type, before, after, changed, removed] of [
  ['a value', POD, { spec: { nodeName: 'a' } }, { spec: { nodeName: 'b' } }, { 'f:spec': { 'f:nodeName': {} } }, {}],
  [
    'an item',
    POD,
    container({ image: 'x' }),
    { spec: { containers: [{ name: 'd' }] } },
    { 'f:spec': { 'f:containers': { 'k:{"name":"d"}': { '.': {}, 'f:name': {} } } } },
    inContainer({ '.': {}, 'f:name': {}, 'f:image': {} }),
  ],
  [
    'a map',
    POD,
    { metadata: {} },
    { metadata: { labels: { a: '1' } } },
    { 'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } } },
    {},
  ],
  [
    'repeated items',
    POD,
    container({ env: [{ name: 'A', value: '1' }] }),
    container({
      env: [
        { name: 'A', value: '1' },
        { name: 'A', value: '2' },
      ],
    }),
    inContainer({ 'f:env': { 'k:{"name":"A"}': {} } }),
    inContainer({ 'f:env': { 'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} } } }),
  ],
] as const satisfies readonly (readonly [string, FieldType, unknown, unknown, unknown, unknown])[]) {
  t.test(`comparison of ${name}`, async (t) => {
    const found = compare(type, before, after);
    t.strictSame(json(found?.changed), changed);
    t.strictSame(json(found?.removed), removed);
    t.equal(compare(type, after, structuredClone(after)), undefined);
    // The text is that of a comparison with an object without values.
    const added = compare(type, {}, after)?.changed;
    t.equal(addedFieldsText(type, {}, after), added && fieldsText(added));
  });
}

t.test('texts are in the order of upstream, whatever that of the object', async (t) => {
  const container = (name: string) => ({
    name,
    image: 'i',
    args: ['x'],
    env: [{ value: '1', name: 'B' }, { name: 'A' }],
  });
  const after = {
    spec: { terminationGracePeriodSeconds: 1, containers: [container('b'), container('a')] },
    metadata: { labels: { z: '1', 'a.b': '2', a: '3' } },
  };
  const env =
    '"f:env":{".":{},"k:{\\"name\\":\\"A\\"}":{".":{},"f:name":{}},"k:{\\"name\\":\\"B\\"}":{".":{},"f:name":{},"f:value":{}}}';
  const inside = `{".":{},"f:args":{},${env},"f:image":{},"f:name":{}}`;
  const wanted =
    '{"f:metadata":{"f:labels":{".":{},"f:a":{},"f:a.b":{},"f:z":{}}},' +
    `"f:spec":{"f:containers":{"k:{\\"name\\":\\"a\\"}":${inside},"k:{\\"name\\":\\"b\\"}":${inside}},"f:terminationGracePeriodSeconds":{}}}`;
  const before = { metadata: {}, spec: { containers: [] } };
  t.equal(addedFieldsText(POD, before, after), wanted);
  t.equal(fieldsText(set(JSON.parse(wanted))), wanted);
  t.equal(fieldsText(compare(POD, before, after)!.changed), wanted);
});

/** What an applied list makes of a live one. */
for (const [live, config, expected] of [
  ['ab', 'c', 'abc'],
  ['abc', 'ca', 'bca'],
  ['abcd', 'da', 'bcda'],
  ['ab', 'xa', 'xab'],
  ['', 'ab', 'ab'],
  ['abc', 'b', 'abc'],
] as const) {
  t.test(`merge of ${config} into ${live}`, async (t) => {
    const env = (names: string) => container({ env: [...names].map((name) => ({ name })) });
    t.strictSame(merge(POD, env(live), env(config)), env(expected));
  });
}

t.test('what does not fit the schema is reported with its path', async (t) => {
  t.strictSame(misfits(DEPLOYMENT, { spec: { replicas: '3', nope: 1 } }), [
    '.spec.replicas: expected numeric (int or float), got string',
    '.spec.nope: field not declared in schema',
  ]);
  t.strictSame(misfits(POD, { spec: { containers: [{ name: 'c' }, { name: 'c' }] } }), [
    '.spec.containers: duplicate entries for key [name="c"]',
  ]);
  t.strictSame(misfits(POD, { spec: { containers: [{ image: 'c' }] } }), [
    '.spec.containers: element 0: associative list with keys has an element that omits all key fields ["name"] (and doesn\'t have default values for any key fields)',
  ]);
  t.strictSame(misfits(POD, { metadata: { labels: [] } }), ['.metadata.labels: expected map, got []']);
});

t.test('removal takes items and maps, and prune leaves what others own or nobody has stated', async (t) => {
  const live = container({ image: 'x', env: [{ name: 'A' }, { name: 'B' }] });
  const a = inContainer({ 'f:env': { 'k:{"name":"A"}': {} } });
  t.strictSame(removeFields(POD, live, set(a)), container({ image: 'x', env: [{ name: 'B' }] }));
  const last = fieldsOf(POD, container({ image: 'x' }));
  t.equal(prune(POD, live, last, set({})), null, 'a struct goes with all that nobody owns');
  t.strictSame(prune(POD, live, last, set(inContainer({ '.': {}, 'f:name': {} }))), {
    spec: { containers: [{ name: 'c', env: [{ name: 'A' }, { name: 'B' }] }] },
  });
});

t.test('what loses fields of its own stays, as an empty object or list', async (t) => {
  const spec = (fields: object) => ({ spec: { containers: [{ name: 'c', ...fields }] } });
  for (const [fields, removed, left] of [
    [
      { resources: { limits: { cpu: '1' } } },
      { 'f:resources': { 'f:limits': { 'f:cpu': {} } } },
      { resources: { limits: {} } },
    ],
    [{ resources: { limits: { cpu: '1' } } }, { 'f:resources': { 'f:limits': {} } }, { resources: {} }],
    [{ env: [{ name: 'A' }] }, { 'f:env': { 'k:{"name":"A"}': {} } }, { env: [] }],
    [{ env: [{ name: 'A' }] }, { 'f:env': {} }, {}],
    [
      { env: [{ name: 'A', value: 'x' }] },
      { 'f:env': { 'k:{"name":"A"}': { 'f:name': {}, 'f:value': {} } } },
      { env: [{}] },
    ],
  ] as const)
    t.strictSame(removeFields(POD, spec(fields), set(inContainer(removed))), spec(left));
});

t.test('only some fields can be owned through a subresource', async (t) => {
  const fields = set({ 'f:metadata': { 'f:labels': {} }, 'f:spec': { 'f:x': { '.': {}, 'f:y': {} }, 'f:z': {} } });
  t.strictSame(json(intersectionBelow(fields, FieldSet.ofPaths(['spec.x']))), {
    'f:spec': { 'f:x': { '.': {}, 'f:y': {} } },
  });
  t.strictSame(json(differenceBelow(fields, FieldSet.ofPaths(['spec.x', 'metadata']))), { 'f:spec': { 'f:z': {} } });
});

/** Sets under a schema that has changed since they were written. */
const ATOMIC_LIST: FieldType = { list: { atomic: true, items: DEDUCED } };
const SET_LIST: FieldType = {
  list: { atomic: false, items: { scalar: 'string' }, elementOf: (item) => `v:${JSON.stringify(item)}` },
};
const mapOf = (fields: Record<string, FieldType>, atomic = false, values?: FieldType): FieldType => {
  const known = new Map(Object.entries(fields));
  return { map: { atomic, field: (name) => known.get(name), ...(values && { values }) } };
};
const owned = { 'f:x': { '.': {}, 'v:"a"': {} }, 'f:y': { 'f:z': {} } };
for (const [name, type, before, after] of [
  [
    'a list that has become atomic',
    mapOf({ x: ATOMIC_LIST, y: mapOf({}) }),
    owned,
    { 'f:x': {}, 'f:y': { 'f:z': {} } },
  ],
  [
    'a map that has become atomic',
    mapOf({ x: SET_LIST, y: mapOf({}, true) }),
    owned,
    { 'f:x': { '.': {}, 'v:"a"': {} }, 'f:y': {} },
  ],
  ['what has become granular', mapOf({ x: SET_LIST }), { 'f:x': {} }, { 'f:x': {} }],
  ['what was atomic and is', mapOf({ x: ATOMIC_LIST }), { 'f:x': {} }, { 'f:x': {} }],
  ['fields that are not in the schema', mapOf({}), owned, owned],
  ['values of a map', mapOf({}, false, ATOMIC_LIST), { 'f:k': { 'v:1': {} } }, { 'f:k': {} }],
  ['values without a schema', DEDUCED, owned, owned],
] as const) {
  t.test(`a changed schema: ${name}`, async (t) => {
    const given = set(before);
    const found = reconciled(type, given);
    t.strictSame(json(found), after);
    if (before === after || JSON.stringify(before) === JSON.stringify(after))
      t.equal(found, given, 'nothing is made anew');
  });
}
