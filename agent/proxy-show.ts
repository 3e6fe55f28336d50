/** `kedge proxy show`: Services beside what the kernel of this node has of them. */
import type { IpFamily } from '../api/domain/address.ts';
import { rangeOf } from '../api/domain/cluster-ranges.ts';
import type { Logger } from '../client/logger.ts';
import type { AgentConfig } from './config.ts';
import { HostError } from './host/host-error.ts';
import { Iptables } from './network/netfilter/iptables.ts';
import { Nft } from './network/netfilter/nft.ts';
import { ipvsHost } from './network/services/backends/ipvs/ipvs-host.ts';
import type { ProxyMode } from './network/services/backends/proxy-mode.ts';
import { availableProxyMode, kernelRules } from './network/services/backends/proxy-modes.ts';
import type { KernelRules, ListedRule } from './network/services/backends/rule-listing.ts';
import { whyNotUsed } from './network/services/model/endpoint-use.ts';
import { socketText, type ServiceEntry } from './network/services/model/service-entry.ts';
import { podNames, type ServiceView } from './network/trace/target.ts';
import { NodeView } from './node-view.ts';

export interface ShownEndpoint {
  readonly address: string;
  readonly pod: string | undefined;
  /** Undefined for one that is used. */
  readonly leftOut: string | undefined;
}

export interface ShownPort {
  readonly label: string;
  readonly protocol: string;
  readonly port: number;
  readonly nodePort: number | undefined;
  readonly endpoints: readonly ShownEndpoint[];
}

export interface ShownService {
  readonly namespace: string;
  readonly name: string;
  /** Undefined for a Service that has no rules; `differences` says why. */
  readonly family: string | undefined;
  readonly addresses: readonly string[];
  readonly policies: readonly string[];
  readonly ports: readonly ShownPort[];
  readonly rules: readonly ListedRule[];
  /** Sentences: how what the kernel has differs from what it should have; empty when it does not. */
  readonly differences: readonly string[];
}

export interface ProxyListing {
  readonly mode: ProxyMode;
  /** What all Services need and the kernel does not have. */
  readonly problems: readonly string[];
  readonly services: readonly ShownService[];
}

/** @param wanted one Service; all of the cluster when undefined. Throws HostError and ProgramError. */
export async function showProxy(
  config: AgentConfig,
  wanted: { readonly namespace: string; readonly name: string } | undefined,
  signal: AbortSignal,
  logger: Logger,
): Promise<ProxyListing> {
  if (!config.serviceProxy) throw new HostError('the service proxy is off on this node (service-proxy: false)');
  await using node = await NodeView.open(config, logger, signal);
  const { podRanges, serviceRanges } = await node.network();
  const nft = new Nft(signal);
  const mode =
    config.proxyMode ||
    (await availableProxyMode(
      podRanges.map((clusterCidr) => ({ clusterCidr, nft })),
      logger,
    ));
  const views = wanted ? [await node.service(wanted.namespace, wanted.name)] : await node.allServices();
  const others = mode === 'ipvs' ? await node.otherAddresses() : [];
  const settings = { scheduler: config.ipvsScheduler, strictArp: config.ipvsStrictArp };
  const kernels = new Map<IpFamily, KernelRules>();
  for (const cluster of podRanges) {
    const { family } = cluster;
    const ipvs = ipvsHost(family, settings, signal, () => others);
    const ranges = { cluster, services: rangeOf(family, serviceRanges) };
    kernels.set(family, await kernelRules[mode]({ nft, iptables: new Iptables(family, signal), ipvs, ranges }));
  }
  const services: ShownService[] = [];
  for (const view of views) {
    const entries = view.entries.filter(({ family }) => kernels.has(family));
    if (entries.length === 0) services.push(withoutRules(view));
    for (const entry of entries) {
      const kernel = kernels.get(entry.family);
      if (kernel) services.push(await shown(entry, view, kernel));
    }
  }
  return { mode, problems: [...kernels.values()].flatMap(({ problems }) => problems), services };
}

function withoutRules({ object: { metadata, spec } }: ServiceView): ShownService {
  const why =
    spec?.type === 'ExternalName'
      ? `it is a name for ${spec.externalName}`
      : spec?.clusterIP === 'None'
        ? 'it is headless: its name resolves to the addresses of its endpoints'
        : 'it belongs to another proxy, or to another IP family than this node';
  const { namespace = '', name = '' } = metadata ?? {};
  const nothing = { addresses: [], policies: [], ports: [], rules: [], differences: [] };
  return { ...nothing, namespace, name, family: undefined, policies: [`no rules: ${why}`] };
}

async function shown(entry: ServiceEntry, view: ServiceView, kernel: KernelRules): Promise<ShownService> {
  const { namespace, name, family, clusterIP, externalIPs, loadBalancerIPs } = entry;
  const pods = podNames(view.slices);
  const rules = kernel.of(entry);
  return {
    ...{ namespace, name, family, policies: policiesOf(entry, view) },
    addresses: [clusterIP, ...externalIPs, ...loadBalancerIPs].map(({ text }) => text),
    ports: entry.ports.map((port) => ({
      ...{ label: port.label, protocol: port.protocol, port: port.port, nodePort: port.nodePort },
      endpoints: port.endpoints.map((endpoint) => ({
        address: socketText(endpoint.ip, endpoint.port),
        pod: pods.get(endpoint.ip.text),
        leftOut: whyNotUsed(endpoint, port, entry),
      })),
    })),
    rules,
    differences: await differencesOf(entry, rules, kernel),
  };
}

function policiesOf(entry: ServiceEntry, { facts }: ServiceView): string[] {
  const { affinitySeconds, internalPolicyLocal, externalPolicyLocal, loadBalancerSources, healthCheckNodePort } = entry;
  return [
    `internal policy ${internalPolicyLocal ? 'Local' : 'Cluster'}, external policy ${externalPolicyLocal ? 'Local' : 'Cluster'}`,
    affinitySeconds === undefined ? 'no affinity' : `affinity of clients for ${affinitySeconds} s`,
    ...(loadBalancerSources
      ? [`source ranges ${loadBalancerSources.map(({ text }) => text).join(', ') || 'that admit nobody'}`]
      : []),
    ...(healthCheckNodePort === undefined ? [] : [`health at port ${healthCheckNodePort}`]),
    ...(facts?.problems ?? []),
  ];
}

async function differencesOf(
  entry: ServiceEntry,
  rules: readonly ListedRule[],
  kernel: KernelRules,
): Promise<string[]> {
  const counts = Map.groupBy(rules, ({ state }) => state);
  const count = (state: ListedRule['state']): number => counts.get(state)?.length ?? 0;
  const rule = (many: number): string => (many === 1 ? 'rule' : 'rules');
  const [missing, different, foreign] = [count('missing'), count('different'), count('foreign')];
  const sentences = [
    ...(missing ? [`${missing} ${rule(missing)} missing in the kernel`] : []),
    ...(different ? [`${different} ${rule(different)} in the kernel other than wanted`] : []),
    ...(foreign ? [`${foreign} ${rule(foreign)} in the kernel that this node does not want`] : []),
  ];
  if (missing === 0) return sentences;
  const rejection = await kernel.rejection(entry);
  const why =
    rejection === undefined
      ? 'the kernel would accept them: the agent writes them when it checks its rules, within a minute, if it runs'
      : `the kernel rejects them, so that the Service is left out: ${rejection}`;
  return [...sentences, why];
}
