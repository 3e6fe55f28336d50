/** The kinds of the Gateway API, as far as they are read here: https://gateway-api.sigs.k8s.io/reference/api-spec/1.4/spec/ */
import { GATEWAY_GROUP } from '../../../api/domain/gateway-api.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { LabelSelector } from '../../../api/types/meta/v1.gen.ts';
import type { Resource } from '../../../client/resource.ts';

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime?: string;
}

export interface GatewayClass extends KubeObject {
  spec?: { readonly controllerName?: string; readonly parametersRef?: object };
  status?: { readonly conditions?: readonly Condition[]; readonly supportedFeatures?: readonly { name: string }[] };
}

export interface Gateway extends KubeObject {
  spec?: {
    readonly gatewayClassName?: string;
    readonly listeners?: readonly Listener[];
    readonly addresses?: readonly { readonly type?: string; readonly value?: string }[];
    readonly infrastructure?: { readonly parametersRef?: object };
  };
  status?: GatewayStatus;
}

export interface GatewayStatus {
  readonly addresses?: readonly { readonly type?: string; readonly value: string }[];
  readonly conditions?: readonly Condition[];
  readonly listeners?: readonly ListenerStatus[];
}

export interface ListenerStatus {
  readonly name: string;
  readonly supportedKinds: readonly RouteKind[];
  readonly attachedRoutes: number;
  readonly conditions: readonly Condition[];
}

export interface RouteKind {
  readonly group?: string;
  readonly kind: string;
}

export interface Listener {
  readonly name: string;
  readonly hostname?: string;
  readonly port: number;
  readonly protocol: string;
  readonly tls?: { readonly mode?: string; readonly certificateRefs?: readonly ObjectReference[] };
  readonly allowedRoutes?: {
    readonly kinds?: readonly RouteKind[];
    readonly namespaces?: { readonly from?: string; readonly selector?: LabelSelector };
  };
}

export interface ObjectReference {
  readonly group?: string;
  readonly kind?: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface ParentReference extends ObjectReference {
  readonly sectionName?: string;
  readonly port?: number;
}

export interface BackendReference extends ObjectReference {
  readonly port?: number;
  readonly weight?: number;
  readonly filters?: readonly Filter[];
}

export interface HeaderValue {
  readonly name: string;
  readonly value: string;
}
export interface HeaderFilter {
  readonly set?: readonly HeaderValue[];
  readonly add?: readonly HeaderValue[];
  readonly remove?: readonly string[];
}
export interface PathModifier {
  readonly type: string;
  readonly replaceFullPath?: string;
  readonly replacePrefixMatch?: string;
}
export interface Filter {
  readonly type: string;
  readonly requestHeaderModifier?: HeaderFilter;
  readonly responseHeaderModifier?: HeaderFilter;
  readonly requestRedirect?: {
    readonly scheme?: string;
    readonly hostname?: string;
    readonly path?: PathModifier;
    readonly port?: number;
    readonly statusCode?: number;
  };
  readonly urlRewrite?: { readonly hostname?: string; readonly path?: PathModifier };
}

export interface NamedMatch {
  readonly type?: string;
  readonly name: string;
  readonly value: string;
}
export interface HttpMatch {
  readonly path?: { readonly type?: string; readonly value?: string };
  readonly headers?: readonly NamedMatch[];
  readonly queryParams?: readonly NamedMatch[];
  readonly method?: string;
}
export interface GrpcMatch {
  readonly method?: { readonly type?: string; readonly service?: string; readonly method?: string };
  readonly headers?: readonly NamedMatch[];
}
export interface RouteRuleSpec<M> {
  readonly matches?: readonly M[];
  readonly filters?: readonly Filter[];
  readonly backendRefs?: readonly BackendReference[];
  readonly timeouts?: { readonly request?: string; readonly backendRequest?: string };
}
export interface RouteParentStatus {
  readonly parentRef: ParentReference;
  readonly controllerName: string;
  readonly conditions: readonly Condition[];
}
interface RouteObject<M> extends KubeObject {
  spec?: {
    readonly parentRefs?: readonly ParentReference[];
    readonly hostnames?: readonly string[];
    readonly rules?: readonly RouteRuleSpec<M>[];
  };
  status?: { readonly parents?: readonly RouteParentStatus[] };
}
export type HTTPRoute = RouteObject<HttpMatch>;
export type GRPCRoute = RouteObject<GrpcMatch>;

export interface ReferenceGrant extends KubeObject {
  spec?: {
    readonly from?: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[];
    readonly to?: readonly { readonly group: string; readonly kind: string; readonly name?: string }[];
  };
}

const resource = (kind: string, plural: string, version = 'v1') => ({
  ...{ group: GATEWAY_GROUP, version, kind, plural, namespaced: kind !== 'GatewayClass' },
});
export const gatewayClasses: Resource<GatewayClass> = resource('GatewayClass', 'gatewayclasses');
export const gateways: Resource<Gateway> = resource('Gateway', 'gateways');
export const httpRoutes: Resource<HTTPRoute> = resource('HTTPRoute', 'httproutes');
export const grpcRoutes: Resource<GRPCRoute> = resource('GRPCRoute', 'grpcroutes');
export const referenceGrants: Resource<ReferenceGrant> = resource('ReferenceGrant', 'referencegrants', 'v1beta1');
