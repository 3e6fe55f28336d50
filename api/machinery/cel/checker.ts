/** Type checking, with the messages of cel-go's `checker`: https://github.com/google/cel-spec/blob/master/doc/langdef.md#type-checking */
import type { CallExpr, ComprehensionExpr, Expr, ListExpr, Literal, MapExpr, SelectExpr, StructExpr } from './ast.ts';
import type { Environment, Overload } from './environment.ts';
import type { Issue } from './errors.ts';
import {
  BOOL,
  BYTES,
  type CelType,
  DOUBLE,
  DYN,
  ERROR,
  formatArguments,
  formatType,
  INT,
  isDyn,
  isDynOrError,
  isSameType,
  listOf,
  mapOf,
  NULL,
  optionalOf,
  STRING,
  typeOf,
  UINT,
  TypeTooLargeError,
  unwrapped,
  withParams,
} from './types.ts';
import { mostGeneral, Substitutions } from './unify.ts';

/** Sets the types of all nodes and resolves calls. Returns the type of the whole; what does not fit is reported. */
export function check(tree: Expr, environment: Environment, report: (issue: Issue) => void): CelType {
  return new Checker(environment, report).checkAll(tree);
}

/** Of the names of namespaces. Every part of a chain of selections may be one, and is looked up. */
const MAX_SEGMENTS = 32;

/** The dotted name that a node is, as `a.b.c`; undefined where it has more segments than any name. */
function qualifiedName(expr: Expr, most = MAX_SEGMENTS): string | undefined {
  if (expr.kind === 'ident') return expr.name;
  if (expr.kind !== 'select' || expr.isTest || expr.isOptional || most === 1) return undefined;
  const operand = qualifiedName(expr.operand, most - 1);
  return operand === undefined ? undefined : `${operand}.${expr.field}`;
}

function literalType(value: Literal): CelType {
  if (value === null) return NULL;
  switch (typeof value) {
    case 'boolean':
      return BOOL;
    case 'bigint':
      return INT;
    case 'number':
      return DOUBLE;
    case 'string':
      return STRING;
    default:
      return value instanceof Uint8Array ? BYTES : UINT;
  }
}

class Checker {
  readonly #environment: Environment;
  readonly #report: (issue: Issue) => void;
  readonly #types = new Substitutions();
  /** Macros may have a node in two places: it is checked once. */
  readonly #checked = new Set<Expr>();
  readonly #locals: (readonly [string, CelType])[] = [];
  /** Of what was checked last. */
  #offset = 0;

  constructor(environment: Environment, report: (issue: Issue) => void) {
    this.#environment = environment;
    this.#report = report;
  }

  checkAll(tree: Expr): CelType {
    try {
      this.#check(tree);
      for (const expr of this.#checked) {
        this.#offset = expr.offset;
        expr.type = this.#types.substitute(expr.type ?? DYN, true);
      }
    } catch (error) {
      if (!(error instanceof TypeTooLargeError)) throw error;
      return this.#fail(this.#offset, error.message);
    }
    return tree.type ?? DYN;
  }

