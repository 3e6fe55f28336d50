/** What the proxy is to do: the compiler's output. Everything in it has been checked where it came in. */
import type { Policy } from '../annotations/policy.ts';
import type { RouteActions, Routing } from './routing.ts';

/** The name of the host of rules that have none. No DNS name has an underscore only. */
export const ANY_HOST = '_';

export interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

export interface Model {
  readonly hosts: readonly HostModel[];
  /** By name. */
  readonly backends: ReadonlyMap<string, BackendModel>;
  /** Answers what no rule matches; a plain 404 page without it. */
  readonly defaultBackend: string | undefined;
  readonly certificates: readonly CertificateModel[];
  /** PEM: shown on the port of HTTPS for hosts that have none; the controller's own when undefined. */
  readonly fallbackCertificate?: string;
  /** PEM: what clients' certificates are verified by that get the fallback certificate. */
  readonly fallbackClientCa?: string | undefined;
  readonly problems: readonly Problem[];
  /** The Ingresses that are served here, as `namespace/name`. */
  readonly served: ReadonlySet<string>;
  /** What Gateways add. */
  readonly routing: Routing;
}

export interface HostModel {
  /** `a.example`, `*.example` or ANY_HOST. */
  readonly name: string;
  readonly paths: readonly PathModel[];
}

/** `literal`: a prefix by characters, as ImplementationSpecific paths. `prefix`: by elements; without a slash at its end. */
export interface PathModel {
  readonly type: 'exact' | 'prefix' | 'literal' | 'pattern';
  readonly path: string;
  readonly backend: string;
  readonly ingress: string;
}

export interface BackendModel {
  readonly name: string;
  readonly ingress: ObjectName;
  readonly service: string;
  readonly policy: Policy;
  /** Of a rule of a route, which has no annotations. */
  readonly route?: RouteActions;
  /** All requests are answered with 503, as a guard of the path cannot be done. */
  readonly isClosed: boolean;
  /** The host has TLS: HTTP is redirected. */
  readonly redirectsToHttps: boolean;
  /** The regular expression that `policy.rewriteTarget` is about. */
  readonly rewritten: string | undefined;
  /** `ADDRESS:PORT`, with IPv6 in brackets, sorted. */
  readonly endpoints: readonly string[];
  readonly users: readonly User[] | undefined;
  /** Headers of answers. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** What a service that is asked about requests gets. */
  readonly authHeaders: readonly (readonly [name: string, value: string])[];
  /** PEM. */
  readonly upstreamCa: string | undefined;
  readonly upstreamCertificate: string | undefined;
  /** PEM: what certificates of clients have to be of, of an Ingress that asks for them. */
  readonly clientCa: string | undefined;
  readonly canary: CanaryModel | undefined;
  /** Names what session cookies are derived from: the same on every node. */
  readonly uid: string;
}

export interface User {
  readonly name: string;
  /** crypt(3). */
  readonly hash: string;
}

export interface CanaryModel {
  readonly backend: string;
  readonly weight: number;
  readonly total: number;
  readonly header: string | undefined;
  readonly headerValue: string | undefined;
  readonly cookie: string | undefined;
}

export interface CertificateModel {
  /** PEM: the chain, then the key. */
  readonly pem: string;
  readonly hosts: readonly string[];
  /** PEM: clients may show a certificate of it. */
  readonly clientCa: string | undefined;
  /** A client without one is not served. */
  readonly needsClientCertificate?: boolean;
}

export type ProblemReason =
  | 'AnnotationRefused'
  | 'BackendRefused'
  | 'ServiceNotFound'
  | 'SecretNotFound'
  | 'ConfigMapNotFound'
  | 'InvalidCertificate'
  | 'InvalidCredentials'
  | 'PathConflict'
  | 'PathRefused'
  | 'CanaryWithoutMain'
  | 'ConfigurationRefused';

/** What is wrong with an Ingress, for an event about it. */
export interface Problem {
  readonly ingress: ObjectName;
  readonly reason: ProblemReason;
  readonly message: string;
}
