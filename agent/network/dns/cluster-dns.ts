/**
 * The cluster's DNS on this node: follows the Services, gives the host the address of the cluster's DNS, and tells the thread that serves
 * it what there is. The Service `kube-system/kube-dns` says whether the agents serve it at all, and where.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Cidr, IpAddress } from '../../../api/domain/address.ts';
import type { ConfigMap } from '../../../api/types/core/v1.gen.ts';
import { CLUSTER_DNS } from '../../../api/domain/cluster-dns.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { backoffMs } from '../../../client/backoff.ts';
import { withDeadline } from '../../../client/deadline.ts';
import { Informer, objectKey } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import { configMaps } from '../../../client/resources.gen.ts';
import { writeFileAtomically } from '../../../daemon/atomic-file.ts';
import { DamagedRecord, readRecord } from '../../host/files.ts';
import { addHostAddress, deleteHostAddress } from '../../host/links.ts';
import { ownAddresses } from '../../host/own-addresses.ts';
import type { ServiceCache } from '../service-cache.ts';
import { dnsService } from './dns-facts.ts';
import type { DnsRules } from './dns-rules.ts';
import { readDnsSettings, type ReadSettings } from './dns-settings.ts';
import type { DnsMessage, DnsThreadOptions } from './dns-thread.ts';
import { PacedTask } from './paced-task.ts';
import type { DnsSettings } from './resolver.ts';

export interface ClusterDnsOptions extends Omit<DnsThreadOptions, 'role' | 'podRanges' | 'serviceRanges'> {
  readonly client: ApiClient;
  /** Run by others. */
  readonly cache: ServiceCache;
  /** One of each IP family at most, as those of Services. */
  readonly podRanges: readonly Cidr[];
  readonly rules: DnsRules;
  readonly serviceRanges: readonly Cidr[];
  /** Where the addresses are kept that this host has for DNS. */
  readonly recordFile: string;
  readonly logger: Logger;
}

const DNS_KEY = objectKey(CLUSTER_DNS.namespace, CLUSTER_DNS.name);
/** In one line of the log. */
const MAX_PROBLEMS = 10;
/** How often it is looked for what others have removed. */
const CHECK_INTERVAL_MS = 60_000;
const RETRY = { initialMs: 1_000, maxMs: 30_000 };
const ANSWER_LIMIT_MS = 2_000;
/** A megabyte: the thread answers, and keeps little. */
const THREAD_YOUNG_GENERATION_MB = 1;

export class ClusterDnsServer {
  readonly #options: ClusterDnsOptions;
  readonly #configMaps: Informer<ConfigMap, ReadSettings>;
  readonly #dirty = new Set<string>();
  #thread: Worker | undefined;
  /** One of many endpoints is told as a whole whenever one of them changes. */
  readonly #flushing = new PacedTask({ run: () => this.#flush() });
  #isSynced = false;
  #settings: DnsSettings | undefined;
  /** What the host has, and what it should have. */
  #addresses: readonly string[] = [];
  #wanted: readonly string[] = [];
  #hasRules = false;
  #wake: () => void = () => undefined;

