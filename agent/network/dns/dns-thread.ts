/** Serves the cluster's DNS on a thread of its own: neither can hold the other up. What it serves, the agent's main thread tells it. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import type { Logger } from 'pino';
import { Cidr, IpAddress } from '../../../api/domain/address.ts';
import { DNS_PORT } from '../../../api/domain/cluster-dns.ts';
import { backoffMs } from '../../../client/backoff.ts';
import { Outage } from '../../../client/outage.ts';
import { daemonLogger } from '../../../daemon/daemon-logger.ts';
import { ownAddresses } from '../../host/own-addresses.ts';
import { parseResolvConf } from '../../host/resolv-conf.ts';
import { DnsServer } from './dns-server.ts';
import { Forwarder, type DnsUpstream } from './forwarder.ts';
import { Resolver, type DnsSettings } from './resolver.ts';
import type { DnsService } from './dns-service.ts';
import { ClusterZone } from './zone.ts';

/** Passed to the thread by structured clone. */
export interface DnsThreadOptions {
  readonly role: 'dns';
  /** `cluster.local` */
  readonly domain: string;
  /** The ranges of pods, who are answered. */
  readonly podRanges: readonly string[];
  /** Those of Services, as far as somebody has said them. */
  readonly serviceRanges: readonly string[];
  readonly resolvConf: string;
  readonly logLevel: string;
}

/** A message of the main thread. */
export type DnsMessage =
  | {
      readonly kind: 'services';
      readonly changes: readonly {
        readonly namespace: string;
        readonly name: string;
        readonly service: DnsService | undefined;
      }[];
    }
  /** All Services have been told. */
  | { readonly kind: 'synced' }
  | { readonly kind: 'settings'; readonly settings: DnsSettings }
  /** The addresses to serve; each is the host's when this is said. */
  | { readonly kind: 'serve'; readonly addresses: readonly string[] }
  /** It is to answer, with anything. */
  | { readonly kind: 'ping' }
  | { readonly kind: 'stop' };

const RETRY = { initialMs: 500, maxMs: 30_000 };

/** Until the main thread sends `stop`. */
export async function runDnsThread(options: DnsThreadOptions): Promise<void> {
  const logger = daemonLogger('kedge-dns', options.logLevel);
  const stopping = new AbortController();
  const { signal } = stopping;
  const ranges = [...options.podRanges, ...options.serviceRanges].flatMap((text) => Cidr.parse(text) ?? []);
  const zone = new ClusterZone(options.domain, ranges);
  let own: readonly string[] = [];
  const outage = new Outage({ logger });
  const resolver = new Resolver({
    ...{ zone, forwarder: new Forwarder(), signal },
    hostUpstreams: hostUpstreams(options.resolvConf, () => own),
    forwarded: (error) =>
      error === undefined
        ? outage.ended({}, 'DNS servers outside of the cluster answer again')
        : outage.failed(error, {}, 'DNS servers outside of the cluster do not answer'),
  });
  const sockets = new Sockets({ resolver, isClient: clientsOf(options.podRanges), logger, signal });
  const take = (message: DnsMessage): void => {
    if (message.kind === 'services')
      for (const { namespace, name, service } of message.changes) zone.set(namespace, name, service);
    else if (message.kind === 'synced') resolver.setSynced();
    else if (message.kind === 'settings') resolver.setSettings(message.settings);
    else if (message.kind === 'ping') parentPort?.postMessage('pong');
    else if (message.kind === 'stop') stopping.abort();
    else {
      own = message.addresses;
      zone.setServerAddresses(own);
      sockets.serve(own);
    }
  };
  parentPort?.on('message', take);
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  await sockets[Symbol.asyncDispose]();
  parentPort?.close();
}

interface SocketsOptions {
  readonly resolver: Resolver;
  readonly isClient: (address: string) => boolean;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** One server for each address, tried again until it has its sockets. */
class Sockets implements AsyncDisposable {
  readonly #options: SocketsOptions;
  readonly #servers = new Map<string, { readonly stop: AbortController; readonly ended: Promise<void> }>();

  constructor(options: SocketsOptions) {
    this.#options = options;
  }

  serve(addresses: readonly string[]): void {
    for (const [address, { stop }] of this.#servers) {
      if (addresses.includes(address)) continue;
      stop.abort();
      this.#servers.delete(address);
    }
    for (const address of addresses) {
      if (this.#servers.has(address)) continue;
      const stop = new AbortController();
      this.#servers.set(address, {
        stop,
        ended: this.#run(address, AbortSignal.any([stop.signal, this.#options.signal])),
      });
    }
  }

  async #run(address: string, signal: AbortSignal): Promise<void> {
    const { resolver, isClient, logger } = this.#options;
    const outage = new Outage({ logger, level: 'error' });
    const errors = new Outage({ logger });
    const onError = (error: Error): void => errors.failed(error, { address }, 'DNS socket error');
    for (let failures = 0; !signal.aborted; failures++) {
      if (failures > 0) await delay(backoffMs(RETRY, failures), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await using server = new DnsServer({ resolver, isClient, onError });
      try {
        await server.listen(address);
      } catch (error) {
        outage.failed(error, { address, port: DNS_PORT }, 'failed to serve DNS, another server may have the port');
        continue;
      }
      outage.ended({ address }, 'DNS is served again');
      logger.info({ address, port: DNS_PORT }, 'serving DNS');
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#servers.values()].map(({ ended }) => ended));
  }
}

/** How long what was read of the host is believed. */
const HOST_FACTS_MS = 2_000;
/** Addresses whose answer is known; more are no pods of one host. */
const MAX_KNOWN = 4_096;

/** Pods, by the ranges of their addresses, and the host, by any of its own. */
function clientsOf(podRanges: readonly string[]): (address: string) => boolean {
  const pods = podRanges.flatMap((text) => Cidr.parse(text) ?? []);
  const known = new Map<string, boolean>();
  let own: ReadonlySet<string> = new Set();
  let readAt = -Infinity;
  return (address) => {
    const now = performance.now();
    if (now - readAt > HOST_FACTS_MS) {
      own = ownAddresses();
      readAt = now;
    }
    if (own.has(address)) return true;
    const before = known.get(address);
    if (before !== undefined) return before;
    const parsed = IpAddress.parse(address);
    const isPod = parsed !== undefined && pods.some((range) => range.contains(parsed));
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(address, isPod);
    return isPod;
  };
}

/** The servers of the host's own resolver configuration, without this one: it would ask itself for ever. */
function hostUpstreams(file: string, own: () => readonly string[]): () => Promise<readonly DnsUpstream[]> {
  let reading: Promise<readonly DnsUpstream[]> | undefined;
  let readAt = -Infinity;
  const read = async (): Promise<readonly DnsUpstream[]> => {
    const { servers } = parseResolvConf(await readFile(file, 'utf8'));
    return servers.flatMap((text) => {
      const address = IpAddress.parse(text)?.text;
      return address === undefined || own().includes(address) ? [] : { address, port: DNS_PORT };
    });
  };
  return async () => {
    const now = performance.now();
    if (!reading || now - readAt > HOST_FACTS_MS) {
      readAt = now;
      reading = read();
    }
    return reading;
  };
}
