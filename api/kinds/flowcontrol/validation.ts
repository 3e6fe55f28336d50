/** What FlowSchemas and PriorityLevelConfigurations have in common: upstream's `pkg/apis/flowcontrol/validation`. */
import { duplicate, required, type FieldError } from '../../machinery/field-error.ts';
import { isJsonObject, own } from '../../machinery/own.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import type { KubeObject, StoredSubresource } from '../../machinery/kind.ts';

type WithConditions = KubeObject & { status?: { conditions?: { type?: string }[] } };

function validateConditions({ status }: WithConditions): FieldError[] {
  const errors: FieldError[] = [];
  const types = new Set<string>();
  for (const [index, { type = '' }] of (status?.conditions ?? []).entries()) {
    const at = `status.conditions[${index}].type`;
    if (types.has(type)) errors.push(duplicate(at, type));
    types.add(type);
    if (type === '') errors.push(required(at));
  }
  return errors;
}

/** Updates of the status change nothing else, not even labels. */
export const flowControlStatus = <T extends WithConditions>(): StoredSubresource<T> =>
  statusSubresource<T>({
    resets: ['metadata', 'spec'],
    prepare: (object, old) => {
      object.metadata = { ...old.metadata, managedFields: object.metadata?.managedFields };
    },
    validate: validateConditions,
  });

/**
 * A struct as upstream's messages show it: its internal types have no JSON names. `fields` are its own in their order, with those of
 * the structs in it.
 */
export function shownStruct(value: unknown, fields: StructFields): unknown {
  if (!isJsonObject(value)) return null;
  return Object.fromEntries(
    Object.entries(fields).map(([name, inner]) => {
      const member = own(value, name);
      const shown = Array.isArray(member) && inner ? member.map((item) => shownStruct(item, inner)) : member;
      const isStruct = inner !== undefined && !Array.isArray(member);
      return [exported(name), isStruct ? shownStruct(member, inner) : (shown ?? null)];
    }),
  );
}

export interface StructFields {
  readonly [name: string]: StructFields | undefined;
}

const ACRONYMS: ReadonlyMap<string, string> = new Map([['apiGroups', 'APIGroups']]);
const exported = (name: string): string => ACRONYMS.get(name) ?? `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
