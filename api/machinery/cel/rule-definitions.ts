/**
 * Validation of the rules in a CustomResourceDefinition: that they compile, and that evaluating them cannot cost too much. Upstream's
 * `apiextensions-apiserver/pkg/apis/apiextensions/validation`.
 */
import type { JSONSchemaProps, ValidationRule } from '../../types/apiextensions/v1.gen.ts';
import { type FieldError, forbidden, invalid, notSupported, required } from '../field-error.ts';
import { MAX_ERRORS } from '../limits.ts';
import type { Structural } from '../structural/structural.ts';
import { type CompiledRule, compileRules } from './compiled-rules.ts';
import type { DeclType } from './decl-type.ts';
import { escapeName } from './escaping.ts';
import { MAX } from './range.ts';
import { ruleFieldPath } from './rule-field-path.ts';
import { schemaType } from './schema-type.ts';

/** The most that one rule, evaluated for everything in one object, may cost by its estimate. */
const EXPRESSION_LIMIT = 10_000_000;
/** The same for all rules of a schema. */
const SCHEMA_LIMIT = 100_000_000;
/** Rules that are named when the schema exceeds its limit. */
const MAX_EXPENSIVE = 4;
/** Characters of expressions that are compiled for a definition, each of which takes some microseconds. Upstream has no such limit. */
const MAX_EXPRESSION_CHARS = 128 * 1024;
const REASONS = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];

const hasLineBreaks = (text: string): boolean => /[\n\r]/.test(text);

/** What is wrong with the rules of one schema without compiling them. @param path of the schema. */
export function checkRuleFields(schema: JSONSchemaProps, path: string, errors: FieldError[]): void {
  const rules = schema['x-kubernetes-validations'] ?? [];
  for (const [index, rule] of rules.entries())
    checkFields(rule, schema, `${path}.x-kubernetes-validations[${index}]`, errors);
}

function checkFields(rule: ValidationRule, schema: JSONSchemaProps, path: string, errors: FieldError[]): void {
  const { message = '', messageExpression = '', reason, fieldPath = '' } = rule;
  const text = rule.rule.trim();
  const trimmed = message.trim();
  if (text === '') errors.push(required(`${path}.rule`, 'rule is not specified'));
  else if (message !== '' && trimmed === '')
    errors.push(invalid(`${path}.message`, message, 'must be non-empty if specified'));
  else if (hasLineBreaks(trimmed)) errors.push(invalid(`${path}.message`, message, 'must not contain line breaks'));
  else if (hasLineBreaks(text) && trimmed === '')
    errors.push(required(`${path}.message`, 'message must be specified if rule contains line breaks'));
  if (messageExpression !== '' && messageExpression.trim() === '')
    errors.push(required(`${path}.messageExpression`, 'messageExpression must be non-empty if specified'));
  if (reason !== undefined && !REASONS.includes(reason)) errors.push(notSupported(`${path}.reason`, reason, REASONS));
  if (fieldPath === '') return;
  if (fieldPath.trim() === '') errors.push(invalid(`${path}.fieldPath`, fieldPath, 'must be non-empty if specified'));
  if (hasLineBreaks(fieldPath)) errors.push(invalid(`${path}.fieldPath`, fieldPath, 'must not contain line breaks'));
  if (ruleFieldPath(fieldPath, schema) === undefined)
    errors.push(invalid(`${path}.fieldPath`, fieldPath, 'must be a valid path'));
}

/** Rules are compiled once for the schema, and once more for each default that they are about. */
function compiledChars({ props, ruleChars, hasDefaults, properties, items, additional }: Structural): number {
  if (!hasDefaults || ruleChars === 0) return 0;
  let chars = props.default === undefined ? 0 : ruleChars;
  for (const property of properties.values()) chars += compiledChars(property);
  if (items) chars += compiledChars(items);
  if (additional && additional !== true) chars += compiledChars(additional);
  return chars;
}

/** What the schemas of all versions of a definition may take together: they are compiled in one turn of the event loop. */
export class ExpressionBudget {
  #remaining = MAX_EXPRESSION_CHARS;

  /** What is wrong with the rules of a schema together, before they are compiled. @param path of the schema. */
  take(schema: Structural, path: string): FieldError[] {
    this.#remaining -= schema.ruleChars + compiledChars(schema);
    if (this.#remaining >= 0) return [];
    const what = 'the rules of all versions, and those of their defaults,';
    return [forbidden(path, `${what} may have at most ${MAX_EXPRESSION_CHARS} characters in total`)];
  }
}

interface Place {
  readonly path: string;
  readonly isRoot: boolean;
  /** The type of the schema as its parent has it; undefined where that has none. */
  readonly type: DeclType | undefined;
  /** How often a value of the schema can be in one object; undefined when no limit of a schema says so. */
  readonly cardinality: number | undefined;
  /** Where a list begins, within which there is no telling which old value belongs to a new one. */
  readonly uncorrelatable: string | undefined;
}

/** Compiles all rules of a valid schema. @param path of the schema. */
export function validateRuleDefinitions(schema: Structural, path: string): FieldError[] {
  if (!schema.hasRules) return [];
  const checks = new Definitions();
  checks.visit(schema, {
    path,
    isRoot: true,
    type: schemaType(schema, true),
    cardinality: 1,
    uncorrelatable: undefined,
  });
  return checks.finish(path);
}

class Definitions {
  readonly #errors: FieldError[] = [];
  #total = 0;
  #expensive: { readonly path: string; readonly cost: number }[] = [];

