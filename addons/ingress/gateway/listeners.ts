/**
 * The listeners of Gateways that are served here: which are accepted, and with which certificates. Pure.
 * https://gateway-api.sigs.k8s.io/reference/api-spec/1.4/spec/#listener
 */
import { GATEWAY_CONTROLLER, GATEWAY_GROUP } from '../../../api/domain/gateway-api.ts';
import { SelectorError, selectorFrom, type Selector } from '../../../api/machinery/selectors.ts';
import { certificateOf, ContentError } from '../model/secrets.ts';
import { readCa } from './authorities.ts';
import { conditionOf, fault, isFalse, isTrue, type Fault } from './conditions.ts';
import type { Grants } from './grants.ts';
import { isHost } from './hosts.ts';
import type {
  Condition,
  Gateway,
  GatewayClass,
  Listener,
  ListenerSet,
  NamespacesFrom,
  ObjectReference,
  RouteKind,
} from './objects.ts';
import type { GatewayView } from './view.ts';

export interface ListenerOptions {
  /** The controller's own ports: listeners of ports 80 and 443 are served there. */
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Whether listeners may have this port beside those. */
  readonly allowsPort: (port: number) => boolean;
  /** Ports that another program of this host listens on. */
  readonly takenPorts: ReadonlySet<number>;
}

export interface ServedGateway {
  readonly object: Gateway;
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
  /** Its own, and those of its ListenerSets. */
  readonly listeners: readonly ServedListener[];
  readonly sets: readonly ServedListenerSet[];
  /** Of the listeners that are served, by the port that the proxy listens on. */
  readonly servedHosts: ReadonlyMap<number, ReadonlySet<string>>;
  readonly fault: Fault | undefined;
  /** PEM of the certificate that backends are shown, and its key. */
  readonly backendCertificate: string | undefined;
  readonly backendFault: Fault | undefined;
  /** Some listener takes clients whatever certificate they have. */
  readonly allowsAnyClient: boolean;
}

export interface ServedListenerSet {
  readonly object: ListenerSet;
  readonly key: string;
  readonly listeners: readonly ServedListener[];
  readonly fault: Fault | undefined;
}

export interface ServedListener {
  readonly gateway: Gateway;
  /** The key of its ListenerSet; undefined for one of the Gateway itself. */
  readonly set: string | undefined;
  readonly name: string;
  /** '' for any. */
  readonly host: string;
  /** As the Gateway has it. */
  readonly port: number;
  /** Where the proxy listens. */
  readonly boundPort: number;
  /** `tls`: connections, whatever is in them. */
  readonly scheme: 'http' | 'https' | 'tls';
  /** TLS is left to the backends. */
  readonly isPassthrough: boolean;
  readonly supportedKinds: readonly RouteKind[];
  readonly acceptedFault: Fault | undefined;
  readonly conflict: Fault | undefined;
  readonly resolvedFault: Fault | undefined;
  /** PEM of the certificates of a listener with TLS, each with its key: those that can be used. */
  readonly certificates: readonly string[];
  /** PEM: clients have to show a certificate of it. */
  readonly clientCa: string | undefined;
  readonly allows: (namespace: string) => boolean;
}

/** What listeners of a protocol can have. */
const ROUTE_KINDS: ReadonlyMap<string, readonly string[]> = new Map([
  ['HTTP', ['HTTPRoute', 'GRPCRoute']],
  ['HTTPS', ['HTTPRoute', 'GRPCRoute']],
  ['TLS', ['TLSRoute']],
]);
export const FALLBACK = 'AllowInsecureFallback';
const DEFAULT_HTTP = 80;
const DEFAULT_HTTPS = 443;

/** The names of the GatewayClasses that name this controller. */
export const ownGatewayClasses = (classes: Iterable<GatewayClass>): ReadonlySet<string> =>
  new Set(
    [...classes]
      .filter(({ spec }) => spec?.controllerName === GATEWAY_CONTROLLER)
      .map(({ metadata }) => metadata?.name ?? ''),
  );

export const ageKey = ({ metadata }: { metadata?: Gateway['metadata'] }): string =>
  `${String(metadata?.creationTimestamp ?? '')} ${metadata?.namespace}/${metadata?.name}`;

export function boundPortOf({ port }: Pick<Listener, 'port'>, { httpPort, httpsPort }: ListenerOptions): number {
  if (port === DEFAULT_HTTP) return httpPort;
  return port === DEFAULT_HTTPS ? httpsPort : port;
}

export interface ListenerSource {
  readonly gateway: Gateway;
  readonly set: ListenerSet | undefined;
  readonly listener: Listener;
}

export class ListenerReading {
  readonly #view: GatewayView;
  readonly #grants: Grants;
  readonly #options: ListenerOptions;
  readonly #from: ListenerSource;
  readonly #listener: Listener;
  readonly #boundPort: number;
  readonly #conflict: Fault | undefined;

