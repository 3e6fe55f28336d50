/** What Gateways and their routes add to the model: hosts by port, rules beyond paths, and what is done with requests. */

/** What hosts and ports of listeners lead to. Empty without Gateways. */
export interface Routing {
  /** Ports beyond the controller's own two. */
  readonly ports: readonly PortModel[];
  /** By key, each with what it holds. */
  readonly hosts: readonly RouteHost[];
  readonly splits: readonly SplitModel[];
  /** The routes that are served here, as `KIND namespace/name`. */
  readonly routes: ReadonlySet<string>;
}

export const NO_ROUTING: Routing = { ports: [], hosts: [], splits: [], routes: new Set() };

export interface PortModel {
  readonly port: number;
  /** The certificates of a port with TLS. */
  readonly tls: PortTls | undefined;
}

export interface PortTls {
  readonly certificates: readonly ListenerCertificate[];
  /** PEM: shown for names that have none; the controller's own when undefined. */
  readonly fallback: string | undefined;
}

export interface ListenerCertificate {
  /** PEM: the chain, then the key. */
  readonly pem: string;
  readonly host: string;
}

export interface RouteHost {
  /** `a.example`, `*.example` or '' for any. */
  readonly host: string;
  readonly port: number;
  /** A host of the same listener whose rules count when none of this one matches. */
  readonly parent: string | undefined;
  /** What depends on paths only. */
  readonly paths: readonly RoutePath[];
  /** In the order in which they count; when there are any, they are all of the host. */
  readonly rules: readonly RouteRule[];
}

export interface RoutePath {
  /** `prefix`: by elements; without a slash at its end. */
  readonly type: 'exact' | 'prefix' | 'pattern';
  readonly path: string;
  /** The name of a backend or a split. */
  readonly backend: string;
}

export interface RouteRule extends RoutePath {
  readonly method: string | undefined;
  readonly headers: readonly ValueMatch[];
  readonly parameters: readonly ValueMatch[];
}

export interface ValueMatch {
  readonly name: string;
  readonly isPattern: boolean;
  readonly value: string;
}

/** Divides requests by weight. */
export interface SplitModel {
  readonly name: string;
  /** Each with a weight of at least 1. */
  readonly parts: readonly { readonly backend: string; readonly weight: number }[];
}

/** What is done with a request that a rule of a route matches. */
export interface RouteActions {
  /** Requests are answered, as no backend can be: with 500, or gRPC's UNAVAILABLE. */
  readonly isBroken: boolean;
  readonly isGrpc: boolean;
  readonly usesHttp2: boolean;
  readonly requestHeaders: readonly HeaderChange[];
  readonly responseHeaders: readonly HeaderChange[];
  readonly rewriteHost: string | undefined;
  readonly rewritePath: PathChange | undefined;
  readonly redirect: Redirect | undefined;
  /** Milliseconds until the answer has to begin; 0 for no limit. */
  readonly timeoutMs: number | undefined;
}

export interface HeaderChange {
  readonly change: 'set' | 'add' | 'remove';
  readonly name: string;
  readonly value: string;
}

export type PathChange =
  | { readonly replaces: 'all'; readonly by: string }
  /** `prefix` has no slash at its end. */
  | { readonly replaces: 'prefix'; readonly prefix: string; readonly by: string };

export interface Redirect {
  readonly scheme: 'http' | 'https';
  /** That of the request when undefined. */
  readonly host: string | undefined;
  /** Undefined for the one of the scheme. */
  readonly port: number | undefined;
  readonly path: PathChange | undefined;
  readonly code: number;
}
