/** Validation of the defaults in a CustomResourceDefinition: upstream's `apiextensions-apiserver/pkg/apiserver/schema/defaulting`. */
import { compileSchemaRules } from '../../machinery/cel/schema-rules.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import { addErrors, type FieldError, invalid } from '../../machinery/field-error.ts';
import { MAX_ERRORS } from '../../machinery/limits.ts';
import { applyStructuralDefaults } from '../../machinery/structural/defaults.ts';
import { pruneValue } from '../../machinery/structural/prune.ts';
import type { Structural } from '../../machinery/structural/structural.ts';
import { compileSchema } from '../../machinery/structural/validate.ts';

/** By the rules of its schema, a default is valid where it was the value before, and where there was none. */
function ruleErrorsOfDefault(schema: Structural, value: unknown, path: string): readonly FieldError[] {
  const evaluate = compileSchemaRules(schema, schema.isEmbedded);
  if (!evaluate) return [];
  const { errors } = evaluate(value, value, path);
  return errors.length > 0 ? errors : evaluate(value, undefined, path).errors;
}

/** Defaults are valid themselves, and have nothing that would be pruned. */
export function checkDefaults(schema: Structural, path: string, errors: FieldError[]): void {
  if (errors.length >= MAX_ERRORS || !schema.hasDefaults) return;
  const { props, properties, items, additional } = schema;
  const value = props.default;
  if (value !== undefined) {
    const at = `${path}.default`;
    const copy = pruneValue(value, schema);
    if (!deepEqual(copy, value)) errors.push(invalid(at, value, 'must not have unknown fields'));
    applyStructuralDefaults(copy, schema);
    const found: FieldError[] = [];
    compileSchema(props)(copy, at, found);
    if (found.length === 0) addErrors(found, ruleErrorsOfDefault(schema, value, at));
    addErrors(errors, found);
  }
  for (const [name, property] of properties) checkDefaults(property, `${path}.properties[${name}]`, errors);
  if (items) checkDefaults(items, `${path}.items`, errors);
  if (additional && additional !== true) checkDefaults(additional, `${path}.additionalProperties`, errors);
}
