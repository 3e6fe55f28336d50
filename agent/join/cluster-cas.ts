/**
 * The CAs that the cluster trusts, as its servers publish them (kube-public/cluster-info): while a CA is being replaced there are two.
 * What is read is believed on account of the connection, whose server the CAs that are known have vouched for. The first one signs; a
 * certificate of another one is renewed soon, since that will be dropped.
 */
import { X509Certificate } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { CLUSTER_INFO } from '../../api/domain/bootstrap-token.ts';
import { publicKeyHash } from '../../api/domain/public-key-hash.ts';
import { StatusError } from '../../api/machinery/status-error.ts';
import type { ConfigMap } from '../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../client/api-client.ts';
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import { configMaps } from '../../client/resources.gen.ts';
import { authoritiesIn } from './cluster-ca.ts';
import type { CertifiedKey, NodeCertificates } from './node-certificates.ts';

/** A rotation has days for it: a read of a thousand nodes each is less than two per second. */
const READ_EVERY_MS = 10 * 60_000;
/** Nodes that were started together do not read together for long. */
const SPREAD = 0.2;
/** More than a rotation needs, and few enough to keep. */
const MAX_AUTHORITIES = 8;

export class ClusterCas {
  readonly #certificates: NodeCertificates;
  readonly #logger: Logger;
  #bundle: string;
  #authorities: readonly X509Certificate[];
  #wake = Promise.withResolvers<void>();
  #changed = Promise.withResolvers<void>();
  readonly #listeners: (() => void | Promise<void>)[] = [];

  /** @param bundle PEM: what this node has trusted so far */
  constructor(bundle: string, certificates: NodeCertificates, logger: Logger) {
    this.#bundle = bundle;
    this.#authorities = authoritiesIn(bundle);
    this.#certificates = certificates;
    this.#logger = logger;
  }

  /** PEM. */
  get bundle(): string {
    return this.#bundle;
  }

  /** Resolves with the next change. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Called after each change, before `changed` resolves. */
  onChange(listener: () => void | Promise<void>): void {
    this.#listeners.push(listener);
  }

  /** Whether the certificate is of a CA that is on its way out. With one CA there is nothing to choose. */
  isOutgoing({ certificate }: CertifiedKey): boolean {
    const [signing, ...others] = this.#authorities;
    const leaf = new X509Certificate(certificate);
    return signing !== undefined && others.length > 0 && !leaf.verify(signing.publicKey);
  }

  /** The key's hash of the CA that has signed the certificate; undefined when this node does not know it. */
  issuerOf({ certificate }: CertifiedKey): string | undefined {
    const leaf = new X509Certificate(certificate);
    const issuer = this.#authorities.find(({ publicKey }) => leaf.verify(publicKey));
    return issuer && publicKeyHash(issuer);
  }

  /** Reads them now. */
  wake(): void {
    this.#wake.resolve();
  }

  /** Reads them every ten minutes until the signal is aborted. */
  async run(client: Pick<ApiClient, 'get'>, signal: AbortSignal): Promise<void> {
    const outage = new Outage({ logger: this.#logger });
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers<void>();
      try {
        await this.#read(client, signal);
        outage.ended({}, 'the CAs of the cluster have been read');
      } catch (error) {
        if (signal.aborted) return;
        outage.failed(error, {}, 'failed to read the CAs of the cluster');
      }
      const waited = new AbortController();
      const pauseMs = READ_EVERY_MS * (1 - SPREAD / 2 + SPREAD * Math.random());
      const pause = delay(pauseMs, undefined, { signal: AbortSignal.any([signal, waited.signal]), ref: false });
      await Promise.race([pause.catch(() => undefined), this.#wake.promise]);
      waited.abort();
    }
  }

  async #read(client: Pick<ApiClient, 'get'>, signal: AbortSignal): Promise<void> {
    let info: ConfigMap;
    try {
      info = await client.get<ConfigMap>(configMaps, CLUSTER_INFO.namespace, CLUSTER_INFO.name, { signal });
    } catch (error) {
      // Another control plane need not publish them.
      if (error instanceof StatusError && (error.code === 403 || error.code === 404)) return;
      throw error;
    }
    const published = authoritiesIn(info.data?.['kubeconfig'] ?? '', 'kubeconfig');
    const known = new Set(this.#authorities.map(publicKeyHash));
    // None of those that are known: it is not about this node's cluster, as behind a proxy with a CA of its own.
    if (!published.some((ca) => known.has(publicKeyHash(ca)))) return;
    const bundle = published.slice(0, MAX_AUTHORITIES).map(String).join('');
    if (bundle === this.#authorities.map(String).join('')) return;
    await this.#certificates.replaceCas(bundle);
    this.#bundle = bundle;
    this.#authorities = published;
    this.#logger.info({ authorities: published.map(publicKeyHash) }, 'the cluster has other CAs now');
    for (const listener of this.#listeners) await listener();
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }
}