  constructor(
    view: GatewayView,
    grants: Grants,
    options: ListenerOptions,
    from: ListenerSource,
    conflict: Fault | undefined,
  ) {
    this.#view = view;
    this.#grants = grants;
    this.#options = options;
    this.#from = from;
    this.#listener = from.listener;
    this.#boundPort = boundPortOf(from.listener, options);
    this.#conflict = conflict;
  }

  /** Of the Gateway or ListenerSet that the listener is in. */
  get #namespace(): string {
    return (this.#from.set ?? this.#from.gateway).metadata?.namespace ?? '';
  }

  run(): ServedListener {
    const { name, hostname = '', port, protocol, tls } = this.#listener;
    const { gateway, set } = this.#from;
    const isPassthrough = protocol === 'TLS' && tls?.mode === 'Passthrough';
    const selected = readNamespaces(this.#view, this.#namespace, this.#listener.allowedRoutes?.namespaces);
    const hasTls = protocol === 'HTTPS' || protocol === 'TLS';
    const read = hasTls && !isPassthrough ? this.#certificates(tls?.certificateRefs) : [];
    const kinds = this.#kinds();
    const clients = protocol === 'HTTPS' ? this.#clientCa() : { pem: undefined, fault: undefined, isUnusable: false };
    const noCa = clients.isUnusable ? fault('NoValidCACertificate', clients.fault?.message ?? '') : undefined;
    return {
      ...{ gateway, set: set && `${set.metadata?.namespace}/${set.metadata?.name}`, name, host: hostname, port },
      ...{ boundPort: this.#boundPort, isPassthrough, clientCa: clients.pem },
      scheme: protocol === 'HTTPS' ? 'https' : protocol === 'TLS' ? 'tls' : 'http',
      supportedKinds: kinds.supported,
      conflict: this.#conflict,
      acceptedFault: this.#conflict ?? this.#unsupported() ?? ('reason' in selected ? selected : undefined) ?? noCa,
      resolvedFault: kinds.fault ?? clients.fault ?? read.find((each) => typeof each !== 'string'),
      certificates: read.filter((each) => typeof each === 'string'),
      allows: (from) => !('reason' in selected) && selected.allows(from),
    };
  }

  /** What clients' certificates are verified by: as the Gateway says for the port, or for all. */
  #clientCa(): { readonly pem: string | undefined; readonly fault: Fault | undefined; readonly isUnusable: boolean } {
    const { default: usual, perPort = [] } = this.#from.gateway.spec?.tls?.frontend ?? {};
    const said = perPort.find(({ port }) => port === this.#listener.port)?.tls ?? usual;
    const references = said?.validation?.caCertificateRefs ?? [];
    if (!said?.validation) return { pem: undefined, fault: undefined, isUnusable: false };
    const own = this.#from.gateway.metadata?.namespace ?? '';
    let pem = '';
    let wrong: Fault | undefined;
    for (const reference of references) {
      const { namespace = own, name } = reference;
      const target = { toKind: 'ConfigMap', toNamespace: namespace, toName: name } as const;
      const read = this.#grants.allows({ fromKind: 'Gateway', fromNamespace: own, ...target })
        ? readCa(this.#view, namespace, reference, 'InvalidCACertificateKind')
        : notPermitted('ConfigMap', namespace, name);
      if (typeof read === 'string') pem += read;
      else wrong ??= read;
    }
    const isAnyAllowed = said.validation.mode === FALLBACK;
    return { pem: pem === '' || isAnyAllowed ? undefined : pem, fault: wrong, isUnusable: pem === '' };
  }

  #unsupported(): Fault | undefined {
    const { protocol, port, hostname = '', tls } = this.#listener;
    const { httpPort, httpsPort, allowsPort, takenPorts } = this.#options;
    if (!ROUTE_KINDS.has(protocol))
      return fault('UnsupportedProtocol', `protocol ${protocol} is not supported: HTTP, HTTPS and TLS are`);
    if (!isHost(hostname)) return fault('UnsupportedValue', `${JSON.stringify(hostname)} is no host name`);
    if (protocol === 'HTTPS' && tls?.mode === 'Passthrough')
      return fault('UnsupportedValue', 'tls mode Passthrough is for listeners of protocol TLS');
    const isOwn = this.#boundPort === (protocol === 'HTTP' ? httpPort : httpsPort);
    if (isOwn) return undefined;
    if (this.#boundPort === httpPort || this.#boundPort === httpsPort)
      return fault('PortUnavailable', `port ${port} is not for protocol ${protocol}`);
    if (!allowsPort(port))
      return fault(
        'PortUnavailable',
        `port ${port} is not open: 80 and 443 are, and those that the controller's setting KEDGE_GATEWAY_PORTS lists`,
      );
    return takenPorts.has(port)
      ? fault('PortUnavailable', `another program of the node listens on port ${port}`)
      : undefined;
  }

  #kinds(): { supported: readonly RouteKind[]; fault: Fault | undefined } {
    const { protocol, allowedRoutes } = this.#listener;
    const known = ROUTE_KINDS.get(protocol);
    if (!known) return { supported: [], fault: undefined };
    const asked = allowedRoutes?.kinds ?? [];
    if (asked.length === 0)
      return { supported: known.map((kind) => ({ group: GATEWAY_GROUP, kind })), fault: undefined };
    const isKnown = ({ group = GATEWAY_GROUP, kind }: RouteKind) => group === GATEWAY_GROUP && known.includes(kind);
    const odd = asked.find((each) => !isKnown(each));
    const supported = asked.filter(isKnown).map(({ kind }) => ({ group: GATEWAY_GROUP, kind }));
    return { supported, fault: odd && fault('InvalidRouteKinds', `routes of kind ${odd.kind} are not supported`) };
  }

  #certificates(references: readonly ObjectReference[] = []): readonly (string | Fault)[] {
    if (references.length === 0) return [fault('InvalidCertificateRef', 'there are no certificateRefs')];
    const from = { kind: this.#from.set ? 'ListenerSet' : 'Gateway', namespace: this.#namespace };
    return references.map((reference) =>
      readCertificate(this.#view, this.#grants, from, reference, 'InvalidCertificateRef'),
    );
  }
}

const notPermitted = (kind: string, namespace: string, name: string): Fault =>
  fault('RefNotPermitted', `no ReferenceGrant of namespace ${namespace} allows ${kind} ${namespace}/${name}`);

/** PEM of a certificate and its key, or what is wrong with the reference. */
export function readCertificate(
  view: GatewayView,
  grants: Grants,
  from: { readonly kind: string; readonly namespace: string },
  { group = '', kind = 'Secret', name, namespace = from.namespace }: ObjectReference,
  reason: string,
): string | Fault {
  const wrong = (message: string): Fault => fault(reason, message);
  if (group !== '' || kind !== 'Secret') return wrong(`certificates of kind ${kind} are not supported: Secrets are`);
  const target = { toKind: 'Secret', toNamespace: namespace, toName: name } as const;
  if (!grants.allows({ fromKind: from.kind, fromNamespace: from.namespace, ...target }))
    return notPermitted('Secret', namespace, name);
  const secret = view.secret(namespace, name);
  if (!secret) return wrong(`Secret ${namespace}/${name} does not exist`);
  if (secret === 'unknown') return wrong(`Secret ${namespace}/${name} has not been read yet`);
  try {
    return certificateOf(secret);
  } catch (error) {
    if (!(error instanceof ContentError)) throw error;
    return wrong(`Secret ${namespace}/${name} ${error.message}`);
  }
}

/** @param own the namespace that `Same` is about */
export function readNamespaces(
  view: GatewayView,
  own: string,
  { from = 'Same', selector }: NamespacesFrom = {},
): { readonly allows: (namespace: string) => boolean } | Fault {
  if (from === 'All') return { allows: () => true };
  if (from === 'Same') return { allows: (namespace) => namespace === own };
  if (from !== 'Selector') return fault('UnsupportedValue', `namespaces.from ${from} is not supported`);
  let parsed: Selector;
  try {
    parsed = selectorFrom(selector);
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    return fault('UnsupportedValue', `namespaces.selector: ${error.message}`);
  }
  return {
    allows: (namespace) => {
      const labels = view.namespaceLabels(namespace);
      return labels !== undefined && parsed.matches(labels);
    },
  };
}

/** Whether routes of an accepted listener are served: its references have to be right, too. */
export const isServed = (listener: ServedListener): boolean => {
  const { acceptedFault, resolvedFault, scheme, isPassthrough, certificates } = listener;
  if (acceptedFault) return false;
  return scheme === 'http' || isPassthrough || (certificates.length > 0 && resolvedFault?.reason !== 'RefNotPermitted');
};

const NO_HOSTS: ReadonlySet<string> = new Set();
export const servedHostsAt = ({ servedHosts }: ServedGateway, port: number): ReadonlySet<string> =>
  servedHosts.get(port) ?? NO_HOSTS;

export const listenerConditions = (listener: ServedListener): readonly Condition[] => [
  conditionOf('Accepted', 'Accepted', listener.acceptedFault),
  isServed(listener)
    ? isTrue('Programmed', 'Programmed')
    : isFalse(
        'Programmed',
        listener.conflict?.reason ?? 'Invalid',
        (listener.acceptedFault ?? listener.resolvedFault)?.message ?? '',
      ),
  conditionOf('ResolvedRefs', 'ResolvedRefs', listener.resolvedFault),
  listener.conflict
    ? isTrue('Conflicted', listener.conflict.reason, listener.conflict.message)
    : isFalse('Conflicted', 'NoConflicts', ''),
];
