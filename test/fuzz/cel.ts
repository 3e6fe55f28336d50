/** Expressions of CEL: random text, random trees that are mostly well typed, and what evaluating them may throw and cost. */
import { CelCompileError, CelRuntimeError } from '../../api/machinery/cel/errors.ts';
import { baseEnvironment } from '../../api/machinery/cel/library/base.ts';
import { PER_CALL_LIMIT } from '../../api/machinery/cel/meter.ts';
import { compile, plainValue, type Program } from '../../api/machinery/cel/program.ts';
import { type CelType, DYN, INT, listOf, mapOf, STRING, struct } from '../../api/machinery/cel/types.ts';
import { check, only, same, type Fuzzer } from './fuzzer.ts';
import type { Random } from './random.ts';

const FIELDS: ReadonlyMap<string, CelType> = new Map([
  ['count', INT],
  ['items', listOf(INT)],
  ['labels', mapOf(STRING, STRING)],
  ['name', STRING],
]);

const environment = baseEnvironment().extend({
  variables: {
    self: struct('selfType', (name) => FIELDS.get(name)),
    any: DYN,
    numbers: listOf(INT),
    texts: listOf(STRING),
  },
});

const variables = (random: Random) => ({
  self: { count: random.below(9) - 4, items: random.times(5, () => random.below(9)), labels: { a: 'b' }, name: 'abc' },
  any: random.json(3),
  numbers: Array.from({ length: random.chance(4) ? 3000 : 4 }, (_, index) => index),
  texts: random.times(4, () => random.pick(['', 'a', 'a.b', 'x'.repeat(2000), '1.2.3.4', 'é', '10Gi', 'https://a/b'])),
});

type Kind = 'int' | 'text' | 'bool' | 'list' | 'any';
const KINDS: readonly Kind[] = ['int', 'text', 'bool', 'list', 'any'];

const INTS = [
  '0',
  '1',
  '-1',
  '9223372036854775807',
  '-9223372036854775808',
  'self.count',
  'numbers[0]',
  'size(texts)',
  '1u',
  '2.5',
  'any.a',
];
const TEXTS = [
  "''",
  "'a'",
  "'10Gi'",
  "'1.2.3.4/8'",
  "'https://a:1/b?c=d'",
  "'(a*)*b'",
  'self.name',
  "b'x'",
  "'\\u00e9'",
  'texts[0]',
  'string(any)',
];
const LISTS = ['numbers', 'self.items', 'texts', '[]', '[1, 2]', "['a']", '[any, any]', '[[1], [2]]'];
const ANYS = [
  'any',
  'self',
  'null',
  '{}',
  "{'a': 1}",
  'optional.none()',
  'any.?a',
  "duration('1h')",
  "timestamp('2026-01-01T00:00:00Z')",
  'type(1)',
  "quantity('1Gi')",
  "ip('::1')",
  "cidr('10.0.0.0/8')",
  "url('https://a/b')",
  "semver('1.2.3')",
];
const METHODS = [
  'size()',
  'sum()',
  'min()',
  'max()',
  'isSorted()',
  'first()',
  'last()',
  'reverse()',
  'distinct()',
  'sort()',
  'flatten()',
  "join('')",
  'lowerAscii()',
  'trim()',
  "split('')",
  'charAt(0)',
  'orValue(1)',
  'hasValue()',
  'value()',
  'getHost()',
  "isGreaterThan(quantity('1'))",
  'asInteger()',
  'getFullYear()',
  'family()',
  'nonsense()',
];

