/**
 * Validation of values by an OpenAPI v3 schema, with the errors of upstream's `apiextensions-apiserver/pkg/apiserver/validation`, whose
 * messages are those of go-openapi.
 */
import type { JSONSchemaProps } from '../../types/apiextensions/v1.gen.ts';
import { compareText } from '../compare-text.ts';
import { deepEqual } from '../deep-equal.ts';
import {
  addErrors,
  duplicate,
  type FieldError,
  invalid,
  notSupported,
  required,
  tooLong,
  tooMany,
  typeInvalid,
} from '../field-error.ts';
import { MAX_ERRORS } from '../limits.ts';
import { isJsonObject, own } from '../own.ts';
import { isFormat } from './formats.ts';
import { compilePattern } from './pattern.ts';

/** `old` is what the value was before an update; undefined on create, and where there is no telling which value it was. */
type Check = (value: unknown, path: string, errors: FieldError[], old?: unknown) => void;

/** How messages call a value. */
const called = (path: string): string => `${path} in body`;
const text = (value: unknown): string => JSON.stringify(value);
const lengthOf = (value: string): number => [...value].length;
const schemaOf = (value: unknown): JSONSchemaProps | undefined => (isJsonObject(value) ? value : undefined);

/** The name of a value's type in messages. */
function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

/**
 * Compiles a schema: each check is made once, and only for the keywords that are there. What an update has left as it was is not
 * rejected: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-ratcheting
 */
export function compileSchema(schema: JSONSchemaProps): Check {
  const isIntOrString = schema['x-kubernetes-int-or-string'] === true;
  const checks = [
    ...numberChecks(schema),
    ...textChecks(schema),
    ...listChecks(schema),
    ...objectChecks(schema),
    ...enumChecks(schema),
    ...logicChecks(schema),
  ];
  const below = [...itemChecks(schema), ...propertyChecks(schema)];
  return (value, path, errors, old) => {
    if (errors.length >= MAX_ERRORS) return;
    if (value === null && schema.nullable === true) return;
    // Below what is as it was, items of lists that cannot be told from each other are as they were, too.
    if (old !== undefined && deepEqual(value, old)) return;
    const isTyped = isIntOrString ? isIntegerOrString(value) : isOfType(value, schema.type);
    if (isTyped) {
      for (const check of checks) check(value, path, errors);
    } else {
      const type = isIntOrString ? 'integer,string' : schema.type;
      errors.push(
        typeInvalid(path, value ?? 'null', `${called(path)} must be of type ${type}: ${text(typeOf(value))}`),
      );
    }
    if (isTyped) for (const check of below) check(value, path, errors, old);
  };
}

const isIntegerOrString = (value: unknown): boolean => typeof value === 'string' || Number.isInteger(value);

