/**
 * The listeners of Gateways that are served here: which are accepted, and with which certificates. Pure.
 * https://gateway-api.sigs.k8s.io/reference/api-spec/1.4/spec/#listener
 */
import { GATEWAY_CONTROLLER, GATEWAY_GROUP } from '../../../api/domain/gateway-api.ts';
import { SelectorError, selectorFrom, type Selector } from '../../../api/machinery/selectors.ts';
import { certificateOf, ContentError } from '../model/secrets.ts';
import { conditionOf, fault, isFalse, isTrue, type Fault } from './conditions.ts';
import type { Grants } from './grants.ts';
import { isHost } from './hosts.ts';
import type { Condition, Gateway, GatewayClass, Listener, ObjectReference, RouteKind } from './objects.ts';
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
  readonly listeners: readonly ServedListener[];
  readonly fault: Fault | undefined;
}

export interface ServedListener {
  readonly gateway: Gateway;
  readonly namespace: string;
  readonly name: string;
  /** '' for any. */
  readonly host: string;
  /** As the Gateway has it. */
  readonly port: number;
  /** Where the proxy listens. */
  readonly boundPort: number;
  readonly scheme: 'http' | 'https';
  readonly supportedKinds: readonly RouteKind[];
  readonly acceptedFault: Fault | undefined;
  readonly conflict: Fault | undefined;
  readonly resolvedFault: Fault | undefined;
  /** PEM of the certificate and key of a listener with TLS. */
  readonly certificate: string | undefined;
  readonly allows: (namespace: string) => boolean;
}

const ROUTE_KINDS = ['HTTPRoute', 'GRPCRoute'];
const DEFAULT_HTTP = 80;
const DEFAULT_HTTPS = 443;

/** The names of the GatewayClasses that name this controller. */
export const ownGatewayClasses = (classes: Iterable<GatewayClass>): ReadonlySet<string> =>
  new Set(
    [...classes]
      .filter(({ spec }) => spec?.controllerName === GATEWAY_CONTROLLER)
      .map(({ metadata }) => metadata?.name ?? ''),
  );

const byAge = (a: Gateway, b: Gateway): number => (ageKey(a) < ageKey(b) ? -1 : 1);
export const ageKey = ({ metadata }: { metadata?: Gateway['metadata'] }): string =>
  `${String(metadata?.creationTimestamp ?? '')} ${metadata?.namespace}/${metadata?.name}`;

/** Oldest first. */
export function readGateways(view: GatewayView, grants: Grants, options: ListenerOptions): readonly ServedGateway[] {
  const classes = ownGatewayClasses(view.gatewayClasses);
  const own = [...view.gateways]
    .filter(({ metadata, spec }) => classes.has(spec?.gatewayClassName ?? '') && !metadata?.deletionTimestamp)
    .sort(byAge);
  /** What the port of an older Gateway is for. */
  const protocols = new Map<number, string>();
  return own.map((object) => {
    const { namespace = '', name = '' } = object.metadata ?? {};
    const { listeners = [] } = object.spec ?? {};
    const wrong = gatewayFault(object);
    const before = new Map(protocols);
    const read = listeners.map((listener): ServedListener => {
      const boundPort = boundPortOf(listener, options);
      const clash = conflictOf(listener, boundPort, listeners, before, options);
      const served = new ListenerReading(view, grants, options, object, listener, boundPort, clash).run();
      if (!wrong && !served.acceptedFault && !protocols.has(boundPort)) protocols.set(boundPort, listener.protocol);
      return served;
    });
    return { object, namespace, name, key: `${namespace}/${name}`, listeners: read, fault: wrong };
  });
}

function gatewayFault({ spec }: Gateway): Fault | undefined {
  if (spec?.infrastructure?.parametersRef)
    return fault('InvalidParameters', 'spec.infrastructure.parametersRef is not supported');
  const asked = (spec?.addresses ?? []).find(({ value = '' }) => value !== '');
  if (asked)
    return fault(
      'UnsupportedAddress',
      `address ${asked.value} cannot be chosen: Gateways have the addresses of the nodes`,
    );
  return undefined;
}

