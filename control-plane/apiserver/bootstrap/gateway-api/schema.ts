/**
 * Schemas that the definitions of the Gateway API share, as the API's reference has them:
 * https://gateway-api.sigs.k8s.io/reference/api-spec/1.6/spec/
 */
import { GATEWAY_GROUP } from '../../../../api/domain/gateway-api.ts';

/** A structural schema, as JSON has it. */
export type Schema = Readonly<Record<string, unknown>>;
export type Fields = Readonly<Record<string, Schema>>;
interface Rule {
  readonly rule: string;
  readonly message: string;
}

export const rule = (expression: string, message: string): Rule => ({ rule: expression, message });
export const withRules = (schema: Schema, ...rules: readonly Rule[]): Schema => ({
  ...schema,
  'x-kubernetes-validations': rules,
});

export const object = (properties: Fields, required: readonly string[] = []): Schema => ({
  type: 'object',
  properties,
  ...(required.length > 0 && { required }),
});
export const text = (maxLength: number, minLength?: number, pattern?: string): Schema => ({
  type: 'string',
  maxLength,
  ...(minLength !== undefined && { minLength }),
  ...(pattern !== undefined && { pattern }),
});
export const oneOf = (...values: readonly string[]): Schema => ({ type: 'string', enum: values });
export const withDefault = (schema: Schema, value: unknown): Schema => ({ ...schema, default: value });
export const integer = (minimum?: number, maximum?: number): Schema => ({
  type: 'integer',
  format: 'int32',
  ...(minimum !== undefined && { minimum }),
  ...(maximum !== undefined && { maximum }),
});
export const atomicList = (items: Schema, maxItems?: number, minItems?: number): Schema => ({
  type: 'array',
  items,
  ...(maxItems !== undefined && { maxItems }),
  ...(minItems !== undefined && { minItems }),
  'x-kubernetes-list-type': 'atomic',
});
/** A list whose items are known by one field. */
export const listBy = (key: string, items: Schema, maxItems: number): Schema => ({
  ...{ type: 'array', items, maxItems },
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': [key],
});
/** A list in which each value is once. */
export const setOf = (items: Schema, maxItems: number): Schema => ({
  ...{ type: 'array', items, maxItems },
  'x-kubernetes-list-type': 'set',
});
export const textMap = (maxProperties: number, values: Schema): Schema => ({
  type: 'object',
  maxProperties,
  additionalProperties: values,
});

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
/** A host name, or `*.` and one. */
export const HOSTNAME_PATTERN = `^(\\*\\.)?${SUBDOMAIN}$`;
export const DOMAIN_PATH = `${SUBDOMAIN}\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$`;
export const LABEL_PREFIX = `^(${SUBDOMAIN}/)?`;

const MAX_NAME = 253;
export const hostname = text(MAX_NAME, 1, HOSTNAME_PATTERN);
export const preciseHostname = text(MAX_NAME, 1, `^${SUBDOMAIN}$`);
/** Of a listener or a rule. */
export const sectionName = text(MAX_NAME, 1, `^${SUBDOMAIN}$`);
export const objectName = text(MAX_NAME, 1);
export const namespace = text(63, 1, `^${LABEL}$`);
export const group = text(MAX_NAME, undefined, `^$|^${SUBDOMAIN}$`);
export const kind = text(63, 1, '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$');
export const portNumber = integer(1, 65_535);
export const controllerName = text(MAX_NAME, 1, `^${DOMAIN_PATH}`);
export const headerName = text(256, 1, "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$");

export const localReference = object({ group, kind, name: objectName }, ['group', 'kind', 'name']);
/** A reference to a Secret, unless it says otherwise, of this namespace or another. */
export const secretReference = object(
  { group: withDefault(group, ''), kind: withDefault(kind, 'Secret'), name: objectName, namespace },
  ['name'],
);
export const routeKind = object({ group: withDefault(group, GATEWAY_GROUP), kind }, ['kind']);

const condition = object(
  {
    lastTransitionTime: { type: 'string', format: 'date-time' },
    message: text(32_768),
    observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
    reason: text(1_024, 1, '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$'),
    status: oneOf('True', 'False', 'Unknown'),
    type: text(316, undefined, `${LABEL_PREFIX}(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`),
  },
  ['lastTransitionTime', 'message', 'reason', 'status', 'type'],
);
export const conditions = listBy('type', condition, 8);

/** What an object has until a controller has looked at it. */
export const pending = (...types: readonly string[]) =>
  types.map((type) => ({
    ...{ type, status: 'Unknown', reason: 'Pending', message: 'Waiting for controller' },
    lastTransitionTime: '1970-01-01T00:00:00Z',
  }));
