/**
 * The macros of CEL, of optionals and of comprehensions with two variables, expanded as cel-go does: their cost is defined on the
 * expansion. https://github.com/google/cel-spec/blob/master/doc/langdef.md#macros
 */
import type { Expr, Literal } from './ast.ts';

/** The fold's value so far. No identifier of an expression is named so. */
export const ACCUMULATOR = '@result';
const LEGACY_ACCUMULATOR = '__result__';

/** Makes the nodes of an expansion, all of them at one place. */
interface Maker {
  readonly offset: number;
  fail(offset: number, message: string): Expr;
}

type Expansion = (make: Maker, target: Expr, args: readonly Expr[]) => Expr | undefined;

const literal = ({ offset }: Maker, value: Literal): Expr => ({ kind: 'literal', value, offset });
const ident = ({ offset }: Maker, name: string): Expr => ({ kind: 'ident', name, offset });
const accu = (make: Maker): Expr => ident(make, ACCUMULATOR);
const call = ({ offset }: Maker, name: string, ...args: Expr[]): Expr => ({
  kind: 'call',
  name,
  target: undefined,
  args,
  offset,
});
const member = ({ offset }: Maker, name: string, target: Expr, ...args: Expr[]): Expr => ({
  kind: 'call',
  name,
  target,
  args,
  offset,
});
const list = ({ offset }: Maker, ...values: Expr[]): Expr => ({
  kind: 'list',
  items: values.map((value) => ({ value, isOptional: false })),
  offset,
});

interface Fold {
  readonly variables: readonly string[];
  readonly init: Expr;
  readonly condition: Expr;
  readonly step: Expr;
  readonly result?: Expr;
}

const fold = (make: Maker, range: Expr, { variables, init, condition, step, result }: Fold): Expr => ({
  kind: 'comprehension',
  range,
  variable: variables[0] ?? '',
  second: variables[1],
  accumulator: ACCUMULATOR,
  init,
  condition,
  step,
  result: result ?? accu(make),
  offset: make.offset,
});

/** The iteration variables, or an error node. */
function variablesOf(make: Maker, args: readonly Expr[]): readonly string[] | Expr {
  const names: string[] = [];
  for (const arg of args) {
    if (arg.kind !== 'ident') return make.fail(arg.offset, 'argument must be a simple name');
    if (arg.name === ACCUMULATOR || arg.name === LEGACY_ACCUMULATOR)
      return make.fail(arg.offset, 'iteration variable overwrites accumulator variable');
    if (names.includes(arg.name)) return make.fail(arg.offset, `duplicate variable name: ${arg.name}`);
    names.push(arg.name);
  }
  return names;
}

const isError = (variables: readonly string[] | Expr): variables is Expr => !Array.isArray(variables);
const notStrictlyFalse = (make: Maker, value: Expr): Expr => call(make, '@not_strictly_false', value);

/** A macro over `count` variables, whose other arguments `body` folds. */
const folding =
  (count: number, body: (make: Maker, variables: readonly string[], args: readonly Expr[]) => Fold): Expansion =>
  (make, target, args) => {
    const variables = variablesOf(make, args.slice(0, count));
    return isError(variables) ? variables : fold(make, target, body(make, variables, args.slice(count)));
  };

const only = ([value]: readonly Expr[], make: Maker): Expr => value ?? literal(make, null);
const filtered = (make: Maker, filter: Expr | undefined, step: Expr): Expr =>
  filter ? call(make, '_?_:_', filter, step, accu(make)) : step;
/** Of `filter?, transform`. */
const filterAndTransform = (args: readonly Expr[], make: Maker): readonly [Expr | undefined, Expr] =>
  args.length > 1 ? [args[0], args[1] ?? literal(make, null)] : [undefined, only(args, make)];

const all = (count: number): Expansion =>
  folding(count, (make, variables, args) => ({
    variables,
    init: literal(make, true),
    condition: notStrictlyFalse(make, accu(make)),
    step: call(make, '_&&_', accu(make), only(args, make)),
  }));
const exists = (count: number): Expansion =>
  folding(count, (make, variables, args) => ({
    variables,
    init: literal(make, false),
    condition: notStrictlyFalse(make, call(make, '!_', accu(make))),
    step: call(make, '_||_', accu(make), only(args, make)),
  }));
const existsOne = (count: number): Expansion =>
  folding(count, (make, variables, args) => ({
    variables,
    init: literal(make, 0n),
    condition: literal(make, true),
    step: filtered(make, only(args, make), call(make, '_+_', accu(make), literal(make, 1n))),
    result: call(make, '_==_', accu(make), literal(make, 1n)),
  }));
