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
    readonly infrastructure?: {
      readonly parametersRef?: object;
      readonly labels?: Readonly<Record<string, string>>;
      readonly annotations?: Readonly<Record<string, string>>;
    };
    readonly allowedListeners?: { readonly namespaces?: NamespacesFrom };
    readonly tls?: {
      readonly backend?: { readonly clientCertificateRef?: ObjectReference };
      readonly frontend?: {
        readonly default?: FrontendTls;
        readonly perPort?: readonly { readonly port: number; readonly tls: FrontendTls }[];
      };
    };
  };
  status?: GatewayStatus;
}

export interface NamespacesFrom {
  readonly from?: string;
  readonly selector?: LabelSelector;
}

/** How the certificates of clients are verified. */
export interface FrontendTls {
  readonly validation?: { readonly caCertificateRefs?: readonly ObjectReference[]; readonly mode?: string };
}

export interface ListenerSet extends KubeObject {
  spec?: { readonly parentRef?: ObjectReference; readonly listeners?: readonly Listener[] };
  status?: { readonly conditions?: readonly Condition[]; readonly listeners?: readonly ListenerStatus[] };
}

export interface GatewayStatus {
  readonly addresses?: readonly { readonly type?: string; readonly value: string }[];
  readonly conditions?: readonly Condition[];
  readonly listeners?: readonly ListenerStatus[];
  readonly attachedListenerSets?: number;
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
    readonly namespaces?: NamespacesFrom;
  };
}

export interface ObjectReference {
  readonly group?: string;
  readonly kind?: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface AncestorStatus {
  readonly ancestorRef: ParentReference;
  readonly controllerName: string;
  readonly conditions: readonly Condition[];
}

export interface BackendTLSPolicy extends KubeObject {
  spec?: {
    readonly targetRefs?: readonly {
      readonly group?: string;
      readonly kind?: string;
      readonly name: string;
      readonly sectionName?: string;
    }[];
    readonly validation?: {
      readonly caCertificateRefs?: readonly ObjectReference[];
      readonly wellKnownCACertificates?: string;
      readonly hostname?: string;
      readonly subjectAltNames?: readonly {
        readonly type?: string;
        readonly hostname?: string;
        readonly uri?: string;
      }[];
    };
  };
  status?: { readonly ancestors?: readonly AncestorStatus[] };
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
export interface CorsFilter {
  readonly allowOrigins?: readonly string[];
  readonly allowMethods?: readonly string[];
  readonly allowHeaders?: readonly string[];
  readonly exposeHeaders?: readonly string[];
  readonly allowCredentials?: boolean;
  readonly maxAge?: number;
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
  readonly cors?: CorsFilter;
  readonly urlRewrite?: { readonly hostname?: string; readonly path?: PathModifier };
  readonly requestMirror?: {
    readonly backendRef: BackendReference;
    readonly percent?: number;
    readonly fraction?: { readonly numerator: number; readonly denominator?: number };
  };
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
  /** Of the experimental channel. */
  readonly retry?: { readonly codes?: readonly number[]; readonly attempts?: number; readonly backoff?: string };
  /** Of the experimental channel. */
  readonly sessionPersistence?: {
    readonly type?: string;
    readonly sessionName?: string;
    readonly absoluteTimeout?: string;
    readonly idleTimeout?: string;
    readonly cookieConfig?: { readonly lifetimeType?: string };
  };
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
export type TLSRoute = RouteObject<never>;

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
export const tlsRoutes: Resource<TLSRoute> = resource('TLSRoute', 'tlsroutes');
export const listenerSets: Resource<ListenerSet> = resource('ListenerSet', 'listenersets');
export const backendTlsPolicies: Resource<BackendTLSPolicy> = resource('BackendTLSPolicy', 'backendtlspolicies');
export const referenceGrants: Resource<ReferenceGrant> = resource('ReferenceGrant', 'referencegrants', 'v1beta1');
