/**
 * The most that an expression can cost, by the sizes that its variables can have: cel-go's `checker/cost.go`. Rules of
 * CustomResourceDefinitions are held against limits by it before any object is there.
 */
import type { CallExpr, ComprehensionExpr, Expr, ListExpr, MapExpr } from './ast.ts';
import { LIST_COST, MAP_COST, SELECT_COST, STRUCT_COST } from './cost.ts';
import type { DeclType } from './decl-type.ts';
import { callEstimate, type Operand } from './estimate-calls.ts';
import { add, fixed, type Range, times, union, UNKNOWN } from './range.ts';
import { type CelType, DYN, unwrapped } from './types.ts';

const NOTHING = fixed(0);
const SCALARS: ReadonlySet<string> = new Set(['bool', 'double', 'duration', 'int', 'timestamp', 'uint']);

const isScalar = (type: CelType): boolean => {
  const inner = unwrapped(type);
  return inner ? isScalar(inner) : SCALARS.has(type.kind);
};

/** Of a list or a map: the sizes of what is in it. */
interface EntrySizes {
  readonly kind: 'list' | 'map';
  readonly key: Range;
  readonly value: Range;
}

/** What is known of a variable of a comprehension. */
interface Local {
  readonly path: readonly string[];
  readonly size: Range | undefined;
  readonly entries: EntrySizes | undefined;
}

/**
 * The cost of a checked expression.
 * @param root the type of the variables that the expression reads: upstream has one type for `self` and `oldSelf`.
 * @param variable the only one that is of that type; without it every identifier is, as in upstream's rules of custom resources
 */
export const estimateCost = (tree: Expr, root: DeclType, variable?: string): Range =>
  new Estimator(root, variable).cost(tree);

class Estimator {
  readonly #root: DeclType;
  readonly #variable: string | undefined;
  /** Macros may have a node in two places. */
  readonly #costs = new Map<Expr, Range>();
  readonly #paths = new Map<Expr, readonly string[]>();
  readonly #sizes = new Map<Expr, Range>();
  readonly #entries = new Map<Expr, EntrySizes>();
  readonly #locals: (readonly [string, Local])[] = [];

  constructor(root: DeclType, variable: string | undefined) {
    this.#root = root;
    this.#variable = variable;
  }

  cost(expr: Expr): Range {
    const cost = this.#costs.get(expr) ?? this.#cost(expr);
    this.#costs.set(expr, cost);
    return cost;
  }

