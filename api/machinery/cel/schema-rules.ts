/**
 * Evaluation of the rules of a custom resource: `x-kubernetes-validations`,
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules. Upstream's
 * `apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go`.
 */
import type { ValidationRule } from '../../types/apiextensions/v1.gen.ts';
import { deepEqual } from '../deep-equal.ts';
import {
  duplicate,
  duplicateUnshown,
  type FieldError,
  forbidden,
  invalid,
  invalidUnshown,
  required,
} from '../field-error.ts';
import { MAX_ERRORS } from '../limits.ts';
import { isJsonObject, own } from '../own.ts';
import type { Structural } from '../structural/structural.ts';
import { type CompiledRule, compileRules } from './compiled-rules.ts';
import type { DeclType } from './decl-type.ts';
import { CelRuntimeError } from './errors.ts';
import { escapeName } from './escaping.ts';
import { fromJson, Typed } from './from-json.ts';
import { CostBudget } from './meter.ts';
import type { Variables } from './program.ts';
import { schemaType } from './schema-type.ts';
import { Optional } from './values.ts';

/** How errors name the whole object. */
const WHOLE = '<nil>';
const MAX_MESSAGE_BYTES = 5 * 1024;
const OUT_OF_BUDGET = 'validation failed due to running out of cost budget, no further validation rules will be run';

/** The rules of an object do not hold: nothing else is evaluated. */
class Stopped extends Error {}

/** A new value and the old one that it belongs to. */
interface Pair {
  readonly value: unknown;
  readonly old: unknown;
  /** Whether they are equal, once it has been asked. */
  isEqual?: boolean;
}

/**
 * What of an update a value is compared with: errors of what has not changed are left out. `parent` is the nearest value above that has an
 * old one, which stands in for values that have none.
 */
interface Correlation {
  readonly current: Pair | undefined;
  readonly parent: Pair | undefined;
}

type Check = (value: unknown, old: unknown, path: string, correlation: Correlation, run: Run) => void;

/** The evaluation of all rules for one object. */
interface Run extends RuleResults {
  readonly errors: FieldError[];
  readonly tolerated: FieldError[];
  readonly budget: CostBudget;
}

export interface RuleResults {
  readonly errors: readonly FieldError[];
  /** Errors of what an update leaves as it was: they are shown as warnings only. */
  readonly tolerated: readonly FieldError[];
}

/** Evaluates all rules for a value, with the value before an update. @param path of the value; empty for a whole object. */
export type EvaluateRules = (value: unknown, old?: unknown, path?: string) => RuleResults;

/** Told how long rules have taken, in seconds: to compile those of one schema, to evaluate all of an object. */
export interface RuleTimings {
  compiled(seconds: number): void;
  evaluated(seconds: number): void;
}

/**
 * The rules of a schema and of everything below it; undefined when there are none. They are compiled at the first use.
 * @param isResource whether it is the schema of a resource.
 */
export function compileSchemaRules(
  schema: Structural,
  isResource = true,
  timings?: RuleTimings,
): EvaluateRules | undefined {
  if (!schema.hasRules) return undefined;
  let check: Check | undefined;
  return (value, old, path = '') => {
    check ??= checkOf(schema, schemaType(schema, isResource), timings);
    const startedAt = performance.now();
    const run: Run = { errors: [], tolerated: [], budget: new CostBudget() };
    const current = old === undefined ? undefined : { value, old };
    try {
      check?.(value, old, path, { current, parent: undefined }, run);
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    }
    timings?.evaluated((performance.now() - startedAt) / 1000);
    return run;
  };
}

const child = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

