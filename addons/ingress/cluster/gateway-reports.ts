/** Writes the status of GatewayClasses, Gateways and routes, while this controller leads. */
import { GATEWAY_CONTROLLER } from '../../../api/domain/gateway-api.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import { own } from '../../../api/machinery/own.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import { isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import type { Resource } from '../../../client/resource.ts';
import { WorkQueue } from '../../../client/work-queue.ts';
import {
  backendTlsPolicies,
  gatewayClasses,
  gateways,
  grpcRoutes,
  httpRoutes,
  listenerSets,
  tlsRoutes,
  type AncestorStatus,
  type Condition,
  type ListenerStatus,
  type RouteParentStatus,
} from '../gateway/objects.ts';
import type { Route } from '../gateway/attach.ts';
import type { Reports } from '../gateway/reports.ts';
import type { GatewayObjects } from './gateway-objects.ts';

export interface GatewayReportsOptions {
  readonly client: ApiClient;
  readonly objects: GatewayObjects;
  /** Where Gateways are reached; undefined while that is not known. */
  readonly addresses: () => readonly string[] | undefined;
  readonly logger: Logger;
}

const CONCURRENCY = 4;
/** After somebody else has written, until the cache shows it. */
const CONFLICT_MS = 300;
const MAX_ADDRESSES = 16;
const MAX_ANCESTORS = 16;
const NONE: Reports = {
  ...{ classes: new Map(), gateways: new Map(), routes: new Map(), sets: new Map(), policies: new Map() },
};

export class GatewayReports {
  readonly #options: GatewayReportsOptions;
  readonly #outage: Outage;
  #queue: WorkQueue | undefined;
  #reports = NONE;

  constructor(options: GatewayReportsOptions) {
    this.#options = options;
    this.#outage = new Outage(options);
  }

  /** Takes what a new model says. */
  update(reports: Reports): void {
    const before = this.#reports;
    this.#reports = reports;
    for (const each of [before, reports]) this.#addAll(each);
  }

  /** The addresses of the nodes have changed. */
  addressesChanged(): void {
    for (const key of this.#reports.gateways.keys()) this.#queue?.add(`Gateway ${key}`);
  }

  async lead(signal: AbortSignal): Promise<void> {
    const queue = new WorkQueue({
      concurrency: CONCURRENCY,
      onError: (key, error, retryMs) =>
        this.#outage.failed(error, { object: key, retryMs }, 'failed to write status of the Gateway API'),
    });
    this.#queue = queue;
    this.#addAll(this.#reports);
    // Routes that are no longer ours may have a status of ours.
    const { objects } = this.#options;
    for (const [kind, routes] of [
      ['HTTPRoute', objects.httpRoutes] as const,
      ['GRPCRoute', objects.grpcRoutes] as const,
      ['TLSRoute', objects.tlsRoutes] as const,
      ['BackendTLSPolicy', objects.backendTlsPolicies] as const,
    ])
      for (const { metadata } of routes) queue.add(`${kind} ${metadata?.namespace}/${metadata?.name}`);
    try {
      await queue.run((key, stop) => this.#write(key, stop), signal);
    } finally {
      this.#queue = undefined;
    }
  }

  #addAll({ classes, gateways: all, routes, sets, policies }: Reports): void {
    for (const name of classes.keys()) this.#queue?.add(`GatewayClass ${name}`);
    for (const key of all.keys()) this.#queue?.add(`Gateway ${key}`);
    for (const key of sets.keys()) this.#queue?.add(`ListenerSet ${key}`);
    for (const key of policies.keys()) this.#queue?.add(`BackendTLSPolicy ${key}`);
    for (const key of routes.keys()) this.#queue?.add(key);
  }

  async #write(key: string, signal: AbortSignal): Promise<void> {
    const at = key.indexOf(' ');
    const [kind, name] = [key.slice(0, at), key.slice(at + 1)];
    try {
      if (kind === 'GatewayClass') await this.#writeClass(name, signal);
      else if (kind === 'Gateway') await this.#writeGateway(name, signal);
      else if (kind === 'ListenerSet') await this.#writeSet(name, signal);
      else if (kind === 'BackendTLSPolicy') await this.#writePolicy(name, signal);
      else if (isRouteKind(kind)) await this.#writeRoute(kind, name, signal);
    } catch (error) {
      if (isNotFound(error)) return;
      if (!isConflict(error)) throw error;
      this.#queue?.addAfter(key, CONFLICT_MS);
    }
    this.#outage.ended({}, 'status of the Gateway API is written again');
  }

  async #writeClass(name: string, signal: AbortSignal): Promise<void> {
    const object = this.#options.objects.gatewayClass(name);
    const report = this.#reports.classes.get(name);
    if (!object || !report) return;
    const { supportedFeatures } = report;
    const conditions = mergedConditions(object.status?.conditions, report.conditions);
    await this.#patch(gatewayClasses, object, object.status, { conditions, supportedFeatures }, signal);
  }

  async #writeGateway(key: string, signal: AbortSignal): Promise<void> {
    const object = this.#options.objects.gateway(key);
    const report = this.#reports.gateways.get(key);
    const known = this.#options.addresses();
    if (!object || !report || known === undefined) return;
    const addresses = known.slice(0, MAX_ADDRESSES).map((value) => ({ type: 'IPAddress', value }));
    const wanted = addresses.length > 0 ? report.conditions : report.conditions.map(withoutAddress);
    const before = object.status;
    const { attachedListenerSets } = report;
    const status = {
      ...{ addresses, conditions: mergedConditions(before?.conditions, wanted) },
      listeners: mergedListeners(before?.listeners, report.listeners),
      // Releases before v1.5 do not have the field.
      ...((attachedListenerSets > 0 || before?.attachedListenerSets !== undefined) && { attachedListenerSets }),
    };
    await this.#patch(gateways, object, before, status, signal);
  }

  async #writeSet(key: string, signal: AbortSignal): Promise<void> {
    const object = this.#options.objects.listenerSet(key);
    const report = this.#reports.sets.get(key);
    if (!object || !report) return;
    const before = object.status;
    const conditions = mergedConditions(before?.conditions, report.conditions);
    const listeners = mergedListeners(before?.listeners, report.listeners);
    await this.#patch(listenerSets, object, before, { conditions, listeners }, signal);
  }

  async #writePolicy(key: string, signal: AbortSignal): Promise<void> {
    const object = this.#options.objects.backendTlsPolicy(key);
    if (!object) return;
    const before = object.status?.ancestors ?? [];
    const ours = before.filter(({ controllerName }) => controllerName === GATEWAY_CONTROLLER);
    const others = before.filter(({ controllerName }) => controllerName !== GATEWAY_CONTROLLER);
    const wanted = (this.#reports.policies.get(key)?.ancestors ?? []).slice(0, MAX_ANCESTORS - others.length);
    if (ours.length === 0 && wanted.length === 0) return;
    const ancestors = wanted.map((ancestor): AncestorStatus => {
      const old = ours.find(({ ancestorRef }) => deepEqual(ancestorRef, ancestor.ancestorRef));
      return { ...ancestor, conditions: mergedConditions(old?.conditions, ancestor.conditions) };
    });
    await this.#patch(backendTlsPolicies, object, object.status, { ancestors: [...others, ...ancestors] }, signal);
  }

  async #writeRoute(kind: Route['kind'], key: string, signal: AbortSignal): Promise<void> {
    const object = this.#options.objects.route(kind, key);
    if (!object) return;
    const before = object.status?.parents ?? [];
    const report = this.#reports.routes.get(`${kind} ${key}`);
    const ours = before.filter(({ controllerName }) => controllerName === GATEWAY_CONTROLLER);
    const parents = (report?.parents ?? []).map((parent): RouteParentStatus => {
      const old = ours.find(({ parentRef }) => deepEqual(parentRef, parent.parentRef));
      return { ...parent, conditions: mergedConditions(old?.conditions, parent.conditions) };
    });
    const others = before.filter(({ controllerName }) => controllerName !== GATEWAY_CONTROLLER);
    if (ours.length === 0 && parents.length === 0) return;
    const resource: Resource<KubeObject> = ROUTES[kind];
    await this.#patch(resource, object, object.status, { parents: [...others, ...parents] }, signal);
  }

  /** Fails with a conflict when somebody else has written since. */
  async #patch<T extends KubeObject>(
    resource: Resource<T>,
    { metadata }: T,
    before: object | undefined,
    status: object,
    signal: AbortSignal,
  ): Promise<void> {
    const now = before as Readonly<Record<string, unknown>> | undefined;
    if (Object.entries(status).every(([field, value]) => deepEqual(own(now, field), value))) return;
    const { namespace = '', name = '', resourceVersion } = metadata ?? {};
    const patch = { metadata: { resourceVersion }, status };
    await this.#options.client.patch(resource, namespace, name, patch, { subresource: 'status', signal });
  }
}

