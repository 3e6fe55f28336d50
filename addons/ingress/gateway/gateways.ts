/**
 * The Gateways that are served here, with the listeners of their own and of ListenerSets. Pure.
 * https://gateway-api.sigs.k8s.io/reference/api-spec/1.6/spec/#gateway
 */
import { GATEWAY_GROUP } from '../../../api/domain/gateway-api.ts';
import { fault, type Fault } from './conditions.ts';
import type { Grants } from './grants.ts';
import {
  ageKey,
  boundPortOf,
  FALLBACK,
  isServed,
  ListenerReading,
  ownGatewayClasses,
  readCertificate,
  readNamespaces,
  type ListenerOptions,
  type ServedGateway,
  type ServedListener,
  type ServedListenerSet,
} from './listeners.ts';
import type { Gateway, Listener, ListenerSet } from './objects.ts';
import type { GatewayView } from './view.ts';

const byAge = (a: Gateway, b: Gateway): number => (ageKey(a) < ageKey(b) ? -1 : 1);

/** Oldest first. */
export function readGateways(view: GatewayView, grants: Grants, options: ListenerOptions): readonly ServedGateway[] {
  const classes = ownGatewayClasses(view.gatewayClasses);
  const own = [...view.gateways]
    .filter(({ metadata, spec }) => classes.has(spec?.gatewayClassName ?? '') && !metadata?.deletionTimestamp)
    .sort(byAge);
  const sets = setsByGateway(view.listenerSets);
  /** What the port of an older Gateway is for. */
  const families = new Map<number, string>();
  return own.map((object) => new GatewayReading(view, grants, options, object, families).run(sets));
}

class GatewayReading {
  readonly #view: GatewayView;
  readonly #grants: Grants;
  readonly #options: ListenerOptions;
  readonly #object: Gateway;
  readonly #families: Map<number, string>;

  constructor(
    view: GatewayView,
    grants: Grants,
    options: ListenerOptions,
    object: Gateway,
    families: Map<number, string>,
  ) {
    this.#view = view;
    this.#grants = grants;
    this.#options = options;
    this.#object = object;
    this.#families = families;
  }