  finish(path: string): FieldError[] {
    if (this.#total <= SCHEMA_LIMIT) return this.#errors;
    for (const { path: at } of this.#expensive)
      this.#errors.push(
        forbidden(at, 'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema'),
      );
    const what = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
    this.#errors.push(forbidden(path, costMessage(what, this.#total, SCHEMA_LIMIT)));
    return this.#errors;
  }

  visit(schema: Structural, place: Place): void {
    if (!schema.hasRules || this.#errors.length >= MAX_ERRORS) return;
    const { path, type } = place;
    const { additional, items } = schema;
    const cardinality = multiplied(place.cardinality, countOf(schema));
    const below = { ...place, isRoot: false, cardinality };
    if (additional !== undefined && additional !== true)
      this.visit(additional, { ...below, path: `${path}.additionalProperties`, type: type?.items });
    for (const [name, property] of schema.properties)
      this.visit(property, {
        ...below,
        path: `${path}.properties[${name}]`,
        type: type?.fields?.get(escapeName(name) ?? '') ?? schemaType(property, property.isEmbedded),
      });
    if (items) {
      const isKeyed = schema.props['x-kubernetes-list-type'] === 'map';
      const uncorrelatable = place.uncorrelatable ?? (isKeyed ? undefined : path);
      this.visit(items, { ...below, path: `${path}.items`, type: type?.items, uncorrelatable });
    }
    this.#check(schema, place);
  }

  #check(schema: Structural, { path, isRoot, type, cardinality, uncorrelatable }: Place): void {
    const rules = schema.props['x-kubernetes-validations'] ?? [];
    if (rules.length === 0) return;
    const known = type ?? schemaType(schema, isRoot || schema.isEmbedded);
    if (!known) {
      this.#errors.push(untyped(`${path}.x-kubernetes-validations`));
      return;
    }
    for (const [index, compiled] of compileRules(schema, known).entries()) {
      if (this.#errors.length >= MAX_ERRORS) return;
      this.#checkRule(compiled, `${path}.x-kubernetes-validations[${index}]`, cardinality, uncorrelatable);
    }
  }

  #checkRule(
    compiled: CompiledRule,
    path: string,
    cardinality: number | undefined,
    uncorrelatable: string | undefined,
  ): void {
    const { rule, error, messageError, usesOldSelf } = compiled;
    const cost = Math.min(MAX, compiled.maxCost * (cardinality ?? compiled.maxCardinality));
    this.#observe(`${path}.rule`, 'estimated rule cost', cost);
    if (error !== undefined) this.#errors.push(invalid(`${path}.rule`, shownRule(rule), error));
    if (messageError !== undefined)
      this.#errors.push(invalid(`${path}.messageExpression`, shownRule(rule), messageError));
    else if (compiled.message)
      this.#observe(`${path}.messageExpression`, 'estimated messageExpression cost', compiled.messageMaxCost);
    if (usesOldSelf && uncorrelatable !== undefined)
      this.#errors.push(
        invalid(
          `${path}.rule`,
          rule.rule,
          `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelatable}`,
        ),
      );
    if (!usesOldSelf && rule.optionalOldSelf !== undefined)
      this.#errors.push(
        invalid(`${path}.optionalOldSelf`, rule.optionalOldSelf, 'may not be set if oldSelf is not used in rule'),
      );
  }

  #observe(path: string, what: string, cost: number): void {
    if (cost > EXPRESSION_LIMIT) this.#errors.push(forbidden(path, costMessage(what, cost, EXPRESSION_LIMIT)));
    this.#total = Math.min(MAX, this.#total + cost);
    if (cost < SCHEMA_LIMIT / 100) return;
    this.#expensive = [...this.#expensive, { path, cost }]
      .sort((left, right) => right.cost - left.cost)
      .slice(0, MAX_EXPENSIVE);
  }
}

/** By which factor a schema has more values below it than there are of itself. */
function countOf({ props, items, additional }: Structural): number | undefined {
  if (items) return props.maxItems === undefined ? undefined : Math.max(0, props.maxItems);
  if (additional === undefined) return 1;
  return props.maxProperties === undefined ? undefined : Math.max(0, props.maxProperties);
}

const multiplied = (left: number | undefined, right: number | undefined): number | undefined =>
  left === undefined || right === undefined ? undefined : Math.min(MAX, left * right);

function costMessage(what: string, cost: number, limit: number): string {
  const times = cost / limit;
  // Small excesses in full, so that the message never says 1.0x.
  const factor = times > 100 ? 'more than 100x' : times < 1.5 ? `${times.toFixed(6)}x` : `${times.toFixed(1)}x`;
  return `${what} exceeds budget by factor of ${factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}

const untyped = (path: string): FieldError => ({
  type: 'InternalError',
  field: path,
  message:
    'Internal error: internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations',
});

/** A rule as upstream shows it: its internal type has no names of JSON. */
const shownRule = (rule: ValidationRule): unknown => ({
  Rule: rule.rule,
  Message: rule.message ?? '',
  MessageExpression: rule.messageExpression ?? '',
  Reason: rule.reason ?? null,
  FieldPath: rule.fieldPath ?? '',
  OptionalOldSelf: rule.optionalOldSelf ?? null,
});
