// Generated from api/types/facts.txt by `npm run generate`.
import { bytes, int32, int64, list, oneOf, optional, required, string, struct } from '../../machinery/schema.ts';
import { Condition, LabelSelector, ObjectMeta } from '../meta/v1.gen.ts';

export const ApplyConfiguration = struct('io.k8s.api.admissionregistration.v1.ApplyConfiguration', () => ({
  expression: optional(1, string),
}));
export type ApplyConfiguration = {
  expression?: string;
};

export const AuditAnnotation = struct('io.k8s.api.admissionregistration.v1.AuditAnnotation', () => ({
  key: required(1, string),
  valueExpression: required(2, string),
}));
export type AuditAnnotation = {
  key: string;
  valueExpression: string;
};

export const ExpressionWarning = struct('io.k8s.api.admissionregistration.v1.ExpressionWarning', () => ({
  fieldRef: required(2, string),
  warning: required(3, string),
}));
export type ExpressionWarning = {
  fieldRef: string;
  warning: string;
};

export const JSONPatch = struct('io.k8s.api.admissionregistration.v1.JSONPatch', () => ({
  expression: optional(1, string),
}));
export type JSONPatch = {
  expression?: string;
};

export const MatchCondition = struct('io.k8s.api.admissionregistration.v1.MatchCondition', () => ({
  expression: required(2, string),
  name: required(1, string),
}));
export type MatchCondition = {
  expression: string;
  name: string;
};

export const MatchResources = struct('io.k8s.api.admissionregistration.v1.MatchResources', () => ({
  excludeResourceRules: optional(4, list(NamedRuleWithOperations), { listType: 'atomic' }),
  matchPolicy: optional(7, oneOf('Equivalent', 'Exact'), { pointer: true, goType: 'v1.MatchPolicyType' }),
  namespaceSelector: optional(1, LabelSelector),
  objectSelector: optional(2, LabelSelector),
  resourceRules: optional(3, list(NamedRuleWithOperations), { listType: 'atomic' }),
}), { mapType: 'atomic' });
export type MatchResources = {
  excludeResourceRules?: NamedRuleWithOperations[];
  matchPolicy?: 'Equivalent' | 'Exact';
  namespaceSelector?: LabelSelector;
  objectSelector?: LabelSelector;
  resourceRules?: NamedRuleWithOperations[];
};

export const MutatingAdmissionPolicy = struct('io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, MutatingAdmissionPolicySpec, { always: true }),
}));
export type MutatingAdmissionPolicy = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: MutatingAdmissionPolicySpec;
};

export const MutatingAdmissionPolicyBinding = struct('io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, MutatingAdmissionPolicyBindingSpec, { always: true }),
}));
export type MutatingAdmissionPolicyBinding = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: MutatingAdmissionPolicyBindingSpec;
};

export const MutatingAdmissionPolicyBindingSpec = struct('io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBindingSpec', () => ({
  matchResources: optional(3, MatchResources),
  paramRef: optional(2, ParamRef),
  policyName: optional(1, string),
}));
export type MutatingAdmissionPolicyBindingSpec = {
  matchResources?: MatchResources;
  paramRef?: ParamRef;
  policyName?: string;
};

