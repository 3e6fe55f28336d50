/** One plugin of a DRA driver: a socket that serves the driver's calls. While a driver is updated, it may have two. */
import { setTimeout as delay } from 'node:timers/promises';
import { follow } from '../cri/events.ts';
import { CriError, rpcCodeName, status } from '../cri/rpc-error.ts';
import { RuntimeChannel } from '../cri/channel.ts';
import { loadProto } from '../cri/service.ts';
import v1 from '../../proto/dra-v1.json' with { type: 'json' };
import v1beta1 from '../../proto/dra-v1beta1.json' with { type: 'json' };
import health from '../../proto/dra-health-v1alpha1.json' with { type: 'json' };
import type { ReportedHealth } from './device-health.ts';

/** A claim as drivers are told of it: they read the rest from the api-server. */
export interface ClaimReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What a driver has made of an allocated device. */
export interface PreparedDevice {
  /** The requests of the claim that it is for; all when empty. */
  readonly requestNames: readonly string[];
  readonly poolName: string;
  readonly deviceName: string;
  /** What the runtime puts into containers, by https://github.com/cncf-tags/container-device-interface. */
  readonly cdiDeviceIds: readonly string[];
}

/** By the uids of the claims that were asked for. `error` is empty when it went well. */
export type PrepareAnswers = Readonly<Record<string, { readonly devices: PreparedDevice[]; readonly error: string }>>;
export type UnprepareAnswers = Readonly<Record<string, { readonly error: string }>>;

/** Upstream's names and buckets: https://kubernetes.io/docs/reference/instrumenting/metrics/ */
export interface DraCallMetrics {
  draCalled(driver: string, method: string, code: string, seconds: number): void;
}

/** upstream's limit for calls of drivers. */
const CALL_LIMIT_MS = 45_000;

/** The APIs that the agent speaks, as plugins list them in their `supportedVersions`. */
export const DRA_SERVICES: ReadonlyMap<string, { readonly name: string; readonly descriptor: object }> = new Map([
  ['v1.DRAPlugin', { name: 'k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin', descriptor: v1 }],
  ['v1beta1.DRAPlugin', { name: 'k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin', descriptor: v1beta1 }],
]);

export interface DraPluginOptions {
  readonly driver: string;
  /** The plugin's socket. */
  readonly endpoint: string;
  /** The name of a service in `DRA_SERVICES`. */
  readonly version: string;
  readonly metrics?: DraCallMetrics;
  /** The plugin can be called, or not any more. */
  readonly onConnection: () => void;
  /** What the plugin says of the health of devices; undefined when it has ended to say something. */
  readonly onHealth: (devices: readonly ReportedHealth[] | undefined) => void;
}

/** How long after the end of its stream a plugin is asked again for the health of its devices. */
const HEALTH_RETRY_MS = 5_000;

export class DraPlugin implements Disposable {
  readonly #options: DraPluginOptions;
  readonly #channel: RuntimeChannel;
  readonly #disposed = new AbortController();
  #isConnected = false;

  constructor(options: DraPluginOptions) {
    this.#options = options;
    this.#channel = new RuntimeChannel(options.endpoint, { server: `the DRA driver ${options.driver}` });
    this.#channel.watchConnection((isConnected) => {
      if (isConnected === this.#isConnected) return;
      this.#isConnected = isConnected;
      options.onConnection();
    });
    void this.#watchHealth(this.#disposed.signal);
  }

  /** Until the plugin is gone, or says that it does not know. */
  async #watchHealth(signal: AbortSignal): Promise<void> {
    const service = loadProto(health).service('v1alpha1.DRAResourceHealth');
    while (!signal.aborted) {
      const stream = this.#channel.stream(service, 'NodeWatchResources', {});
      const report = (message: unknown): void => {
        if (!signal.aborted) this.#options.onHealth((message as { devices: ReportedHealth[] }).devices);
      };
      const ended = await follow(stream, report, () => undefined, signal);
      this.#options.onHealth(undefined);
      if (ended?.code === status.UNIMPLEMENTED) return;
      await delay(HEALTH_RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  get endpoint(): string {
    return this.#options.endpoint;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Idempotent. Throws CriError. */
  async prepare(claims: readonly ClaimReference[], signal: AbortSignal): Promise<PrepareAnswers> {
    return (await this.#call<{ claims: PrepareAnswers }>('NodePrepareResources', claims, signal)).claims;
  }

  /** Idempotent. Throws CriError. */
  async unprepare(claims: readonly ClaimReference[], signal: AbortSignal): Promise<UnprepareAnswers> {
    return (await this.#call<{ claims: UnprepareAnswers }>('NodeUnprepareResources', claims, signal)).claims;
  }

  async #call<T>(method: string, claims: readonly ClaimReference[], signal: AbortSignal): Promise<T> {
    const { driver, version, metrics } = this.#options;
    const known = DRA_SERVICES.get(version);
    if (!known) throw new Error(`no such API of DRA drivers: ${version}`);
    const service = loadProto(known.descriptor).service(known.name);
    const startedAt = performance.now();
    let code = status.OK;
    try {
      return await this.#channel.call<T>(service, method, { claims }, { signal, limitMs: CALL_LIMIT_MS });
    } catch (error) {
      code = error instanceof CriError ? error.code : status.UNKNOWN;
      throw error;
    } finally {
      const seconds = (performance.now() - startedAt) / 1000;
      metrics?.draCalled(driver, `/${known.name}/${method}`, rpcCodeName(code), seconds);
    }
  }

  [Symbol.dispose](): void {
    this.#disposed.abort(new Error('the plugin is gone'));
    this.#channel.close();
  }
}