  run(sets: ReadonlyMap<string, readonly ListenerSet[]>): ServedGateway {
    const object = this.#object;
    const { namespace = '', name = '' } = object.metadata ?? {};
    const key = `${namespace}/${name}`;
    const wrong = gatewayFault(object);
    const older = new Map(this.#families);
    const places: Places = new Map();
    const own = object.spec?.listeners ?? [];
    const listeners = own.map((listener) =>
      this.#read(listener, undefined, conflictOf(listener, own, older, this.#options)),
    );
    this.#take(listeners, wrong, places);
    const attached = (sets.get(key) ?? []).map((set) => this.#readSet(set, wrong, older, places));
    const all = [...listeners, ...attached.flatMap((each) => each.listeners)];
    const backend = this.#backendCertificate();
    return {
      ...{ object, namespace, name, key, fault: wrong, sets: attached },
      ...{ listeners: all, servedHosts: hostsByPort(all.filter(isServed)) },
      backendCertificate: typeof backend === 'string' ? backend : undefined,
      backendFault: typeof backend === 'string' ? undefined : backend,
      allowsAnyClient: allowsAnyClient(object),
    };
  }

  #read(listener: Listener, set: ListenerSet | undefined, clash: Fault | undefined): ServedListener {
    const from = { gateway: this.#object, set, listener };
    return new ListenerReading(this.#view, this.#grants, this.#options, from, clash).run();
  }

  /** Those that are accepted have their places: what comes later gives way. */
  #take(listeners: readonly ServedListener[], wrong: Fault | undefined, places: Places): void {
    for (const { acceptedFault, boundPort, host, scheme } of listeners) {
      if (wrong || acceptedFault) continue;
      const family = familyOf(scheme);
      if (!this.#families.has(boundPort)) this.#families.set(boundPort, family);
      const known = places.get(boundPort) ?? { families: new Set(), hosts: new Set() };
      places.set(boundPort, known);
      known.families.add(family);
      known.hosts.add(host);
    }
  }

  #readSet(
    set: ListenerSet,
    wrong: Fault | undefined,
    older: ReadonlyMap<number, string>,
    places: Places,
  ): ServedListenerSet {
    const { namespace = '', name = '' } = set.metadata ?? {};
    const key = `${namespace}/${name}`;
    if (!this.#allowsSet(namespace)) {
      const message = 'spec.allowedListeners of the Gateway does not allow ListenerSets of this namespace';
      return { object: set, key, listeners: [], fault: fault('NotAllowed', message) };
    }
    if (wrong) return { object: set, key, listeners: [], fault: fault('ParentNotAccepted', wrong.message) };
    const own = set.spec?.listeners ?? [];
    const listeners = own.map((listener) => {
      const clash = conflictOf(listener, own, older, this.#options) ?? takenBy(listener, places, this.#options);
      return this.#read(listener, set, clash);
    });
    this.#take(listeners, undefined, places);
    return { object: set, key, listeners, fault: undefined };
  }

  #allowsSet(namespace: string): boolean {
    const { from = 'None', selector } = this.#object.spec?.allowedListeners?.namespaces ?? {};
    if (from === 'None') return false;
    const read = readNamespaces(this.#view, this.#object.metadata?.namespace ?? '', {
      from,
      ...(selector && { selector }),
    });
    return !('reason' in read) && read.allows(namespace);
  }

  /** PEM, what is wrong, or undefined for none. */
  #backendCertificate(): string | Fault | undefined {
    const reference = this.#object.spec?.tls?.backend?.clientCertificateRef;
    if (!reference) return undefined;
    const { namespace = '' } = this.#object.metadata ?? {};
    const from = { kind: 'Gateway', namespace };
    return readCertificate(this.#view, this.#grants, from, reference, 'InvalidClientCertificateRef');
  }
}

/** Of one Gateway, by the port: what it is for, and the hostnames there. */
type Places = Map<number, { readonly families: Set<string>; readonly hosts: Set<string> }>;

function hostsByPort(listeners: readonly ServedListener[]): ReadonlyMap<number, ReadonlySet<string>> {
  const hosts = new Map<number, Set<string>>();
  for (const { boundPort, host } of listeners) {
    const known = hosts.get(boundPort) ?? new Set();
    hosts.set(boundPort, known.add(host));
  }
  return hosts;
}

/** HTTPS and TLS can share a port: the name that a connection is made for tells them apart. */
const familyOf = (protocol: string): string =>
  ['HTTPS', 'TLS', 'https', 'tls'].includes(protocol) ? 'TLS' : protocol.toUpperCase();

/** Oldest first, by the key of the Gateway. */
function setsByGateway(sets: Iterable<ListenerSet>): ReadonlyMap<string, readonly ListenerSet[]> {
  const found = new Map<string, ListenerSet[]>();
  for (const set of [...sets].sort((a, b) => (ageKey(a) < ageKey(b) ? -1 : 1))) {
    const { group = GATEWAY_GROUP, kind = 'Gateway', name = '', namespace } = set.spec?.parentRef ?? {};
    if (group !== GATEWAY_GROUP || kind !== 'Gateway' || set.metadata?.deletionTimestamp !== undefined) continue;
    const key = `${namespace ?? set.metadata?.namespace}/${name}`;
    const known = found.get(key);
    if (known) known.push(set);
    else found.set(key, [set]);
  }
  return found;
}

/** What an older listener of the Gateway has. */
function takenBy(
  { port, protocol, hostname = '' }: Listener,
  places: Places,
  options: ListenerOptions,
): Fault | undefined {
  const known = places.get(boundPortOf({ port }, options));
  if (!known) return undefined;
  const others = known.families.size - Number(known.families.has(familyOf(protocol)));
  if (others > 0)
    return fault('ProtocolConflict', `an older listener of the Gateway has port ${port} for another protocol`);
  return known.hosts.has(hostname)
    ? fault('HostnameConflict', `an older listener of the Gateway has port ${port} and the same hostname`)
    : undefined;
}

const allowsAnyClient = ({ spec }: Gateway): boolean => {
  const { default: usual, perPort = [] } = spec?.tls?.frontend ?? {};
  return [usual, ...perPort.map(({ tls }) => tls)].some((each) => each?.validation?.mode === FALLBACK);
};

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

/** Of one Gateway, none of those that differ about a port is served; of several, the oldest has it. */
function conflictOf(
  { port, protocol, hostname }: Listener,
  siblings: readonly Listener[],
  before: ReadonlyMap<number, string>,
  options: ListenerOptions,
): Fault | undefined {
  const boundPort = boundPortOf({ port }, options);
  const alike = siblings.filter((each) => boundPortOf(each, options) === boundPort);
  if (alike.some((each) => familyOf(each.protocol) !== familyOf(protocol)))
    return fault('ProtocolConflict', `listeners of port ${port} have different protocols`);
  if (alike.filter((each) => (each.hostname ?? '') === (hostname ?? '')).length > 1)
    return fault('HostnameConflict', `several listeners have port ${port} and the same hostname`);
  const older = before.get(boundPort);
  if (older !== undefined && older !== familyOf(protocol))
    return fault('ProtocolConflict', `port ${port} has protocol ${older} in an older Gateway`);
  return undefined;
}