function isOfType(value: unknown, type: string | undefined): boolean {
  switch (type) {
    case undefined:
    case '':
      return true;
    case 'object':
      return isJsonObject(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

const forNumbers =
  (test: (value: number) => boolean, message: string): Check =>
  (value, path, errors) => {
    if (typeof value === 'number' && !test(value)) errors.push(invalid(path, value, `${called(path)} ${message}`));
  };

function numberChecks({ minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf }: JSONSchemaProps): Check[] {
  const checks: Check[] = [];
  if (minimum !== undefined)
    checks.push(
      exclusiveMinimum
        ? forNumbers((value) => value > minimum, `should be greater than ${minimum}`)
        : forNumbers((value) => value >= minimum, `should be greater than or equal to ${minimum}`),
    );
  if (maximum !== undefined)
    checks.push(
      exclusiveMaximum
        ? forNumbers((value) => value < maximum, `should be less than ${maximum}`)
        : forNumbers((value) => value <= maximum, `should be less than or equal to ${maximum}`),
    );
  if (multipleOf !== undefined)
    checks.push(forNumbers((value) => Number.isInteger(value / multipleOf), `should be a multiple of ${multipleOf}`));
  return checks;
}

function textChecks({ minLength, maxLength, pattern, format }: JSONSchemaProps): Check[] {
  const checks: Check[] = [];
  const forText = (test: (value: string, path: string) => FieldError | undefined): void => {
    checks.push((value, path, errors) => {
      const error = typeof value === 'string' ? test(value, path) : undefined;
      if (error) errors.push(error);
    });
  };
  if (maxLength !== undefined)
    forText((value, path) => (lengthOf(value) > maxLength ? tooLong(path, maxLength) : undefined));
  if (minLength !== undefined)
    forText((value, path) =>
      lengthOf(value) < minLength
        ? invalid(path, value, `${called(path)} should be at least ${minLength} chars long`)
        : undefined,
    );
  if (pattern) {
    let compiled: ReturnType<typeof compilePattern>;
    forText((value, path) => {
      compiled ??= compilePattern(pattern);
      return compiled?.matches(value) ? undefined : invalid(path, value, `${called(path)} should match '${pattern}'`);
    });
  }
  if (format)
    forText((value, path) =>
      isFormat(format, value)
        ? undefined
        : typeInvalid(path, value, `${called(path)} must be of type ${format}: ${text(value)}`),
    );
  return checks;
}

function listChecks(schema: JSONSchemaProps): Check[] {
  const { minItems, maxItems } = schema;
  const checks: Check[] = [];
  const forLists = (check: (value: readonly unknown[], path: string, errors: FieldError[]) => void): void => {
    checks.push((value, path, errors) => {
      if (Array.isArray(value)) check(value, path, errors);
    });
  };
  if (maxItems !== undefined)
    forLists((value, path, errors) => {
      if (value.length > maxItems) errors.push(tooMany(path, value.length, maxItems));
    });
  if (minItems !== undefined)
    forLists((value, path, errors) => {
      if (value.length < minItems)
        errors.push(invalid(path, value.length, `${called(path)} should have at least ${minItems} items`));
    });
  const listType = schema['x-kubernetes-list-type'];
  if (listType === 'set' || listType === 'map') {
    const identityOf = listType === 'set' ? (item: unknown) => item : keysOf(schema);
    forLists((value, path, errors) => {
      const seen = new Set<string>();
      for (const [index, item] of value.entries()) {
        const identity = identityOf(item);
        const known = canonical(identity);
        if (seen.has(known)) errors.push(duplicate(`${path}[${index}]`, identity));
        seen.add(known);
      }
    });
  }
  return checks;
}

/** What identifies an item of a list of type `map`. */
const keysOf =
  ({ 'x-kubernetes-list-map-keys': keys = [] }: JSONSchemaProps) =>
  (item: unknown): Record<string, unknown> =>
    Object.fromEntries(keys.map((key) => [key, isJsonObject(item) ? own(item, key) : undefined]));

/** The same text for equal values. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, entry: unknown) =>
    isJsonObject(entry) ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => compareText(a, b))) : entry,
  );
}

function itemChecks(schema: JSONSchemaProps): Check[] {
  const items = schemaOf(schema.items);
  if (!items) return [];
  const check = lazily(items);
  const identityOf = schema['x-kubernetes-list-type'] === 'map' ? keysOf(schema) : undefined;
  return [
    (value, path, errors, old) => {
      if (!Array.isArray(value)) return;
      // Items of other lists cannot be told from each other.
      const before =
        identityOf && Array.isArray(old) ? new Map(old.map((item) => [canonical(identityOf(item)), item])) : undefined;
      for (const [index, item] of value.entries())
        check(item, `${path}[${index}]`, errors, identityOf && before?.get(canonical(identityOf(item))));
    },
  ];
}

function objectChecks(schema: JSONSchemaProps): Check[] {
  const { minProperties, maxProperties, required: names = [] } = schema;
  const checks: Check[] = [];
  const forObjects = (check: (value: Record<string, unknown>, path: string, errors: FieldError[]) => void): void => {
    checks.push((value, path, errors) => {
      if (isJsonObject(value)) check(value, path, errors);
    });
  };
  const count = (value: object): number => Object.keys(value).length;
  if (maxProperties !== undefined)
    forObjects((value, path, errors) => {
      if (count(value) > maxProperties) errors.push(tooMany(path, count(value), maxProperties));
    });
  if (minProperties !== undefined)
    forObjects((value, path, errors) => {
      if (count(value) < minProperties)
        errors.push(invalid(path, count(value), `${called(path)} should have at least ${minProperties} properties`));
    });
  if (names.length > 0)
    forObjects((value, path, errors) => {
      for (const name of names) if (own(value, name) === undefined) errors.push(required(at(path, name)));
    });
  if (schema['x-kubernetes-embedded-resource'])
    forObjects((value, path, errors) => {
      for (const name of ['apiVersion', 'kind'])
        if (!own(value, name)) errors.push(required(at(path, name), 'must not be empty'));
    });
  return checks;
}

const at = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

function propertyChecks(schema: JSONSchemaProps): Check[] {
  const properties = new Map(
    Object.entries(schema.properties ?? {}).map(([name, property]) => [name, lazily(property)] as const),
  );
  const others = schemaOf(schema.additionalProperties);
  const additional = others && lazily(others);
  if (properties.size === 0 && !additional) return [];
  return [
    (value, path, errors, old) => {
      if (!isJsonObject(value)) return;
      const before = isJsonObject(old) ? old : undefined;
      for (const [name, entry] of Object.entries(value)) {
        const check = properties.get(name) ?? additional;
        check?.(entry, at(path, name), errors, own(before, name));
      }
    },
  ];
}

function enumChecks({ enum: values }: JSONSchemaProps): Check[] {
  if (!values || values.length === 0) return [];
  const scalars = new Set(values);
  const structured = values.filter((value) => typeof value === 'object' && value !== null);
  const isKnown = (value: unknown): boolean =>
    scalars.has(value) || structured.some((known) => deepEqual(known, value));
  const supported = values.map((value) => (typeof value === 'string' ? value : text(value)));
  return [
    (value, path, errors) => {
      if (!isKnown(value)) errors.push(notSupported(path, value, supported));
    },
  ];
}

function logicChecks(schema: JSONSchemaProps): Check[] {
  const checks: Check[] = [];
  const errorsOf = (check: Check, value: unknown, path: string): FieldError[] => {
    const errors: FieldError[] = [];
    check(value, path, errors);
    return errors;
  };
  const whole = (path: string): string => text(path || '<nil>');
  if (schema.allOf && schema.allOf.length > 0) {
    const all = schema.allOf.map(lazily);
    checks.push((value, path, errors) => {
      const found = all.flatMap((check) => errorsOf(check, value, path));
      if (found.length === 0) return;
      errors.push(invalid(path, value, `${whole(path)} must validate all the schemas (allOf)`));
      addErrors(errors, found);
    });
  }
  if (schema.anyOf && schema.anyOf.length > 0) {
    const any = schema.anyOf.map(lazily);
    checks.push((value, path, errors) => {
      const found = any.map((check) => errorsOf(check, value, path));
      if (found.some(({ length }) => length === 0)) return;
      errors.push(invalid(path, value, `${whole(path)} must validate at least one schema (anyOf)`));
      addErrors(errors, found[0] ?? []);
    });
  }
  if (schema.oneOf && schema.oneOf.length > 0) {
    const one = schema.oneOf.map(lazily);
    checks.push((value, path, errors) => {
      const found = one.map((check) => errorsOf(check, value, path));
      const valid = found.filter(({ length }) => length === 0).length;
      if (valid === 1) return;
      const why = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`;
      errors.push(invalid(path, value, `${whole(path)} must validate one and only one schema (oneOf). ${why}`));
      if (valid === 0) addErrors(errors, found[0] ?? []);
    });
  }
  if (schema.not) {
    const not = lazily(schema.not);
    checks.push((value, path, errors) => {
      if (errorsOf(not, value, path).length === 0)
        errors.push(invalid(path, value, `${whole(path)} must not validate the schema (not)`));
    });
  }
  return checks;
}

/** Compiles a nested schema at its first use. */
function lazily(schema: JSONSchemaProps): Check {
  let compiled: Check | undefined;
  return (value, path, errors, old) => {
    compiled ??= compileSchema(schema);
    compiled(value, path, errors, old);
  };
}
