/**
 * The node's Lease: renewed every ten seconds by default, the control plane takes the node for alive as long as it is. While the node
 * announces addresses of load balancers, it is renewed several times a second and lists them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ANNOUNCED_ADDRESSES, ANNOUNCER_RENEW_MS } from '../../api/domain/load-balancer.ts';
import { NODE_LEASE_NAMESPACE } from '../../api/domain/node-identity.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../api/machinery/status-error.ts';
import { microTimeOf } from '../../api/machinery/time.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { backoffMs } from '../../client/backoff.ts';
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import { leases } from '../../client/resources.gen.ts';
import type { Lease } from '../../api/types/coordination/v1.gen.ts';

export interface HeartbeatOptions {
  readonly client: ApiClient;
  readonly nodeName: string;
  /** The Node's uid, once it is registered. */
  readonly nodeUid: () => string | undefined;
  /** `leaseDurationSeconds`: 40 by default, kubelet's. */
  readonly leaseSeconds?: number;
  readonly logger: Logger;
}

/** kubelet's `nodeLeaseDurationSeconds`. */
const LEASE_SECONDS = 40;
/** The part of it after which the lease is renewed, as by the kubelet. */
const RENEWED_AFTER = 0.25;
const RETRY = { initialMs: 200, maxMs: 7_000 };
const CALL_TIMEOUT_MS = 10_000;

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #lease: Lease | undefined;
  #announced: readonly string[] = [];
  #isAnnouncer = false;
  #wake = Promise.withResolvers<void>();

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /**
   * The node announces these addresses, which the server hears of at once.
   * @param isAnnouncer whether the server has to notice within seconds when the node has died
   */
  announce(addresses: readonly string[], isAnnouncer: boolean): void {
    const isNew = addresses.join() !== this.#announced.join() || isAnnouncer !== this.#isAnnouncer;
    this.#announced = addresses;
    this.#isAnnouncer = isAnnouncer;
    if (isNew) this.#wake.resolve();
  }

  /** Renews until the signal is aborted; retries failures with exponential back-off. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger, nodeName, leaseSeconds = LEASE_SECONDS } = this.#options;
    const outage = new Outage({ logger });
    const about = { node: nodeName };
    let failures = 0;
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers<void>();
      let waitMs = leaseSeconds * RENEWED_AFTER * 1000;
      try {
        await this.#renew(signal);
        if (this.#isAnnouncer) waitMs = ANNOUNCER_RENEW_MS;
        failures = 0;
        outage.ended(about, 'node lease renewal recovered');
      } catch (error) {
        if (signal.aborted) return;
        waitMs = backoffMs(RETRY, ++failures);
        // The cached lease may be out of date.
        this.#lease = undefined;
        if (!isConflict(error))
          outage.failed(error, { ...about, retryMs: Math.round(waitMs) }, 'failed to renew node lease');
      }
      await this.#pause(waitMs, signal);
    }
  }

  async #pause(waitMs: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const timer = delay(waitMs, undefined, { signal: AbortSignal.any([signal, woken.signal]) });
    await Promise.race([timer.catch(() => undefined), this.#wake.promise]);
    woken.abort();
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const call = { signal, timeoutMs: CALL_TIMEOUT_MS };
    const lease = this.#lease ?? (await this.#find(signal));
    const renewed = this.#renewed(lease);
    try {
      this.#lease = lease ? await client.update(leases, renewed, call) : await client.create(leases, renewed, call);
    } catch (error) {
      // Deleted or created by another writer: read it again at once.
      if (!(lease ? isNotFound(error) : isAlreadyExists(error))) throw error;
      this.#lease = await client.create(leases, this.#renewed(undefined), call);
    }
  }

  async #find(signal: AbortSignal): Promise<Lease | undefined> {
    const { client, nodeName } = this.#options;
    try {
      return await client.get(leases, NODE_LEASE_NAMESPACE, nodeName, { signal, timeoutMs: CALL_TIMEOUT_MS });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #renewed(lease: Lease | undefined): Lease {
    const { nodeName, nodeUid, leaseSeconds = LEASE_SECONDS } = this.#options;
    const uid = nodeUid();
    const annotations = { ...lease?.metadata?.annotations };
    delete annotations[ANNOUNCED_ADDRESSES];
    if (this.#announced.length > 0) annotations[ANNOUNCED_ADDRESSES] = this.#announced.join(',');
    const owner = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: uid ?? '' };
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        ...(lease?.metadata ?? { name: nodeName, namespace: NODE_LEASE_NAMESPACE }),
        // The owner reference makes the lease go with its Node.
        ...(uid && { ownerReferences: [owner] }),
        annotations,
      },
      spec: {
        ...lease?.spec,
        holderIdentity: nodeName,
        leaseDurationSeconds: leaseSeconds,
        renewTime: microTimeOf(Date.now()),
      },
    };
  }
}