/** An expression, mostly of the type. */
function expression(random: Random, depth: number, kind: Kind = random.pick(KINDS)): string {
  const of = (other: Kind = kind): string =>
    expression(random, depth - 1, random.chance(20) ? random.pick(KINDS) : other);
  if (depth <= 0 || random.chance(6))
    return random.pick({ int: INTS, text: TEXTS, bool: ['true', 'false'], list: LISTS, any: ANYS }[kind]);
  if (random.chance(25)) return `${of()}.${random.pick(METHODS)}`;
  if (random.chance(12)) return `(${of('bool')} ? ${of()} : ${of()})`;
  switch (kind) {
    case 'int':
      return random.pick([
        () => `(${of()} ${random.pick(['+', '-', '*', '/', '%'])} ${of()})`,
        () => `size(${of('list')})`,
        () => `int(${of('text')})`,
        () => `${of('list')}.indexOf(${of('int')})`,
        () => `-${of()}`,
      ])();
    case 'text':
      return random.pick([
        () => `(${of()} + ${of()})`,
        () => `${of()}.replace(${of()}, ${of()})`,
        () => `${of()}.substring(${of('int')})`,
        () => `string(${of('int')})`,
        () => `${of('list')}.map(x, string(x)).join(${of()})`,
        () => `'%s %d'.format([${of()}, ${of('int')}])`,
        () => `${of()}.find(${of()})`,
      ])();
    case 'bool':
      return random.pick([
        () => `(${of('int')} ${random.pick(['<', '<=', '==', '!=', '>', 'in'])} ${of('int')})`,
        () => `(${of()} ${random.pick(['&&', '||'])} ${of()})`,
        () => `!${of()}`,
        () => `${of('list')}.${random.pick(['all', 'exists', 'exists_one'])}(x, ${of()})`,
        () => `${of('list')}.all(i, x, ${of()})`,
        () => `${of('text')}.matches(${of('text')})`,
        () => `has(any.${random.pick(['a', 'b', 'in'])})`,
        () => `(${of('any')} == ${of('any')})`,
        () => `cel.bind(x, ${of('list')}, ${of()})`,
      ])();
    case 'list':
      return random.pick([
        () => `${of()}.map(x, ${of('int')})`,
        () => `${of()}.filter(x, ${of('bool')})`,
        () => `(${of()} + ${of()})`,
        () => `[${of('int')}, ${of('int')}]`,
        () => `${of('text')}.split(${of('text')})`,
        () => `${of()}.transformList(i, x, ${of('int')})`,
      ])();
    case 'any':
      return random.pick([
        () => `{${of('text')}: ${of()}}`,
        () => `${of()}[${of('int')}]`,
        () => `${of()}.?${random.pick(['a', 'b'])}`,
        () => `optional.of(${of()})`,
        () => `dyn(${of('int')})`,
      ])();
  }
}

const TOKENS = [
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  '.',
  '?',
  ':',
  ',',
  '+',
  '-',
  '!',
  '&&',
  '||',
  '==',
  'in',
  'self',
  'any',
  '1',
  '0x',
  '1e',
  "'",
  '"',
  '"""',
  "r'",
  "b'",
  '\\',
  '//',
  '`',
  '@',
  '\u0000',
  '\ud800',
  'é',
  '\n',
  'true',
  'null',
  '.all(x,',
  'has(',
  '[?',
  '.?',
];

const MAX_EVALUATION_MS = 5_000;

function evaluated(program: Program, random: Random): void {
  const given = variables(random);
  const startedAt = performance.now();
  const result = only([CelRuntimeError], () => program.evaluate(given));
  const ms = performance.now() - startedAt;
  check(ms < MAX_EVALUATION_MS, 'the time of an evaluation', program.expression, ms);
  if (!result) return;
  check(result.cost <= PER_CALL_LIMIT, 'the cost of an evaluation', program.expression, result.cost);
  const plain = only([CelRuntimeError], () => plainValue(result.value));
  const again = only([CelRuntimeError], () => program.evaluate(given));
  check(again?.cost === result.cost, 'the cost of a second evaluation', program.expression, result.cost, again?.cost);
  const second = again && only([CelRuntimeError], () => plainValue(again.value));
  const json = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one)) ?? 'null');
  check(same(json(plain), json(second)), 'a second evaluation', program.expression);
}

export const cel: Fuzzer = {
  name: 'cel',
  cases: 400,
  run(random) {
    const tree = expression(random, 1 + random.below(5));
    const broken = random.chance(3)
      ? tree.slice(0, random.below(tree.length)) + random.pick(TOKENS) + tree.slice(random.below(tree.length))
      : tree;
    for (const text of [broken, random.times(20, () => random.pick(TOKENS)).join(random.pick(['', ' ']))]) {
      const program = only([CelCompileError], () => compile(text, environment));
      if (program) evaluated(program, random);
    }
    if (!random.chance(200)) return;
    // Deeper and longer than anything: rejected, and no stack is exhausted.
    const many = 1 + random.below(20_000);
    const [open, middle, close] = random.pick([
      ['(', '1', ')'],
      ['[', '', ']'],
      ['-', '1', ''],
      ['!', 'true', ''],
      ['', '1', '+1'],
      ['', 'any', '.a'],
      ['', 'any', '[0]'],
      ['[1].map(x,', 'x', ')'],
      ['true?', '1', ':1'],
      ["{'a':", '1', '}'],
    ]);
    const deep = (open ?? '').repeat(many) + (middle ?? '') + (close ?? '').repeat(many);
    const program = only([CelCompileError], () => compile(deep, environment));
    if (program) evaluated(program, random);
  },
};