export const MutatingAdmissionPolicySpec = struct('io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicySpec', () => ({
  failurePolicy: optional(5, oneOf('Fail', 'Ignore'), { pointer: true, goType: 'v1.FailurePolicyType' }),
  matchConditions: optional(6, list(MatchCondition), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
  matchConstraints: optional(2, MatchResources),
  mutations: optional(4, list(Mutation), { listType: 'atomic' }),
  paramKind: optional(1, ParamKind),
  reinvocationPolicy: optional(7, oneOf('IfNeeded', 'Never'), { goType: 'v1.ReinvocationPolicyType' }),
  variables: optional(3, list(Variable), { listType: 'atomic' }),
}));
export type MutatingAdmissionPolicySpec = {
  failurePolicy?: 'Fail' | 'Ignore';
  matchConditions?: MatchCondition[];
  matchConstraints?: MatchResources;
  mutations?: Mutation[];
  paramKind?: ParamKind;
  reinvocationPolicy?: 'IfNeeded' | 'Never';
  variables?: Variable[];
};

export const MutatingWebhook = struct('io.k8s.api.admissionregistration.v1.MutatingWebhook', () => ({
  admissionReviewVersions: required(8, list(string), { listType: 'atomic' }),
  clientConfig: required(2, WebhookClientConfig),
  name: required(1, string),
  sideEffects: required(6, oneOf('None', 'NoneOnDryRun', 'Some', 'Unknown'), { nullable: true, goType: 'v1.SideEffectClass' }),
  failurePolicy: optional(4, oneOf('Fail', 'Ignore'), { pointer: true, goType: 'v1.FailurePolicyType' }),
  matchConditions: optional(12, list(MatchCondition), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
  matchPolicy: optional(9, oneOf('Equivalent', 'Exact'), { pointer: true, goType: 'v1.MatchPolicyType' }),
  namespaceSelector: optional(5, LabelSelector),
  objectSelector: optional(11, LabelSelector),
  reinvocationPolicy: optional(10, oneOf('IfNeeded', 'Never'), { pointer: true, goType: 'v1.ReinvocationPolicyType' }),
  rules: optional(3, list(RuleWithOperations), { listType: 'atomic' }),
  timeoutSeconds: optional(7, int32, { pointer: true }),
}));
export type MutatingWebhook = {
  admissionReviewVersions: string[];
  clientConfig: WebhookClientConfig;
  name: string;
  sideEffects: 'None' | 'NoneOnDryRun' | 'Some' | 'Unknown';
  failurePolicy?: 'Fail' | 'Ignore';
  matchConditions?: MatchCondition[];
  matchPolicy?: 'Equivalent' | 'Exact';
  namespaceSelector?: LabelSelector;
  objectSelector?: LabelSelector;
  reinvocationPolicy?: 'IfNeeded' | 'Never';
  rules?: RuleWithOperations[];
  timeoutSeconds?: number;
};

export const MutatingWebhookConfiguration = struct('io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  webhooks: optional(2, list(MutatingWebhook), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
}));
export type MutatingWebhookConfiguration = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  webhooks?: MutatingWebhook[];
};

export const Mutation = struct('io.k8s.api.admissionregistration.v1.Mutation', () => ({
  patchType: required(2, oneOf('ApplyConfiguration', 'JSONPatch'), { goType: 'v1.PatchType' }),
  applyConfiguration: optional(3, ApplyConfiguration),
  jsonPatch: optional(4, JSONPatch),
}));
export type Mutation = {
  patchType: 'ApplyConfiguration' | 'JSONPatch';
  applyConfiguration?: ApplyConfiguration;
  jsonPatch?: JSONPatch;
};

export const NamedRuleWithOperations = struct('io.k8s.api.admissionregistration.v1.NamedRuleWithOperations', () => ({
  apiGroups: optional([2, 2, 1], list(string), { listType: 'atomic', embeddedIn: 'RuleWithOperations.Rule' }),
  apiVersions: optional([2, 2, 2], list(string), { listType: 'atomic', embeddedIn: 'RuleWithOperations.Rule' }),
  operations: optional([2, 1], list(oneOf('*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE')), { listType: 'atomic', goType: '[]v1.OperationType', embeddedIn: 'RuleWithOperations' }),
  resourceNames: optional(1, list(string), { listType: 'atomic' }),
  resources: optional([2, 2, 3], list(string), { listType: 'atomic', embeddedIn: 'RuleWithOperations.Rule' }),
  scope: optional([2, 2, 4], oneOf('*', 'Cluster', 'Namespaced'), { pointer: true, goType: 'v1.ScopeType', embeddedIn: 'RuleWithOperations.Rule' }),
}), { mapType: 'atomic' });
export type NamedRuleWithOperations = {
  apiGroups?: string[];
  apiVersions?: string[];
  operations?: ('*' | 'CONNECT' | 'CREATE' | 'DELETE' | 'UPDATE')[];
  resourceNames?: string[];
  resources?: string[];
  scope?: '*' | 'Cluster' | 'Namespaced';
};

