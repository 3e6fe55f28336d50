/**
 * Makes the proxy's model of the cluster's Gateways, routes and Ingresses, and says what is to be reported about them. Pure: it never
 * throws for what an object holds. https://gateway-api.sigs.k8s.io/reference/api-spec/1.4/spec/
 */
import { compile, type CompileOptions } from '../model/compile.ts';
import { isServed as isServedIngress, ownClasses } from '../model/classes.ts';
import type { CertificateModel, Model } from '../model/model.ts';
import type { ConnectionHost, PortModel, PortTls, RouteHost } from '../model/routing.ts';
import { attachRoutes, inOrder, routeKey, servedPlaces, type Attachment, type Outcome, type Route } from './attach.ts';
import { BackendCollector } from './backends.ts';
import { certificatesByPort } from './certificates.ts';
import { decideClaims, isOthers, type Claim } from './claims.ts';
import { fault, type Fault } from './conditions.ts';
import { Grants } from './grants.ts';
import { HostTable, type Candidate, type ListenerHost } from './host-table.ts';
import { readGateways } from './gateways.ts';
import { isServed, servedHostsAt, type ListenerOptions, type ServedGateway, type ServedListener } from './listeners.ts';
import { mostSpecific } from './hosts.ts';
import { isPlain, readGrpcMatch, readHttpMatch, UnsupportedError, type ReadMatch } from './matches.ts';
import type { RouteRuleSpec } from './objects.ts';
import { reportsOf, type Reports } from './reports.ts';
import { UpstreamPolicies } from './upstream-tls.ts';
import type { GatewayView } from './view.ts';

export interface ClusterOptions extends Omit<CompileOptions, 'claims'>, ListenerOptions {}

export interface CompiledCluster {
  readonly model: Model;
  readonly reports: Reports;
}

/**
 * Rules beyond paths, and parts of what is divided by weights, are tested one after the other, and read with each configuration: of more in
 * the routes of one namespace, those of the youngest are left out. Who has attached too many to somebody else's Gateway takes nothing from others.
 */
const MAX_MATCHES = 5_000;

export function compileCluster(view: GatewayView, options: ClusterOptions): CompiledCluster {
  const grants = new Grants(view.referenceGrants);
  const gateways = readGateways(view, grants, options);
  const routes = inOrder([
    ...[...view.httpRoutes].map((object): Route => ({ kind: 'HTTPRoute', object })),
    ...[...view.grpcRoutes].map((object): Route => ({ kind: 'GRPCRoute', object })),
    ...[...view.tlsRoutes].map((object): Route => ({ kind: 'TLSRoute', object })),
  ]).filter(({ object }) => object.metadata?.deletionTimestamp === undefined);
  const attachments = attachRoutes(routes, gateways);
  const classes = ownClasses(view.classes);
  const ingresses = [...view.ingresses].filter((ingress) => isServedIngress(ingress, classes));
  const claims = decideClaims(ingresses, attachments);
  const policies = new UpstreamPolicies(view);
  const collector = new BackendCollector(view, grants, policies, options.allowExternalNames);
  const compiled = new RouteCompilation(collector, options, gateways, claims).run(attachments);
  const { allowExternalNames, refused } = options;
  const model = compile(view, { allowExternalNames, refused, claims });
  const ports = certificatesByPort(gateways, attachments, claims, 'https');
  const own = ports.get(options.httpsPort);
  return {
    model: {
      ...model,
      backends: new Map([...model.backends, ...collector.backends]),
      certificates: withListeners(model.certificates, own),
      ...(own?.fallback !== undefined && {
        fallbackCertificate: own.fallback,
        fallbackClientCa: own.fallbackClientCa,
      }),
      routing: {
        ports: extraPorts(gateways, ports, options),
        hosts: compiled.hosts,
        splits: [...collector.splits.values()],
        connections: compiled.connections,
        connectionTls: certificatesByPort(gateways, attachments, claims, 'tls'),
        routes: new Set(attachments.map(({ route }) => routeKey(route))),
      },
    },
    reports: reportsOf(view, gateways, compiled.outcomes, { policies, ancestors: collector.ancestors }),
  };
}

