import t from 'tap';
import { CelCompileError, CelRuntimeError } from '../../../api/machinery/cel/errors.ts';
import { baseEnvironment } from '../../../api/machinery/cel/library/base.ts';
import { CostBudget } from '../../../api/machinery/cel/meter.ts';
import { compile, plainValue } from '../../../api/machinery/cel/program.ts';
import {
  BOOL,
  type CelType,
  DYN,
  formatType,
  INT,
  listOf,
  mapOf,
  STRING,
  struct,
} from '../../../api/machinery/cel/types.ts';

const FIELDS: Readonly<Record<string, CelType>> = {
  count: INT,
  items: listOf(INT),
  labels: mapOf(STRING, STRING),
  name: STRING,
};

const environment = () =>
  baseEnvironment().extend({
    variables: { self: struct('selfType', (name) => FIELDS[name]), any: DYN, numbers: listOf(INT), 'variables.x': INT },
  });

const VARIABLES = {
  self: { count: 1, items: [1, 2], labels: { 'a.b/c': 'd' }, name: 'abc' },
  any: { number: 1, text: 'x', list: [1, 'two'], nothing: null, namespace: 'n' },
  numbers: Array.from({ length: 1000 }, (_, index) => index),
  'variables.x': () => 5,
};

/** An expression, its result, and the name of its type. */
const RESULTS: readonly (readonly [string, unknown, string])[] = [
  ['self.count == 1', true, 'bool'],
  ['self.items.all(x, x > 0)', true, 'bool'],
  ['self.items.all(i, x, x > i)', true, 'bool'],
  ['self.items.exists_one(x, x == 1)', true, 'bool'],
  ['self.items.map(x, x * 2)', [2, 4], 'list(int)'],
  ['self.items.map(x, x > 1, x * 2)', [4], 'list(int)'],
  ['self.items.filter(x, x > 1)', [2], 'list(int)'],
  ['[1, 2].map(x, [3].map(y, x + y))', [[4], [5]], 'list(list(int))'],
  ["{'a': 1}.transformMap(k, v, v + 1)", { a: 2 }, 'map(string, int)'],
  ["{'a': 1}.transformMapEntry(k, v, {k + 'b': v})", { ab: 1 }, 'map(string, int)'],
  ['[1, 2].transformList(i, v, v * i)', [0, 2], 'list(int)'],
  ["self.labels['a.b/c']", 'd', 'string'],
  ["self.labels.all(k, v, v == 'd')", true, 'bool'],
  ["self.?name.orValue('none')", 'abc', 'string'],
  ['self.items[?5].hasValue()', false, 'bool'],
  ["any.?missing.?deeper.orValue('none')", 'none', 'dyn'],
  ["any[?'number'].value()", 1, 'dyn'],
  ['[?optional.of(1), ?optional.none()]', [1], 'list(int)'],
  ["{?'a': optional.none(), 'b': 1}", { b: 1 }, 'map(string, int)'],
  ['optional.of(1).optMap(x, x + 1).value()', 2, 'int'],
  ['optional.ofNonZeroValue(0).hasValue()', false, 'bool'],
  ['optional.none().or(optional.of(2)).value()', 2, 'int'],
  ['any.namespace', 'n', 'dyn'],
  ['any.nothing == null', true, 'bool'],
  ['has(any.nothing.field)', false, 'bool'],
  ['any.nothing.?field.hasValue()', false, 'bool'],
  ['any.number == 1.0', true, 'bool'],
  ['any.list[1]', 'two', 'dyn'],
  ['has(any.number) && !has(any.missing)', true, 'bool'],
  ['1.5 < 2', true, 'bool'],
  ['1u < 2', true, 'bool'],
  ['1u + 2u', 3, 'uint'],
  ['7 / 2', 3, 'int'],
  ['-7 % 3', -1, 'int'],
  ['-9223372036854775808 < 0', true, 'bool'],
  ['0x1F', 31, 'int'],
  ['b"\\xff" == b"\\377"', true, 'bool'],
  ['r"\\d" == "\\\\d"', true, 'bool'],
  ["\"\\u00e9\" + '''a\nb'''", 'éa\nb', 'string'],
  ['"héllo".size()', 5, 'int'],
  ['"😀".size()', 1, 'int'],
  ['string(10000000.0)', '1e+07', 'string'],
  ['string(0.5)', '0.5', 'string'],
  ['int("42") + int(2.9) + int(3u)', 47, 'int'],
  ['duration("1h30m").getMinutes()', 90, 'int'],
  ['string(duration("1.5s"))', '1.5s', 'string'],
  ['timestamp("2024-02-29T01:02:03.5Z").getDayOfYear()', 59, 'int'],
  ['timestamp("2024-02-29T23:00:00Z").getDate("+02:00")', 1, 'int'],
  ['timestamp("2024-07-01T00:00:00Z").getHours("Europe/Berlin")', 2, 'int'],
  ['timestamp("2024-01-01T00:00:00Z") + duration("24h")', '2024-01-02T00:00:00Z', 'timestamp'],
  ['timestamp("2024-01-02T00:00:00Z") - timestamp("2024-01-01T00:00:00Z")', '86400s', 'duration'],
  ['type(1) == int && type("a") != int', true, 'bool'],
  ['type(timestamp(0)) == google.protobuf.Timestamp', true, 'bool'],
  ['1 in [1, 2] && "a" in {"a": 1}', true, 'bool'],
  ['true || 1 / 0 == 1', true, 'bool'],
  ['1 / 0 == 1 || true', true, 'bool'],
  ['[0, 1].exists(x, 1 / x == 1)', true, 'bool'],
  ['false ? 1 : 2', 2, 'int'],
  ['variables.x + 1', 6, 'int'],
  ['[] + [1]', [1], 'list(int)'],
  ['dyn([1, 2]) == [1, 2]', true, 'bool'],
  ['{"a": [1]} == {"a": [1]}', true, 'bool'],
];

