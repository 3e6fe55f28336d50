// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, int32, list, optional, required, string, struct, time } from '../../machinery/schema.ts';
import { ObjectMeta } from '../meta/v1.gen.ts';

export const ExemptPriorityLevelConfiguration = struct('io.k8s.api.flowcontrol.v1.ExemptPriorityLevelConfiguration', () => ({
  lendablePercent: optional(2, int32, { pointer: true }),
  nominalConcurrencyShares: optional(1, int32, { pointer: true }),
}));
export type ExemptPriorityLevelConfiguration = {
  lendablePercent?: number;
  nominalConcurrencyShares?: number;
};

export const FlowDistinguisherMethod = struct('io.k8s.api.flowcontrol.v1.FlowDistinguisherMethod', () => ({
  type: required(1, string, { goType: 'v1.FlowDistinguisherMethodType' }),
}));
export type FlowDistinguisherMethod = {
  type: string;
};

export const FlowSchema = struct('io.k8s.api.flowcontrol.v1.FlowSchema', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, FlowSchemaSpec, { always: true }),
  status: optional(3, FlowSchemaStatus, { always: true }),
}));
export type FlowSchema = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: FlowSchemaSpec;
  status?: FlowSchemaStatus;
};

export const FlowSchemaCondition = struct('io.k8s.api.flowcontrol.v1.FlowSchemaCondition', () => ({
  lastTransitionTime: optional(3, time, { always: true }),
  message: optional(5, string),
  reason: optional(4, string),
  status: optional(2, string, { goType: 'v1.ConditionStatus' }),
  type: optional(1, string, { goType: 'v1.FlowSchemaConditionType' }),
}));
export type FlowSchemaCondition = {
  lastTransitionTime?: string | null;
  message?: string;
  reason?: string;
  status?: string;
  type?: string;
};

export const FlowSchemaSpec = struct('io.k8s.api.flowcontrol.v1.FlowSchemaSpec', () => ({
  priorityLevelConfiguration: required(1, PriorityLevelConfigurationReference),
  distinguisherMethod: optional(3, FlowDistinguisherMethod),
  matchingPrecedence: optional(2, int32, { always: true }),
  rules: optional(4, list(PolicyRulesWithSubjects), { listType: 'atomic' }),
}));
export type FlowSchemaSpec = {
  priorityLevelConfiguration: PriorityLevelConfigurationReference;
  distinguisherMethod?: FlowDistinguisherMethod;
  matchingPrecedence?: number;
  rules?: PolicyRulesWithSubjects[];
};

export const FlowSchemaStatus = struct('io.k8s.api.flowcontrol.v1.FlowSchemaStatus', () => ({
  conditions: optional(1, list(FlowSchemaCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
}));
export type FlowSchemaStatus = {
  conditions?: FlowSchemaCondition[];
};

export const GroupSubject = struct('io.k8s.api.flowcontrol.v1.GroupSubject', () => ({
  name: required(1, string),
}));
export type GroupSubject = {
  name: string;
};

export const LimitResponse = struct('io.k8s.api.flowcontrol.v1.LimitResponse', () => ({
  type: required(1, string, { goType: 'v1.LimitResponseType' }),
  queuing: optional(2, QueuingConfiguration),
}));
export type LimitResponse = {
  type: string;
  queuing?: QueuingConfiguration;
};

export const LimitedPriorityLevelConfiguration = struct('io.k8s.api.flowcontrol.v1.LimitedPriorityLevelConfiguration', () => ({
  borrowingLimitPercent: optional(4, int32, { pointer: true }),
  lendablePercent: optional(3, int32, { pointer: true }),
  limitResponse: optional(2, LimitResponse, { always: true }),
  nominalConcurrencyShares: optional(1, int32, { pointer: true, nullable: true }),
}));
export type LimitedPriorityLevelConfiguration = {
  borrowingLimitPercent?: number;
  lendablePercent?: number;
  limitResponse?: LimitResponse;
  nominalConcurrencyShares?: number | null;
};

export const NonResourcePolicyRule = struct('io.k8s.api.flowcontrol.v1.NonResourcePolicyRule', () => ({
  nonResourceURLs: required(6, list(string), { listType: 'set' }),
  verbs: required(1, list(string), { listType: 'set' }),
}));
export type NonResourcePolicyRule = {
  nonResourceURLs: string[];
  verbs: string[];
};

export const PolicyRulesWithSubjects = struct('io.k8s.api.flowcontrol.v1.PolicyRulesWithSubjects', () => ({
  subjects: required(1, list(Subject), { listType: 'atomic' }),
  nonResourceRules: optional(3, list(NonResourcePolicyRule), { listType: 'atomic' }),
  resourceRules: optional(2, list(ResourcePolicyRule), { listType: 'atomic' }),
}));
export type PolicyRulesWithSubjects = {
  subjects: Subject[];
  nonResourceRules?: NonResourcePolicyRule[];
  resourceRules?: ResourcePolicyRule[];
};

export const PriorityLevelConfiguration = struct('io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, PriorityLevelConfigurationSpec, { always: true }),
  status: optional(3, PriorityLevelConfigurationStatus, { always: true }),
}));
export type PriorityLevelConfiguration = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: PriorityLevelConfigurationSpec;
  status?: PriorityLevelConfigurationStatus;
};

