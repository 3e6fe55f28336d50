/** What the status of classes, Gateways and routes is to say. Pure. */
import { GATEWAY_CONTROLLER, GATEWAY_GROUP } from '../../../api/domain/gateway-api.ts';
import { attachedCounts, routeKey, type Outcome, type Route } from './attach.ts';
import { conditionOf, fault, isFalse, isTrue } from './conditions.ts';
import { SUPPORTED_FEATURES } from './features.ts';
import {
  isServed,
  listenerConditions,
  type ServedGateway,
  type ServedListener,
  type ServedListenerSet,
} from './listeners.ts';
import type { AncestorStatus, Condition, GatewayClass, ListenerStatus, RouteParentStatus } from './objects.ts';
import { servicesOf, type ServedPolicy, type UpstreamPolicies } from './upstream-tls.ts';
import type { GatewayView } from './view.ts';

export interface Reports {
  /** By name. */
  readonly classes: ReadonlyMap<string, ClassReport>;
  /** By `namespace/name`. */
  readonly gateways: ReadonlyMap<string, GatewayReport>;
  /** By `KIND namespace/name`. */
  readonly routes: ReadonlyMap<string, RouteReport>;
  /** By `namespace/name`. */
  readonly sets: ReadonlyMap<string, SetReport>;
  /** By `namespace/name`. */
  readonly policies: ReadonlyMap<string, PolicyReport>;
}

export interface SetReport {
  readonly generation: number;
  readonly conditions: readonly Condition[];
  readonly listeners: readonly ListenerStatus[];
}

export interface PolicyReport {
  readonly generation: number;
  /** Of this controller's Gateways only. */
  readonly ancestors: readonly AncestorStatus[];
}

export interface ClassReport {
  readonly conditions: readonly Condition[];
  readonly supportedFeatures: readonly { readonly name: string }[];
}

export interface GatewayReport {
  readonly generation: number;
  readonly conditions: readonly Condition[];
  readonly listeners: readonly ListenerStatus[];
  readonly attachedListenerSets: number;
}

export interface RouteReport {
  readonly kind: Route['kind'];
  readonly generation: number;
  /** Of this controller's Gateways only. */
  readonly parents: readonly RouteParentStatus[];
}

export function reportsOf(
  view: GatewayView,
  gateways: readonly ServedGateway[],
  outcomes: readonly Outcome[],
  upstream: {
    readonly policies: UpstreamPolicies;
    readonly ancestors: ReadonlyMap<string, ReadonlySet<ServedGateway>>;
  },
): Reports {
  const counts = attachedCounts(outcomes.map(({ attachment }) => attachment));
  const routes = new Map<string, RouteReport>();
  for (const outcome of outcomes) {
    const { route, parentRef } = outcome.attachment;
    const generation = route.object.metadata?.generation ?? 0;
    const parent = {
      ...{ parentRef, controllerName: GATEWAY_CONTROLLER },
      conditions: observed(routeConditions(outcome), generation),
    };
    const known = routes.get(routeKey(route));
    const parents = [...(known?.parents ?? []), parent];
    routes.set(routeKey(route), { kind: route.kind, generation, parents });
  }
  return {
    classes: new Map(
      [...view.gatewayClasses]
        .filter(({ spec }) => spec?.controllerName === GATEWAY_CONTROLLER)
        .map((object) => [object.metadata?.name ?? '', classReport(object)]),
    ),
    gateways: new Map(gateways.map((gateway) => [gateway.key, gatewayReport(gateway, counts)])),
    routes,
    sets: new Map(gateways.flatMap(({ sets }) => sets.map((set) => [set.key, setReport(set, counts)] as const))),
    policies: new Map(
      [...upstream.policies.all()].map((policy) => [
        policy.key,
        policyReport(policy, [
          ...new Set(servicesOf(policy).flatMap((service) => [...(upstream.ancestors.get(service) ?? [])])),
        ]),
      ]),
    ),
  };
}

const MAX_ANCESTORS = 16;

/** @param gateways where routes lead to the Services that it is about */
function policyReport(policy: ServedPolicy, gateways: readonly ServedGateway[]): PolicyReport {
  const { object, acceptedFault, resolvedFault, isConflicted } = policy;
  const conflict = isConflicted ? fault('Conflicted', 'an older policy is about the same ports') : undefined;
  const generation = object.metadata?.generation ?? 0;
  const conditions = observed(
    [
      conditionOf('Accepted', 'Accepted', conflict ?? acceptedFault),
      conditionOf('ResolvedRefs', 'ResolvedRefs', resolvedFault),
    ],
    generation,
  );
  const ancestors = gateways.slice(0, MAX_ANCESTORS).map(({ namespace, name }) => ({
    ancestorRef: { group: GATEWAY_GROUP, kind: 'Gateway', namespace, name },
    ...{ controllerName: GATEWAY_CONTROLLER, conditions },
  }));
  return { generation, ancestors };
}

