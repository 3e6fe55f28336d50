/**
 * Evaluation of checked expressions. Every node counts its cost before its result is used, so that no expression runs on after its limit.
 */
import type { CallExpr, ComprehensionExpr, Expr, ListExpr, Literal, MapExpr, SelectExpr, StructExpr } from './ast.ts';
import { ValueList, ValueMap, ValueStruct } from './collections.ts';
import { callCost, LIST_COST, MAP_COST, resultCost, SELECT_COST, STRUCT_COST } from './cost.ts';
import type { Environment, Overload } from './environment.ts';
import { ACCUMULATOR } from './macros.ts';
import { Meter } from './meter.ts';
import { access, accessOptional, has, isOfType, shown, sizeOfMap, typeOfValue } from './operations.ts';
import { DYN } from './types.ts';
import { CelList, CelMap, type CelValue, Failure, NO_OVERLOAD, Optional, TypeValue, Uint } from './values.ts';

/** One evaluation. */
export interface Frame {
  readonly meter: Meter;
  /** The value of a declared variable. */
  readonly variable: (name: string) => CelValue;
  /** Of comprehensions, by the slots that were planned for them. */
  readonly locals: CelValue[];
}

export type Step = (frame: Frame) => CelValue;

/** @param expr as the checker left it, without issues. */
export const plan = (expr: Expr, environment: Environment): Step => new Planner(environment).plan(expr);

const literalValue = (value: Literal): CelValue =>
  value !== null && typeof value === 'object' && !(value instanceof Uint8Array) ? new Uint(value.uint) : value;

/** Conversions whose results are constants where their arguments are: they cost nothing then. */
const CONVERSIONS: ReadonlySet<string> = new Set([
  ...['bool', 'bytes', 'double', 'duration', 'dyn', 'int', 'string', 'timestamp', 'type', 'uint'],
]);

