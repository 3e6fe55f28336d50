/** What Gateways and their routes add to the model: hosts by port, rules beyond paths, and what is done with requests. */

/** What hosts and ports of listeners lead to. Empty without Gateways. */
export interface Routing {
  /** Ports beyond the controller's own two. */
  readonly ports: readonly PortModel[];
  /** By key, each with what it holds. */
  readonly hosts: readonly RouteHost[];
  readonly splits: readonly SplitModel[];
  /** Where connections go by the name that they are made for, whatever is in them. */
  readonly connections: readonly ConnectionHost[];
  /** The certificates for connections whose TLS ends here, by port. */
  readonly connectionTls: ReadonlyMap<number, PortTls>;
  /** The routes that are served here, as `KIND namespace/name`. */
  readonly routes: ReadonlySet<string>;
}

export const NO_ROUTING: Routing = {
  ...{ ports: [], hosts: [], splits: [], routes: new Set<string>(), connections: [] },
  connectionTls: new Map(),
};

export interface ConnectionHost {
  /** `a.example`, `*.example` or '' for any. */
  readonly host: string;
  readonly port: number;
  /** The backend gets TLS as the client has begun it. */
  readonly isPassthrough: boolean;
  /** The name of a backend or a split. */
  readonly backend: string;
}

export interface PortModel {
  readonly port: number;
  /** The certificates of a port with TLS. */
  readonly tls: PortTls | undefined;
}

export interface PortTls {
  readonly certificates: readonly ListenerCertificate[];
  /** PEM: shown for names that have none; the controller's own when undefined. */
  readonly fallback: string | undefined;
  readonly fallbackClientCa: string | undefined;
}

export interface ListenerCertificate {
  /** PEM: the chain, then the key. */
  readonly pem: string;
  readonly host: string;
  /** PEM: clients have to show a certificate of it. */
  readonly clientCa: string | undefined;
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
  /** Of connections, not of requests. */
  readonly isTcp: boolean;
  /** Each with a weight of at least 1. */
  readonly parts: readonly { readonly backend: string; readonly weight: number }[];
}

/** What is done with a request that a rule of a route matches. */
export interface RouteActions {
  /** Requests are answered, as no backend can be: with 500, or gRPC's UNAVAILABLE. */
  readonly isBroken: boolean;
  readonly isGrpc: boolean;
  /** Of connections, whatever is in them. */
  readonly isTcp: boolean;
  readonly usesHttp2: boolean;
  readonly requestHeaders: readonly HeaderChange[];
  readonly responseHeaders: readonly HeaderChange[];
  readonly rewriteHost: string | undefined;
  readonly rewritePath: PathChange | undefined;
  readonly redirect: Redirect | undefined;
  /** Where copies of requests are sent, whose answers nobody reads. */
  readonly mirrors: readonly Mirror[];
  /** What requests are copies: nothing is told to whoever has sent them. */
  readonly isMirror: boolean;
  readonly cors: Cors | undefined;
  readonly limits: Limits;
  readonly session: Session | undefined;
  /** Backends are asked by TLS. */
  readonly upstreamTls: UpstreamTls | undefined;
  /** PEM: the listener asks clients for a certificate, which has to be verified by this and nothing else. */
  readonly clientCa: string | undefined;
}

export const NO_LIMITS: Limits = { answerMs: undefined, attempts: undefined, codes: undefined };

export interface Limits {
  /** Milliseconds until the answer to one attempt has to begin; 0 for no limit. */
  readonly answerMs: number | undefined;
  /** How often a request is sent again; the proxy's own number when undefined. */
  readonly attempts: number | undefined;
  /** The answers after which it is, when it says so. */
  readonly codes: readonly number[] | undefined;
}

/** https://fetch.spec.whatwg.org/#http-cors-protocol */
export interface Cors {
  /** `https://a.example`, `https://*.a.example` or `https://*`. */
  readonly origins: readonly string[] | 'any';
  readonly methods: readonly string[] | 'any';
  readonly headers: readonly string[] | 'any';
  readonly exposed: readonly string[] | 'any';
  readonly credentials: boolean;
  readonly maxAgeSeconds: number;
}

/** A client stays with its endpoint. */
export interface Session {
  readonly cookie: string;
  readonly lifeSeconds: number | undefined;
  readonly idleSeconds: number | undefined;
  /** The browser keeps it for `lifeSeconds`, and not until it is closed. */
  readonly isPermanent: boolean;
}

export interface UpstreamTls {
  /** PEM. */
  readonly ca: string;
  /** What the certificate has to be for, sent as SNI. */
  readonly serverName: string;
  /** PEM of the certificate that endpoints are shown, and its key. */
  readonly certificate: string | undefined;
}

/** A share of requests: `numerator` of `denominator`. */
export interface Mirror {
  readonly backend: string;
  readonly numerator: number;
  readonly denominator: number;
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
