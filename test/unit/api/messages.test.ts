/** Messages about parts of a body, whose paths may be as long as it: what is told of them all together is limited. */
import t from 'tap';
import { customResourceDefinitions } from '../../../api/kinds/apiextensions/custom-resource-definition.ts';
import { applyConflict } from '../../../api/machinery/fieldset/apply.ts';
import { fieldSetOf } from '../../../api/machinery/fieldset/field-set.ts';
import { DEDUCED, keyedList } from '../../../api/machinery/fieldset/field-type.ts';
import { misfits } from '../../../api/machinery/fieldset/fields-of.ts';
import { Messages } from '../../../api/machinery/messages.ts';
import { mapOf, optional, string, struct } from '../../../api/machinery/schema.ts';
import { decoderOf } from '../../../api/machinery/schema-decoder.ts';
import { prune } from '../../../api/machinery/structural/prune.ts';
import { structuralOf } from '../../../api/machinery/structural/structural.ts';

const LONG = 'k'.repeat(100_000);
/** One more is told when the limit is not reached yet. */
const MOST = 2 * 256 * 1024;

const named = <T>(count: number, value: T): Record<string, T> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, value]));
const charsOf = (messages: readonly string[]): number => messages.reduce((sum, { length }) => sum + length, 0);

t.test('messages are limited by their number and by their characters', async (t) => {
  const few = new Messages(2, ['a']);
  for (const text of ['b', 'c']) few.add(text);
  t.strictSame(few.list, ['a', 'b']);
  const long = new Messages(1000);
  for (let index = 0; index < 1000; index++) long.add(LONG);
  t.ok(long.isFull);
  t.equal(long.list.length, 3);
});

t.test('fields below a long key do not multiply it', async (t) => {
  const type = { map: { atomic: false, field: () => undefined, values: { scalar: 'string' } } } as const;
  const items = keyedList({ map: { atomic: false, field: (name) => (name === 'env' ? type : DEDUCED) } }, ['name']);
  const told = misfits({ list: items }, [{ name: LONG, env: named(1000, {}) }]);
  t.ok(told.length > 0);
  t.ok(charsOf(told) < MOST, 'what does not fit an apply');

  const fields = fieldSetOf({
    'f:data': { [`f:${LONG}`]: Object.fromEntries(Object.keys(named(1000, 1)).map((key) => [`f:${key}`, {}])) },
  });
  const { message, details } = applyConflict(new Map([['someone', fields]]), new Map()).status;
  t.match(message, /^Apply failed with 1000 conflicts: /);
  t.ok((message ?? '').length < MOST, 'conflicts');
  t.ok(charsOf((details?.causes ?? []).map(({ field = '' }) => field)) < MOST);

  const inner = struct('x.Inner', () => ({ known: optional(1, string) }));
  const outer = struct('x.Outer', () => ({ inner: optional(1, mapOf(inner)) }));
  const { problems } = decoderOf(outer)({ inner: { [LONG]: named(1000, 1) } });
  t.ok(problems.length > 0);
  t.ok(charsOf(problems) < MOST, 'unknown fields');

  const schema = structuralOf({
    type: 'object',
    properties: { spec: { type: 'object', additionalProperties: { type: 'object', properties: {} } } },
  });
  const pruned = prune({ spec: { [LONG]: named(1000, 1) } }, schema);
  t.ok(pruned.problems.length > 0);
  t.ok(charsOf(pruned.problems) < MOST, 'unknown fields of custom resources');

  const definition = customResourceDefinitions.decode({
    spec: {
      versions: [{ schema: { openAPIV3Schema: { properties: { [LONG]: { items: named(1000, 1) } } } } }],
    },
  });
  t.ok(charsOf(definition.problems) < MOST, 'unknown fields of schemas within schemas');
});
