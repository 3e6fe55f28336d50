/** The backends of a rule: one per reference, and a split by weight when there are several. Pure. */
import { createHash } from 'node:crypto';
import type { BackendModel } from '../model/model.ts';
import { NO_LIMITS, type Mirror, type RouteActions, type SplitModel } from '../model/routing.ts';
import { findTarget } from '../model/targets.ts';
import { routeKey, type Route } from './attach.ts';
import { fault, type Fault } from './conditions.ts';
import { readFilters, type FilterContext, type MirrorShare } from './filters.ts';
import type { Grants } from './grants.ts';
import type { ServedGateway } from './listeners.ts';
import { UnsupportedError } from './matches.ts';
import type { BackendReference, RouteRuleSpec } from './objects.ts';
import { readSession } from './session.ts';
import { readLimits } from './time-limits.ts';
import type { UpstreamPolicies } from './upstream-tls.ts';
import type { GatewayView } from './view.ts';

/** Of the listener. */
export interface RuleContext extends FilterContext {
  readonly gateway: ServedGateway;
  /** PEM: its clients have to show a certificate of it. */
  readonly clientCa: string | undefined;
  /** TLS is between client and backend: policies for it have no say. */
  readonly isPassthrough: boolean;
}

export interface RuleBackends {
  /** The name of a backend or a split. */
  readonly name: string;
  readonly fault: Fault | undefined;
}

const NOTHING: Omit<RouteActions, 'isGrpc' | 'isTcp' | 'isBroken'> = {
  ...{ cors: undefined, limits: NO_LIMITS, session: undefined, upstreamTls: undefined },
  ...{
    usesHttp2: false,
    requestHeaders: [],
    responseHeaders: [],
    mirrors: [],
    isMirror: false,
  },
  ...{ rewriteHost: undefined, rewritePath: undefined, redirect: undefined, clientCa: undefined },
};
const formOf = ({ kind }: Route) => ({ isGrpc: kind === 'GRPCRoute', isTcp: kind === 'TLSRoute' });
const H2C = 'kubernetes.io/h2c';
const WSS = 'kubernetes.io/wss';
const MAX_WEIGHT = 1_000_000;

export class BackendCollector {
  readonly #view: GatewayView;
  readonly #grants: Grants;
  readonly #policies: UpstreamPolicies;
  readonly #allowExternalNames: boolean;
  readonly backends = new Map<string, BackendModel>();
  readonly splits = new Map<string, SplitModel>();
  /** The Gateways at which a Service, as `namespace/name`, is a backend. */
  readonly ancestors = new Map<string, Set<ServedGateway>>();

  constructor(view: GatewayView, grants: Grants, policies: UpstreamPolicies, allowExternalNames: boolean) {
    this.#view = view;
    this.#grants = grants;
    this.#policies = policies;
    this.#allowExternalNames = allowExternalNames;
  }

  /** The backend of a rule that is not supported, or leads nowhere. */
  broken(route: Route): string {
    return this.#add(route, { ...NOTHING, ...formOf(route), isBroken: true }, '', []);
  }

