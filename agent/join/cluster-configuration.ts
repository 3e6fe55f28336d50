/**
 * The network of the cluster, from where kubeadm puts it: ConfigMap kube-system/kubeadm-config, which nodes may
 * read in Kedge's clusters and in kubeadm's. The last known configuration is kept on disk, for a start without the api-server.
 * https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/#kubeadm-k8s-io-v1beta4-Networking
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parse } from 'yaml';
import { writeFileAtomically } from '../../daemon/atomic-file.ts';
import { CLUSTER_DNS_INDEX } from '../../api/domain/address.ts';
import { clusterRanges, parseClusterRanges } from '../../api/domain/cluster-ranges.ts';
import { StatusError } from '../../api/machinery/status-error.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { backoffMs } from '../../client/backoff.ts';
import { withDeadline } from '../../client/deadline.ts';
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import { configMaps } from '../../client/resources.gen.ts';
import { dnsDomain, overlap } from '../../daemon/setting-rules.ts';
import { readTextIfThere } from '../host/files.ts';
import type { ConfigMap } from '../../api/types/core/v1.gen.ts';

/** By the names of the agent's settings, and as those are written; what the cluster does not state is absent. */
export interface LearnedNetwork {
  readonly clusterCidr?: string;
  readonly serviceCidr?: string;
  readonly clusterDomain?: string;
}

/** How long a start waits for the api-server before it uses the copy on disk. */
const START_LIMIT_MS = 3_000;
const RETRY = { initialMs: 1_000, maxMs: 60_000 };
const FILE_MODE = 0o644;

export class ClusterConfiguration {
  readonly #client: Pick<ApiClient, 'get'>;
  readonly #file: string;
  readonly #logger: Logger;
  /** The ConfigMap has been read, or does not exist. */
  #isConfirmed = false;
  /** The configuration that this agent uses. */
  #used: string | undefined;

  /** @param directory of what belongs to the membership in this cluster; removed when the host joins another one. */
  constructor(client: Pick<ApiClient, 'get'>, directory: string, logger: Logger) {
    this.#client = client;
    this.#file = join(directory, 'cluster-configuration.yaml');
    this.#logger = logger;
  }

  /** The configuration of the cluster or, when it cannot be read, the last known one. Throws the signal's reason only. */
  async learn(signal: AbortSignal): Promise<LearnedNetwork> {
    const deadline = { what: 'reading the cluster configuration', limitMs: START_LIMIT_MS, signal };
    try {
      this.#used = await withDeadline(deadline, (within) => this.#read(within));
    } catch (error) {
      signal.throwIfAborted();
      this.#logger.warn({ err: error }, 'failed to read cluster configuration, using the last known one');
    }
    this.#used ??= await readTextIfThere(this.#file);
    return this.#parsed(this.#used);
  }

  /** Retries until the cluster has been read. When it differs from what this agent uses, logs that a restart is needed. */
  async confirm(signal: AbortSignal): Promise<void> {
    const outage = new Outage({ logger: this.#logger });
    for (let failures = 1; !this.#isConfirmed && !signal.aborted; failures++) {
      try {
        const found = await this.#read(signal);
        outage.ended({}, 'read cluster configuration');
        if (found === undefined) return;
        const [before, now] = [this.#parsed(this.#used), this.#parsed(found)].map((network) => JSON.stringify(network));
        if (before !== now)
          this.#logger.warn({ before, now }, 'cluster configuration has changed, restart the agent to apply it');
      } catch (error) {
        if (signal.aborted) return;
        outage.failed(error, {}, 'failed to read cluster configuration, retrying');
        await delay(backoffMs(RETRY, failures), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Undefined when the cluster does not publish a valid one, or does not let nodes read it: what is on disk counts then. */
  async #read(signal: AbortSignal): Promise<string | undefined> {
    let text: string | undefined;
    try {
      const { data } = await this.#client.get<ConfigMap>(configMaps, 'kube-system', 'kubeadm-config', { signal });
      text = data?.['ClusterConfiguration'];
    } catch (error) {
      if (!(error instanceof StatusError) || (error.code !== 404 && error.code !== 403)) throw error;
      this.#logger.debug({ err: error }, 'cluster does not publish its configuration');
    }
    this.#isConfirmed = true;
    if (text === undefined || this.#parse(text, { configMap: 'kube-system/kubeadm-config' }) === undefined)
      return undefined;
    await this.#save(text);
    return text;
  }

  async #save(text: string): Promise<void> {
    try {
      if ((await readTextIfThere(this.#file)) !== text) await writeFileAtomically(this.#file, text, FILE_MODE);
    } catch (error) {
      this.#logger.warn({ err: error, path: this.#file }, 'failed to save cluster configuration');
    }
  }

  #parsed(text: string | undefined): LearnedNetwork {
    return (text !== undefined && this.#parse(text, { path: this.#file })) || {};
  }

  /** Undefined for an invalid configuration, which is logged. */
  #parse(text: string, from: object): LearnedNetwork | undefined {
    try {
      return parseClusterConfiguration(text);
    } catch (error) {
      this.#logger.warn({ err: error, ...from }, 'ignoring invalid cluster configuration');
      return undefined;
    }
  }
}

/** Throws for invalid values, for ranges that overlap, and for one of Services that leaves DNS no address. */
export function parseClusterConfiguration(text: string): LearnedNetwork {
  const root: unknown = parse(text);
  const networking = fieldOf(root, 'networking');
  const range = (name: string): string | undefined => {
    const value = textOf(networking, name);
    if (value === undefined) return undefined;
    const found = parseClusterRanges(value.replaceAll(' ', ''));
    if (!found) throw new Error(`networking.${name} is not a range of addresses, nor one of each family: ${value}`);
    return found.map(({ text }) => text).join(',');
  };
  const clusterDomain = textOf(networking, 'dnsDomain');
  const problem = clusterDomain === undefined ? undefined : dnsDomain(clusterDomain, undefined);
  if (problem !== undefined) throw new Error(`networking.dnsDomain ${problem}`);
  const [clusterCidr, serviceCidr] = [range('podSubnet'), range('serviceSubnet')];
  if (clusterCidr !== undefined && serviceCidr !== undefined && overlap(clusterCidr, serviceCidr))
    throw new Error(`networking.podSubnet ${clusterCidr} overlaps with serviceSubnet ${serviceCidr}`);
  if (serviceCidr !== undefined && clusterRanges(serviceCidr)[0].at(CLUSTER_DNS_INDEX) === undefined)
    throw new Error(`networking.serviceSubnet ${serviceCidr} has no address for the DNS Service`);
  return { clusterCidr, serviceCidr, clusterDomain };
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? new Map<string, unknown>(Object.entries(value)).get(name) : undefined;

/** An empty string counts as absent. */
function textOf(value: unknown, name: string): string | undefined {
  const field = fieldOf(value, name);
  if (field === undefined || field === null || field === '') return undefined;
  if (typeof field !== 'string') throw new Error(`networking.${name} is not a string`);
  return field;
}
