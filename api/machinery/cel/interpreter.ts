/**
 * Evaluation of checked expressions. Every node counts its cost before its result is used, so that no expression runs on after its limit.
 */
import type { CallExpr, ComprehensionExpr, Expr, ListExpr, Literal, MapExpr, SelectExpr, StructExpr } from './ast.ts';
import { ValueList, ValueMap, ValueStruct } from './collections.ts';
import { callCost, LIST_COST, MAP_COST, resultCost, SELECT_COST, STRUCT_COST } from './cost.ts';
import type { Environment, Overload } from './environment.ts';
import { ACCUMULATOR } from './macros.ts';
import type { Meter } from './meter.ts';
import { access, accessOptional, has, isOfType, shown, typeOfValue } from './operations.ts';
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

class Planner {
  readonly #environment: Environment;
  readonly #locals: string[] = [];

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  plan(expr: Expr): Step {
    switch (expr.kind) {
      case 'literal': {
        const value = literalValue(expr.value);
        return () => value;
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
    const value = new TypeValue(this.#environment.typeNamed(name) ?? DYN);
    return ({ meter }) => {
      meter.add(SELECT_COST);
      return value;
    };
  }

  #select({ operand, field, isTest, isOptional }: SelectExpr): Step {
    const of = this.plan(operand);
    return (frame) => {
      const value = of(frame);
      if (value instanceof Failure) return value;
      // Asking for presence costs nothing.
      if (isTest) return has(value, field);
      frame.meter.add(SELECT_COST);
      return isOptional ? accessOptional(value, field) : access(value, field);
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
        return (frame) => {
          const condition = first(frame);
          if (typeof condition !== 'boolean') return condition instanceof Failure ? condition : NO_OVERLOAD;
          return condition ? second(frame) : third(frame);
        };
      case '@not_strictly_false':
        return (frame) => {
          const value = first(frame);
          frame.meter.add(1);
          return value !== false;
        };
      case '_[_]':
        return indexed(first, second, access);
      case '_[?_]':
        return indexed(first, second, accessOptional);
      default:
    }
    if (isAccumulator(args[0])) {
      if (name === '_+_' && args[1]?.kind === 'list') return appended(first, second);
      if (name === 'cel.@mapInsert') return inserted(steps);
    }
    return this.#function(expr, steps);
  }

  #function({ target, resolved, name }: CallExpr, args: readonly Step[]): Step {
    const fullName = resolved?.name ?? name;
    const steps = resolved?.isMember && target ? [this.plan(target), ...args] : args;
    const isMember = resolved?.isMember ?? false;
    const known = new Set(resolved?.overloads);
    const overloads = (this.#environment.overloads(fullName) ?? []).filter(({ id }) => known.has(id));
    // `or` of an optional is not evaluated when the optional has a value.
    if (isMember && (fullName === 'or' || fullName === 'orValue')) return alternative(steps, fullName === 'or');
    return (frame) => {
      const values: CelValue[] = [];
      for (const step of steps) {
        const value = step(frame);
        if (value instanceof Failure) return value;
        values.push(value);
      }
      // Before the call: one call alone may take longer than everything else.
      frame.meter.add(callCost(fullName, values));
      const result = dispatch(fullName, overloads, values, frame.meter);
      frame.meter.add(resultCost(fullName, result));
      return result;
    };
  }

  #list({ items }: ListExpr): Step {
    const steps = items.map(({ value, isOptional }) => ({ step: this.plan(value), isOptional }));
    return (frame) => {
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
  }

  #map({ entries }: MapExpr): Step {
    const steps = entries.map(({ key, value, isOptional }) => ({
      key: this.plan(key),
      value: this.plan(value),
      isOptional,
    }));
    return (frame) => {
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

  #comprehension(expr: ComprehensionExpr): Step {
    const range = this.plan(expr.range);
    const init = this.plan(expr.init);
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
    frame.meter.add(1);
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
