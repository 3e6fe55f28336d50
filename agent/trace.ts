/** `kedge trace`: one real connection from this node or from one of its pods, followed through the kernel's tables. */
import { IpAddress } from '../api/domain/address.ts';
import type { Logger } from '../client/logger.ts';
import type { AgentConfig } from './config.ts';
import { HostError } from './host/host-error.ts';
import { ownAddresses } from './host/own-addresses.ts';
import { ownCommand } from './host/own-command.ts';
import { choosePort, parseTarget, podNames, serviceAt, type ServiceView, type Target } from './network/trace/target.ts';
import { tracePacket, type TraceReport, type TraceRequest } from './network/trace/trace-packet.ts';
import type { ServiceEntry } from './network/services/model/service-entry.ts';
import { sliceFacts } from './network/services/model/service-facts.ts';
import { NodeView } from './node-view.ts';

export interface TraceOptions {
  /** `svc/NAME`, `svc/NAME:PORT`, `ADDRESS:PORT` */
  readonly target: string;
  readonly namespace: string;
  /** `host`, `POD` or `NAMESPACE/POD` */
  readonly from: string;
  readonly timeoutMs: number;
}

export interface ServiceTrace {
  /** What is traced, as sentences. */
  readonly about: readonly string[];
  /** Undefined when there is nothing that a packet could be sent to. */
  readonly report: TraceReport | undefined;
}

/** What a packet is sent to. */
interface Aim {
  readonly about: readonly string[];
  readonly address: IpAddress | undefined;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
  readonly entry: ServiceEntry | undefined;
  readonly views: readonly ServiceView[];
}

/** The word for no pod. */
const HOST = 'host';
/** The cluster IP of a headless Service. */
const HEADLESS = 'None';

/** Throws HostError when what is asked for is not there, and ProgramError when a program fails. */
export async function traceService(
  config: AgentConfig,
  options: TraceOptions,
  signal: AbortSignal,
  logger: Logger,
): Promise<ServiceTrace> {
  const target = parseTarget(options.target);
  await using node = await NodeView.open(config, logger, signal);
  const aim = await aimAt(target, options, node);
  if (!aim.address) return { about: aim.about, report: undefined };
  const names = new Map(podNames(aim.views.flatMap(({ slices }) => slices)));
  const own = ownAddresses();
  const who = ({ text }: IpAddress): string | undefined => names.get(text) ?? (own.has(text) ? 'this node' : undefined);
  const { address: destination, port, protocol, entry: service } = aim;
  const report = await tracePacket(
    {
      ...{ service, who, probe: ownCommand('trace-probe') },
      ...(await clientOf(options, node)),
      target: { protocol, destination, port, limitMs: options.timeoutMs },
    },
    signal,
  );
  return { about: aim.about, report };
}

async function clientOf(
  { from, namespace }: TraceOptions,
  node: NodeView,
): Promise<Pick<TraceRequest, 'namespace' | 'client'>> {
  if (from === HOST) return { namespace: undefined };
  const [first = '', second] = from.split('/');
  const [ofPod, pod] = second === undefined ? [namespace, first] : [first, second];
  return { namespace: await node.podNetwork(ofPod, pod), client: `pod ${ofPod}/${pod}` };
}

async function aimAt(target: Target, { namespace }: TraceOptions, node: NodeView): Promise<Aim> {
  if (target.kind === 'service') return aimAtService(await node.service(namespace, target.name), target, node);
  const views = await node.allServices();
  const entry = serviceAt(views, target, ownAddresses().has(target.address.text));
  const about = [
    entry === undefined
      ? `${target.address.text}, port ${target.port} (${target.protocol}): no Service has it`
      : `Service ${entry.namespace}/${entry.name} has ${target.address.text}, port ${target.port} (${target.protocol})`,
  ];
  return { ...{ about, entry, views, address: target.address }, port: target.port, protocol: target.protocol };
}

function aimAtService(view: ServiceView, target: Extract<Target, { kind: 'service' }>, node: NodeView): Aim {
  const { spec = {}, metadata } = view.object;
  const service = `Service ${metadata?.namespace}/${metadata?.name}`;
  const views = [view];
  const nowhere = { address: undefined, entry: undefined, port: 0, protocol: 'TCP', views } as const;
  if (spec.type === 'ExternalName')
    return {
      ...nowhere,
      about: [
        `${service} is a name for ${spec.externalName}, which DNS answers with: there are no rules, and nothing to trace`,
      ],
    };
  const chosen = choosePort(view.object, target);
  const port = `port ${chosen.name && `${chosen.name} `}(${chosen.protocol} ${chosen.port})`;
  const [entry] = view.entries;
  if (entry)
    return {
      ...chosen,
      ...{ entry, views, address: entry.clusterIP },
      about: [`${service}, ${port}, at ${entry.clusterIP.text}`],
    };
  if (spec.clusterIP !== HEADLESS)
    return {
      ...nowhere,
      about: [`${service} belongs to another proxy, as one of its labels says: this node has no rules of it`],
    };
  const endpoints = view.slices.flatMap((slice) => {
    const facts = sliceFacts(slice, node.name);
    const ofPort = facts.ports.find(({ name, protocol }) => name === chosen.name && protocol === chosen.protocol);
    return ofPort ? facts.endpoints.filter(({ ready }) => ready).map(({ ip }) => ({ ip, port: ofPort.port })) : [];
  });
  const said = `${service} is headless: there are no rules, and its name resolves to the addresses of its endpoints`;
  const [first] = endpoints;
  if (!first) return { ...nowhere, about: [said, 'it has no ready endpoints'] };
  const list = endpoints.map(({ ip }) => ip.text).join(', ');
  const about = [said, `they are ${list}; the first one is traced`];
  return { about, address: first.ip, port: first.port, protocol: chosen.protocol, entry: undefined, views };
}

/** Throws HostError: `host`, a pod's name, or a namespace and a pod's name. */
export function checkFrom(from: string): void {
  if (!/^[a-z0-9.-]+(\/[a-z0-9.-]+)?$/.test(from))
    throw new HostError(`--from must be ${HOST}, POD or NAMESPACE/POD, not ${JSON.stringify(from)}`);
}