t.test('expressions evaluate to values of the types that they are checked to have', (t) => {
  for (const [expression, value, type] of RESULTS) {
    const program = compile(expression, environment());
    t.equal(formatType(program.type), type, expression);
    t.strictSame(plainValue(program.evaluate(VARIABLES).value), value, expression);
  }
  t.end();
});

/** An expression, and its first problem with its place. */
const PROBLEMS: readonly (readonly [string, string])[] = [
  ["self.count == 'x'", "1:12: found no matching overload for '_==_' applied to '(int, string)'"],
  ['self.missing', "1:5: undefined field 'missing'"],
  ['missing', "1:1: undeclared reference to 'missing' (in container '')"],
  ['self.count.missing', "1:11: type 'int' does not support field selection"],
  ['1 + 1.0', "1:3: found no matching overload for '_+_' applied to '(int, double)'"],
  ['1.0 == 1', "1:5: found no matching overload for '_==_' applied to '(double, int)'"],
  ["[1, 'a']", "1:5: expected type 'int' but found 'string'"],
  ['[1, any]', "1:5: expected type 'int' but found 'dyn'"],
  ['{1: 2, 3: true}', "1:11: expected type 'int' but found 'bool'"],
  ["true ? 1 : 'a'", "1:6: found no matching overload for '_?_:_' applied to '(bool, int, string)'"],
  ["true && 'x'", "1:9: expected type 'bool' but found 'string'"],
  ['self.name.size(1)', "1:15: found no matching overload for 'size' applied to 'string.(int)'"],
  ['self.name.nope()', "1:15: undeclared reference to 'nope' (in container '')"],
  [
    'self.count.all(x, true)',
    "1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
  ],
  ['has(self)', '1:5: invalid argument to has() macro'],
  ["duration('x')", '1:10: invalid duration argument'],
  ['for', '1:1: reserved identifier: for'],
  ['9223372036854775808', '1:1: invalid int literal'],
  [
    'self.count ==',
    "1:14: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  ['1 2', "1:3: Syntax error: extraneous input '2' expecting <EOF>"],
  ['(1', "1:3: Syntax error: mismatched input '<EOF>' expecting ')'"],
  ['1 # 2', "1:3: Syntax error: token recognition error at: '#'"],
  ['"a\\q"', '1:1: Syntax error: unable to unescape string'],
  ['true &&\n missing', "2:2: undeclared reference to 'missing' (in container '')"],
];

t.test('expressions that cannot be right are not compiled, and the message shows why and where', (t) => {
  for (const [expression, problem] of PROBLEMS) {
    const error = t.throws(() => compile(expression, environment()), CelCompileError, expression);
    const [first = ''] = error instanceof Error ? error.message.split('\n |') : [];
    t.equal(first, `ERROR: <input>:${problem}`, expression);
  }
  t.throws(() => compile('self.missing', environment()), {
    message: "ERROR: <input>:1:5: undefined field 'missing'\n | self.missing\n | ....^",
  });
  t.throws(() => compile('1', environment(), [BOOL]), { message: 'must evaluate to bool' });
  t.throws(() => compile('1', environment(), [BOOL, STRING]), { message: 'must evaluate to one of [bool string]' });
  t.end();
});

/** An expression, and what is wrong with it when it is evaluated. */
const FAILURES: readonly (readonly [string, string])[] = [
  ['any.missing', 'no such key: missing'],
  ['any.nothing.field', 'no such key: field'],
  ['self.items[2]', 'index out of bounds: 2'],
  ['1 / 0', 'division by zero'],
  ['1 % 0', 'modulus by zero'],
  ['9223372036854775807 + 1', 'integer overflow'],
  ['0u - 1u', 'unsigned integer overflow'],
  ['any.number + any.text', 'no such overload: _+_(int, string)'],
  ['any.number.startsWith("a")', 'no such overload: startsWith(int, string)'],
  ['optional.none().value()', 'optional.none() dereference'],
  ['int("x")', "type conversion error from 'string' to 'int'"],
  ['{"a": 1, "a": 2}', 'insert failed: key a already exists'],
];

t.test('errors of evaluations are those of upstream', (t) => {
  for (const [expression, message] of FAILURES)
    t.throws(() => compile(expression, environment()).evaluate(VARIABLES), { message, reason: 'failed' }, expression);
  t.end();
});

t.test('the cost of an evaluation is bounded, whatever it does', (t) => {
  const nested = (depth: number): string => (depth === 0 ? 'true' : `numbers.all(x${depth}, ${nested(depth - 1)})`);
  const expressions = [
    nested(4),
    'numbers.map(x, numbers + numbers).map(y, y.map(z, z)) == []',
    'numbers.map(x, numbers.map(y, numbers.map(z, z))).size() > 0',
  ];
  for (const expression of expressions) {
    const budget = new CostBudget();
    const program = compile(expression, environment());
    t.throws(
      () => program.evaluate(VARIABLES, budget),
      { message: 'operation cancelled: actual cost limit exceeded', reason: 'cost' },
      expression,
    );
    t.ok(budget.remaining < 10_000_000 - 1_000_000, expression);
  }
  t.end();
});

t.test('the keys of large maps are counted, whoever asks for their number', (t) => {
  const any = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`k${index}`, index]));
  for (const what of [
    'any.size() > 0',
    'any != {}',
    'any.exists(k, true)',
    'optional.ofNonZeroValue(any).hasValue()',
  ]) {
    const program = compile(`numbers.all(x, ${what})`, environment());
    t.throws(() => program.evaluate({ ...VARIABLES, any }), { message: /cost limit exceeded/ }, what);
    t.ok(compile(what, environment()).evaluate({ ...VARIABLES, any }).value, what);
  }
  t.end();
});