function boundPortOf({ port }: Listener, { httpPort, httpsPort }: ListenerOptions): number {
  if (port === DEFAULT_HTTP) return httpPort;
  return port === DEFAULT_HTTPS ? httpsPort : port;
}

/** Of one Gateway, none of those that differ about a port is served; of several, the oldest has it. */
function conflictOf(
  { port, protocol, hostname }: Listener,
  boundPort: number,
  siblings: readonly Listener[],
  before: ReadonlyMap<number, string>,
  options: ListenerOptions,
): Fault | undefined {
  const alike = siblings.filter((each) => boundPortOf(each, options) === boundPort);
  if (alike.some((each) => each.protocol !== protocol))
    return fault('ProtocolConflict', `listeners of port ${port} have different protocols`);
  if (alike.filter((each) => (each.hostname ?? '') === (hostname ?? '')).length > 1)
    return fault('HostnameConflict', `several listeners have port ${port} and the same hostname`);
  const older = before.get(boundPort);
  if (older !== undefined && older !== protocol)
    return fault('ProtocolConflict', `port ${port} has protocol ${older} in an older Gateway`);
  return undefined;
}

class ListenerReading {
  readonly #view: GatewayView;
  readonly #grants: Grants;
  readonly #options: ListenerOptions;
  readonly #gateway: Gateway;
  readonly #listener: Listener;
  readonly #boundPort: number;
  readonly #conflict: Fault | undefined;

  constructor(
    view: GatewayView,
    grants: Grants,
    options: ListenerOptions,
    gateway: Gateway,
    listener: Listener,
    boundPort: number,
    conflict: Fault | undefined,
  ) {
    this.#view = view;
    this.#grants = grants;
    this.#options = options;
    this.#gateway = gateway;
    this.#listener = listener;
    this.#boundPort = boundPort;
    this.#conflict = conflict;
  }

  run(): ServedListener {
    const { name, hostname = '', port, protocol, tls } = this.#listener;
    const namespace = this.#gateway.metadata?.namespace ?? '';
    const selected = this.#selector();
    const certificate = protocol === 'HTTPS' ? this.#certificate(tls?.certificateRefs) : undefined;
    const kinds = this.#kinds();
    const isPem = typeof certificate === 'string';
    return {
      ...{ gateway: this.#gateway, namespace, name, host: hostname, port, boundPort: this.#boundPort },
      scheme: protocol === 'HTTPS' ? 'https' : 'http',
      supportedKinds: kinds.supported,
      conflict: this.#conflict,
      acceptedFault: this.#conflict ?? this.#unsupported() ?? ('reason' in selected ? selected : undefined),
      resolvedFault: kinds.fault ?? (isPem ? undefined : certificate),
      certificate: isPem ? certificate : undefined,
      allows: (from) => !('reason' in selected) && selected.allows(from),
    };
  }

  #unsupported(): Fault | undefined {
    const { protocol, port, hostname = '', tls } = this.#listener;
    const { httpPort, httpsPort, allowsPort, takenPorts } = this.#options;
    if (protocol !== 'HTTP' && protocol !== 'HTTPS')
      return fault('UnsupportedProtocol', `protocol ${protocol} is not supported: HTTP or HTTPS is`);
    if (!isHost(hostname)) return fault('UnsupportedValue', `${JSON.stringify(hostname)} is no host name`);
    if (protocol === 'HTTPS' && tls?.mode === 'Passthrough')
      return fault('UnsupportedValue', 'tls mode Passthrough is not supported');
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
    if (protocol !== 'HTTP' && protocol !== 'HTTPS') return { supported: [], fault: undefined };
    const asked = allowedRoutes?.kinds ?? [];
    if (asked.length === 0)
      return { supported: ROUTE_KINDS.map((kind) => ({ group: GATEWAY_GROUP, kind })), fault: undefined };
    const isKnown = ({ group = GATEWAY_GROUP, kind }: RouteKind) =>
      group === GATEWAY_GROUP && ROUTE_KINDS.includes(kind);
    const odd = asked.find((each) => !isKnown(each));
    const supported = asked.filter(isKnown).map(({ kind }) => ({ group: GATEWAY_GROUP, kind }));
    return { supported, fault: odd && fault('InvalidRouteKinds', `routes of kind ${odd.kind} are not supported`) };
  }

