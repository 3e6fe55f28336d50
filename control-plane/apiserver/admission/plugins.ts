import type { ServiceAccountIndex } from '../authentication/service-account-index.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import type { PodGraph } from '../authorization/pod-graph.ts';
import type { RbacAuthorizer } from '../authorization/rbac-authorizer.ts';
import type { RbacIndex } from '../authorization/rbac-index.ts';
import type { LocalApi } from '../local-api.ts';
import {
  certificateApproval,
  certificateRequester,
  certificateSigning,
  certificateSubjectRestriction,
} from './certificates.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import type { AdmissionPlugin } from './plugin.ts';
import { priority } from './priority.ts';
import { rbacEscalation } from './rbac-escalation.ts';
import { serviceAccount } from './service-account.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';

export interface AdmissionOptions {
  readonly api: LocalApi;
  readonly authorizer: Authorizer;
  readonly rbac: RbacAuthorizer;
  readonly index: RbacIndex;
  readonly graph: PodGraph;
  readonly accounts: ServiceAccountIndex;
}

/** Admission, in upstream's order: every `mutate` in this order, then every `validate`. */
export const admissionPlugins = ({
  api,
  authorizer,
  rbac,
  index,
  graph,
  accounts,
}: AdmissionOptions): AdmissionPlugin[] => [
  namespaceLifecycle(api),
  nodeRestriction(api, graph),
  serviceAccount(accounts),
  taintNodesByCondition,
  priority(api),
  defaultTolerationSeconds,
  certificateRequester,
  certificateApproval(authorizer),
  certificateSigning(authorizer),
  certificateSubjectRestriction,
  rbacEscalation({ authorizer, rbac, index }),
];