const ROUTES = { HTTPRoute: httpRoutes, GRPCRoute: grpcRoutes, TLSRoute: tlsRoutes } as const;
const isRouteKind = (kind: string): kind is Route['kind'] => Object.hasOwn(ROUTES, kind);

const mergedListeners = (
  before: readonly ListenerStatus[] = [],
  wanted: readonly ListenerStatus[],
): readonly ListenerStatus[] =>
  wanted.map((listener) => {
    const old = before.find(({ name }) => name === listener.name);
    return { ...listener, conditions: mergedConditions(old?.conditions, listener.conditions) };
  });

const withoutAddress = (condition: Condition): Condition =>
  condition.type === 'Programmed' && condition.status === 'True'
    ? { ...condition, status: 'False', reason: 'AddressNotAssigned', message: 'no node runs the proxy' }
    : condition;

const OWN: ReadonlySet<string> = new Set([
  ...['Accepted', 'Programmed', 'ResolvedRefs', 'Conflicted', 'PartiallyInvalid'],
  'InsecureFrontendValidationMode',
]);
/** The time of a condition changes with its status. Those of others stay. */
function mergedConditions(before: readonly Condition[] = [], wanted: readonly Condition[]): readonly Condition[] {
  const own = wanted.map((condition): Condition => {
    const old = before.find(({ type }) => type === condition.type);
    const isSame = old?.status === condition.status && old.lastTransitionTime !== undefined;
    return { ...condition, lastTransitionTime: isSame ? old.lastTransitionTime : timeOf(Date.now()) };
  });
  return [...before.filter(({ type }) => !OWN.has(type)), ...own];
}
