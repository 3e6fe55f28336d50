/** What the commands of this node read: the api-server with the identity of the node, and the runtime. */
import { join, resolve } from 'node:path';
import { IpAddress } from '../api/domain/address.ts';
import { StatusError } from '../api/machinery/status-error.ts';
import { own } from '../api/machinery/own.ts';
import { ZONE_LABEL } from '../api/domain/topology-labels.ts';
import type { Service } from '../api/types/core/v1.gen.ts';
import { ApiClient } from '../client/api-client.ts';
import type { Logger } from '../client/logger.ts';
import { endpointSlices, nodes, services } from '../client/resources.gen.ts';
import { SERVICE_NAME_LABEL } from '../api/kinds/discovery/endpoint-slice.ts';
import { nodeNameOf, type AgentConfig } from './config.ts';
import { CriClient } from './cri/client.ts';
import { HostError } from './host/host-error.ts';
import { isIpv6Enabled } from './host/sysctl.ts';
import { ClusterConfiguration } from './join/cluster-configuration.ts';
import { clusterNetwork, type ClusterNetwork } from './join/cluster-network.ts';
import { networkOfHost } from './join/node-families.ts';
import { clientCredentials, NodeCertificates } from './join/node-certificates.ts';
import { addressingOf } from './network/pod-network.ts';
import type { Namespace } from './network/trace/probe-process.ts';
import { viewOf, type ServiceView } from './network/trace/target.ts';
import { POD_NAME, POD_NAMESPACE } from './pods/labels.ts';

const NOT_FOUND = 404;
const API_LIMIT_MS = 10_000;

/** A client with the identity of this node; undefined on a host that is none. The caller disposes of it. */
export async function openNodeClient({ dataDir, server }: AgentConfig): Promise<ApiClient | undefined> {
  const certificates = new NodeCertificates(join(resolve(dataDir), 'pki'));
  const [ca, pair] = [await certificates.ca(), await certificates.read('client')];
  if (ca === undefined || !pair || server === '') return undefined;
  return new ApiClient({ server, ...clientCredentials(ca, pair) });
}

export class NodeView implements AsyncDisposable {
  readonly name: string;
  readonly #config: AgentConfig;
  readonly #client: ApiClient;
  readonly #certificates: NodeCertificates;
  readonly #logger: Logger;
  readonly #signal: AbortSignal;

  private constructor(
    config: AgentConfig,
    client: ApiClient,
    certificates: NodeCertificates,
    logger: Logger,
    signal: AbortSignal,
  ) {
    this.name = nodeNameOf(config);
    this.#config = config;
    this.#client = client;
    this.#certificates = certificates;
    this.#logger = logger;
    this.#signal = signal;
  }

  /** Throws HostError on a host that is no node. */
  static async open(config: AgentConfig, logger: Logger, signal: AbortSignal): Promise<NodeView> {
    const client = await openNodeClient(config);
    if (!client)
      throw new HostError(
        `this host is no node of a cluster, as far as data-dir ${config.dataDir} and the setting server say: ` +
          'name the file of its settings (--config /etc/kedge/agent.yaml)',
      );
    const certificates = new NodeCertificates(join(resolve(config.dataDir), 'pki'));
    return new NodeView(config, client, certificates, logger, signal);
  }

  /** The ranges of pods and Services, as the agent has them. */
  async network(): Promise<ClusterNetwork> {
    const configuration = new ClusterConfiguration(this.#client, this.#certificates.directory, this.#logger);
    const network = clusterNetwork(this.#config, await configuration.learn(this.#signal), this.#logger);
    return networkOfHost(network, await isIpv6Enabled(), this.#logger);
  }

  /** Throws HostError when there is no such Service. */
  async service(namespace: string, name: string): Promise<ServiceView> {
    const options = { signal: this.#signal, timeoutMs: API_LIMIT_MS };
    let object: Service;
    try {
      object = await this.#client.get<Service>(services, namespace, name, options);
    } catch (error) {
      if (!(error instanceof StatusError) || error.code !== NOT_FOUND) throw error;
      throw new HostError(`Service ${namespace}/${name} does not exist`, { cause: error });
    }
    const labelSelector = `${SERVICE_NAME_LABEL}=${name}`;
    const slices = await this.#client.listAll(endpointSlices, { ...options, namespace, labelSelector });
    return viewOf(object, slices, this.name, await this.#zone());
  }

  /** In the order of their names. */
  async allServices(): Promise<ServiceView[]> {
    const options = { signal: this.#signal, timeoutMs: API_LIMIT_MS };
    const [all, slices, zone] = await Promise.all([
      this.#client.listAll(services, options),
      this.#client.listAll(endpointSlices, options),
      this.#zone(),
    ]);
    const byService = Map.groupBy(
      slices,
      ({ metadata }) => `${metadata?.namespace}/${metadata?.labels?.[SERVICE_NAME_LABEL] ?? ''}`,
    );
    return all.map((object) => {
      const key = `${object.metadata?.namespace}/${object.metadata?.name}`;
      return viewOf(object, byService.get(key) ?? [], this.name, zone);
    });
  }

  /** The addresses of the other nodes. */
  async otherAddresses(): Promise<readonly IpAddress[]> {
    const all = await this.#client.listAll(nodes, { signal: this.#signal, timeoutMs: API_LIMIT_MS });
    const others = all.filter(({ metadata }) => metadata?.name !== this.name).map(addressingOf);
    return others.flatMap(({ addresses }) => addresses.flatMap((text) => IpAddress.parse(text) ?? []));
  }

  async #zone(): Promise<string | undefined> {
    const options = { signal: this.#signal, timeoutMs: API_LIMIT_MS };
    return own((await this.#client.get(nodes, '', this.name, options)).metadata?.labels, ZONE_LABEL);
  }

  /** The network namespace of a pod that runs here. Throws HostError when there is none. */
  async podNetwork(namespace: string, name: string): Promise<Namespace> {
    const cri = new CriClient(this.#config.containerdSocket);
    const options = { signal: this.#signal, limitMs: API_LIMIT_MS };
    try {
      const labelSelector = { [POD_NAMESPACE]: namespace, [POD_NAME]: name };
      const [sandbox] = await cri.listPodSandboxes({ state: 'SANDBOX_READY', labelSelector }, options);
      if (!sandbox)
        throw new HostError(
          `pod ${namespace}/${name} has no sandbox on this node: it runs on another one, or has not started`,
        );
      const { linux } = await cri.podSandboxStatus(sandbox.id, options);
      if (linux?.namespaces?.options?.network === 'NODE') return undefined;
      const pid = await cri.sandboxPid(sandbox.id, options);
      if (pid === undefined)
        throw new HostError(`the runtime does not say which network pod ${namespace}/${name} is in`);
      return { pid };
    } finally {
      cri.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }
}
