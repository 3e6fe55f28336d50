// Generated from api/types/facts.txt by `npm run generate`.
import { anyJson, boolean, bytes, choice, double, int32, int64, list, mapOf, oneOf, optional, required, string, struct, time } from '../../machinery/schema.ts';
import { ObjectMeta } from '../meta/v1.gen.ts';

export const CustomResourceColumnDefinition = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceColumnDefinition', () => ({
  jsonPath: required(6, string),
  name: required(1, string),
  type: required(2, string),
  description: optional(4, string),
  format: optional(3, string),
  priority: optional(5, int32),
}));
export type CustomResourceColumnDefinition = {
  jsonPath: string;
  name: string;
  type: string;
  description?: string;
  format?: string;
  priority?: number;
};

export const CustomResourceConversion = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceConversion', () => ({
  strategy: required(1, string, { goType: 'v1.ConversionStrategyType' }),
  webhook: optional(2, WebhookConversion),
}));
export type CustomResourceConversion = {
  strategy: string;
  webhook?: WebhookConversion;
};

export const CustomResourceDefinition = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition', () => ({
  spec: required(2, CustomResourceDefinitionSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  status: optional(3, CustomResourceDefinitionStatus, { always: true }),
}));
export type CustomResourceDefinition = {
  spec: CustomResourceDefinitionSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  status?: CustomResourceDefinitionStatus;
};

export const CustomResourceDefinitionCondition = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.CustomResourceDefinitionConditionType' }),
  lastTransitionTime: optional(3, time, { always: true }),
  message: optional(5, string),
  observedGeneration: optional(6, int64),
  reason: optional(4, string),
}));
export type CustomResourceDefinitionCondition = {
  status: string;
  type: string;
  lastTransitionTime?: string | null;
  message?: string;
  observedGeneration?: number;
  reason?: string;
};

export const CustomResourceDefinitionNames = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionNames', () => ({
  kind: required(4, string),
  plural: required(1, string),
  categories: optional(6, list(string), { listType: 'atomic' }),
  listKind: optional(5, string),
  shortNames: optional(3, list(string), { listType: 'atomic' }),
  singular: optional(2, string),
}));
export type CustomResourceDefinitionNames = {
  kind: string;
  plural: string;
  categories?: string[];
  listKind?: string;
  shortNames?: string[];
  singular?: string;
};

export const CustomResourceDefinitionSpec = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionSpec', () => ({
  group: required(1, string),
  names: required(3, CustomResourceDefinitionNames),
  scope: required(4, string, { goType: 'v1.ResourceScope' }),
  versions: required(7, list(CustomResourceDefinitionVersion), { listType: 'atomic' }),
  conversion: optional(9, CustomResourceConversion),
  preserveUnknownFields: optional(10, boolean),
}));
export type CustomResourceDefinitionSpec = {
  group: string;
  names: CustomResourceDefinitionNames;
  scope: string;
  versions: CustomResourceDefinitionVersion[];
  conversion?: CustomResourceConversion;
  preserveUnknownFields?: boolean;
};

export const CustomResourceDefinitionStatus = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus', () => ({
  acceptedNames: optional(2, CustomResourceDefinitionNames, { always: true }),
  conditions: optional(1, list(CustomResourceDefinitionCondition), { always: true, listType: 'map', listMapKeys: ['type'] }),
  observedGeneration: optional(4, int64),
  storedVersions: optional(3, list(string), { always: true, listType: 'atomic' }),
}));
export type CustomResourceDefinitionStatus = {
  acceptedNames?: CustomResourceDefinitionNames;
  conditions?: CustomResourceDefinitionCondition[] | null;
  observedGeneration?: number;
  storedVersions?: string[] | null;
};

export const CustomResourceDefinitionVersion = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion', () => ({
  name: required(1, string),
  served: required(2, boolean),
  storage: required(3, boolean),
  additionalPrinterColumns: optional(6, list(CustomResourceColumnDefinition), { listType: 'atomic' }),
  deprecated: optional(7, boolean),
  deprecationWarning: optional(8, string, { pointer: true }),
  schema: optional(4, CustomResourceValidation),
  selectableFields: optional(9, list(SelectableField), { listType: 'atomic' }),
  subresources: optional(5, CustomResourceSubresources),
}));
export type CustomResourceDefinitionVersion = {
  name: string;
  served: boolean;
  storage: boolean;
  additionalPrinterColumns?: CustomResourceColumnDefinition[];
  deprecated?: boolean;
  deprecationWarning?: string;
  schema?: CustomResourceValidation;
  selectableFields?: SelectableField[];
  subresources?: CustomResourceSubresources;
};

