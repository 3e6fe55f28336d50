/** What a schema of a CustomResourceDefinition may cost: whoever writes one decides what every instance of it takes. */
import t from 'tap';
import { validateDefinition } from '../../../api/kinds/apiextensions/definition-validation.ts';
import { validateSchema } from '../../../api/kinds/apiextensions/schema-validation.ts';
import { ExpressionBudget } from '../../../api/machinery/cel/rule-definitions.ts';
import { applyStructuralDefaults, completeStored } from '../../../api/machinery/structural/defaults.ts';
import { structuralOf } from '../../../api/machinery/structural/structural.ts';
import type { CustomResourceDefinition, JSONSchemaProps } from '../../../api/types/apiextensions/v1.gen.ts';

const object = (properties: Record<string, JSONSchemaProps>, more: JSONSchemaProps = {}): JSONSchemaProps => ({
  ...{ type: 'object', properties },
  ...more,
});
const list = (count: number): JSONSchemaProps[] => Array.from({ length: count }, () => ({}));
const problems = (schema: JSONSchemaProps): string[] =>
  validateSchema(schema, 'schema', false, false, new ExpressionBudget()).map(
    ({ field, message }) => `${field}: ${message}`,
  );

const LONG = 'x'.repeat(10_000);
const ITEMS = { type: 'array', items: object({ text: { type: 'string', default: LONG } }) };

t.test('defaults that are more than an object may have are refused, in a request', async (t) => {
  const schema = structuralOf(object({ list: ITEMS }));
  const few = { list: list(100) };
  applyStructuralDefaults(few, schema);
  t.strictSame(few.list[99], { text: LONG });
  const tooLarge = { code: 413, message: /defaults have more than 1572864 characters/ };
  t.throws(() => applyStructuralDefaults({ list: list(40_000) }, schema), tooLarge);
});

t.test('what is stored is served with as many defaults as fit', async (t) => {
  const stored = { list: list(40_000) };
  completeStored(stored, structuralOf(object({ list: ITEMS })));
  t.strictSame(stored.list[0], { text: LONG });
  t.strictSame(stored.list[39_999], {});
});

t.test('defaults within defaults do not explode', async (t) => {
  const nested = (depth: number): JSONSchemaProps =>
    depth === 0
      ? { type: 'string', default: 'x' }
      : { type: 'array', default: list(50), items: object({ inner: nested(depth - 1) }) };
  t.strictSame(problems(object({ list: nested(2) })), []);
  t.throws(() => problems(object({ list: nested(8) })), { code: 413 });
});

/** Schemas that are refused for what they cost together, and ones of the same form that are not. */
const schemas: readonly [name: string, schema: (size: number) => JSONSchemaProps, few: number, many: number][] = [
  [
    'the patterns of a schema are too large together',
    (size) => object(byName(size, (index) => ({ type: 'string', pattern: `^(a|b){1,100}${index}$` }))),
    100,
    5_000,
  ],
  [
    'the patterns of a schema are too large together',
    (size) => object({ text: { type: 'string', anyOf: [{ pattern: 'a'.repeat(size) }] } }),
    10_000,
    1_000_000,
  ],
  [
    'may have at most 131072 characters in total',
    (size) => object({}, { 'x-kubernetes-validations': list(size).map((_, index) => ({ rule: `${index} < 20000` })) }),
    100,
    12_000,
  ],
  [
    'may have at most 131072 characters in total',
    // The rule is compiled for every default that it is below.
    (size) => {
      let schema = object({}, { 'x-kubernetes-validations': [{ rule: `'${LONG}' != ''` }], default: {} });
      for (let depth = 0; depth < size; depth++) schema = object({ inner: schema }, { default: {} });
      return object({ outer: schema });
    },
    5,
    50,
  ],
];

function byName(size: number, make: (index: number) => JSONSchemaProps): Record<string, JSONSchemaProps> {
  return Object.fromEntries(Array.from({ length: size }, (_, index) => [`p${index}`, make(index)]));
}

for (const [message, schema, few, many] of schemas) {
  t.test(`schemas are refused because of what they cost: ${message}`, async (t) => {
    t.strictSame(problems(schema(few)), []);
    const [first = ''] = problems(schema(many));
    t.match(first, message);
  });
}

t.test('the rules of all versions of a definition are limited together', async (t) => {
  const schema = (index: number): JSONSchemaProps =>
    object({}, { description: `${index}`, 'x-kubernetes-validations': [{ rule: `'${'x'.repeat(60_000)}' != ''` }] });
  const versions = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      ...{ name: `v${index + 1}`, served: true, storage: index === 0 },
      schema: { openAPIV3Schema: schema(index) },
    }));
  const definition = (count: number): CustomResourceDefinition => ({
    metadata: { name: 'tests.example.com' },
    status: { storedVersions: ['v1'] },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'tests', singular: 'test', kind: 'Test', listKind: 'TestList' },
      versions: versions(count),
    },
  });
  const told = (count: number, old?: CustomResourceDefinition): string[] =>
    validateDefinition(definition(count), old).map(({ message }) => message);
  t.strictSame(told(2), []);
  t.match(told(3), [/the rules of all versions, .* may have at most 131072 characters in total/]);
  t.strictSame(told(3, definition(2)), [], 'what was there before is not compiled again');
});

t.test('each rule counts, however short', async (t) => {
  const rules = (count: number) =>
    object({}, { 'x-kubernetes-validations': list(count).map(() => ({ rule: '!false' })) });
  t.strictSame(problems(rules(1_000)), []);
  t.match(problems(rules(10_000)), [/may have at most 131072 characters in total/]);
});