  /** Throws UnsupportedError. */
  add(route: Route, rule: RouteRuleSpec<unknown>, context: RuleContext): RuleBackends {
    const { isGrpc, isTcp } = formOf(route);
    const limits = readLimits(rule);
    const session = readSession(rule);
    const { filters = [], backendRefs = [] } = rule;
    const common = readFilters([filters], context);
    if (common.redirect) {
      const { clientCa } = context;
      const actions = { ...NOTHING, ...common, mirrors: [], isBroken: false, isGrpc, isTcp, clientCa };
      return { name: this.#add(route, actions, '', []), fault: undefined };
    }
    let wrong: Fault | undefined;
    const parts = backendRefs.map((reference) => {
      const target = this.#targetOf(route, reference, context.gateway);
      wrong ??= target.fault;
      const read = readFilters([filters, reference.filters ?? []], context);
      const mirrors = read.mirrors.flatMap((share): readonly Mirror[] => {
        const mirror = this.#mirror(route, share, context.gateway);
        wrong ??= mirror.fault;
        return mirror.to;
      });
      const actions = {
        ...{ ...read, mirrors, isMirror: false },
        ...{
          isGrpc,
          isTcp,
          limits,
          session,
          isBroken: target.isBroken,
          upstreamTls: context.isPassthrough ? undefined : target.tls,
        },
        clientCa: context.clientCa,
        usesHttp2: !isTcp && (isGrpc || target.protocol === H2C),
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
    if (session && others.length > 0)
      throw new UnsupportedError('session persistence of a rule with several backends is not supported');
    return { name: others.length === 0 ? first.backend : this.#split(route, weighted), fault: wrong };
  }

  /** Where copies go: nowhere when the reference is wrong. */
  #mirror(
    route: Route,
    { reference, numerator, denominator }: MirrorShare,
    gateway: ServedGateway,
  ): { readonly to: readonly Mirror[]; readonly fault: Fault | undefined } {
    // Bodies of gRPC are streams, which are not copied.
    if (route.kind === 'GRPCRoute') throw new UnsupportedError('mirrors of a GRPCRoute are not supported');
    const target = this.#targetOf(route, reference, gateway);
    if (target.isBroken || numerator === 0) return { to: [], fault: target.fault };
    const actions = {
      ...NOTHING,
      ...{ isMirror: true, isBroken: false, isGrpc: false, isTcp: false },
      usesHttp2: target.protocol === H2C,
      upstreamTls: target.tls,
    };
    const service = `${target.namespace}/${target.service}:${target.port}`;
    const backend = this.#add(route, actions, service, target.endpoints);
    return { to: [{ backend, numerator, denominator }], fault: undefined };
  }

  #split(route: Route, parts: SplitModel['parts']): string {
    const name = nameOf(route, ['split', parts]);
    this.splits.set(name, { name, isTcp: formOf(route).isTcp, parts });
    return name;
  }

  #targetOf(
    { kind: fromKind, object }: Route,
    { group = '', kind = 'Service', name, namespace, port = 0 }: BackendReference,
    gateway: ServedGateway,
  ) {
    const own = object.metadata?.namespace ?? '';
    const where = namespace ?? own;
    const identity = { namespace: where, service: name, port };
    const without = (wrong: Fault | undefined) => ({
      ...{ ...identity, fault: wrong, isBroken: true, endpoints: [], protocol: undefined, tls: undefined },
    });
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
    const found = this.#view.service(where, name)?.ports.find((each) => each.port === port);
    const protocol = found?.appProtocol;
    if (protocol === WSS)
      return without(fault('UnsupportedProtocol', `Service ${where}/${name} has appProtocol ${protocol}`));
    const policy = this.#policies.of(where, name, found?.name ?? '');
    if (policy) this.#noteAncestor(`${where}/${name}`, gateway);
    // Without what a policy says, nothing is sent.
    if (policy && !policy.tls) return without(undefined);
    const tls = policy?.tls && { ...policy.tls, certificate: gateway.backendCertificate };
    return { ...identity, fault: undefined, isBroken: false, endpoints: target.endpoints, protocol, tls };
  }

  #noteAncestor(service: string, gateway: ServedGateway): void {
    const known = this.ancestors.get(service) ?? new Set();
    this.ancestors.set(service, known.add(gateway));
  }

  /** @param service namespace, name and port: what the name of the backend depends on */
  #add(route: Route, actions: RouteActions, service: string, endpoints: readonly string[]): string {
    const { namespace = '', name: object = '', uid = '' } = route.object.metadata ?? {};
    const name = nameOf(route, [actions, service]);
    if (!this.backends.has(name))
      this.backends.set(name, {
        ...{ name, ingress: { namespace, name: `${route.kind}.${object}` }, service, uid },
        ...{ endpoints: actions.isBroken ? [] : endpoints, route: actions, policy: {}, isClosed: false },
        ...{ redirectsToHttps: false, rewritten: undefined, users: undefined, headers: [], authHeaders: [] },
        ...{ upstreamCa: undefined, upstreamCertificate: undefined, clientCa: undefined, canary: undefined },
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