  /** PEM, or what is wrong with the first certificate. */
  #certificate(references: readonly ObjectReference[] | undefined): string | Fault {
    const [reference, ...others] = references ?? [];
    const wrong = (message: string): Fault => fault('InvalidCertificateRef', message);
    if (!reference) return wrong('there are no certificateRefs');
    if (others.length > 0) return wrong('more than one certificate is not supported');
    const { group = '', kind = 'Secret', name } = reference;
    if (group !== '' || kind !== 'Secret') return wrong(`certificates of kind ${kind} are not supported: Secrets are`);
    const own = this.#gateway.metadata?.namespace ?? '';
    const namespace = reference.namespace ?? own;
    const target = { toKind: 'Secret', toNamespace: namespace, toName: name } as const;
    if (!this.#grants.allows({ fromKind: 'Gateway', fromNamespace: own, ...target }))
      return fault('RefNotPermitted', `no ReferenceGrant of namespace ${namespace} allows Secret ${namespace}/${name}`);
    const secret = this.#view.secret(namespace, name);
    if (!secret) return wrong(`Secret ${namespace}/${name} does not exist`);
    if (secret === 'unknown') return wrong(`Secret ${namespace}/${name} has not been read yet`);
    try {
      return certificateOf(secret);
    } catch (error) {
      if (!(error instanceof ContentError)) throw error;
      return wrong(`Secret ${namespace}/${name} ${error.message}`);
    }
  }

  #selector(): { readonly allows: (namespace: string) => boolean } | Fault {
    const { from = 'Same', selector } = this.#listener.allowedRoutes?.namespaces ?? {};
    const own = this.#gateway.metadata?.namespace ?? '';
    if (from === 'All') return { allows: () => true };
    if (from === 'Same') return { allows: (namespace) => namespace === own };
    if (from !== 'Selector') return fault('UnsupportedValue', `allowedRoutes.namespaces.from ${from} is not supported`);
    let parsed: Selector;
    try {
      parsed = selectorFrom(selector);
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      return fault('UnsupportedValue', `allowedRoutes.namespaces.selector: ${error.message}`);
    }
    return {
      allows: (namespace) => {
        const labels = this.#view.namespaceLabels(namespace);
        return labels !== undefined && parsed.matches(labels);
      },
    };
  }
}

/** Whether routes of an accepted listener are served: its references have to be right, too. */
export const isServed = ({ acceptedFault, resolvedFault, scheme, certificate }: ServedListener): boolean =>
  !acceptedFault && (scheme === 'http' || (certificate !== undefined && resolvedFault?.reason !== 'RefNotPermitted'));

export const listenerConditions = (listener: ServedListener): readonly Condition[] => [
  conditionOf('Accepted', 'Accepted', listener.acceptedFault),
  isServed(listener)
    ? isTrue('Programmed', 'Programmed')
    : isFalse('Programmed', 'Invalid', (listener.acceptedFault ?? listener.resolvedFault)?.message ?? ''),
  conditionOf('ResolvedRefs', 'ResolvedRefs', listener.resolvedFault),
  listener.conflict
    ? isTrue('Conflicted', listener.conflict.reason, listener.conflict.message)
    : isFalse('Conflicted', 'NoConflicts', ''),
];