t.test('expressions are limited in size and depth', (t) => {
  const chain = (terms: number): string => Array.from({ length: terms }, () => 'self.count').join(' + ');
  compile(chain(250), environment());
  const messageOf = (expression: string) => ({ message: `ERROR: <input>:-1:0: ${expression}` });
  t.throws(() => compile(chain(251), environment()), messageOf('max recursion depth exceeded'));
  const nested = `${'['.repeat(251)}${']'.repeat(251)}`;
  t.throws(() => compile(nested, environment()), messageOf('expression recursion limit exceeded: 250'));
  const long = `'${'a'.repeat(100_000)}'`;
  t.throws(
    () => compile(long, environment()),
    messageOf('expression code point size exceeds limit: size: 100002, limit 100000'),
  );
  t.end();
});

t.test('types that double with every step of an expression are rejected', (t) => {
  const steps = (count: number, range: string, step: string): string => range + step.repeat(count);
  for (const [range, step] of [
    ['[1]', '.map(a, {a: a})'],
    ['[{}]', '.map(a, {a: a})'],
    ['[[]]', '.map(a, {a: a})'],
    ['[1]', '.map(a, [{a: a}, {a: a}])'],
    ['[1]', '.transformMap(i, v, {v: v})'],
  ] as const) {
    compile(`${steps(3, range, step)}.size() > 0`, environment(), [BOOL]);
    for (const expression of [steps(60, range, step), `${steps(60, range, step)} == []`]) {
      t.throws(() => compile(expression, environment()), { message: /type has more than 300 parts/ }, expression);
    }
  }
  compile(`${'['.repeat(200)}${']'.repeat(200)}.size() > 0`, environment(), [BOOL]);
  t.end();
});

