/** The pictures of the cluster that the controllers share: each kind is listed, watched and parsed once for all of them. */
import type { KubeObject } from '../../api/machinery/kind.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { Informer } from '../../client/informer.ts';
import type { Logger } from '../../client/logger.ts';
import type { Resource } from '../../client/resource.ts';
import { Interner } from './intern.ts';
import { nodeView, type NodeView } from './node-view.ts';
import { controllerOf, ownedView, type Owned } from './owned.ts';
import { podView, type PodView } from './pod-view.ts';
import {
  certificateSigningRequests,
  deployments,
  endpointSlices,
  endpoints,
  leases,
  namespaces,
  nodes,
  pods,
  replicaSets,
  serviceAccounts,
  services,
} from '../../client/resources.gen.ts';
import type { Deployment, ReplicaSet } from '../../api/types/apps/v1.gen.ts';
import type { CertificateSigningRequest } from '../../api/types/certificates/v1.gen.ts';
import type { Lease } from '../../api/types/coordination/v1.gen.ts';
import type { Endpoints, Namespace, Node, Pod, Service, ServiceAccount } from '../../api/types/core/v1.gen.ts';
import type { EndpointSlice } from '../../api/types/discovery/v1.gen.ts';

/** What is kept of a Lease: node Leases change every ten seconds. */
export interface LeaseView extends Owned {
  readonly renewTime: string;
}

export interface SharedInformers {
  readonly pods: Informer<Pod, PodView>;
  readonly nodes: Informer<Node, NodeView>;
  readonly leases: Informer<Lease, LeaseView>;
  readonly namespaces: Informer<Namespace>;
  readonly services: Informer<Service>;
  readonly endpoints: Informer<Endpoints>;
  readonly endpointSlices: Informer<EndpointSlice>;
  readonly deployments: Informer<Deployment>;
  readonly replicaSets: Informer<ReplicaSet>;
  readonly serviceAccounts: Informer<ServiceAccount, Owned>;
  readonly certificateSigningRequests: Informer<CertificateSigningRequest>;
}

/** Who owns which fields is nothing that a controller looks at, and often half of an object. */
function withoutManagedFields<T extends KubeObject>(object: T): T {
  delete object.metadata?.managedFields;
  return object;
}

/** Under this value the index `controller` has the pods or ReplicaSets of a namespace that nobody controls. */
export const orphansOf = (namespace: string): string => `orphans of ${namespace}`;

const byController = ({ metadata }: KubeObject): string[] => [
  controllerOf(metadata?.ownerReferences)?.uid ?? orphansOf(metadata?.namespace ?? ''),
];
const byNamespace = ({ metadata }: KubeObject): string[] => [metadata?.namespace ?? ''];

export function createInformers(client: ApiClient, logger: Logger): SharedInformers {
  const interner = new Interner();
  const common = { client, logger };
  const whole = <T extends KubeObject>(
    resource: Resource<T>,
    indexes: Record<string, (object: T) => readonly string[]> = {},
  ): Informer<T> => new Informer<T>({ ...common, resource, select: withoutManagedFields, indexes });
  return {
    pods: new Informer<Pod, PodView>({
      ...common,
      resource: pods,
      select: (pod) => podView(pod, interner),
      indexes: {
        controller: ({ controllerUid, namespace }) => [controllerUid || orphansOf(namespace)],
        namespace: ({ namespace }) => [namespace],
        node: ({ nodeName }) => (nodeName ? [nodeName] : []),
      },
    }),
    nodes: new Informer<Node, NodeView>({
      ...common,
      resource: nodes,
      select: (node) => nodeView(node, interner),
    }),
    leases: new Informer<Lease, LeaseView>({
      ...common,
      resource: leases,
      select: (lease) => ({ ...ownedView(lease, interner), renewTime: lease.spec?.renewTime ?? '' }),
    }),
    namespaces: whole(namespaces),
    services: whole(services, { namespace: byNamespace }),
    endpoints: whole(endpoints),
    endpointSlices: whole(endpointSlices, {
      service: ({ metadata }) => [`${metadata?.namespace}/${metadata?.labels?.['kubernetes.io/service-name'] ?? ''}`],
    }),
    deployments: whole(deployments, { namespace: byNamespace }),
    replicaSets: whole(replicaSets, { controller: byController, namespace: byNamespace }),
    serviceAccounts: new Informer<ServiceAccount, Owned>({
      ...common,
      resource: serviceAccounts,
      select: (account) => ownedView(account, interner),
    }),
    certificateSigningRequests: whole(certificateSigningRequests),
  };
}
