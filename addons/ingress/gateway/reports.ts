/** What the status of classes, Gateways and routes is to say. Pure. */
import { GATEWAY_CONTROLLER } from '../../../api/domain/gateway-api.ts';
import { attachedCounts, routeKey, type Outcome, type Route } from './attach.ts';
import { conditionOf, fault, isFalse, isTrue } from './conditions.ts';
import { SUPPORTED_FEATURES } from './features.ts';
import { isServed, listenerConditions, type ServedGateway, type ServedListener } from './listeners.ts';
import type { Condition, GatewayClass, ListenerStatus, RouteParentStatus } from './objects.ts';
import type { GatewayView } from './view.ts';

export interface Reports {
  /** By name. */
  readonly classes: ReadonlyMap<string, ClassReport>;
  /** By `namespace/name`. */
  readonly gateways: ReadonlyMap<string, GatewayReport>;
  /** By `KIND namespace/name`. */
  readonly routes: ReadonlyMap<string, RouteReport>;
}

export interface ClassReport {
  readonly conditions: readonly Condition[];
  readonly supportedFeatures: readonly { readonly name: string }[];
}

export interface GatewayReport {
  readonly generation: number;
  readonly conditions: readonly Condition[];
  readonly listeners: readonly ListenerStatus[];
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
  const { object, listeners, fault: wrong } = gateway;
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
        served.length > 0
          ? isTrue('Programmed', 'Programmed')
          : isFalse('Programmed', 'Invalid', wrong?.message ?? 'no listener is served'),
      ],
      generation,
    ),
    listeners: listeners.map((listener) => ({
      ...{ name: listener.name, supportedKinds: listener.supportedKinds },
      attachedRoutes: counts.get(listener) ?? 0,
      conditions: observed(listenerConditions(listener), generation),
    })),
  };
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