/** The rules of a schema and of everything below it; undefined when there are none. */
function checkOf(schema: Structural, type: DeclType | undefined, timings?: RuleTimings): Check | undefined {
  if (!schema.hasRules || !type) return undefined;
  const startedAt = performance.now();
  const rules = compileRules(schema, type);
  if (rules.length > 0) timings?.compiled((performance.now() - startedAt) / 1000);
  const properties = new Map<string, Check>();
  for (const [name, property] of schema.properties) {
    const escaped = escapeName(name);
    const known = escaped === undefined ? schemaType(property, property.isEmbedded) : type.fields?.get(escaped);
    const check = checkOf(property, known, timings);
    if (check) properties.set(name, check);
  }
  const { additional, items } = schema;
  const values = additional === undefined || additional === true ? undefined : checkOf(additional, type.items, timings);
  const eachItem = items && checkOf(items, type.items, timings);
  const keysOf = itemKeys(schema);
  const kind = type.fields ? 'object' : (schema.props.type ?? '');
  return (value, old, path, correlation, run) => {
    if (value === null || value === undefined) return;
    if (rules.length > 0) evaluateRules(rules, { type, kind, value, old: old ?? undefined, path, correlation, run });
    if (Array.isArray(value)) {
      if (eachItem) checkItems(value, old, path, correlation, run, eachItem, keysOf);
    } else if (isJsonObject(value) && (values ?? properties.size > 0)) {
      const before = isJsonObject(old) ? old : undefined;
      for (const [name, entry] of Object.entries(value)) {
        const check = properties.get(name) ?? values;
        const at = values ? `${path}[${name}]` : child(path, name);
        check?.(entry, own(before, name), at, below(correlation, entry, name), run);
      }
    }
  };
}

/** How the items of a list are told from each other; undefined where they cannot. */
function itemKeys({ props }: Structural): ((item: unknown) => string) | undefined {
  if (props['x-kubernetes-list-type'] !== 'map') return undefined;
  const keys = props['x-kubernetes-list-map-keys'] ?? [];
  return (item) => JSON.stringify(keys.map((key) => (isJsonObject(item) ? own(item, key) : undefined)));
}

function below({ current, parent }: Correlation, value: unknown, name: string): Correlation {
  if (!current) return { current, parent };
  // Both versions of the object have been converted: these fields say nothing about the client's change.
  if (!parent && (name === 'apiVersion' || name === 'kind')) return { current: undefined, parent: undefined };
  const old = isJsonObject(current.old) ? own(current.old, name) : undefined;
  return { current: old === undefined ? undefined : { value, old }, parent: current };
}

function checkItems(
  items: readonly unknown[],
  old: unknown,
  path: string,
  { current, parent }: Correlation,
  run: Run,
  check: Check,
  keysOf: ((item: unknown) => string) | undefined,
): void {
  const byKey = (list: unknown): ReadonlyMap<string, unknown> =>
    new Map(keysOf && Array.isArray(list) ? list.map((item: unknown) => [keysOf(item), item]) : []);
  const olds = byKey(old);
  const correlated = current ? (current.old === old ? olds : byKey(current.old)) : undefined;
  for (const [index, item] of items.entries()) {
    const key = keysOf?.(item) ?? '';
    const before = correlated?.get(key);
    const pair = before === undefined ? undefined : { value: item, old: before };
    check(item, olds.get(key), `${path}[${index}]`, { current: pair, parent: current ?? parent }, run);
  }
}

const isUnchanged = ({ current, parent }: Correlation): boolean => {
  const pair = current ?? parent;
  if (!pair) return false;
  pair.isEqual ??= deepEqual(pair.value, pair.old);
  return pair.isEqual;
};

interface Subject {
  readonly type: DeclType;
  /** The type that the schema says, which errors show in place of values. */
  readonly kind: string;
  readonly value: unknown;
  readonly old: unknown;
  readonly path: string;
  readonly correlation: Correlation;
  readonly run: Run;
}

function evaluateRules(rules: readonly CompiledRule[], subject: Subject): void {
  const { type, kind, value, old, path, run } = subject;
  const at = path || WHOLE;
  if (run.budget.remaining <= 0) stop(run, invalid(at, kind, OUT_OF_BUDGET));
  const self = new Typed(value, type);
  const before = old === undefined ? undefined : new Typed(old, type);
  for (const compiled of rules) {
    if (run.errors.length + run.tolerated.length >= MAX_ERRORS) throw new Stopped();
    const { rule, program, error, usesOldSelf } = compiled;
    if (!program) {
      run.errors.push(invalid(at, kind, `rule compile error: ${error}`));
      continue;
    }
    const isOptional = rule.optionalOldSelf === true;
    if (usesOldSelf && before === undefined && !isOptional) continue;
    const variables = {
      self,
      oldSelf: isOptional ? (before === undefined ? Optional.none : new Optional(fromJson(old, type))) : before,
    };
    if (!evaluate(compiled, variables, subject)) fail(compiled, variables, subject);
  }
}