  constructor(options: ClusterDnsOptions) {
    this.#options = options;
    const { client, logger } = options;
    this.#configMaps = new Informer({
      ...{ client, logger, resource: configMaps, namespace: CLUSTER_DNS.namespace },
      fieldSelector: `metadata.name=${CLUSTER_DNS.name}`,
      select: ({ data }) => readDnsSettings(data),
      // Another control plane's nodes may not, and its DNS is elsewhere.
      onForbidden: () => undefined,
    });
  }

  /** Until the signal is aborted; the host keeps the addresses then. */
  async run(signal: AbortSignal): Promise<void> {
    const { cache, recordFile, logger } = this.#options;
    // Pods may ask before the api-server can be reached: names outside of the cluster are known without it.
    this.#addresses = await readAddresses(recordFile, logger);
    this.#wanted = this.#addresses;
    cache.onChange((key) => this.#changed(key));
    this.#configMaps.addHandlers({
      onAdd: (read) => this.#configure(read),
      onUpdate: (_, read) => this.#configure(read),
      onDelete: () => this.#configure(readDnsSettings(undefined)),
    });
    const synced = cache.hasSynced().then(
      () => this.#synced(),
      () => undefined,
    );
    await Promise.all([this.#keepAddresses(signal), this.#configMaps.run(signal), synced]);
  }

  /** Whether the thread answers in time, or is about to be started again; does not reject. */
  async answers(): Promise<boolean> {
    const thread = this.#thread;
    if (!thread) return true;
    try {
      await withDeadline({ what: 'an answer of the thread of DNS', limitMs: ANSWER_LIMIT_MS }, (signal) => {
        const answered = once(thread, 'message', { signal });
        this.#tell({ kind: 'ping' });
        return answered;
      });
      return true;
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'DNS does not answer');
      return this.#thread !== thread;
    }
  }

  #configure({ settings, problems }: ReadSettings): void {
    if (problems.length > 0)
      this.#options.logger.warn(
        { configMap: DNS_KEY, problems: problems.slice(0, MAX_PROBLEMS) },
        'ignoring invalid settings of the cluster DNS',
      );
    this.#settings = settings;
    this.#tell({ kind: 'settings', settings });
  }

  #changed(key: string): void {
    this.#dirty.add(key);
    this.#flushing.ask();
  }

  #synced(): void {
    this.#flush();
    this.#isSynced = true;
    this.#tell({ kind: 'synced' });
    this.#readAddresses();
  }

  #flush(): void {
    const keys = [...this.#dirty];
    this.#dirty.clear();
    this.#tellServices(keys);
    if (this.#isSynced && keys.includes(DNS_KEY)) this.#readAddresses();
  }

  #readAddresses(): void {
    this.#wanted = this.#options.cache.services.getByKey(DNS_KEY)?.dns.dnsAddresses ?? [];
    this.#wake();
  }

  #tellServices(keys: Iterable<string>): void {
    if (!this.#thread) return;
    const { services, slices } = this.#options.cache;
    const changes = [...keys].map((key) => {
      const slash = key.indexOf('/');
      const facts = services.getByKey(key)?.dns;
      const service = facts && dnsService(facts, facts.isHeadless ? slices.byIndex('service', key) : []);
      return { namespace: key.slice(0, slash), name: key.slice(slash + 1), service };
    });
    this.#tell({ kind: 'services', changes });
  }

  #tell(message: DnsMessage): void {
    this.#thread?.postMessage(message);
  }

  /** Brings the host's addresses, and the thread that serves them, to what is wanted. */
  async #keepAddresses(signal: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    const outage = new Outage({ logger, level: 'error' });
    let thread: Promise<void> | undefined;
    const stop = new AbortController();
    const ended = AbortSignal.any([signal, stop.signal]);
    const over = aborted(signal);
    for (let failures = 0; !signal.aborted;) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      try {
        await this.#apply(signal);
        // A cluster that has its DNS elsewhere costs no thread.
        if (this.#addresses.length > 0) thread ??= this.#keepThread(ended);
        await this.#applyRules();
        outage.ended({}, 'addresses of the cluster DNS are set');
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        outage.failed(error, { addresses: this.#wanted }, 'failed to set addresses of the cluster DNS');
        await Promise.race([woken, delay(backoffMs(RETRY, ++failures), undefined, { signal }).catch(() => undefined)]);
        continue;
      }
      const idle = new AbortController();
      await Promise.race([woken, over, this.#isDamaged(idle.signal)]);
      idle.abort();
    }
    stop.abort();
    await thread;
  }

  /** Resolves when the host has lost an address or the rules, as a network or a firewall that is set up anew takes them away. */
  async #isDamaged(signal: AbortSignal): Promise<void> {
    for (;;) {
      await delay(CHECK_INTERVAL_MS, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      if (this.#addresses.length === 0) continue;
      const present = ownAddresses();
      if (!this.#addresses.every((address) => present.has(address))) return;
      // Why it cannot be seen is said when the rules cannot be written either.
      if (!(await this.#options.rules.verify().catch(() => false))) return;
    }
  }

  async #apply(signal: AbortSignal): Promise<void> {
    const { recordFile } = this.#options;
    const wanted = this.#wanted;
    const gone = this.#addresses.filter((address) => !wanted.includes(address));
    // Before they are there: what is recorded is removed at last, whatever ends this process.
    const all = [...new Set([...this.#addresses, ...wanted])];
    if (all.length > this.#addresses.length) await writeAddresses(recordFile, all);
    this.#addresses = all;
    for (const address of wanted) await addHostAddress(hostRange(address), signal);
    this.#tell({ kind: 'serve', addresses: wanted });
    for (const address of gone) await deleteHostAddress(hostRange(address), signal);
    if (gone.length > 0) await writeAddresses(recordFile, wanted);
    this.#addresses = wanted;
  }

  /** A node that has nothing to do with DNS gets no chains either. */
  async #applyRules(): Promise<void> {
    this.#hasRules ||= this.#addresses.length > 0;
    if (this.#hasRules) await this.#options.rules.apply(this.#addresses);
  }

  /** Starts it again whenever it fails. */
  async #keepThread(signal: AbortSignal): Promise<void> {
    const { logger, podRanges, serviceRanges, domain, resolvConf, logLevel } = this.#options;
    const workerData: DnsThreadOptions = {
      ...{ role: 'dns', domain, resolvConf, logLevel },
      podRanges: podRanges.map(({ text }) => text),
      serviceRanges: serviceRanges.map(({ text }) => text),
    };
    for (let failures = 0; !signal.aborted; failures++) {
      if (failures > 0) await delay(backoffMs(RETRY, failures), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const startedAt = performance.now();
      const thread = new Worker(process.argv[1] ?? '', {
        // Shown by debuggers and `ps -L`.
        ...{ name: 'dns', workerData },
        resourceLimits: { maxYoungGenerationSizeMb: THREAD_YOUNG_GENERATION_MB },
      });
      this.#thread = thread;
      this.#tellServices(this.#options.cache.services.keys());
      if (this.#isSynced) this.#tell({ kind: 'synced' });
      if (this.#settings) this.#tell({ kind: 'settings', settings: this.#settings });
      this.#tell({ kind: 'serve', addresses: this.#addresses });
      const stop = (): void => this.#tell({ kind: 'stop' });
      signal.addEventListener('abort', stop, { once: true });
      await new Promise<void>((resolve) => {
        thread.once('error', (error) => logger.error({ err: error }, 'DNS failed, restarting'));
        thread.once('exit', () => resolve());
      });
      signal.removeEventListener('abort', stop);
      this.#thread = undefined;
      if (performance.now() - startedAt > RETRY.maxMs) failures = 0;
    }
  }
}

/** @param dataDir the agent's */
export const clusterDnsRecord = (dataDir: string): string => join(dataDir, 'cluster-dns.json');

/** Removes from the host what an agent has given it for DNS. */
export async function removeClusterDns(recordFile: string, logger: Logger, signal: AbortSignal): Promise<void> {
  for (const address of await readAddresses(recordFile, logger)) await deleteHostAddress(hostRange(address), signal);
}

const hostRange = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`;

async function readAddresses(file: string, logger: Logger): Promise<readonly string[]> {
  try {
    const addresses = (await readRecord(file))?.get('addresses');
    return (Array.isArray(addresses) ? (addresses as unknown[]) : []).flatMap(
      (text) => IpAddress.parse(String(text))?.text ?? [],
    );
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error;
    logger.warn(
      { path: file, err: error },
      'the addresses of the cluster DNS are unknown until the api-server says them',
    );
    return [];
  }
}

const writeAddresses = (file: string, addresses: readonly string[]): Promise<void> =>
  writeFileAtomically(file, JSON.stringify({ addresses }), 0o600);

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