export const CustomResourceSubresourceScale = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceScale', () => ({
  specReplicasPath: required(1, string),
  statusReplicasPath: required(2, string),
  labelSelectorPath: optional(3, string, { pointer: true }),
}));
export type CustomResourceSubresourceScale = {
  specReplicasPath: string;
  statusReplicasPath: string;
  labelSelectorPath?: string;
};

export const CustomResourceSubresourceStatus = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceStatus', () => ({}));
export type CustomResourceSubresourceStatus = {
};

export const CustomResourceSubresources = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresources', () => ({
  scale: optional(2, CustomResourceSubresourceScale),
  status: optional(1, CustomResourceSubresourceStatus),
}));
export type CustomResourceSubresources = {
  scale?: CustomResourceSubresourceScale;
  status?: CustomResourceSubresourceStatus;
};

export const CustomResourceValidation = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceValidation', () => ({
  openAPIV3Schema: optional(1, JSONSchemaProps),
}));
export type CustomResourceValidation = {
  openAPIV3Schema?: JSONSchemaProps;
};

export const ExternalDocumentation = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ExternalDocumentation', () => ({
  description: optional(1, string),
  url: optional(2, string),
}));
export type ExternalDocumentation = {
  description?: string;
  url?: string;
};

export const JSONSchemaProps = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps', () => ({
  '$ref': optional(3, string, { pointer: true }),
  '$schema': optional(2, string, { goType: 'v1.JSONSchemaURL' }),
  additionalItems: optional(33, JSONSchemaPropsOrBool),
  additionalProperties: optional(30, JSONSchemaPropsOrBool),
  allOf: optional(25, list(JSONSchemaProps), { listType: 'atomic' }),
  anyOf: optional(27, list(JSONSchemaProps), { listType: 'atomic' }),
  default: optional(8, anyJson('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON')),
  definitions: optional(34, mapOf(JSONSchemaProps), { goType: 'v1.JSONSchemaDefinitions' }),
  dependencies: optional(32, mapOf(JSONSchemaPropsOrStringArray), { goType: 'v1.JSONSchemaDependencies' }),
  description: optional(4, string),
  enum: optional(20, list(anyJson('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON')), { listType: 'atomic' }),
  example: optional(36, anyJson('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON')),
  exclusiveMaximum: optional(10, boolean),
  exclusiveMinimum: optional(12, boolean),
  externalDocs: optional(35, ExternalDocumentation),
  format: optional(6, string),
  id: optional(1, string),
  items: optional(24, JSONSchemaPropsOrArray),
  maxItems: optional(16, int64, { pointer: true }),
  maxLength: optional(13, int64, { pointer: true }),
  maxProperties: optional(21, int64, { pointer: true }),
  maximum: optional(9, double, { pointer: true }),
  minItems: optional(17, int64, { pointer: true }),
  minLength: optional(14, int64, { pointer: true }),
  minProperties: optional(22, int64, { pointer: true }),
  minimum: optional(11, double, { pointer: true }),
  multipleOf: optional(19, double, { pointer: true }),
  not: optional(28, JSONSchemaProps),
  nullable: optional(37, boolean),
  oneOf: optional(26, list(JSONSchemaProps), { listType: 'atomic' }),
  pattern: optional(15, string),
  patternProperties: optional(31, mapOf(JSONSchemaProps)),
  properties: optional(29, mapOf(JSONSchemaProps)),
  required: optional(23, list(string), { listType: 'atomic' }),
  title: optional(7, string),
  type: optional(5, string),
  uniqueItems: optional(18, boolean),
  'x-kubernetes-embedded-resource': optional(39, boolean),
  'x-kubernetes-int-or-string': optional(40, boolean),
  'x-kubernetes-list-map-keys': optional(41, list(string), { listType: 'atomic' }),
  'x-kubernetes-list-type': optional(42, string, { pointer: true }),
  'x-kubernetes-map-type': optional(43, string, { pointer: true }),
  'x-kubernetes-preserve-unknown-fields': optional(38, boolean, { pointer: true }),
  'x-kubernetes-validations': optional(44, list(ValidationRule), { listType: 'map', listMapKeys: ['rule'], patchMergeKey: 'rule', patchStrategy: 'merge', goType: 'v1.ValidationRules' }),
}));
export type JSONSchemaProps = {
  '$ref'?: string;
  '$schema'?: string;
  additionalItems?: JSONSchemaPropsOrBool;
  additionalProperties?: JSONSchemaPropsOrBool;
  allOf?: JSONSchemaProps[];
  anyOf?: JSONSchemaProps[];
  default?: unknown;
  definitions?: Record<string, JSONSchemaProps>;
  dependencies?: Record<string, JSONSchemaPropsOrStringArray>;
  description?: string;
  enum?: unknown[];
  example?: unknown;
  exclusiveMaximum?: boolean;
  exclusiveMinimum?: boolean;
  externalDocs?: ExternalDocumentation;
  format?: string;
  id?: string;
  items?: JSONSchemaPropsOrArray;
  maxItems?: number;
  maxLength?: number;
  maxProperties?: number;
  maximum?: number;
  minItems?: number;
  minLength?: number;
  minProperties?: number;
  minimum?: number;
  multipleOf?: number;
  not?: JSONSchemaProps;
  nullable?: boolean;
  oneOf?: JSONSchemaProps[];
  pattern?: string;
  patternProperties?: Record<string, JSONSchemaProps>;
  properties?: Record<string, JSONSchemaProps>;
  required?: string[];
  title?: string;
  type?: string;
  uniqueItems?: boolean;
  'x-kubernetes-embedded-resource'?: boolean;
  'x-kubernetes-int-or-string'?: boolean;
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-list-type'?: string;
  'x-kubernetes-map-type'?: string;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  'x-kubernetes-validations'?: ValidationRule[];
};

