/** What the mutations of a MutatingAdmissionPolicy make of an object: upstream's `policy/mutating/patch`. */
import { misfits } from '../../../../api/machinery/fieldset/fields-of.ts';
import { type FieldType } from '../../../../api/machinery/fieldset/field-type.ts';
import { merge } from '../../../../api/machinery/fieldset/merge.ts';
import { isJsonObject, own } from '../../../../api/machinery/own.ts';
import { applyJsonPatch, PatchError, PatchTestError } from '../../../../api/machinery/patch/json.ts';
import { StatusError } from '../../../../api/machinery/status-error.ts';

type JsonObject = Record<string, unknown>;

/** A mutation cannot be applied. */
export class MutationError extends Error {
  override readonly name = 'MutationError';
}

/**
 * Merges a configuration into an object, as server-side apply does but without owners. Returns a new object that may share parts with
 * both. Throws MutationError.
 */
export function applyConfiguration(type: FieldType, object: JsonObject, configuration: JsonObject): JsonObject {
  const { apiVersion, kind } = object;
  const config = { ...configuration, apiVersion, kind };
  const errors = misfits(type, config);
  if (errors.length > 0) {
    const why = errors.length === 1 ? errors[0] : ['errors:', ...errors].join('\n  ');
    throw new MutationError(`error applying patch: failed to convert patch object to typed object: ${why}`);
  }
  const atomics = atomicFields(type, config);
  if (atomics.length > 0) {
    const fields = atomics.join(', ');
    throw new MutationError(
      `error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${fields}`,
    );
  }
  return merge(type, object, config) as JsonObject;
}

/** The paths of lists and maps that can only be set as a whole: what the configuration does not state would be lost. */
function atomicFields(type: FieldType, value: unknown, path = '', found: string[] = []): string[] {
  if (isJsonObject(value) && type.map) {
    if (type.map.atomic) found.push(path);
    for (const key in value) {
      const field = type.map.field(key);
      if (field) atomicFields(field, own(value, key), `${path}.${key}`, found);
    }
  } else if (Array.isArray(value) && type.list) {
    if (type.list.atomic) found.push(path);
    for (const [index, item] of value.entries()) atomicFields(type.list.items, item, `${path}[${index}]`, found);
  }
  return found;
}

/** Applies operations to a copy of an object, and returns that; undefined when a test fails. Throws MutationError. */
export function applyOperations(object: JsonObject, operations: readonly JsonObject[]): JsonObject | undefined {
  try {
    const result = applyJsonPatch(structuredClone(object), operations);
    if (isJsonObject(result)) return result;
  } catch (error) {
    if (error instanceof PatchTestError) return undefined;
    if (!(error instanceof StatusError)) throw error;
    throw new MutationError(`JSON Patch: ${error instanceof PatchError ? error.detail : error.message}`, {
      cause: error,
    });
  }
  throw new MutationError('JSON Patch: the patch leaves no object');
}
