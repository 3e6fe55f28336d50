/** Objects of a cluster in memory, as the compiler of Gateways reads them: as the api-server has them, with its defaults. */
import { X509Certificate } from 'node:crypto';
import { compileCluster, type CompiledCluster } from '../../addons/ingress/gateway/compile.ts';
import { selfSigned } from '../../addons/ingress/default-certificate.ts';
import type {
  BackendReference,
  BackendTLSPolicy,
  Condition,
  Gateway,
  GatewayClass,
  GRPCRoute,
  HTTPRoute,
  Listener,
  ListenerSet,
  ReferenceGrant,
  TLSRoute,
} from '../../addons/ingress/gateway/objects.ts';
import type { Secret } from '../../api/types/core/v1.gen.ts';
import type { GatewayView } from '../../addons/ingress/gateway/view.ts';
import { World, NAMESPACE } from './ingress-world.ts';

export class GatewayWorld extends World implements GatewayView {
  readonly gatewayClasses: GatewayClass[] = [
    { metadata: { name: 'kedge', generation: 1 }, spec: { controllerName: 'kedge.io/gateway-controller' } },
  ];
  readonly gateways: Gateway[] = [];
  readonly httpRoutes: HTTPRoute[] = [];
  readonly grpcRoutes: GRPCRoute[] = [];
  readonly tlsRoutes: TLSRoute[] = [];
  readonly listenerSets: ListenerSet[] = [];
  readonly backendTlsPolicies: BackendTLSPolicy[] = [];
  readonly referenceGrants: ReferenceGrant[] = [];
  readonly namespaces = new Map<string, Readonly<Record<string, string>>>();

  namespaceLabels(name: string): Readonly<Record<string, string>> | undefined {
    return this.namespaces.get(name);
  }

  #metadata(name: string, namespace: string) {
    return { name, namespace, uid: `uid-${namespace}-${name}`, generation: 1, creationTimestamp: this.nextTime() };
  }

  /** Younger than what was added before it. */
  addGateway(name: string, listeners: readonly Listener[], namespace = NAMESPACE): Gateway {
    const gateway = { metadata: this.#metadata(name, namespace), spec: { gatewayClassName: 'kedge', listeners } };
    this.gateways.push(gateway);
    return gateway;
  }

  addRoute(name: string, spec: NonNullable<HTTPRoute['spec']>, namespace = NAMESPACE): HTTPRoute {
    const route = { metadata: this.#metadata(name, namespace), spec: { parentRefs: [{ name: 'gw' }], ...spec } };
    this.httpRoutes.push(route);
    return route;
  }

  addGrpcRoute(name: string, spec: NonNullable<GRPCRoute['spec']>, namespace = NAMESPACE): GRPCRoute {
    const route = { metadata: this.#metadata(name, namespace), spec: { parentRefs: [{ name: 'gw' }], ...spec } };
    this.grpcRoutes.push(route);
    return route;
  }

  addTlsRoute(name: string, spec: NonNullable<TLSRoute['spec']>, namespace = NAMESPACE): TLSRoute {
    const route = { metadata: this.#metadata(name, namespace), spec: { parentRefs: [{ name: 'gw' }], ...spec } };
    this.tlsRoutes.push(route);
    return route;
  }

  addListenerSet(
    name: string,
    listeners: readonly Listener[],
    namespace = NAMESPACE,
    gateway = NAMESPACE,
  ): ListenerSet {
    const spec = { parentRef: { name: 'gw', namespace: gateway }, listeners };
    const set = { metadata: this.#metadata(name, namespace), spec };
    this.listenerSets.push(set);
    return set;
  }

  /** A policy for a Service. */
  addTlsPolicy(
    name: string,
    service: string,
    validation: NonNullable<BackendTLSPolicy['spec']>['validation'],
    sectionName?: string,
  ): BackendTLSPolicy {
    const target = { group: '', kind: 'Service', name: service, ...(sectionName !== undefined && { sectionName }) };
    const policy = {
      metadata: this.#metadata(name, NAMESPACE),
      spec: { targetRefs: [target], ...(validation && { validation }) },
    };
    this.backendTlsPolicies.push(policy);
    return policy;
  }

  /** Lets routes or Gateways of a namespace refer to Services or Secrets of another. */
  addGrant(
    namespace: string,
    from: readonly [kind: string, namespace: string],
    to: readonly [kind: string, name?: string],
  ) {
    const [kind, fromNamespace] = from;
    const [toKind, name] = to;
    this.referenceGrants.push({
      metadata: this.#metadata(`grant-${this.referenceGrants.length}`, namespace),
      spec: {
        from: [{ group: 'gateway.networking.k8s.io', kind, namespace: fromNamespace }],
        to: [{ group: '', kind: toKind, ...(name !== undefined && { name }) }],
      },
    });
  }
}

export const http = (name: string, hostname?: string, more: Partial<Listener> = {}): Listener => ({
  ...{ name, port: 80, protocol: 'HTTP' },
  ...(hostname !== undefined && { hostname }),
  ...more,
});
export const https = (name: string, secret: string, hostname?: string, more: Partial<Listener> = {}): Listener =>
  http(name, hostname, { port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: secret }] }, ...more });

/** A reference to port 80 of a Service. */
export const to = (name: string, more: Partial<BackendReference> = {}): BackendReference => ({
  name,
  port: 80,
  ...more,
});
export const prefix = (value: string) => ({ path: { type: 'PathPrefix', value } });
export const exact = (value: string) => ({ path: { type: 'Exact', value } });

export const compileWorld = (
  world: GatewayWorld,
  { ports = [], refused = new Set() }: { ports?: readonly number[]; refused?: ReadonlySet<string> } = {},
): CompiledCluster =>
  compileCluster(world, {
    ...{ httpPort: 80, httpsPort: 443, takenPorts: new Set(), allowExternalNames: false, refused },
    allowsPort: (port) => ports.includes(port),
  });

/** `TYPE=STATUS REASON`, of conditions. */
export const told = (conditions: readonly Condition[] | undefined): readonly string[] =>
  (conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`);

export const routeTold = ({ reports }: CompiledCluster, key: string, parent = 0): readonly string[] =>
  told(reports.routes.get(key)?.parents[parent]?.conditions);

/** A Secret with a certificate that nobody trusts, and its key. */
export async function selfSignedSecret(): Promise<{ readonly secret: Secret; readonly fingerprint: string }> {
  const pem = await selfSigned();
  const [certificate = ''] = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----\n/.exec(pem) ?? [];
  const [key = ''] = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?-----END [A-Z ]*PRIVATE KEY-----\n/.exec(pem) ?? [];
  const data = Object.entries({ 'tls.crt': certificate, 'tls.key': key });
  return {
    secret: { data: Object.fromEntries(data.map(([name, text]) => [name, Buffer.from(text).toString('base64')])) },
    fingerprint: new X509Certificate(certificate).fingerprint256,
  };
}