const statusesOf = (
  listeners: readonly ServedListener[],
  counts: ReadonlyMap<ServedListener, number>,
  generation: number,
): readonly ListenerStatus[] =>
  listeners.map((listener) => ({
    ...{ name: listener.name, supportedKinds: listener.supportedKinds },
    attachedRoutes: counts.get(listener) ?? 0,
    conditions: observed(listenerConditions(listener), generation),
  }));

function setReport(
  { object, listeners, fault: wrong }: ServedListenerSet,
  counts: ReadonlyMap<ServedListener, number>,
): SetReport {
  const generation = object.metadata?.generation ?? 0;
  const broken = listeners.filter(({ acceptedFault }) => acceptedFault).map(({ name }) => name);
  const message = `listeners that are not accepted: ${broken.join(', ')}`;
  const isAny = listeners.some((listener) => isServed(listener));
  const failed = wrong ?? (isAny ? undefined : fault('ListenersNotValid', message));
  const accepted =
    broken.length > 0 && !failed
      ? isTrue('Accepted', 'ListenersNotValid', message)
      : conditionOf('Accepted', 'Accepted', failed);
  return {
    generation,
    conditions: observed([accepted, conditionOf('Programmed', 'Programmed', failed)], generation),
    listeners: statusesOf(listeners, counts, generation),
  };
}

const observed = (conditions: readonly Condition[], observedGeneration: number): readonly Condition[] =>
  conditions.map((each) => ({ ...each, observedGeneration }));

function classReport({ metadata, spec }: GatewayClass): ClassReport {
  const wrong = spec?.parametersRef && fault('InvalidParameters', 'spec.parametersRef is not supported');
  return {
    conditions: observed([conditionOf('Accepted', 'Accepted', wrong)], metadata?.generation ?? 0),
    supportedFeatures: wrong ? [] : SUPPORTED_FEATURES.map((name) => ({ name })),
  };
}

function gatewayReport(gateway: ServedGateway, counts: ReadonlyMap<ServedListener, number>): GatewayReport {
  const { object, sets, fault: wrong } = gateway;
  const listeners = gateway.listeners.filter(({ set }) => set === undefined);
  const generation = object.metadata?.generation ?? 0;
  const served = listeners.filter((listener) => !wrong && isServed(listener));
  const broken = listeners.filter(({ acceptedFault }) => acceptedFault).map(({ name }) => name);
  const message = `listeners that are not accepted: ${broken.join(', ')}`;
  const accepted =
    broken.length === 0
      ? conditionOf('Accepted', 'Accepted', wrong)
      : broken.length < listeners.length
        ? isTrue('Accepted', 'ListenersNotValid', message)
        : isFalse('Accepted', 'ListenersNotValid', message);
  return {
    generation,
    conditions: observed(
      [
        wrong ? conditionOf('Accepted', '', wrong) : accepted,
        ...gatewayTlsConditions(gateway),
        served.length > 0
          ? isTrue('Programmed', 'Programmed')
          : isFalse('Programmed', 'Invalid', wrong?.message ?? 'no listener is served'),
      ],
      generation,
    ),
    listeners: statusesOf(listeners, counts, generation),
    attachedListenerSets: sets.filter((set) => set.listeners.some((listener) => isServed(listener))).length,
  };
}

/** What of `spec.tls` is to be known. */
function gatewayTlsConditions(gateway: ServedGateway): readonly Condition[] {
  const { object, backendFault, allowsAnyClient } = gateway;
  return [
    ...(object.spec?.tls?.backend?.clientCertificateRef
      ? [conditionOf('ResolvedRefs', 'ResolvedRefs', backendFault)]
      : []),
    ...(allowsAnyClient
      ? [
          isTrue(
            'InsecureFrontendValidationMode',
            'ConfigurationChanged',
            'clients are served whatever certificate they have',
          ),
        ]
      : []),
  ];
}

function routeConditions(outcome: Outcome): readonly Condition[] {
  const { attachment, ruleFaults, rules, resolvedFault, taken, isEverythingTaken } = outcome;
  const messages = ruleFaults.map(({ message }) => message).join('; ');
  const resolved = conditionOf('ResolvedRefs', 'ResolvedRefs', resolvedFault);
  const hosts = taken.length > 0 ? `another namespace had these hosts first: ${taken.join(', ')}` : '';
  const [first] = ruleFaults;
  if (attachment.fault) return [conditionOf('Accepted', '', attachment.fault), resolved];
  if (isEverythingTaken) return [isFalse('Accepted', 'HostnameConflict', hosts), resolved];
  if (first && ruleFaults.length >= rules) return [isFalse('Accepted', first.reason, messages), resolved];
  const accepted = isTrue('Accepted', 'Accepted', hosts);
  if (!first) return [accepted, resolved];
  return [accepted, resolved, isTrue('PartiallyInvalid', first.reason, `Dropped Rule: ${messages}`)];
}
