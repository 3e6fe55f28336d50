/** The backends of a rule: one per reference, and a split by weight when there are several. Pure. */
import { createHash } from 'node:crypto';
import type { BackendModel } from '../model/model.ts';
import type { RouteActions, SplitModel } from '../model/routing.ts';
import { findTarget } from '../model/targets.ts';
import { routeKey, type Route } from './attach.ts';
import { fault, type Fault } from './conditions.ts';
import { readFilters, readTimeouts, type FilterContext } from './filters.ts';
import type { Grants } from './grants.ts';
import type { BackendReference, RouteRuleSpec } from './objects.ts';
import type { GatewayView } from './view.ts';

export interface RuleBackends {
  /** The name of a backend or a split. */
  readonly name: string;
  readonly fault: Fault | undefined;
}

const NOTHING: Omit<RouteActions, 'isGrpc' | 'isBroken'> = {
  ...{ usesHttp2: false, requestHeaders: [], responseHeaders: [] },
  ...{ rewriteHost: undefined, rewritePath: undefined, redirect: undefined, timeoutMs: undefined },
};
const H2C = 'kubernetes.io/h2c';
const WSS = 'kubernetes.io/wss';
const MAX_WEIGHT = 1_000_000;

export class BackendCollector {
  readonly #view: GatewayView;
  readonly #grants: Grants;
  readonly #allowExternalNames: boolean;
  readonly backends = new Map<string, BackendModel>();
  readonly splits = new Map<string, SplitModel>();

  constructor(view: GatewayView, grants: Grants, allowExternalNames: boolean) {
    this.#view = view;
    this.#grants = grants;
    this.#allowExternalNames = allowExternalNames;
  }

  /** The backend of a rule that is not supported, or leads nowhere. */
  broken(route: Route): string {
    return this.#add(route, { ...NOTHING, isBroken: true, isGrpc: route.kind === 'GRPCRoute' }, '', []);
  }

  /** Throws UnsupportedError. */
  add(route: Route, rule: RouteRuleSpec<unknown>, context: FilterContext): RuleBackends {
    const isGrpc = route.kind === 'GRPCRoute';
    const timeoutMs = readTimeouts(rule);
    const { filters = [], backendRefs = [] } = rule;
    const common = readFilters([filters], context);
    if (common.redirect) {
      const actions = { ...NOTHING, ...common, isBroken: false, isGrpc };
      return { name: this.#add(route, actions, '', []), fault: undefined };
    }
    let wrong: Fault | undefined;
    const parts = backendRefs.map((reference) => {
      const target = this.#targetOf(route, reference);
      wrong ??= target.fault;
      const actions = {
        ...readFilters([filters, reference.filters ?? []], context),
        ...{ isGrpc, timeoutMs, isBroken: target.fault !== undefined },
        usesHttp2: isGrpc || target.protocol === H2C,
      };
      const backend = this.#add(
        route,
        actions,
        `${target.namespace}/${target.service}:${target.port}`,
        target.endpoints,
      );
      return { backend, weight: Math.min(reference.weight ?? 1, MAX_WEIGHT) };
    });
    const weighted = parts.filter(({ weight }) => weight > 0);
    const [first, ...others] = weighted;
    if (!first) return { name: this.broken(route), fault: wrong };
    return { name: others.length === 0 ? first.backend : this.#split(route, weighted), fault: wrong };
  }

  #split(route: Route, parts: SplitModel['parts']): string {
    const name = nameOf(route, ['split', parts]);
    this.splits.set(name, { name, parts });
    return name;
  }

  #targetOf(
    { kind: fromKind, object }: Route,
    { group = '', kind = 'Service', name, namespace, port = 0 }: BackendReference,
  ) {
    const own = object.metadata?.namespace ?? '';
    const where = namespace ?? own;
    const identity = { namespace: where, service: name, port };
    const without = (wrong: Fault) => ({ ...identity, fault: wrong, endpoints: [], protocol: undefined });
    if (group !== '' || kind !== 'Service')
      return without(fault('InvalidKind', `backends of kind ${kind} are not supported: Services are`));
    const reference = { toKind: 'Service', toNamespace: where, toName: name } as const;
    if (!this.#grants.allows({ fromKind, fromNamespace: own, ...reference }))
      return without(
        fault('RefNotPermitted', `no ReferenceGrant of namespace ${where} allows Service ${where}/${name}`),
      );
    const target = findTarget(
      this.#view,
      where,
      { service: { name, port: { number: port } } },
      { allowExternalNames: this.#allowExternalNames, useClusterIP: false },
    );
    if (target.problem) return without(fault('BackendNotFound', target.problem.message));
    const protocol = this.#view.service(where, name)?.ports.find((each) => each.port === port)?.appProtocol;
    if (protocol === WSS)
      return without(fault('UnsupportedProtocol', `Service ${where}/${name} has appProtocol ${protocol}`));
    return { ...identity, fault: undefined, endpoints: target.endpoints, protocol };
  }

  /** @param service namespace, name and port: what the name of the backend depends on */
  #add(route: Route, actions: RouteActions, service: string, endpoints: readonly string[]): string {
    const { namespace = '', name: object = '', uid = '' } = route.object.metadata ?? {};
    const name = nameOf(route, [actions, service]);
    if (!this.backends.has(name))
      this.backends.set(name, {
        ...{ name, ingress: { namespace, name: `${route.kind}.${object}` }, service, uid },
        ...{ endpoints: actions.isBroken ? [] : endpoints, route: actions, policy: {}, isClosed: false },
        ...{ redirectsToHttps: false, rewritten: undefined, users: undefined, headers: [] },
        ...{ upstreamCa: undefined, upstreamCertificate: undefined, canary: undefined },
      });
    return name;
  }
}

const HASH_CHARACTERS = 10;
function nameOf(route: Route, parts: readonly unknown[]): string {
  const { namespace, name } = route.object.metadata ?? {};
  const hash = createHash('sha256')
    .update(JSON.stringify([routeKey(route), parts]))
    .digest('hex');
  return `${namespace}_${route.kind}.${name}_${hash.slice(0, HASH_CHARACTERS)}`;
}
