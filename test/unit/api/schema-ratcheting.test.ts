/** What an update has left as it was is not rejected, however the schema has changed. */
import t from 'tap';
import type { FieldError } from '../../../api/machinery/field-error.ts';
import { compileSchema } from '../../../api/machinery/structural/validate.ts';

const item = { type: 'object', properties: { name: { type: 'string' }, size: { type: 'integer', maximum: 1 } } };
const check = compileSchema({
  type: 'object',
  properties: {
    plain: { type: 'array', items: item },
    atomic: { type: 'array', 'x-kubernetes-list-type': 'atomic', maxItems: 1, items: item },
    map: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'], items: item },
    set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string', maxLength: 1 } },
    any: { type: 'object', additionalProperties: { type: 'string', enum: ['x'] } },
    nothing: { type: 'string' },
  },
});
const errorsOf = (value: object, old?: object): string[] => {
  const errors: FieldError[] = [];
  check(value, '', errors, old);
  return errors.map(({ field, message }) => `${field}: ${message}`);
};
const TOO_BIG = (path: string): string =>
  `${path}: Invalid value: 2: ${path} in body should be less than or equal to 1`;

const big = (name: string): object => ({ name, size: 2 });
for (const [name, old, value, errors] of [
  ['items without a key', { plain: [big('a')] }, { plain: [big('a')], any: {} }, []],
  ['items of an atomic list', { atomic: [big('a'), big('b')] }, { atomic: [big('a'), big('b')], any: {} }, []],
  ['items of a set', { set: ['aa'] }, { set: ['aa'], any: {} }, []],
  ['an item by its key', { map: [big('a')] }, { map: [{ name: 'b' }, big('a')] }, []],
  ['an entry', { any: { a: 'y' } }, { any: { a: 'y', b: 'x' } }, []],
  [
    'not: items of a list that has changed',
    { plain: [big('a')] },
    { plain: [big('a'), { name: 'b' }] },
    [TOO_BIG('plain[0].size')],
  ],
  ['not: an item that has changed', { map: [{ name: 'a', size: 3 }] }, { map: [big('a')] }, [TOO_BIG('map[0].size')]],
  [
    'not: items of a set that has changed',
    { set: ['aa'] },
    { set: ['aa', 'b'] },
    ['set[0]: Too long: may not be more than 1 byte'],
  ],
] as const)
  t.test(`may stay invalid: ${name}`, async (t) => t.strictSame(errorsOf(value, old), errors));

t.test('null and limits are worded as upstream words them', async (t) => {
  t.strictSame(errorsOf({ nothing: null, atomic: [{}, {}] }), [
    'nothing: Invalid value: "null": nothing in body must be of type string: "null"',
    'atomic: Too many: 2: must have at most 1 item',
  ]);
});
