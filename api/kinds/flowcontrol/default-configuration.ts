/**
 * The FlowSchemas and PriorityLevelConfigurations that every cluster has. The mandatory ones cannot be changed, except for the
 * `exempt` part of the level `exempt`; the suggested ones are the cluster's to change.
 * https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#defaults
 */
import { NODES_GROUP } from '../../domain/node-identity.ts';
import type {
  FlowSchemaSpec,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  PriorityLevelConfigurationSpec,
  ResourcePolicyRule,
  Subject,
} from '../../types/flowcontrol/v1.gen.ts';

/** `true`: the server keeps the spec as it is here. */
export const AUTOUPDATE_ANNOTATION = 'apf.kubernetes.io/autoupdate-spec';
export const EXEMPT = 'exempt';
export const CATCH_ALL = 'catch-all';

interface Named<Spec> {
  readonly metadata: { readonly name: string; readonly annotations: Record<string, string> };
  readonly spec: Spec;
}
export type DefaultLevel = Named<PriorityLevelConfigurationSpec>;
export type DefaultSchema = Named<FlowSchemaSpec>;

const named = <Spec>(name: string, spec: Spec): Named<Spec> => ({
  metadata: { name, annotations: { [AUTOUPDATE_ANNOTATION]: 'true' } },
  spec,
});

const level = (
  name: string,
  nominalConcurrencyShares: number,
  lendablePercent: number,
  [queues, handSize]: readonly [number, number],
): DefaultLevel =>
  named(name, {
    type: 'Limited',
    limited: {
      nominalConcurrencyShares,
      lendablePercent,
      limitResponse: { type: 'Queue', queuing: { queues, handSize, queueLengthLimit: 50 } },
    },
  });

const groups = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'Group', group: { name } }));
const users = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'User', user: { name } }));
const SYSTEM_ACCOUNTS: Subject[] = [
  { kind: 'ServiceAccount', serviceAccount: { name: '*', namespace: 'kube-system' } },
];
const CONTROLLERS = 'system:kube-controller-manager';
const SCHEDULER = 'system:kube-scheduler';
const EVERYBODY = groups('system:unauthenticated', 'system:authenticated');

const resources = (
  verbs: string[],
  apiGroups: string[],
  names: string[],
  clusterScope: boolean,
): ResourcePolicyRule => ({
  verbs,
  apiGroups,
  resources: names,
  namespaces: ['*'],
  ...(clusterScope && { clusterScope }),
});
const ANY_RESOURCE = resources(['*'], ['*'], ['*'], true);
const ANY_PATH: NonResourcePolicyRule = { verbs: ['*'], nonResourceURLs: ['*'] };
const anything = (subjects: Subject[]): PolicyRulesWithSubjects => ({
  subjects,
  resourceRules: [ANY_RESOURCE],
  nonResourceRules: [ANY_PATH],
});

function schema(
  name: string,
  levelName: string,
  matchingPrecedence: number,
  distinguisher: 'ByUser' | 'ByNamespace' | undefined,
  rule: PolicyRulesWithSubjects,
): DefaultSchema {
  const spec: FlowSchemaSpec = {
    priorityLevelConfiguration: { name: levelName },
    matchingPrecedence,
    ...(distinguisher && { distinguisherMethod: { type: distinguisher } }),
    rules: [rule],
  };
  return named(name, spec);
}

export const mandatoryLevels: readonly DefaultLevel[] = [
  named(CATCH_ALL, {
    type: 'Limited',
    limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } },
  }),
  named(EXEMPT, { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } }),
];

export const mandatorySchemas: readonly DefaultSchema[] = [
  schema(EXEMPT, EXEMPT, 1, undefined, anything(groups('system:masters'))),
  schema(CATCH_ALL, CATCH_ALL, 10_000, 'ByUser', anything(EVERYBODY)),
];

export const suggestedLevels: readonly DefaultLevel[] = [
  level('system', 30, 33, [64, 6]),
  level('node-high', 40, 25, [64, 6]),
  level('leader-election', 10, 0, [16, 4]),
  level('workload-high', 40, 50, [128, 6]),
  level('workload-low', 100, 90, [128, 6]),
  level('global-default', 20, 50, [128, 6]),
];

export const suggestedSchemas: readonly DefaultSchema[] = [
  schema('system-nodes', 'system', 500, 'ByUser', anything(groups(NODES_GROUP))),
  schema('system-node-high', 'node-high', 400, 'ByUser', {
    subjects: groups(NODES_GROUP),
    resourceRules: [
      resources(['*'], [''], ['nodes', 'nodes/status'], true),
      resources(['*'], ['coordination.k8s.io'], ['leases'], false),
    ],
  }),
  schema('probes', EXEMPT, 2, undefined, {
    subjects: EVERYBODY,
    nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
  }),
  schema('system-leader-election', 'leader-election', 100, 'ByUser', {
    subjects: [...users(CONTROLLERS, SCHEDULER), ...SYSTEM_ACCOUNTS],
    resourceRules: [resources(['get', 'create', 'update'], ['coordination.k8s.io'], ['leases'], false)],
  }),
  schema('kube-controller-manager', 'workload-high', 800, 'ByNamespace', anything(users(CONTROLLERS))),
  schema('kube-scheduler', 'workload-high', 800, 'ByNamespace', anything(users(SCHEDULER))),
  schema('kube-system-service-accounts', 'workload-high', 900, 'ByNamespace', anything(SYSTEM_ACCOUNTS)),
  schema('service-accounts', 'workload-low', 9000, 'ByUser', anything(groups('system:serviceaccounts'))),
  schema('global-default', 'global-default', 9900, 'ByUser', anything(EVERYBODY)),
];