class Planner {
  readonly #environment: Environment;
  readonly #locals: string[] = [];
  readonly #constants = new Map<Step, CelValue>();
  /** Macros may have a node in two places. Slots are the same where as many variables are known. */
  readonly #planned = new Map<Expr, { readonly step: Step; readonly depth: number }>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  plan(expr: Expr): Step {
    const depth = this.#locals.length;
    const known = this.#planned.get(expr);
    if (known?.depth === depth) return known.step;
    const step = this.#plan(expr);
    this.#planned.set(expr, { step, depth });
    return step;
  }

  #plan(expr: Expr): Step {
    switch (expr.kind) {
      case 'literal': {
        return this.#constant(literalValue(expr.value));
      }
      case 'ident':
        return this.#name(expr.name);
      case 'select':
        return expr.qualified === undefined ? this.#select(expr) : this.#name(expr.qualified);
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

  #name(name: string): Step {
    const slot = this.#locals.lastIndexOf(name);
    if (slot >= 0)
      return ({ meter, locals }) => {
        meter.add(SELECT_COST);
        return locals[slot] ?? null;
      };
    if (this.#environment.variable(name))
      return ({ meter, variable }) => {
        meter.add(SELECT_COST);
        return variable(name);
      };
    return this.#constant(new TypeValue(this.#environment.typeNamed(name) ?? DYN));
  }

  #constant(value: CelValue): Step {
    const step: Step = () => value;
    this.#constants.set(step, value);
    return step;
  }

  /** What is made of constants only is made once. */
  #folded(step: Step, parts: readonly Step[]): Step {
    if (!parts.every((part) => this.#constants.has(part))) return step;
    const value = step({ meter: new Meter(), variable: () => null, locals: [] });
    return value instanceof Failure ? step : this.#constant(value);
  }

  #select({ operand, field, isTest, isOptional }: SelectExpr): Step {
    const of = this.plan(operand);
    return (frame) => {
      const value = of(frame);
      if (value instanceof Failure) return value;
      // Asking for presence costs nothing.
      if (isTest) return has(value, field);
      if (!isOptional) {
        frame.meter.add(SELECT_COST);
        return access(value, field);
      }
      const found = accessOptional(value, field);
      if (found !== Optional.none) frame.meter.add(SELECT_COST);
      return found;
    };
  }

  #call(expr: CallExpr): Step {
    const { name, args } = expr;
    const steps = args.map((arg) => this.plan(arg));
    const [first = () => null, second = () => null, third = () => null] = steps;
    switch (name) {
      case '_&&_':
        return logical(first, second, false);
      case '_||_':
        return logical(first, second, true);
      case '_?_:_':
        return conditional(first, freeOfBase(second, args[1]), freeOfBase(third, args[2]));
      case '@not_strictly_false':
        return (frame) => {
          const value = first(frame);
          frame.meter.add(1);
          return value !== false;
        };
      case '_[_]':
        return indexed(first, freeOfBase(second, args[1]), access);
      case '_[?_]':
        return indexed(first, freeOfBase(second, args[1]), accessOptional);
      default:
    }
    if (isAccumulator(args[0])) {
      if (name === '_+_' && args[1]?.kind === 'list') return appended(first, second);
      if (name === 'cel.@mapInsert') return inserted(steps);
    }
    const step = this.#function(expr, steps);
    return !expr.target && CONVERSIONS.has(name) ? this.#folded(step, steps) : step;
  }

  #function({ target, resolved, name }: CallExpr, args: readonly Step[]): Step {
    const fullName = resolved?.name ?? name;
    const steps = resolved?.isMember && target ? [this.plan(target), ...args] : args;
    const isMember = resolved?.isMember ?? false;
    const known = new Set(resolved?.overloads);
    const overloads = (this.#environment.overloads(fullName) ?? []).filter(({ id }) => known.has(id));
    // `or` of an optional is not evaluated when the optional has a value.
    if (isMember && (fullName === 'or' || fullName === 'orValue')) return alternative(steps, fullName === 'or');
    // Membership of a constant list is looked up.
    const isFree = fullName === '@in' && args[1] !== undefined && this.#constants.has(args[1]);
    return (frame) => {
      const values: CelValue[] = [];
      for (const step of steps) {
        const value = step(frame);
        if (value instanceof Failure) return failed(value, steps.slice(values.length + 1), frame);
        values.push(value);
      }
      // Before the call: one call alone may take longer than everything else.
      frame.meter.add(isFree ? 0 : callCost(fullName, values));
      const result = dispatch(fullName, overloads, values, frame.meter);
      frame.meter.add(resultCost(fullName, result));
      return result;
    };
  }

  #list({ items }: ListExpr): Step {
    const steps = items.map(({ value, isOptional }) => ({ step: this.plan(value), isOptional }));
    const make: Step = (frame) => {
      const values: CelValue[] = [];
      for (const { step, isOptional } of steps) {
        const value = step(frame);
        if (value instanceof Failure) return value;
        if (!isOptional) values.push(value);
        else if (!(value instanceof Optional)) return notOptional(value);
        else if (value.value !== undefined) values.push(value.value);
      }
      frame.meter.add(LIST_COST);
      return new ValueList(values);
    };
    return this.#folded(
      make,
      steps.map(({ step }) => step),
    );
  }

  #map({ entries }: MapExpr): Step {
    const steps = entries.map(({ key, value, isOptional }) => ({
      key: this.plan(key),
      value: this.plan(value),
      isOptional,
    }));
    const make: Step = (frame) => {
      const map = new ValueMap();
      for (const { key, value, isOptional } of steps) {
        const name = key(frame);
        if (name instanceof Failure) return name;
        const found = value(frame);
        if (found instanceof Failure) return found;
        if (isOptional && !(found instanceof Optional)) return notOptional(found);
        const entry = isOptional && found instanceof Optional ? found.value : found;
        const failure = entry === undefined ? undefined : insert(map, name, entry);
        if (failure) return failure;
      }
      frame.meter.add(MAP_COST);
      return map;
    };
    return this.#folded(
      make,
      steps.flatMap(({ key, value }) => [key, value]),
    );
  }

  #struct({ name, fields }: StructExpr): Step {
    const type = this.#environment.typeNamed(name) ?? DYN;
    const steps = fields.map((field) => ({ ...field, step: this.plan(field.value) }));
    return (frame) => {
      const values = new Map<string, CelValue>();
      for (const { name: field, step, isOptional } of steps) {
        const value = step(frame);
        if (value instanceof Failure) return value;
        if (!isOptional) values.set(field, value);
        else if (!(value instanceof Optional)) return notOptional(value);
        else if (value.value !== undefined) values.set(field, value.value);
      }
      frame.meter.add(STRUCT_COST);
      return new ValueStruct(type, values);
    };
  }

  /** What a fold begins with. Empty lists and maps are new each time: the fold adds to them in place. */
  #initial(expr: Expr): Step {
    if (expr.kind === 'list' && expr.items.length === 0) return () => new ValueList();
    if (expr.kind === 'map' && expr.entries.length === 0) return () => new ValueMap();
    return this.plan(expr);
  }

  #comprehension(expr: ComprehensionExpr): Step {
    const range = this.plan(expr.range);
    const init = this.#initial(expr.init);
    const slot = this.#locals.length;
    this.#locals.push(expr.accumulator, expr.variable);
    if (expr.second !== undefined) this.#locals.push(expr.second);
    const condition = this.plan(expr.condition);
    const step = this.plan(expr.step);
    this.#locals.length = slot + 1;
    const result = this.plan(expr.result);
    this.#locals.length = slot;
    const hasSecond = expr.second !== undefined;
    return (frame) => {
      const over = range(frame);
      if (over instanceof Failure) return over;
      if (!(over instanceof CelList) && !(over instanceof CelMap)) return NO_OVERLOAD;
      const { locals, meter } = frame;
      locals[slot] = init(frame);
      if (over instanceof CelMap) sizeOfMap(over, meter);
      let index = 0n;
      for (const item of over instanceof CelList ? over : over.keys()) {
        meter.step();
        locals[slot + 1] = hasSecond && over instanceof CelList ? index : item;
        if (hasSecond) locals[slot + 2] = over instanceof CelMap ? access(over, item) : item;
        if (condition(frame) === false) break;
        locals[slot] = step(frame);
        index += 1n;
      }
      return result(frame);
    };
  }
}