t.test('hostile expressions are rejected or parsed in bounded time and depth', (t) => {
  const hostile = [
    `${'('.repeat(40_000)}1${')'.repeat(40_000)}`,
    `1${'+1'.repeat(40_000)}`,
    `any${'.a'.repeat(40_000)}`,
    `any${'[0]'.repeat(30_000)}`,
    `${'!'.repeat(90_000)}true`,
    `${'-'.repeat(90_000)}1`,
    `${'true?true:'.repeat(9_000)}true`,
    `true${'||true'.repeat(15_000)}`,
    '['.repeat(90_000),
    `[${'1,'.repeat(49_000)}1]`,
    `[[]${',[]'.repeat(30_000)}]`,
    `f(${'1,'.repeat(49_000)}1)`,
    `'${'a'.repeat(99_000)}`,
    `{${"'a':".repeat(20_000)}`,
    '@'.repeat(90_000),
    `self${'.map(x, x)'.repeat(9_000)}`,
    `${'[1].map(x, '.repeat(9_000)}x${')'.repeat(9_000)}`,
    '"\\'.repeat(40_000),
    'a'.repeat(200_000),
    `optional.of(1)${'.optMap(x, x)'.repeat(200)}.hasValue()`,
    `[1]${'.sortBy(x, x)'.repeat(200)} == [1]`,
    `'a'.matches('${'('.repeat(20_000)}')`,
  ];
  for (const expression of hostile) {
    const started = performance.now();
    try {
      compile(expression, environment());
    } catch (error) {
      t.type(error, CelCompileError, expression.slice(0, 30));
    }
    t.ok(performance.now() - started < 10_000, expression.slice(0, 30));
  }
  t.end();
});

t.test('random text is never anything but an expression or a compile error', (t) => {
  const parts = [
    'self',
    '.count',
    '[',
    ']',
    '(',
    ')',
    '{',
    '}',
    '?',
    ':',
    '"',
    "'",
    '1',
    '1u',
    '1.',
    ' ',
    '&&',
    '||',
    '==',
    ',',
    '.',
    'in',
    '!',
    '-',
    '\\',
    'r"',
    'b"',
    '\n',
    '.map(x,',
    'has(',
    '`',
    '//',
    'é',
    '\ud800',
  ];
  let seed = 42;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  for (let round = 0; round < 3000; round++) {
    const expression = Array.from({ length: 1 + random(14) }, () => parts[random(parts.length)]).join('');
    try {
      compile(expression, environment()).evaluate(VARIABLES);
    } catch (error) {
      if (!(error instanceof CelCompileError) && !(error instanceof CelRuntimeError)) throw error;
    }
  }
  t.end();
});