  #fail(offset: number, message: string): CelType {
    this.#report({ offset, message });
    return ERROR;
  }

  #mismatch(offset: number, expected: CelType, found: CelType): CelType {
    return this.#fail(offset, `expected type '${formatType(expected)}' but found '${formatType(found)}'`);
  }

  #undeclared(offset: number, name: string): CelType {
    return this.#fail(offset, `undeclared reference to '${name}' (in container '')`);
  }

  #check(expr: Expr): CelType {
    if (expr.type && this.#checked.has(expr)) return expr.type;
    const type = this.#typeOf(expr);
    expr.type = type;
    this.#offset = expr.offset;
    this.#checked.add(expr);
    return type;
  }

  #typeOf(expr: Expr): CelType {
    switch (expr.kind) {
      case 'literal':
        return literalType(expr.value);
      case 'ident':
        return this.#named(expr.name) ?? this.#undeclared(expr.offset, expr.name);
      case 'select':
        return this.#select(expr);
      case 'call':
        return this.#call(expr);
      case 'list':
        return this.#list(expr);
      case 'map':
        return this.#map(expr);
      case 'struct':
        return this.#struct(expr);
      case 'comprehension':
        return this.#comprehension(expr);
    }
  }

  #local(name: string): CelType | undefined {
    return this.#locals.findLast(([known]) => known === name)?.[1];
  }

  #named(name: string): CelType | undefined {
    const known = this.#local(name) ?? this.#environment.variable(name);
    if (known) return known;
    const type = this.#environment.typeNamed(name);
    return type && typeOf(type);
  }

  #select(expr: SelectExpr): CelType {
    const name = qualifiedName(expr);
    const isLocal = name !== undefined && this.#local(name.slice(0, name.indexOf('.'))) !== undefined;
    const qualified = name === undefined || isLocal ? undefined : this.#named(name);
    if (name !== undefined && qualified) {
      expr.qualified = name;
      return qualified;
    }
    const operand = this.#types.substitute(this.#check(expr.operand));
    const inner = unwrapped(operand);
    const field = this.#field(expr, inner ?? operand);
    const type = inner || expr.isOptional ? optionalOf(field) : field;
    return expr.isTest ? BOOL : this.#types.substitute(type);
  }

  #field({ offset, field }: SelectExpr, operand: CelType): CelType {
    switch (operand.kind) {
      case 'map':
        return operand.params[1] ?? DYN;
      case 'struct':
        return operand.field?.(field) ?? this.#fail(offset, `undefined field '${field}'`);
      case 'param':
        this.#types.isAssignable(DYN, operand);
        return DYN;
      default:
        if (!isDynOrError(operand))
          this.#fail(offset, `type '${formatType(operand)}' does not support field selection`);
        return DYN;
    }
  }

  #call(expr: CallExpr): CelType {
    const { name, target, args, offset } = expr;
    const argTypes = args.map((arg) => this.#check(arg));
    const overloads = this.#environment.overloads(name);
    if (!target)
      return overloads ? this.#resolve(expr, name, overloads, argTypes, false) : this.#undeclared(offset, name);
    const prefix = qualifiedName(target);
    const namespaced = prefix === undefined ? undefined : this.#environment.overloads(`${prefix}.${name}`);
    if (namespaced) return this.#resolve(expr, `${prefix}.${name}`, namespaced, argTypes, false);
    const receiver = this.#check(target);
    if (!overloads) return this.#undeclared(offset, name);
    return this.#resolve(expr, name, overloads, [receiver, ...argTypes], true);
  }

  #resolve(
    expr: CallExpr,
    name: string,
    overloads: readonly Overload[],
    args: readonly CelType[],
    isMember: boolean,
  ): CelType {
    if (name === '_&&_' || name === '_||_') return this.#logical(expr, args);
    const found: string[] = [];
    let result: CelType | undefined;
    for (const candidate of overloads) {
      if (candidate.isMember !== isMember || candidate.args.length !== args.length) continue;
      const { params, type } = this.#instance(candidate);
      if (!this.#types.areAssignable(args, params)) continue;
      found.push(candidate.id);
      const made = this.#types.substitute(type);
      result = !result || isDyn(result) || isSameType(made, result) ? (result ?? made) : DYN;
    }
    expr.resolved = { name, isMember, overloads: found };
    if (result) return result;
    const types = args.map((arg) => this.#types.substitute(arg, true));
    return this.#fail(
      expr.offset,
      `found no matching overload for '${name}' applied to '${formatArguments(types, isMember)}'`,
    );
  }

  #logical(expr: CallExpr, args: readonly CelType[]): CelType {
    let type: CelType = BOOL;
    for (const [index, arg] of args.entries())
      if (!this.#types.isAssignable(arg, BOOL)) type = this.#mismatch(expr.args[index]?.offset ?? 0, BOOL, arg);
    expr.resolved = { name: expr.name, isMember: false, overloads: [expr.name] };
    return type;
  }

  /** An overload with type parameters of its own. */
  #instance({ args, result }: Overload): { params: CelType[]; type: CelType } {
    const fresh = new Map<string, CelType>();
    const instantiate = (type: CelType): CelType => {
      if (type.kind === 'param') {
        const known = fresh.get(type.name) ?? this.#types.fresh();
        fresh.set(type.name, known);
        return known;
      }
      return type.params.length === 0 ? type : withParams(type, type.params.map(instantiate));
    };
    return { params: args.map(instantiate), type: instantiate(result) };
  }

  /** The type of an entry that is left out when it is an optional without a value. */
  #entry(value: Expr, isOptional: boolean): CelType {
    const type = this.#check(value);
    if (!isOptional) return type;
    const inner = unwrapped(type);
    if (!inner && !isDyn(type)) this.#mismatch(value.offset, optionalOf(type), type);
    return inner ?? type;
  }

  /** Literals of values of different types are of dyn; where they are not allowed, `literal-checks.ts` finds them. */
  #join(before: CelType | undefined, type: CelType): CelType {
    if (!before) return type;
    return this.#types.isAssignable(before, type) ? mostGeneral(before, type) : DYN;
  }

  #list({ items }: ListExpr): CelType {
    let type: CelType | undefined;
    for (const { value, isOptional } of items) type = this.#join(type, this.#entry(value, isOptional));
    return listOf(type ?? this.#types.fresh());
  }

  #map({ entries }: MapExpr): CelType {
    let keys: CelType | undefined;
    let values: CelType | undefined;
    for (const { key, value, isOptional } of entries) {
      keys = this.#join(keys, this.#check(key));
      values = this.#join(values, this.#entry(value, isOptional));
    }
    return mapOf(keys ?? this.#types.fresh(), values ?? this.#types.fresh());
  }

  #struct({ name, fields, offset }: StructExpr): CelType {
    const type = this.#environment.typeNamed(name);
    if (!type) return this.#undeclared(offset, name);
    if (type.kind !== 'struct') return this.#fail(offset, `'${name}' is not a message type`);
    for (const { name: field, value, isOptional, offset: at } of fields) {
      const given = this.#entry(value, isOptional);
      const declared = type.field?.(field) ?? this.#fail(at, `undefined field '${field}'`);
      if (!this.#types.isAssignable(declared, given))
        this.#fail(
          at,
          `expected type of field '${field}' is '${formatType(declared)}' but provided type is '${formatType(given)}'`,
        );
    }
    return type;
  }

  #comprehension(expr: ComprehensionExpr): CelType {
    const { range, variable, second, accumulator, init, condition, step, result } = expr;
    const rangeType = this.#types.substitute(this.#check(range));
    const accuType = this.#check(init);
    const [first, other] = this.#variables(rangeType, range.offset, second !== undefined);
    const depth = this.#locals.length;
    this.#locals.push([accumulator, accuType], [variable, first]);
    if (second !== undefined) this.#locals.push([second, other]);
    this.#assert(condition, BOOL);
    this.#assert(step, accuType);
    this.#locals.length = depth + 1;
    const type = this.#check(result);
    this.#locals.length = depth;
    return this.#types.substitute(type);
  }

  #variables(range: CelType, offset: number, isPair: boolean): readonly [CelType, CelType] {
    const [first = DYN, values = DYN] = range.params;
    switch (range.kind) {
      case 'list':
        return isPair ? [INT, first] : [first, DYN];
      case 'map':
        return [first, values];
      case 'dyn':
      case 'error':
      case 'param':
        this.#types.isAssignable(DYN, range);
        return [DYN, DYN];
      default:
        this.#fail(
          offset,
          `expression of type '${formatType(range)}' cannot be range of a comprehension (must be list, map, or dynamic)`,
        );
        return [ERROR, ERROR];
    }
  }

  #assert(expr: Expr, type: CelType): void {
    const found = this.#check(expr);
    if (!this.#types.isAssignable(type, found)) this.#mismatch(expr.offset, type, found);
  }
}
