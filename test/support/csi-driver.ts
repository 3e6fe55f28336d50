/**
 * A CSI driver for tests: its node service and its registration, on real sockets. A volume is a directory that is bind-mounted, or a file
 * behind a loop device. It does what drivers do and no more: every call is idempotent, and is noted.
 */
import { mkdir, readFile, rm, rmdir, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { mountPointsBelow, readMounts } from '../../agent/host/mounts.ts';
import { run } from '../../agent/host/run.ts';
import csi from '../../proto/csi-v1.json' with { type: 'json' };
import registration from '../../proto/plugin-registration-v1.json' with { type: 'json' };

const OPTIONS = { longs: Number, enums: String, defaults: true };

/** What the driver was asked; of requests the fields that tests look at. */
export interface DriverCall {
  readonly call: string;
  readonly request: DriverRequest;
}

export interface DriverRequest {
  readonly volumeId: string;
  readonly stagingTargetPath: string;
  readonly targetPath: string;
  readonly volumePath: string;
  readonly readonly: boolean;
  readonly publishContext: Readonly<Record<string, string>>;
  readonly volumeContext: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly capacityRange: { readonly requiredBytes: number } | null;
  readonly volumeCapability: {
    readonly block?: object;
    readonly mount?: {
      readonly fsType: string;
      readonly mountFlags: readonly string[];
      readonly volumeMountGroup: string;
    };
    readonly accessMode: { readonly mode: string };
  } | null;
}

export interface CsiTestDriverOptions {
  readonly name: string;
  /** The agent's; `/var/lib/kubelet` of real hosts. */
  readonly kubeletDirectory: string;
  /** Where the driver keeps its volumes. Drivers of several nodes may share it. */
  readonly directory: string;
  readonly nodeId?: string;
  readonly topology?: Readonly<Record<string, string>>;
  readonly maxVolumes?: number;
  readonly capabilities?: readonly string[];
}

const ALL = ['STAGE_UNSTAGE_VOLUME', 'GET_VOLUME_STATS', 'EXPAND_VOLUME'];
const BLOCK_BYTES = 1 << 20;

type Methods = Readonly<Record<string, (request: DriverRequest) => object | Promise<object>>>;

class Refusal extends Error {
  readonly code: status;
  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

export class CsiTestDriver implements AsyncDisposable {
  readonly calls: DriverCall[] = [];
  /** Calls of these names are not answered while they are in here. */
  readonly hanging = new Set<string>();
  /** Calls of these names fail. */
  readonly failing = new Map<string, Refusal>();
  /** What the agent has said of the registration, in order. */
  readonly registrations: { readonly pluginRegistered: boolean; readonly error: string }[] = [];
  readonly #options: CsiTestDriverOptions;
  readonly #servers: Server[] = [];
  readonly #published = new Set<string>();

  private constructor(options: CsiTestDriverOptions) {
    this.#options = options;
  }

  static async start(options: CsiTestDriverOptions): Promise<CsiTestDriver> {
    const driver = new CsiTestDriver(options);
    await driver.serve();
    return driver;
  }

  refuse(call: string, code: keyof typeof status, message: string): void {
    this.failing.set(call, new Refusal(status[code], message));
  }

  get #sockets(): { readonly own: string; readonly registration: string } {
    const { kubeletDirectory, name } = this.#options;
    return {
      own: path.join(kubeletDirectory, 'plugins', name, 'csi.sock'),
      registration: path.join(kubeletDirectory, 'plugins_registry', `${name}-reg.sock`),
    };
  }

  callsOf(call: string): DriverRequest[] {
    return this.calls.filter((one) => one.call === call).map(({ request }) => request);
  }

  /** Where the files of a volume are. */
  directoryOf(volumeId: string): string {
    return path.join(this.#options.directory, 'volumes', volumeId);
  }

  /** Serves both sockets; after `stop`, as a driver that is restarted. */
  async serve(): Promise<void> {
    const { own, registration: registrationSocket } = this.#sockets;
    await mkdir(path.dirname(own), { recursive: true });
    await mkdir(path.dirname(registrationSocket), { recursive: true });
    const { name } = this.#options;
    await this.#listen(own, csi, {
      'csi.v1.Identity': { GetPluginInfo: () => ({ name, vendorVersion: '1' }) },
      'csi.v1.Node': this.#nodeService(),
    });
    await this.#listen(registrationSocket, registration, {
      'pluginregistration.Registration': {
        GetInfo: () => ({ type: 'CSIPlugin', name, endpoint: own, supportedVersions: ['1.0.0'] }),
        NotifyRegistrationStatus: (said) => {
          this.registrations.push(said as unknown as { pluginRegistered: boolean; error: string });
          return {};
        },
      },
    });
  }

  #nodeService(): Methods {
    return {
      NodeGetInfo: () => ({
        nodeId: this.#options.nodeId ?? 'node-id',
        maxVolumesPerNode: this.#options.maxVolumes ?? 0,
        accessibleTopology: { segments: this.#options.topology ?? {} },
      }),
      NodeGetCapabilities: () => ({
        capabilities: (this.#options.capabilities ?? ALL).map((type) => ({ rpc: { type } })),
      }),
      NodeStageVolume: (request) => this.#stage(request),
      NodeUnstageVolume: (request) => this.#unstage(request),
      NodePublishVolume: (request) => this.#publish(request),
      NodeUnpublishVolume: (request) => this.#unpublish(request),
      NodeExpandVolume: (request) => this.#expand(request),
      NodeGetVolumeStats: () => ({
        usage: [
          { unit: 'BYTES', used: 1000, available: 9000, total: 10_000 },
          { unit: 'INODES', used: 3, available: 7, total: 10 },
        ],
      }),
    };
  }

  async #listen(socket: string, descriptor: object, services: Readonly<Record<string, Methods>>): Promise<void> {
    await rm(socket, { force: true });
    const server = new Server();
    const definitions = fromJSON(descriptor, OPTIONS);
    for (const [service, methods] of Object.entries(services)) {
      const handlers = Object.entries(methods).map(([name, answer]) => [
        name,
        (call: ServerUnaryCall<DriverRequest, object>, callback: sendUnaryData<object>) =>
          void this.#answer(name, call.request, answer, callback),
      ]);
      server.addService(
        definitions[service] as ServiceDefinition,
        Object.fromEntries(handlers) as Record<string, never>,
      );
    }
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
    this.#servers.push(server);
  }

  async #answer(
    call: string,
    request: DriverRequest,
    answer: (request: DriverRequest) => object | Promise<object>,
    callback: sendUnaryData<object>,
  ): Promise<void> {
    this.calls.push({ call, request });
    if (this.hanging.has(call)) return;
    try {
      const refusal = this.failing.get(call);
      if (refusal) throw refusal;
      callback(null, await answer(request));
    } catch (error) {
      const code = error instanceof Refusal ? error.code : status.INTERNAL;
      callback({ code, message: (error as Error).message });
    }
  }

  async #isMounted(place: string): Promise<boolean> {
    return (await readMounts()).some(({ mountPoint }) => mountPoint === place);
  }

  async #stage({ volumeId, stagingTargetPath, volumeCapability }: DriverRequest): Promise<object> {
    await mkdir(this.directoryOf(volumeId), { recursive: true });
    if (volumeCapability?.block) await this.#device(volumeId);
    else if (!(await this.#isMounted(stagingTargetPath)))
      await run('mount', ['--bind', this.directoryOf(volumeId), stagingTargetPath]);
    return {};
  }

  /** The loop device of a block volume; set up when there is none. */
  async #device(volumeId: string): Promise<string> {
    const file = path.join(this.directoryOf(volumeId), 'disk');
    await stat(file).catch(async () => {
      await writeFile(file, '');
      await truncate(file, BLOCK_BYTES);
    });
    const { stdout } = await run('losetup', ['--associated', file, '--noheadings', '--output', 'NAME']);
    const found = stdout.trim().split('\n')[0];
    return found || (await run('losetup', ['--find', '--show', file])).stdout.trim();
  }

  async #unstage({ volumeId, stagingTargetPath }: DriverRequest): Promise<object> {
    if (await this.#isMounted(stagingTargetPath)) await run('umount', [stagingTargetPath]);
    await this.#detach(path.join(this.directoryOf(volumeId), 'disk'));
    return {};
  }

  async #detach(file: string): Promise<void> {
    const { stdout } = await run('losetup', ['--associated', file, '--noheadings', '--output', 'NAME']);
    for (const device of stdout.trim().split('\n').filter(Boolean)) await run('losetup', ['--detach', device]);
  }

  async #publish(request: DriverRequest): Promise<object> {
    const { volumeId, targetPath, stagingTargetPath, volumeCapability, readonly, volumeContext } = request;
    this.#published.add(targetPath);
    if (await this.#isMounted(targetPath)) return {};
    if (volumeCapability?.block) {
      await writeFile(targetPath, '');
      await run('mount', ['--bind', await this.#device(volumeId), targetPath]);
      return {};
    }
    const from = stagingTargetPath || this.directoryOf(volumeId);
    await mkdir(from, { recursive: true });
    if (!stagingTargetPath) await writeFile(path.join(from, 'context.json'), JSON.stringify(volumeContext));
    await mkdir(targetPath, { recursive: true });
    await run('mount', ['--bind', from, targetPath]);
    if (readonly) await run('mount', ['-o', 'remount,bind,ro', targetPath]);
    return {};
  }

  async #unpublish({ targetPath }: DriverRequest): Promise<object> {
    if (await this.#isMounted(targetPath)) await run('umount', [targetPath]);
    this.#published.delete(targetPath);
    const there = await stat(targetPath).catch(() => undefined);
    if (there?.isDirectory()) await rmdir(targetPath);
    else if (there) await rm(targetPath);
    return {};
  }

  async #expand({ volumeId, capacityRange }: DriverRequest): Promise<object> {
    const bytes = capacityRange?.requiredBytes ?? 0;
    await writeFile(path.join(this.directoryOf(volumeId), '.size'), String(bytes));
    return { capacityBytes: bytes };
  }

  /** What the driver has last grown a volume to, in bytes. */
  async sizeOf(volumeId: string): Promise<number> {
    return Number(await readFile(path.join(this.directoryOf(volumeId), '.size'), 'utf8'));
  }

  /** The driver ends; its mounts stay. `how` `killed`: it leaves its sockets behind. */
  async stop(how: 'ended' | 'killed' = 'ended'): Promise<void> {
    for (const server of this.#servers.splice(0)) server.forceShutdown();
    const { own, registration: registrationSocket } = this.#sockets;
    if (how === 'ended') for (const socket of [own, registrationSocket]) await rm(socket, { force: true });
  }

  /** Removes what the driver has mounted, too. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    const mounts = await readMounts();
    for (const point of mountPointsBelow(mounts, this.#options.kubeletDirectory)) await run('umount', ['-l', point]);
    const { stdout } = await run('losetup', ['--list', '--noheadings', '--output', 'NAME,BACK-FILE']);
    for (const line of stdout.split('\n')) {
      const [device = '', file = ''] = line.trim().split(/\s+/);
      if (file.startsWith(`${this.#options.directory}/`)) await run('losetup', ['--detach', device]);
    }
  }
}