export const ParamKind = struct('io.k8s.api.admissionregistration.v1.ParamKind', () => ({
  apiVersion: optional(1, string),
  kind: optional(2, string),
}), { mapType: 'atomic' });
export type ParamKind = {
  apiVersion?: string;
  kind?: string;
};

export const ParamRef = struct('io.k8s.api.admissionregistration.v1.ParamRef', () => ({
  name: optional(1, string),
  namespace: optional(2, string),
  parameterNotFoundAction: optional(4, string, { pointer: true, goType: 'v1.ParameterNotFoundActionType' }),
  selector: optional(3, LabelSelector),
}), { mapType: 'atomic' });
export type ParamRef = {
  name?: string;
  namespace?: string;
  parameterNotFoundAction?: string;
  selector?: LabelSelector;
};

export const RuleWithOperations = struct('io.k8s.api.admissionregistration.v1.RuleWithOperations', () => ({
  apiGroups: optional([2, 1], list(string), { listType: 'atomic', embeddedIn: 'Rule' }),
  apiVersions: optional([2, 2], list(string), { listType: 'atomic', embeddedIn: 'Rule' }),
  operations: optional(1, list(oneOf('*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE')), { listType: 'atomic', goType: '[]v1.OperationType' }),
  resources: optional([2, 3], list(string), { listType: 'atomic', embeddedIn: 'Rule' }),
  scope: optional([2, 4], oneOf('*', 'Cluster', 'Namespaced'), { pointer: true, goType: 'v1.ScopeType', embeddedIn: 'Rule' }),
}));
export type RuleWithOperations = {
  apiGroups?: string[];
  apiVersions?: string[];
  operations?: ('*' | 'CONNECT' | 'CREATE' | 'DELETE' | 'UPDATE')[];
  resources?: string[];
  scope?: '*' | 'Cluster' | 'Namespaced';
};

export const ServiceReference = struct('io.k8s.api.admissionregistration.v1.ServiceReference', () => ({
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

export const TypeChecking = struct('io.k8s.api.admissionregistration.v1.TypeChecking', () => ({
  expressionWarnings: optional(1, list(ExpressionWarning), { listType: 'atomic' }),
}));
export type TypeChecking = {
  expressionWarnings?: ExpressionWarning[];
};

export const ValidatingAdmissionPolicy = struct('io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, ValidatingAdmissionPolicySpec, { always: true }),
  status: optional(3, ValidatingAdmissionPolicyStatus, { always: true }),
}));
export type ValidatingAdmissionPolicy = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: ValidatingAdmissionPolicySpec;
  status?: ValidatingAdmissionPolicyStatus;
};

