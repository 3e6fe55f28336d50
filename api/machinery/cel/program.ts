/**
 * Expressions of CEL as Kubernetes has them: https://kubernetes.io/docs/reference/using-api/cel/. An expression is compiled once, against an
 * environment of typed variables, and evaluated many times. Callers start from `baseEnvironment()`, which has the functions that Kubernetes
 * offers, and add their variables and functions by `extend`.
 */
import { own } from '../own.ts';
import { type Expr, visitOnce } from './ast.ts';
import { check } from './checker.ts';
import type { Environment } from './environment.ts';
import { CelCompileError, CelInstantiationError, CelRuntimeError, type Issue } from './errors.ts';
import { fromJson, Typed } from './from-json.ts';
import { plan, type Step } from './interpreter.ts';
import { literalIssues, patternProblem } from './literal-checks.ts';
import { type CostBudget, LimitExceeded, Meter, PER_CALL_LIMIT } from './meter.ts';
import { parse } from './parser.ts';
import { toPlain } from './plain.ts';
import { type CelType, formatType, isDyn, isSameType } from './types.ts';
import { type CelValue, Failure } from './values.ts';

/** Messages may quote what an expression has made. */
const MAX_MESSAGE = 10_000;
/** cel-go's message; callers of upstream recognize it by its start. */
const LIMIT_MESSAGE = 'operation cancelled: actual cost limit exceeded';

/**
 * The values of variables: plain values of JSON (objects, arrays, numbers, strings), the same with a declared type (`Typed`), values of CEL,
 * or functions that return them and are called at the first use, at most once in an evaluation. A number is an int when it is whole: doubles are
 * `Typed`.
 */
export type Variables = Readonly<Record<string, unknown>>;

export interface Evaluation {
  readonly value: CelValue;
  /** In the units of upstream's cost limits. */
  readonly cost: number;
}

export class Program {
  readonly expression: string;
  /** The type of the results. */
  readonly type: CelType;
  readonly tree: Expr;
  readonly #step: Step;
  #variables: ReadonlySet<string> | undefined;

  constructor(expression: string, tree: Expr, type: CelType, step: Step) {
    this.expression = expression;
    this.tree = tree;
    this.type = type;
    this.#step = step;
  }

  /** Whether the expression refers to a variable. */
  uses(variable: string): boolean {
    this.#variables ??= variablesOf(this.tree);
    return this.#variables.has(variable);
  }

  /**
   * Evaluates the expression. What it costs is taken from the budget, also when it fails: the caller gives up when nothing is left.
   * Throws CelRuntimeError, whose reason is `cost` when the one evaluation exceeds `limit`.
   */
  evaluate(variables: Variables, budget?: CostBudget, limit = PER_CALL_LIMIT): Evaluation {
    const meter = new Meter(limit);
    try {
      const value = this.#step({ meter, variable: reader(variables), locals: [] });
      if (value instanceof Failure)
        throw new CelRuntimeError(value.message.slice(0, MAX_MESSAGE), 'failed', meter.cost);
      return { value, cost: meter.cost };
    } catch (error) {
      if (error instanceof LimitExceeded) throw new CelRuntimeError(LIMIT_MESSAGE, 'cost', meter.cost);
      throw error;
    } finally {
      if (budget) budget.remaining -= meter.cost;
    }
  }
}

/** Reads variables, each at most once. */
function reader(variables: Variables): (name: string) => CelValue {
  const known = new Map<string, CelValue>();
  return (name) => {
    const read = known.get(name);
    if (read !== undefined) return read;
    const given = own(variables, name);
    const value: unknown = typeof given === 'function' ? (given as () => unknown)() : given;
    const converted = valueOf(name, value);
    known.set(name, converted);
    return converted;
  };
}

function valueOf(name: string, value: unknown): CelValue {
  if (value instanceof Typed) return fromJson(value.value, value.type);
  if (value instanceof Failure) return value;
  return value === undefined ? missing(name) : fromJson(value);
}

const missing = (name: string): Failure => new Failure(`no such attribute(s): ${name}`);

/** The names of the variables and types that a tree refers to; comprehensions' own are among them. */
function variablesOf(tree: Expr): ReadonlySet<string> {
  const names = new Set<string>();
  visitOnce(tree, (expr) => {
    if (expr.kind === 'ident') names.add(expr.name);
    if (expr.kind === 'select' && expr.qualified !== undefined) names.add(expr.qualified);
  });
  return names;
}

/**
 * Compiles an expression. Throws CelCompileError, whose message is what upstream's server prints after `compilation failed: `.
 * @param expected when given, the types that the result may have; of another one the message is `must evaluate to bool`.
 */
export function compile(expression: string, environment: Environment, expected: readonly CelType[] = []): Program {
  const issues: Issue[] = [];
  const report = (issue: Issue): void => {
    issues.push(issue);
  };
  const tree = parse(expression, report, environment.hasBindings);
  if (!tree) throw new CelCompileError(expression, issues);
  const type = check(tree, environment, report);
  if (issues.length === 0) for (const issue of literalIssues(tree)) issues.push(issue);
  if (issues.length > 0) throw new CelCompileError(expression, issues);
  const fits = expected.some((candidate) => isSameType(candidate, type) || isDyn(candidate));
  if (expected.length > 0 && !fits) throw new CelTypeError(expected);
  const problem = patternProblem(tree);
  if (problem !== undefined) throw new CelInstantiationError(problem);
  return new Program(expression, tree, type, plan(tree, environment));
}

/** The result of an expression is of another type than its place takes. */
export class CelTypeError extends CelCompileError {
  constructor(expected: readonly CelType[]) {
    super('', []);
    this.name = 'CelTypeError';
    const [first] = expected;
    const names = expected.map(formatType);
    this.message =
      expected.length === 1 && first
        ? `must evaluate to ${formatType(first)}`
        : `must evaluate to one of [${names.join(' ')}]`;
  }
}

/** A result as plain values of JSON. Throws CelRuntimeError for one that is too large. */
export function plainValue(value: CelValue): unknown {
  const meter = new Meter();
  try {
    return toPlain(value, meter);
  } catch (error) {
    if (error instanceof LimitExceeded) throw new CelRuntimeError(LIMIT_MESSAGE, 'cost', meter.cost);
    throw error;
  }
}