export const PriorityLevelConfigurationCondition = struct('io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationCondition', () => ({
  lastTransitionTime: optional(3, time, { always: true }),
  message: optional(5, string),
  reason: optional(4, string),
  status: optional(2, string, { goType: 'v1.ConditionStatus' }),
  type: optional(1, string, { goType: 'v1.PriorityLevelConfigurationConditionType' }),
}));
export type PriorityLevelConfigurationCondition = {
  lastTransitionTime?: string | null;
  message?: string;
  reason?: string;
  status?: string;
  type?: string;
};

export const PriorityLevelConfigurationReference = struct('io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationReference', () => ({
  name: required(1, string),
}));
export type PriorityLevelConfigurationReference = {
  name: string;
};

export const PriorityLevelConfigurationSpec = struct('io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationSpec', () => ({
  type: required(1, string, { goType: 'v1.PriorityLevelEnablement' }),
  exempt: optional(3, ExemptPriorityLevelConfiguration),
  limited: optional(2, LimitedPriorityLevelConfiguration),
}));
export type PriorityLevelConfigurationSpec = {
  type: string;
  exempt?: ExemptPriorityLevelConfiguration;
  limited?: LimitedPriorityLevelConfiguration;
};

export const PriorityLevelConfigurationStatus = struct('io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationStatus', () => ({
  conditions: optional(1, list(PriorityLevelConfigurationCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
}));
export type PriorityLevelConfigurationStatus = {
  conditions?: PriorityLevelConfigurationCondition[];
};

export const QueuingConfiguration = struct('io.k8s.api.flowcontrol.v1.QueuingConfiguration', () => ({
  handSize: optional(2, int32, { always: true }),
  queueLengthLimit: optional(3, int32, { always: true }),
  queues: optional(1, int32, { always: true }),
}));
export type QueuingConfiguration = {
  handSize?: number;
  queueLengthLimit?: number;
  queues?: number;
};

export const ResourcePolicyRule = struct('io.k8s.api.flowcontrol.v1.ResourcePolicyRule', () => ({
  apiGroups: required(2, list(string), { listType: 'set' }),
  resources: required(3, list(string), { listType: 'set' }),
  verbs: required(1, list(string), { listType: 'set' }),
  clusterScope: optional(4, boolean),
  namespaces: optional(5, list(string), { always: true, listType: 'set' }),
}));
export type ResourcePolicyRule = {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
  clusterScope?: boolean;
  namespaces?: string[] | null;
};

export const ServiceAccountSubject = struct('io.k8s.api.flowcontrol.v1.ServiceAccountSubject', () => ({
  name: required(2, string),
  namespace: required(1, string),
}));
export type ServiceAccountSubject = {
  name: string;
  namespace: string;
};

export const Subject = struct('io.k8s.api.flowcontrol.v1.Subject', () => ({
  kind: required(1, string, { goType: 'v1.SubjectKind' }),
  group: optional(3, GroupSubject),
  serviceAccount: optional(4, ServiceAccountSubject),
  user: optional(2, UserSubject),
}));
export type Subject = {
  kind: string;
  group?: GroupSubject;
  serviceAccount?: ServiceAccountSubject;
  user?: UserSubject;
};

export const UserSubject = struct('io.k8s.api.flowcontrol.v1.UserSubject', () => ({
  name: required(1, string),
}));
export type UserSubject = {
  name: string;
};
