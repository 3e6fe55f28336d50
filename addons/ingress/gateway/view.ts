import type { ClusterView } from '../model/cluster-view.ts';
import type {
  BackendTLSPolicy,
  Gateway,
  GatewayClass,
  GRPCRoute,
  HTTPRoute,
  ListenerSet,
  ReferenceGrant,
  TLSRoute,
} from './objects.ts';

/** What the compiler of Gateways reads of the cluster. */
export interface GatewayView extends ClusterView {
  readonly gatewayClasses: Iterable<GatewayClass>;
  readonly gateways: Iterable<Gateway>;
  readonly httpRoutes: Iterable<HTTPRoute>;
  readonly grpcRoutes: Iterable<GRPCRoute>;
  readonly tlsRoutes: Iterable<TLSRoute>;
  readonly listenerSets: Iterable<ListenerSet>;
  readonly backendTlsPolicies: Iterable<BackendTLSPolicy>;
  readonly referenceGrants: Iterable<ReferenceGrant>;
  namespaceLabels(name: string): Readonly<Record<string, string>> | undefined;
}