export const JSONSchemaPropsOrArray = choice('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray', () => ({
  array: optional(2, list(JSONSchemaProps)),
  object: optional(1, JSONSchemaProps),
}));
export type JSONSchemaPropsOrArray = unknown;

export const JSONSchemaPropsOrBool = choice('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool', () => ({
  boolean: optional(1, boolean),
  object: optional(2, JSONSchemaProps),
}));
export type JSONSchemaPropsOrBool = unknown;

export const JSONSchemaPropsOrStringArray = choice('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray', () => ({
  array: optional(2, list(string)),
  object: optional(1, JSONSchemaProps),
}));
export type JSONSchemaPropsOrStringArray = unknown;

export const SelectableField = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.SelectableField', () => ({
  jsonPath: required(1, string),
}));
export type SelectableField = {
  jsonPath: string;
};

export const ServiceReference = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ServiceReference', () => ({
  name: required(2, string),
  namespace: required(1, string),
  path: optional(3, string, { pointer: true }),
  port: optional(4, int32, { pointer: true }),
}));
export type ServiceReference = {
  name: string;
  namespace: string;
  path?: string;
  port?: number;
};

export const ValidationRule = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ValidationRule', () => ({
  rule: required(1, string),
  fieldPath: optional(5, string),
  message: optional(2, string),
  messageExpression: optional(3, string),
  optionalOldSelf: optional(6, boolean, { pointer: true }),
  reason: optional(4, oneOf('FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'), { pointer: true, goType: 'v1.FieldValueErrorReason' }),
}));
export type ValidationRule = {
  rule: string;
  fieldPath?: string;
  message?: string;
  messageExpression?: string;
  optionalOldSelf?: boolean;
  reason?: 'FieldValueDuplicate' | 'FieldValueForbidden' | 'FieldValueInvalid' | 'FieldValueRequired';
};

export const WebhookClientConfig = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.WebhookClientConfig', () => ({
  caBundle: optional(2, bytes),
  service: optional(1, ServiceReference),
  url: optional(3, string, { pointer: true }),
}));
export type WebhookClientConfig = {
  caBundle?: string;
  service?: ServiceReference;
  url?: string;
};

export const WebhookConversion = struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.WebhookConversion', () => ({
  conversionReviewVersions: required(3, list(string), { listType: 'atomic' }),
  clientConfig: optional(2, WebhookClientConfig),
}));
export type WebhookConversion = {
  conversionReviewVersions: string[];
  clientConfig?: WebhookClientConfig;
};