export const ValidatingAdmissionPolicyBinding = struct('io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding', () => ({
  spec: required(2, ValidatingAdmissionPolicyBindingSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type ValidatingAdmissionPolicyBinding = {
  spec: ValidatingAdmissionPolicyBindingSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
};

export const ValidatingAdmissionPolicyBindingSpec = struct('io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec', () => ({
  policyName: required(1, string),
  validationActions: required(4, list(oneOf('Audit', 'Deny', 'Warn')), { listType: 'set', goType: '[]v1.ValidationAction' }),
  matchResources: optional(3, MatchResources),
  paramRef: optional(2, ParamRef),
}));
export type ValidatingAdmissionPolicyBindingSpec = {
  policyName: string;
  validationActions: ('Audit' | 'Deny' | 'Warn')[];
  matchResources?: MatchResources;
  paramRef?: ParamRef;
};

export const ValidatingAdmissionPolicySpec = struct('io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicySpec', () => ({
  auditAnnotations: optional(5, list(AuditAnnotation), { listType: 'atomic' }),
  failurePolicy: optional(4, oneOf('Fail', 'Ignore'), { pointer: true, goType: 'v1.FailurePolicyType' }),
  matchConditions: optional(6, list(MatchCondition), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
  matchConstraints: optional(2, MatchResources),
  paramKind: optional(1, ParamKind),
  validations: optional(3, list(Validation), { listType: 'atomic' }),
  variables: optional(7, list(Variable), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
}));
export type ValidatingAdmissionPolicySpec = {
  auditAnnotations?: AuditAnnotation[];
  failurePolicy?: 'Fail' | 'Ignore';
  matchConditions?: MatchCondition[];
  matchConstraints?: MatchResources;
  paramKind?: ParamKind;
  validations?: Validation[];
  variables?: Variable[];
};

export const ValidatingAdmissionPolicyStatus = struct('io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyStatus', () => ({
  conditions: optional(3, list(Condition), { listType: 'map', listMapKeys: ['type'] }),
  observedGeneration: optional(1, int64),
  typeChecking: optional(2, TypeChecking),
}));
export type ValidatingAdmissionPolicyStatus = {
  conditions?: Condition[];
  observedGeneration?: number;
  typeChecking?: TypeChecking;
};

export const ValidatingWebhook = struct('io.k8s.api.admissionregistration.v1.ValidatingWebhook', () => ({
  admissionReviewVersions: required(8, list(string), { listType: 'atomic' }),
  clientConfig: required(2, WebhookClientConfig),
  name: required(1, string),
  sideEffects: required(6, oneOf('None', 'NoneOnDryRun', 'Some', 'Unknown'), { nullable: true, goType: 'v1.SideEffectClass' }),
  failurePolicy: optional(4, oneOf('Fail', 'Ignore'), { pointer: true, goType: 'v1.FailurePolicyType' }),
  matchConditions: optional(11, list(MatchCondition), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
  matchPolicy: optional(9, oneOf('Equivalent', 'Exact'), { pointer: true, goType: 'v1.MatchPolicyType' }),
  namespaceSelector: optional(5, LabelSelector),
  objectSelector: optional(10, LabelSelector),
  rules: optional(3, list(RuleWithOperations), { listType: 'atomic' }),
  timeoutSeconds: optional(7, int32, { pointer: true }),
}));
export type ValidatingWebhook = {
  admissionReviewVersions: string[];
  clientConfig: WebhookClientConfig;
  name: string;
  sideEffects: 'None' | 'NoneOnDryRun' | 'Some' | 'Unknown';
  failurePolicy?: 'Fail' | 'Ignore';
  matchConditions?: MatchCondition[];
  matchPolicy?: 'Equivalent' | 'Exact';
  namespaceSelector?: LabelSelector;
  objectSelector?: LabelSelector;
  rules?: RuleWithOperations[];
  timeoutSeconds?: number;
};

export const ValidatingWebhookConfiguration = struct('io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  webhooks: optional(2, list(ValidatingWebhook), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
}));
export type ValidatingWebhookConfiguration = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  webhooks?: ValidatingWebhook[];
};

export const Validation = struct('io.k8s.api.admissionregistration.v1.Validation', () => ({
  expression: required(1, string),
  message: optional(2, string),
  messageExpression: optional(4, string),
  reason: optional(3, string, { pointer: true, goType: 'v1.StatusReason' }),
}));
export type Validation = {
  expression: string;
  message?: string;
  messageExpression?: string;
  reason?: string;
};

export const Variable = struct('io.k8s.api.admissionregistration.v1.Variable', () => ({
  expression: required(2, string),
  name: required(1, string),
}), { mapType: 'atomic' });
export type Variable = {
  expression: string;
  name: string;
};

export const WebhookClientConfig = struct('io.k8s.api.admissionregistration.v1.WebhookClientConfig', () => ({
  caBundle: optional(2, bytes),
  service: optional(1, ServiceReference),
  url: optional(3, string, { pointer: true }),
}));
export type WebhookClientConfig = {
  caBundle?: string;
  service?: ServiceReference;
  url?: string;
};