/** Evaluates the other argument of an operator whose first one is an error, and counts the call, as upstream does. */
function failed(failure: Failure, rest: readonly Step[], frame: Frame): Failure {
  if (rest.length > 1) return failure;
  for (const step of rest) step(frame);
  frame.meter.add(1);
  return failure;
}

const conditional =
  (condition: Step, whenTrue: Step, whenFalse: Step): Step =>
  (frame) => {
    const holds = condition(frame);
    if (typeof holds !== 'boolean') return holds instanceof Failure ? holds : NO_OVERLOAD;
    return holds ? whenTrue(frame) : whenFalse(frame);
  };

/** Upstream counts a variable that is an operand of `?:` or an index with that: it costs nothing itself. */
function freeOfBase(step: Step, expr: Expr | undefined): Step {
  if (!expr || !isAttribute(expr)) return step;
  return (frame) => {
    const value = step(frame);
    frame.meter.add(-SELECT_COST);
    return value;
  };
}

function isAttribute(expr: Expr): boolean {
  if (expr.kind === 'select') return expr.qualified !== undefined || isAttribute(expr.operand);
  if (expr.kind !== 'call') return expr.kind === 'ident';
  return expr.name === '_[_]' && expr.args[0] !== undefined && isAttribute(expr.args[0]);
}

const isAccumulator = (expr: Expr | undefined): boolean => expr?.kind === 'ident' && expr.name === ACCUMULATOR;

/** `&&` and `||`: one operand may decide even when the other one is an error. */
const logical =
  (left: Step, right: Step, decisive: boolean): Step =>
  (frame) => {
    const first = left(frame);
    if (first === decisive) return first;
    const second = right(frame);
    if (second === decisive) return second;
    if (typeof first !== 'boolean') return first instanceof Failure ? first : NO_OVERLOAD;
    return typeof second === 'boolean' || second instanceof Failure ? second : NO_OVERLOAD;
  };

const indexed =
  (operand: Step, key: Step, read: typeof access): Step =>
  (frame) => {
    const value = operand(frame);
    if (value instanceof Failure) return value;
    const index = key(frame);
    if (index instanceof Failure) return index;
    frame.meter.add(SELECT_COST);
    return read(value, index);
  };

/** A comprehension's own list is appended to in place: adding n items takes n steps. */
const appended =
  (accumulator: Step, items: Step): Step =>
  (frame) => {
    const list = accumulator(frame);
    if (list instanceof Failure) return list;
    const added = items(frame);
    if (added instanceof Failure) return added;
    frame.meter.add(1);
    if (!(list instanceof ValueList) || !(added instanceof CelList)) return NO_OVERLOAD;
    list.append(added);
    return list;
  };

const inserted =
  ([accumulator, ...rest]: readonly Step[]): Step =>
  (frame) => {
    const map = accumulator?.(frame) ?? null;
    const values: CelValue[] = [];
    for (const step of rest) {
      const value = step(frame);
      if (value instanceof Failure) return value;
      values.push(value);
    }
    frame.meter.add(1);
    if (!(map instanceof ValueMap)) return map instanceof Failure ? map : NO_OVERLOAD;
    const [key = null, value] = values;
    if (value !== undefined) return insert(map, key, value) ?? map;
    if (!(key instanceof CelMap)) return NO_OVERLOAD;
    for (const name of key.keys()) {
      frame.meter.step();
      const failure = insert(map, name, access(key, name));
      if (failure) return failure;
    }
    return map;
  };

function insert(map: ValueMap, key: CelValue, value: CelValue): Failure | undefined {
  const why = map.insert(key, value);
  if (why === 'duplicate') return new Failure(`insert failed: key ${shown(key)} already exists`);
  return why && new Failure(`unsupported key type: ${typeOfValue(key).name}`);
}

const notOptional = (value: CelValue): Failure =>
  new Failure(`cannot initialize optional entry from non-optional value ${shown(value)}`);

const alternative =
  ([receiver, other]: readonly Step[], isOptional: boolean): Step =>
  (frame) => {
    const value = receiver?.(frame) ?? null;
    if (value instanceof Failure) return value;
    if (!(value instanceof Optional)) return NO_OVERLOAD;
    if (value.value !== undefined) return isOptional ? value : value.value;
    return other?.(frame) ?? null;
  };

/** Calls the overload whose parameters the values fit. */
function dispatch(name: string, overloads: readonly Overload[], values: readonly CelValue[], meter: Meter): CelValue {
  for (const { args, call } of overloads)
    if (args.every((type, index) => isOfType(values[index] ?? null, type))) return call(values, meter);
  return new Failure(`no such overload: ${name}(${values.map((value) => typeOfValue(value).name).join(', ')})`);
}
