/**
 * A DRA driver for tests: what it serves on the node, on real sockets. It does what drivers do and no more: calls are idempotent, and are
 * noted. What devices a claim has is the test's business: it says so, and publishes the ResourceSlices.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { ClaimReference, PreparedDevice } from '../../agent/devices/dra-plugin.ts';
import type { ReportedHealth } from '../../agent/devices/device-health.ts';
import health from '../../proto/dra-health-v1alpha1.json' with { type: 'json' };
import v1 from '../../proto/dra-v1.json' with { type: 'json' };
import v1beta1 from '../../proto/dra-v1beta1.json' with { type: 'json' };
import { NodePlugin, type Methods, type Stream } from './node-plugin.ts';

export interface DraTestDriverOptions {
  readonly name: string;
  /** The agent's; `/var/lib/kubelet` of real hosts. */
  readonly kubeletDirectory: string;
  readonly devicesOf: (claim: ClaimReference) => readonly PreparedDevice[];
  /** What it says of the health of devices; it does not know when absent. */
  readonly health?: readonly ReportedHealth[];
  /** Default: `v1`. */
  readonly version?: 'v1' | 'v1beta1';
  /** Tells plugins of one driver apart, as while it is updated. */
  readonly instance?: string;
}

export interface DraRequest {
  readonly claims: readonly ClaimReference[];
}

const DESCRIPTORS = { v1, v1beta1 };

export class DraTestDriver extends NodePlugin<DraRequest> implements AsyncDisposable {
  /** The uids of the claims that are prepared. */
  readonly prepared = new Set<string>();
  /** What calls answer of claims of these names, instead of doing what they are asked. */
  readonly claimErrors = new Map<string, string>();
  readonly #options: DraTestDriverOptions;
  readonly #watchers = new Set<Stream>();

  private constructor(options: DraTestDriverOptions) {
    super();
    this.#options = options;
  }

  static async start(options: DraTestDriverOptions): Promise<DraTestDriver> {
    const driver = new DraTestDriver(options);
    await driver.serve();
    return driver;
  }

  /** Serves both sockets; after `stop`, as a driver that is restarted. */
  async serve(): Promise<void> {
    const { kubeletDirectory, name, version = 'v1', instance = 'dra' } = this.#options;
    const endpoint = path.join(kubeletDirectory, 'plugins', name, `${instance}.sock`);
    const methods: Methods<DraRequest> = {
      NodePrepareResources: ({ claims }) => ({ claims: this.#answers(claims, (claim) => this.#prepare(claim)) }),
      NodeUnprepareResources: ({ claims }) => ({ claims: this.#answers(claims, (claim) => this.#unprepare(claim)) }),
    };
    const service = `k8s.io.kubelet.pkg.apis.dra.${version}.DRAPlugin`;
    const watch = { descriptor: health, service: 'v1alpha1.DRAResourceHealth' };
    const NodeWatchResources = (stream: Stream): void => this.#watch(stream);
    const streams = this.#options.health ? [{ ...watch, methods: { NodeWatchResources } }] : [];
    await this.listen(endpoint, DESCRIPTORS[version], { [service]: methods }, streams);
    const info = { type: 'DRAPlugin', name, endpoint, supportedVersions: [`${version}.DRAPlugin`] };
    await this.listenForRegistration(
      path.join(kubeletDirectory, 'plugins_registry', `${name}-${instance}-reg.sock`),
      info,
    );
  }

  #watch(stream: Stream): void {
    this.#watchers.add(stream);
    stream.on('close', () => this.#watchers.delete(stream));
    stream.write({ devices: this.#options.health });
  }

  /** To those that watch it now. */
  reportHealth(devices: readonly ReportedHealth[]): void {
    for (const stream of this.#watchers) stream.write({ devices });
  }

  #answers(claims: readonly ClaimReference[], answer: (claim: ClaimReference) => object): object {
    const of = (claim: ClaimReference): object => {
      const error = this.claimErrors.get(claim.name);
      return error === undefined ? answer(claim) : { error };
    };
    return Object.fromEntries(claims.map((claim) => [claim.uid, of(claim)]));
  }

  #prepare(claim: ClaimReference): object {
    this.prepared.add(claim.uid);
    return { devices: this.#options.devicesOf(claim) };
  }

  #unprepare({ uid }: ClaimReference): object {
    this.prepared.delete(uid);
    return {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Describes devices to runtimes: each sets an environment variable. Returns the ids of the devices, and what forgets them again. */
export async function describeCdiDevices(
  directory: string,
  kind: string,
  devices: Readonly<Record<string, string>>,
): Promise<{ readonly idOf: (device: string) => string } & AsyncDisposable> {
  const file = path.join(directory, `${kind.replace('/', '-')}.json`);
  const described = Object.entries(devices).map(([name, value]) => ({ name, containerEdits: { env: [value] } }));
  await mkdir(directory, { recursive: true });
  await writeFile(file, JSON.stringify({ cdiVersion: '0.5.0', kind, devices: described }));
  return { idOf: (device) => `${kind}=${device}`, [Symbol.asyncDispose]: () => rm(file, { force: true }) };
}
