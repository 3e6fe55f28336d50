/** What ownership needs to know of a structural schema, as `fieldset/field-type.ts` has it of built-in kinds. */
import { ObjectMeta } from '../../types/meta/v1.gen.ts';
import { DEDUCED, fieldTypeOf, keyedList, type FieldType, type ListType } from '../fieldset/field-type.ts';
import { valueElement, type Scalar } from '../fieldset/path-element.ts';
import { propertyOf, type Structural } from './structural.ts';

const TEXT: FieldType = { scalar: 'string' };
const SCALARS: ReadonlyMap<string | undefined, FieldType> = new Map<string | undefined, FieldType>([
  ['string', TEXT],
  ['boolean', { scalar: 'boolean' }],
  ['integer', { scalar: 'numeric' }],
  ['number', { scalar: 'numeric' }],
]);

/** The type of a whole custom resource. */
export const resourceFieldType = (schema: Structural): FieldType => typeOf({ ...schema, isEmbedded: true });

function typeOf(schema: Structural | true): FieldType {
  if (schema === true) return DEDUCED;
  const { props, items, preservesUnknown, isEmbedded } = schema;
  if (props['x-kubernetes-int-or-string']) return { scalar: 'untyped' };
  if (items) return { list: listOf(schema, items) };
  if (props.type !== 'object') return SCALARS.get(props.type) ?? DEDUCED;
  const known = new Map<string, FieldType>(
    isEmbedded
      ? [
          ['apiVersion', TEXT],
          ['kind', TEXT],
          ['metadata', fieldTypeOf(ObjectMeta)],
        ]
      : [],
  );
  return {
    map: {
      atomic: props['x-kubernetes-map-type'] === 'atomic',
      field: (name) => {
        const made = known.get(name);
        const property = schema.properties.get(name);
        if (made || !property) return made;
        const type = typeOf(property);
        known.set(name, type);
        return type;
      },
      ...(schema.additional !== undefined
        ? { values: typeOf(schema.additional) }
        : preservesUnknown && { values: DEDUCED }),
    },
  };
}

function listOf({ props }: Structural, items: Structural): ListType {
  const type = typeOf(items);
  const listType = props['x-kubernetes-list-type'];
  if (listType === 'set') return { atomic: false, items: type, elementOf: valueElement };
  if (listType !== 'map') return { atomic: true, items: type };
  const keys = props['x-kubernetes-list-map-keys'] ?? [];
  const defaults = new Map<string, Scalar>();
  for (const key of keys) {
    const property = propertyOf(items, key);
    const value = property === true ? undefined : property?.props.default;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') defaults.set(key, value);
  }
  return keyedList(type, keys, defaults);
}
