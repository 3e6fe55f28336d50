/**
 * Structural schemas of custom resources, compiled from a CustomResourceDefinition's OpenAPI schema:
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
import type { JSONSchemaProps } from '../../types/apiextensions/v1.gen.ts';
import { isJsonObject } from '../own.ts';

/** What of a value is kept and defaulted; `props` has what it must be. */
export interface Structural {
  readonly props: JSONSchemaProps;
  readonly properties: ReadonlyMap<string, Structural>;
  /** The schema of all other properties; true for any value, undefined when they are pruned. */
  readonly additional: Structural | true | undefined;
  readonly items: Structural | undefined;
  readonly preservesUnknown: boolean;
  readonly isEmbedded: boolean;
  /** Of the JSON of its default. */
  readonly defaultChars: number;
  /** Whether this or something below has a default. */
  readonly hasDefaults: boolean;
  /** Characters of the expressions of this and of all below, as they count for the limit. */
  readonly ruleChars: number;
  /** Whether this or something below has rules in CEL. */
  readonly hasRules: boolean;
}

const asSchema = (value: unknown): JSONSchemaProps | undefined => (isJsonObject(value) ? value : undefined);

/** What compiling any rule takes, and keeping it, in characters. */
const RULE_CHARS = 64;

function charsOf(rules: JSONSchemaProps['x-kubernetes-validations'] = []): number {
  return rules.reduce(
    (sum, { rule, messageExpression = '' }) => sum + RULE_CHARS + rule.length + messageExpression.length,
    0,
  );
}

/** @param props a valid structural schema. The nesting of its JSON is limited. */
export function structuralOf(props: JSONSchemaProps): Structural {
  const properties = new Map(
    Object.entries(props.properties ?? {}).map(([name, property]) => [name, structuralOf(property)] as const),
  );
  const others = asSchema(props.additionalProperties);
  const additional = others ? structuralOf(others) : props.additionalProperties === true ? true : undefined;
  const itemProps = asSchema(props.items);
  const items = itemProps && structuralOf(itemProps);
  const below = [
    ...properties.values(),
    ...(additional && additional !== true ? [additional] : []),
    ...(items ? [items] : []),
  ];
  return {
    props,
    properties,
    additional,
    items,
    preservesUnknown: props['x-kubernetes-preserve-unknown-fields'] === true,
    isEmbedded: props['x-kubernetes-embedded-resource'] === true,
    defaultChars: props.default === undefined ? 0 : JSON.stringify(props.default).length,
    hasDefaults: props.default !== undefined || below.some(({ hasDefaults }) => hasDefaults),
    ruleChars: charsOf(props['x-kubernetes-validations']) + below.reduce((sum, { ruleChars }) => sum + ruleChars, 0),
    hasRules: (props['x-kubernetes-validations'] ?? []).length > 0 || below.some(({ hasRules }) => hasRules),
  };
}

/** The schema of a property of an object; undefined for one that is not in the schema. */
export const propertyOf = (schema: Structural, name: string): Structural | true | undefined =>
  schema.properties.get(name) ?? schema.additional;