/** `map(x, filter?, transform)` and `transformList(i, x, filter?, transform)`. */
const toList = (count: number): Expansion =>
  folding(count, (make, variables, args) => {
    const [filter, transform] = filterAndTransform(args, make);
    return {
      variables,
      init: list(make),
      condition: literal(make, true),
      step: filtered(make, filter, call(make, '_+_', accu(make), list(make, transform))),
    };
  });
const filter: Expansion = folding(1, (make, variables, args) => ({
  variables,
  init: list(make),
  condition: literal(make, true),
  step: filtered(make, only(args, make), call(make, '_+_', accu(make), list(make, ident(make, variables[0] ?? '')))),
}));
const toMap = (hasKey: boolean): Expansion =>
  folding(2, (make, variables, args) => {
    const [filter, transform] = filterAndTransform(args, make);
    const inserted = hasKey ? [ident(make, variables[0] ?? ''), transform] : [transform];
    return {
      variables,
      init: { kind: 'map', entries: [], offset: make.offset },
      condition: literal(make, true),
      step: filtered(make, filter, call(make, 'cel.@mapInsert', accu(make), ...inserted)),
    };
  });

/** A name for a value within an expression: a fold over nothing, whose result is the expression. */
const bind = (make: Maker, name: string, value: Expr, expression: Expr): Expr => ({
  kind: 'comprehension',
  range: list(make),
  variable: '#unused',
  second: undefined,
  accumulator: name,
  init: value,
  condition: literal(make, false),
  step: ident(make, name),
  result: expression,
  offset: make.offset,
});

/** `target.optMap(x, expression)`; with `isFlat`, the expression is an optional itself. */
const optionalMap =
  (isFlat: boolean): Expansion =>
  (make, target, [name, expression]) => {
    if (name?.kind !== 'ident' || !expression)
      return make.fail(
        name?.offset ?? make.offset,
        `${isFlat ? 'optFlatMap' : 'optMap'}() variable name must be a simple identifier`,
      );
    const bound = bind(make, name.name, member(make, 'value', target), expression);
    return call(
      make,
      '_?_:_',
      member(make, 'hasValue', target),
      isFlat ? bound : call(make, 'optional.of', bound),
      call(make, 'optional.none'),
    );
  };

const MACROS: ReadonlyMap<string, Expansion> = new Map([
  ['all/2', all(1)],
  ['all/3', all(2)],
  ['exists/2', exists(1)],
  ['exists/3', exists(2)],
  ['exists_one/2', existsOne(1)],
  ['exists_one/3', existsOne(2)],
  ['existsOne/2', existsOne(1)],
  ['existsOne/3', existsOne(2)],
  ['map/2', toList(1)],
  ['map/3', toList(1)],
  ['filter/2', filter],
  ['transformList/3', toList(2)],
  ['transformList/4', toList(2)],
  ['transformMap/3', toMap(true)],
  ['transformMap/4', toMap(true)],
  ['transformMapEntry/3', toMap(false)],
  ['transformMapEntry/4', toMap(false)],
  ['optMap/2', optionalMap(false)],
  ['optFlatMap/2', optionalMap(true)],
  ['sortBy/2', sortBy],
]);

/** `list.sortBy(x, key)`: the items by their keys. */
function sortBy(make: Maker, target: Expr, args: readonly Expr[]): Expr | undefined {
  const [name] = args;
  if (name?.kind !== 'ident') return make.fail(name?.offset ?? make.offset, 'argument must be a simple name');
  const input = ident(make, '@__sortBy_input__');
  const keys = toList(1)(make, input, args);
  return keys && bind(make, '@__sortBy_input__', target, member(make, '@sortByAssociatedKeys', input, keys));
}

/** The expansion of `target.name(args)`; undefined when it is no macro. */
export const expandMember = (make: Maker, name: string, target: Expr, args: readonly Expr[]): Expr | undefined =>
  MACROS.get(`${name}/${args.length}`)?.(make, target, args);

/** The expansion of `has(operand.field)`. */
export function expandHas(make: Maker, args: readonly Expr[]): Expr {
  const [arg] = args;
  if (arg?.kind !== 'select' || arg.isTest || arg.isOptional)
    return make.fail(arg?.offset ?? make.offset, 'invalid argument to has() macro');
  return { ...arg, isTest: true, offset: make.offset };
}

/** The expansion of `cel.bind(name, value, expression)`; undefined for other calls. */
export function expandBind(make: Maker, name: string, target: Expr, args: readonly Expr[]): Expr | undefined {
  const [variable, value, expression] = args;
  const isBind = name === 'bind' && target.kind === 'ident' && target.name === 'cel' && args.length === 3;
  if (!isBind || !variable || !value || !expression) return undefined;
  if (variable.kind === 'ident') return bind(make, variable.name, value, expression);
  return make.fail(variable.offset, 'cel.bind() variable names must be simple identifiers');
}
