/** Which routes are attached to which listeners, and for which hosts. Pure. */
import { GATEWAY_GROUP } from '../../../api/domain/gateway-api.ts';
import { fault, type Fault } from './conditions.ts';
import { effectiveHosts, HostSet } from './hosts.ts';
import { ageKey, isServed, type ServedGateway, type ServedListener } from './listeners.ts';
import type { GRPCRoute, HTTPRoute, ParentReference, TLSRoute } from './objects.ts';

export type Route =
  | { readonly kind: 'HTTPRoute'; readonly object: HTTPRoute }
  | { readonly kind: 'GRPCRoute'; readonly object: GRPCRoute }
  | { readonly kind: 'TLSRoute'; readonly object: TLSRoute };

/** A reference of a route to one of our Gateways or its ListenerSets, and what came of it. */
export interface Attachment {
  readonly route: Route;
  readonly parentRef: ParentReference;
  readonly gateway: ServedGateway;
  /** The listeners that accept the route, each with the hosts that it serves for it. */
  readonly places: readonly Place[];
  readonly fault: Fault | undefined;
}

export interface Place {
  readonly listener: ServedListener;
  readonly hosts: readonly string[];
}

/** What came of a route at one of its parents. */
export interface Outcome {
  readonly attachment: Attachment;
  /** Rules that are answered with an error, or left out, as something in them is not supported. */
  readonly ruleFaults: readonly Fault[];
  readonly rules: number;
  /** The first reference that leads nowhere. */
  readonly resolvedFault: Fault | undefined;
  /** Hosts that are another namespace's. */
  readonly taken: readonly string[];
  readonly isEverythingTaken: boolean;
}

export const routeKey = ({ kind, object }: Route): string =>
  `${kind} ${object.metadata?.namespace}/${object.metadata?.name}`;

/** Oldest first. */
export const inOrder = (routes: readonly Route[]): readonly Route[] =>
  routes
    .map((route) => [ageKey(route.object), route] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, route]) => route);

/** @param routes in their order: of an HTTPRoute and a GRPCRoute for one host of a listener, the first is attached */
export function attachRoutes(routes: readonly Route[], gateways: readonly ServedGateway[]): readonly Attachment[] {
  const parents = new Map<string, Parent>();
  for (const gateway of gateways) {
    const own = gateway.listeners.filter(({ set }) => set === undefined);
    parents.set(`Gateway ${gateway.key}`, { gateway, kind: 'Gateway', listeners: own });
    for (const { key, listeners } of gateway.sets)
      parents.set(`ListenerSet ${key}`, { gateway, kind: 'ListenerSet', listeners });
  }
  /** The hosts of each kind of routes, by listener. */
  const kinds = new Map<ServedListener, Map<Route['kind'], HostSet>>();
  return routes.flatMap((route) => {
    const { metadata, spec } = route.object;
    const { namespace: own = '' } = metadata ?? {};
    return (spec?.parentRefs ?? []).flatMap((parentRef): Attachment[] => {
      const { group = GATEWAY_GROUP, kind = 'Gateway', namespace = own, name } = parentRef;
      const parent = group === GATEWAY_GROUP ? parents.get(`${kind} ${namespace}/${name}`) : undefined;
      if (!parent) return [];
      const { gateway } = parent;
      const found = placesOf(route, parentRef, parent);
      if ('reason' in found) return [{ route, parentRef, gateway, places: [], fault: found }];
      const places = found.filter((place) => takeKind(kinds, route, place));
      const wrong =
        places.length > 0
          ? undefined
          : fault('HostnameConflict', 'an older route of another kind has the hostnames at these listeners');
      return [{ route, parentRef, gateway, places, fault: wrong }];
    });
  });
}

interface Parent {
  readonly gateway: ServedGateway;
  readonly kind: 'Gateway' | 'ListenerSet';
  /** Those of its own. */
  readonly listeners: readonly ServedListener[];
}

function placesOf(
  { kind, object }: Route,
  { sectionName, port }: ParentReference,
  { gateway, kind: parentKind, listeners }: Parent,
): Place[] | Fault {
  const named = listeners.filter(
    (listener) =>
      (sectionName === undefined || listener.name === sectionName) && (port === undefined || listener.port === port),
  );
  if (named.length === 0) return fault('NoMatchingParent', `the ${parentKind} has no such listener`);
  const accepted = named.filter(({ acceptedFault }) => !acceptedFault && !gateway.fault);
  if (accepted.length === 0)
    return fault('NoMatchingParent', gateway.fault?.message ?? named[0]?.acceptedFault?.message ?? '');
  const allowing = accepted.filter(
    ({ supportedKinds, allows }) =>
      supportedKinds.some((each) => each.kind === kind) && allows(object.metadata?.namespace ?? ''),
  );
  if (allowing.length === 0)
    return fault('NotAllowedByListeners', 'no listener allows routes of this kind and namespace');
  const places = allowing
    .map((listener) => ({ listener, hosts: effectiveHosts(listener.host, object.spec?.hostnames) }))
    .filter(({ hosts }) => hosts.length > 0);
  return places.length > 0
    ? places
    : fault('NoMatchingListenerHostname', 'no hostname of the route is one of a listener');
}

function takeKind(
  kinds: Map<ServedListener, Map<Route['kind'], HostSet>>,
  { kind }: Route,
  { listener, hosts }: Place,
): boolean {
  if (kind === 'TLSRoute') return true;
  const known = kinds.get(listener) ?? new Map<Route['kind'], HostSet>();
  kinds.set(listener, known);
  const others = known.get(kind === 'HTTPRoute' ? 'GRPCRoute' : 'HTTPRoute');
  if (others && hosts.some((host) => others.meets(host))) return false;
  const own = known.get(kind) ?? new HostSet();
  known.set(kind, own);
  for (const host of hosts) own.add(host);
  return true;
}

/** The number of routes that are attached to each listener, whether or not it serves them. */
export function attachedCounts(attachments: readonly Attachment[]): ReadonlyMap<ServedListener, number> {
  const routes = new Map<ServedListener, Set<object>>();
  for (const { places, route } of attachments)
    for (const { listener } of places) {
      const known = routes.get(listener) ?? new Set();
      routes.set(listener, known.add(route.object));
    }
  return new Map([...routes].map(([listener, { size }]) => [listener, size]));
}

/** Where routes are served. */
export const servedPlaces = ({ places }: Attachment): readonly Place[] =>
  places.filter(({ listener }) => isServed(listener));