function stop(run: Run, error: FieldError): never {
  run.errors.push(error);
  throw new Stopped();
}

/** Whether the rule holds, or has an error that is noted. */
function evaluate({ program, rule }: CompiledRule, variables: Variables, { kind, path, run }: Subject): boolean {
  const at = path || WHOLE;
  const shown = (rule.message ?? '') === '' ? rule.rule.trim() : (rule.message ?? '').trim();
  try {
    const result = program?.evaluate(variables, run.budget);
    if (run.budget.remaining < 0) stop(run, invalid(at, kind, OUT_OF_BUDGET));
    return result?.value === true;
  } catch (error) {
    if (!(error instanceof CelRuntimeError)) throw error;
    if (run.budget.remaining < 0) stop(run, invalid(at, kind, OUT_OF_BUDGET));
    const { message, reason } = error;
    if (reason === 'cost')
      stop(
        run,
        invalid(
          at,
          kind,
          `'${message}': no further validation rules will be run due to call cost exceeds limit for rule: ${shown}`,
        ),
      );
    const detail = message.startsWith('no such overload')
      ? `'${message}': call arguments did not match a supported operator, function or macro signature for rule: ${shown}`
      : `${message} evaluating rule: ${shown}`;
    run.errors.push(invalid(at, kind, detail));
    return true;
  }
}

/** Notes that a rule does not hold, unless the update has left what it is about as it was. */
function fail(compiled: CompiledRule, variables: Variables, subject: Subject): void {
  const { rule, fieldPath, usesOldSelf } = compiled;
  const { kind, value, path, correlation, run } = subject;
  const at = (fieldPath === undefined ? path : child(path, fieldPath)) || WHOLE;
  const add = (error: FieldError): void => {
    (!usesOldSelf && isUnchanged(correlation) ? run.tolerated : run.errors).push(error);
  };
  const given = (rule.message ?? '').trim();
  const fallback = given === '' ? `failed rule: ${rule.rule.trim()}` : given;
  const made = messageOf(compiled, variables, run.budget);
  if ('failure' in made) {
    add(invalid(at, kind, made.failure));
    throw new Stopped();
  }
  const isWhole = kind === 'object' || kind === 'array';
  add(errorOf(rule, at, isWhole ? undefined : value, made.text ?? fallback));
}

function errorOf({ reason }: ValidationRule, path: string, value: unknown, detail: string): FieldError {
  switch (reason) {
    case 'FieldValueForbidden':
      return forbidden(path, detail);
    case 'FieldValueRequired':
      return required(path, detail);
    case 'FieldValueDuplicate':
      return value === undefined ? duplicateUnshown(path) : duplicate(path, value);
    default:
      return value === undefined ? invalidUnshown(path, detail) : invalid(path, value, detail);
  }
}

/** The result of a `messageExpression`; without a text when there is none that can be shown, with a failure when it cost too much. */
function messageOf(
  { message, rule }: CompiledRule,
  variables: Variables,
  budget: CostBudget,
): { readonly text?: string } | { readonly failure: string } {
  if (!message) return {};
  const exhausted =
    'messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run';
  try {
    const { value } = message.evaluate(variables, budget);
    if (budget.remaining < 0) return { failure: exhausted };
    const text = typeof value === 'string' ? value.trim() : '';
    const isShown = text !== '' && !text.includes('\n') && Buffer.byteLength(text) <= MAX_MESSAGE_BYTES;
    return isShown ? { text } : {};
  } catch (error) {
    if (!(error instanceof CelRuntimeError)) throw error;
    if (budget.remaining < 0) return { failure: exhausted };
    if (error.reason !== 'cost') return {};
    const shown = JSON.stringify(rule.messageExpression);
    return {
      failure: `no further validation rules will be run due to call cost exceeds limit for messageExpression: ${shown}`,
    };
  }
}