  #cost(expr: Expr): Range {
    switch (expr.kind) {
      case 'literal':
        return NOTHING;
      case 'ident':
        this.#paths.set(expr, this.#local(expr.name)?.path ?? [expr.name]);
        return fixed(SELECT_COST);
      case 'select':
        return this.#select(expr);
      case 'call':
        return this.#call(expr);
      case 'list':
        return this.#list(expr);
      case 'map':
        return this.#map(expr);
      case 'struct':
        return expr.fields.reduce((sum, { value }) => add(sum, this.cost(value)), fixed(STRUCT_COST));
      case 'comprehension':
        return this.#isBinding(expr) ? this.#binding(expr) : this.#comprehension(expr);
    }
  }

  #local(name: string): Local | undefined {
    return this.#locals.findLast(([known]) => known === name)?.[1];
  }

  #select(expr: Expr & { kind: 'select' }): Range {
    if (expr.qualified !== undefined) {
      this.#paths.set(expr, [expr.qualified]);
      return fixed(SELECT_COST);
    }
    const operand = this.cost(expr.operand);
    if (expr.isTest) return operand;
    const kind = (expr.operand.type ?? DYN).kind;
    if (!expr.isOptional) this.#paths.set(expr, [...this.#path(expr.operand), expr.field]);
    return kind === 'map' || kind === 'struct' || expr.isOptional ? add(operand, fixed(SELECT_COST)) : operand;
  }

  #path(expr: Expr): readonly string[] {
    return this.#paths.get(expr) ?? [];
  }

  /** The declared type at a path below the root. */
  #declared(path: readonly string[]): DeclType | undefined {
    if (path.length === 0 || path[0] !== (this.#variable ?? path[0])) return undefined;
    let at: DeclType | undefined = this.#root;
    for (const name of path.slice(1)) {
      if (name === '@items' || name === '@values') at = at?.items;
      else if (name === '@keys') at = at?.keys;
      else at = at?.fields?.get(name) ?? at?.anyField;
    }
    return at;
  }

  /** The size of what an expression evaluates to; undefined when nothing bounds it. */
  #size(expr: Expr): Range | undefined {
    const known = this.#sizes.get(expr) ?? literalSize(expr);
    if (known) return known;
    const declared = this.#declared(this.#path(expr));
    if (declared) return { min: 0, max: declared.maxElements };
    if (isScalar(expr.type ?? DYN)) return fixed(1);
    return expr.kind === 'ident' ? this.#local(expr.name)?.size : undefined;
  }

  #entrySizes(expr: Expr): EntrySizes | undefined {
    return this.#entries.get(expr) ?? (expr.kind === 'ident' ? this.#local(expr.name)?.entries : undefined);
  }

  #operand(expr: Expr): Operand {
    const type = expr.type ?? DYN;
    const path = this.#path(expr);
    const items = this.#declared(path)?.items;
    return {
      type,
      size: this.#size(expr) ?? UNKNOWN,
      itemSize: items ? { min: 0, max: items.maxElements } : (this.#entrySizes(expr)?.value ?? UNKNOWN),
      literal: expr.kind === 'literal' ? expr.value : undefined,
    };
  }

  #call(expr: CallExpr): Range {
    const { name, target, args, resolved } = expr;
    const argCosts = args.map((arg) => this.cost(arg));
    if (name === 'dyn' && args[0]) {
      this.#copySizes(expr, args[0]);
      return add(fixed(1), argCosts[0] ?? NOTHING);
    }
    const sum = argCosts.reduce(add, NOTHING);
    const [first = NOTHING, second = NOTHING, third = NOTHING] = argCosts;
    if (name === '_&&_' || name === '_||_') return { min: first.min, max: add(first, second).max };
    if (name === '_?_:_') {
      const [, left, right] = args;
      if (left && right) this.#joinSizes(expr, left, right);
      return add(first, union(second, third));
    }
    const receiver = target && resolved?.isMember ? target : undefined;
    const all = receiver ? [receiver, ...args] : args;
    const receiverCost = receiver ? this.cost(receiver) : NOTHING;
    const { cost, size } = callEstimate(
      resolved?.name ?? name,
      all.map((arg) => this.#operand(arg)),
    );
    if (size) this.#sizes.set(expr, size);
    this.#track(expr, args);
    return add(add(receiverCost, sum), cost);
  }

  /** Follows indices into declared types, and the entries of concatenated lists. */
  #track(expr: CallExpr, args: readonly Expr[]): void {
    const [first, second] = args;
    if (!first || !second) return;
    if (expr.name === '_[_]') {
      const step = (first.type ?? DYN).kind === 'list' ? '@items' : '@values';
      // Of what no path leads to, too, as `split(',')[0]`: upstream takes its items for the root.
      this.#paths.set(expr, [...this.#path(first), step]);
      const size = this.#entrySizes(first)?.value;
      if (size) this.#sizes.set(expr, size);
    } else if (expr.name === '_+_') {
      const left = this.#entrySizes(first);
      const right = this.#entrySizes(second);
      if (left && right) this.#entries.set(expr, unionEntries(left, right));
    }
  }

  #joinSizes(expr: Expr, left: Expr, right: Expr): void {
    this.#sizes.set(expr, union(this.#size(left) ?? UNKNOWN, this.#size(right) ?? UNKNOWN));
    const entries = this.#entrySizes(left);
    const others = this.#entrySizes(right);
    if (entries && others) this.#entries.set(expr, unionEntries(entries, others));
  }

  #copySizes(expr: Expr, from: Expr): void {
    const size = this.#size(from);
    const entries = this.#entrySizes(from);
    if (size) this.#sizes.set(expr, size);
    if (entries) this.#entries.set(expr, entries);
  }

  #list(expr: ListExpr): Range {
    let cost = fixed(LIST_COST);
    let size: Range | undefined;
    for (const { value } of expr.items) {
      cost = add(cost, this.cost(value));
      const item = this.#size(value) ?? UNKNOWN;
      size = size ? union(size, item) : item;
    }
    this.#entries.set(expr, { kind: 'list', key: fixed(1), value: size ?? NOTHING });
    return cost;
  }

  #map(expr: MapExpr): Range {
    let cost = fixed(MAP_COST);
    let keys: Range | undefined;
    let values: Range | undefined;
    for (const { key, value } of expr.entries) {
      cost = add(add(cost, this.cost(key)), this.cost(value));
      const keySize = this.#size(key) ?? UNKNOWN;
      const valueSize = this.#size(value) ?? UNKNOWN;
      keys = keys ? union(keys, keySize) : keySize;
      values = values ? union(values, valueSize) : valueSize;
    }
    this.#entries.set(expr, { kind: 'map', key: keys ?? NOTHING, value: values ?? NOTHING });
    return cost;
  }

  /** The value of a macro that names one value: `optMap`. */
  #isBinding({ range, condition }: ComprehensionExpr): boolean {
    return (
      range.kind === 'list' && range.items.length === 0 && condition.kind === 'literal' && condition.value === false
    );
  }

  #binding(expr: ComprehensionExpr): Range {
    const cost = add(this.cost(expr.range), this.cost(expr.init));
    this.#locals.push([expr.accumulator, this.#localOf(expr.init)]);
    const result = this.cost(expr.result);
    this.#locals.pop();
    this.#copySizes(expr, expr.result);
    return add(cost, result);
  }

  #localOf(expr: Expr): Local {
    return { path: this.#path(expr), size: this.#size(expr), entries: this.#entrySizes(expr) };
  }

  #comprehension(expr: ComprehensionExpr): Range {
    const { range, variable, second, accumulator, init, condition, step, result } = expr;
    let cost = add(this.cost(range), this.cost(init));
    const depth = this.#locals.length;
    this.#locals.push([accumulator, { ...this.#localOf(init), path: [] }]);
    const isList = (this.#entrySizes(range)?.kind ?? (range.type ?? DYN).kind) === 'list';
    if (second === undefined) {
      this.#locals.push([variable, this.#iteration(range, isList)]);
    } else {
      this.#locals.push([
        variable,
        isList ? { path: [], size: fixed(1), entries: undefined } : this.#iteration(range, false),
      ]);
      this.#locals.push([second, this.#iteration(range, true)]);
    }
    const loop = add(this.cost(condition), this.cost(step));
    this.#locals.length = depth + 1;
    cost = add(cost, this.cost(result));
    this.#locals.length = depth;
    const count = this.#size(range) ?? UNKNOWN;
    cost = add(cost, times(count, loop));
    this.#resultSize(expr, count);
    return cost;
  }

  #resultSize(expr: ComprehensionExpr, count: Range): void {
    if (expr.init.kind !== 'list' && expr.init.kind !== 'map') {
      this.#sizes.set(expr, fixed(1));
      return;
    }
    this.#sizes.set(expr, count);
    const entries = this.#entrySizes(expr.step);
    if (entries) this.#entries.set(expr, entries);
  }

  /** A variable that goes over the items or the values of a range, or over the keys of it. */
  #iteration(range: Expr, isValue: boolean): Local {
    const sizes = this.#entrySizes(range);
    const path = this.#path(range);
    const kind = sizes?.kind ?? (range.type ?? DYN).kind;
    const step = isValue ? (kind === 'list' ? '@items' : '@values') : '@keys';
    return {
      // Of a range that no path leads to, too: upstream takes its items for the root.
      path: [...path, step],
      size: isValue ? sizes?.value : sizes?.key,
      entries: undefined,
    };
  }
}

function literalSize(expr: Expr): Range | undefined {
  if (expr.kind === 'list') return fixed(expr.items.length);
  if (expr.kind === 'map') return fixed(expr.entries.length);
  if (expr.kind !== 'literal') return undefined;
  const { value } = expr;
  return fixed(typeof value === 'string' || value instanceof Uint8Array ? value.length : 1);
}

const unionEntries = (left: EntrySizes, right: EntrySizes): EntrySizes => ({
  kind: left.kind,
  key: union(left.key, right.key),
  value: union(left.value, right.value),
});
