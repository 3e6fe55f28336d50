/**
 * A CSI driver for tests: its node service and its registration, on real sockets. A volume is a directory that is bind-mounted, or a file
 * behind a loop device. It does what drivers do and no more: every call is idempotent, and is noted.
 */
import { mkdir, readFile, rm, rmdir, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { mountPointsBelow, readMounts } from '../../agent/host/mounts.ts';
import { run } from '../../agent/host/run.ts';
import csi from '../../proto/csi-v1.json' with { type: 'json' };
import { NodePlugin, type Methods } from './node-plugin.ts';

/** Of the driver's requests, the fields that tests look at. */
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
  /** Tells plugins of one driver apart, as while it is updated. */
  readonly instance?: string;
}

const ALL = ['STAGE_UNSTAGE_VOLUME', 'GET_VOLUME_STATS', 'EXPAND_VOLUME'];
const BLOCK_BYTES = 1 << 20;

export class CsiTestDriver extends NodePlugin<DriverRequest> implements AsyncDisposable {
  readonly #options: CsiTestDriverOptions;
  readonly #published = new Set<string>();

  private constructor(options: CsiTestDriverOptions) {
    super();
    this.#options = options;
  }

  static async start(options: CsiTestDriverOptions): Promise<CsiTestDriver> {
    const driver = new CsiTestDriver(options);
    await driver.serve();
    return driver;
  }

  get #sockets(): { readonly own: string; readonly registration: string } {
    const { kubeletDirectory, name, instance = '' } = this.#options;
    return {
      own: path.join(kubeletDirectory, 'plugins', name, `csi${instance}.sock`),
      registration: path.join(kubeletDirectory, 'plugins_registry', `${name}${instance}-reg.sock`),
    };
  }

  /** Where the files of a volume are. */
  directoryOf(volumeId: string): string {
    return path.join(this.#options.directory, 'volumes', volumeId);
  }

  /** Serves both sockets; after `stop`, as a driver that is restarted. */
  async serve(): Promise<void> {
    const { own, registration: registrationSocket } = this.#sockets;
    const { name } = this.#options;
    await this.listen(own, csi, {
      'csi.v1.Identity': { GetPluginInfo: () => ({ name, vendorVersion: '1' }) },
      'csi.v1.Node': this.#nodeService(),
    });
    const info = { type: 'CSIPlugin', name, endpoint: own, supportedVersions: ['1.0.0'] };
    await this.listenForRegistration(registrationSocket, info);
  }

  #nodeService(): Methods<DriverRequest> {
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