class RouteCompilation {
  readonly #options: ClusterOptions;
  readonly #gateways: readonly ServedGateway[];
  readonly #claims: ReadonlyMap<string, Claim>;
  readonly #collector: BackendCollector;
  readonly #tables = new Map<number, HostTable>();
  /** By host and port. */
  readonly #connections = new Map<string, ConnectionHost>();
  /** Of the routes of a namespace, matches by more than paths and parts by weight so far. */
  readonly #matches = new Map<string, number>();

  constructor(
    collector: BackendCollector,
    options: ClusterOptions,
    gateways: readonly ServedGateway[],
    claims: ReadonlyMap<string, Claim>,
  ) {
    this.#options = options;
    this.#gateways = gateways;
    this.#claims = claims;
    this.#collector = collector;
  }

  run(attachments: readonly Attachment[]) {
    const isOwn = ({ namespace, host }: ListenerHost): boolean => !isOthers(this.#claims, host, namespace);
    for (const [port, hosts] of this.#listenerHosts()) this.#tables.set(port, new HostTable(port, hosts, isOwn));
    const outcomes = attachments.map((attachment) => this.#attach(attachment));
    const hosts = [...this.#tables.values()].flatMap((table): readonly RouteHost[] => table.all());
    return { hosts, outcomes, connections: [...this.#connections.values()] };
  }

  #listenerHosts(): ReadonlyMap<number, readonly ListenerHost[]> {
    const hosts = new Map<number, ListenerHost[]>();
    for (const { listeners, fault: wrong, namespace } of this.#gateways)
      for (const listener of listeners) {
        if (wrong || listener.scheme === 'tls' || !isServed(listener)) continue;
        const known = hosts.get(listener.boundPort) ?? [];
        hosts.set(listener.boundPort, known);
        known.push({ namespace, host: listener.host });
      }
    return hosts;
  }

  #attach(attachment: Attachment): Outcome {
    const { route, gateway } = attachment;
    const rules: readonly RouteRuleSpec<unknown>[] = route.object.spec?.rules ?? [];
    const isRefused = this.#options.refused.has(routeKey(route));
    const refused = isRefused ? [fault('UnsupportedValue', 'the proxy refuses the configuration of this route')] : [];
    const ruleFaults = new Map<number, Fault>();
    const taken = new Set<string>();
    let resolvedFault: Fault | undefined;
    let served = 0;
    const places = isRefused ? [] : servedPlaces(attachment);
    for (const { listener, hosts } of places) {
      const candidates = rules.flatMap((rule, index): readonly Candidate[] => {
        const read = this.#readRule(route, rule, gateway, listener);
        if (read.wrong) ruleFaults.set(index, read.wrong);
        resolvedFault ??= read.resolvedFault;
        return read.candidates;
      });
      for (const host of hosts) {
        if (isOthers(this.#claims, host, gateway.namespace))
          taken.add(`${host || 'any host'} (${this.#claims.get(host)?.by})`);
        else {
          served++;
          const { namespace } = gateway;
          if (route.kind === 'TLSRoute') this.#addConnections(listener, host, candidates, gateway);
          else this.#tables.get(listener.boundPort)?.add({ namespace, host: listener.host }, host, candidates);
        }
      }
    }
    // References count for the status though no listener serves them.
    if (places.length === 0 && !isRefused) resolvedFault = this.#unservedFault(attachment, rules);
    return {
      ...{ attachment, rules: rules.length, resolvedFault, taken: [...taken] },
      ruleFaults: isRefused ? refused : [...ruleFaults.values()],
      isEverythingTaken: taken.size > 0 && served === 0,
    };
  }

  /** The connections for a host, unless a more specific listener of the Gateway has it or an older route. */
  #addConnections(
    { host: wide, boundPort: port, isPassthrough }: ServedListener,
    host: string,
    [candidate]: readonly Candidate[],
    gateway: ServedGateway,
  ): void {
    const key = `${host}:${port}`;
    if (!candidate || this.#connections.has(key) || mostSpecific(host, servedHostsAt(gateway, port)) !== wide) return;
    this.#connections.set(key, { host, port, isPassthrough, backend: candidate.backend });
  }

  #unservedFault(
    { route, gateway, places: [place] }: Attachment,
    rules: readonly RouteRuleSpec<unknown>[],
  ): Fault | undefined {
    if (!place) return undefined;
    for (const rule of rules) {
      const { resolvedFault } = this.#readRule(route, rule, gateway, place.listener);
      if (resolvedFault) return resolvedFault;
    }
    return undefined;
  }

  #readRule(
    route: Route,
    rule: RouteRuleSpec<unknown>,
    gateway: ServedGateway,
    { scheme, port, clientCa, isPassthrough }: ServedListener,
  ): { candidates: readonly Candidate[]; wrong: Fault | undefined; resolvedFault: Fault | undefined } {
    let matches: readonly ReadMatch[] = [];
    const unsupported = (error: unknown): Fault => {
      if (!(error instanceof UnsupportedError)) throw error;
      return fault('UnsupportedValue', error.message);
    };
    try {
      matches = readMatches(route, rule);
      const { namespace = '' } = route.object.metadata ?? {};
      const { length: parts } = rule.backendRefs ?? [];
      const tested = matches.filter((match) => !isPlain(match)).length + (parts > 1 ? parts : 0);
      const count = (this.#matches.get(namespace) ?? 0) + tested;
      this.#matches.set(namespace, count);
      if (tested > 0 && count > MAX_MATCHES) {
        const wrong = fault(
          'UnsupportedValue',
          `routes of namespace ${namespace} have more than ${MAX_MATCHES} matches by more than paths and backends by weight`,
        );
        return { candidates: [], wrong, resolvedFault: undefined };
      }
      const context = {
        ...({ scheme: scheme === 'http' ? scheme : 'https', port, matches, gateway } as const),
        ...{ clientCa, isPassthrough },
      };
      const { name, fault: resolvedFault } = this.#collector.add(route, rule, context);
      return { candidates: matches.map((match) => ({ match, backend: name })), wrong: undefined, resolvedFault };
    } catch (error) {
      // What it matches is not left to rules that are less specific.
      const wrong = unsupported(error);
      const backend = matches.length > 0 ? this.#collector.broken(route) : '';
      return { candidates: matches.map((match) => ({ match, backend })), wrong, resolvedFault: undefined };
    }
  }
}

function readMatches(route: Route, { matches = [] }: RouteRuleSpec<unknown>): readonly ReadMatch[] {
  if (route.kind === 'TLSRoute') return [readHttpMatch({})];
  const list = matches.length > 0 ? matches : [{}];
  return route.kind === 'HTTPRoute'
    ? (list as Parameters<typeof readHttpMatch>[0][]).map(readHttpMatch)
    : (list as Parameters<typeof readGrpcMatch>[0][]).map(readGrpcMatch);
}

function extraPorts(
  gateways: readonly ServedGateway[],
  tls: ReadonlyMap<number, PortTls>,
  { httpPort, httpsPort }: ListenerOptions,
): readonly PortModel[] {
  const ports = new Map<number, PortModel>();
  for (const { listeners, fault: wrong } of gateways)
    for (const listener of listeners) {
      const { boundPort: port } = listener;
      if (wrong || port === httpPort || port === httpsPort || !isServed(listener)) continue;
      if (listener.scheme !== 'tls') ports.set(port, { port, tls: tls.get(port) });
    }
  return [...ports.values()].sort((a, b) => a.port - b.port);
}

/** Certificates of Ingresses come first: whose a host is has been decided. */
function withListeners(
  certificates: readonly CertificateModel[],
  own: PortTls | undefined,
): readonly CertificateModel[] {
  const known = new Set(certificates.flatMap(({ hosts }) => hosts));
  const others = (own?.certificates ?? []).filter(({ host }) => !known.has(host));
  return [
    ...certificates,
    ...others.map(({ pem, host, clientCa }) => ({
      ...{ pem, hosts: [host], clientCa, needsClientCertificate: clientCa !== undefined },
    })),
  ];
}
