/** The steps of volumes whose driver speaks CSI: what the driver is asked in each, and what the agent does itself. */
import { mkdir, rm, rmdir, symlink } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { NamespacedName } from '../../../api/domain/volume-secrets.ts';
import { isNotFound } from '../../../api/machinery/status-error.ts';
import type { Pod, Secret } from '../../../api/types/core/v1.gen.ts';
import type { CSIDriver } from '../../../api/types/storage/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { csiDrivers, secrets } from '../../../client/resources.gen.ts';
import { hasCode, namesIn } from '../../host/files.ts';
import { readMounts, unmount } from '../../host/mounts.ts';
import type { VolumeHelper } from '../../host/volume-helper/requests.ts';
import type { MountTarget, PodVolume, PublishTarget, VolumeUsage } from '../framework/volume-type.ts';
import type { ServiceAccountTokens } from '../written/service-account-tokens.ts';
import type { Attachments } from './attachments.ts';
import type { CsiDrivers } from './csi-drivers.ts';
import type { CsiNodeClient } from './csi-node-client.ts';
import { accessModeOf, groupIsSetByAgent, podContext, TOKENS, usageOf } from './csi-rules.ts';
import { csiVolumeOf, type CsiPaths, type CsiVolume } from './csi-volume.ts';
import { serviceAccountTokens } from './csi-tokens.ts';

export interface CsiStepsOptions {
  readonly client: ApiClient;
  readonly drivers: Pick<CsiDrivers, 'client'>;
  readonly attachments: Attachments;
  readonly tokens: ServiceAccountTokens;
  readonly paths: CsiPaths;
}

const DIRECTORY_MODE = 0o750;

type StringMap = Readonly<Record<string, string>>;

export class CsiSteps {
  readonly #options: CsiStepsOptions;

  constructor(options: CsiStepsOptions) {
    this.#options = options;
  }

  get paths(): CsiPaths {
    return this.#options.paths;
  }

  /** The CSIDriver object; undefined when there is none: drivers work without, too. */
  async driverObject(name: string, signal: AbortSignal): Promise<CSIDriver | undefined> {
    try {
      return await this.#options.client.get(csiDrivers, '', name, { signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async stage({ attributes, signal }: MountTarget): Promise<void> {
    const { drivers, attachments, paths } = this.#options;
    const volume = csiVolumeOf({ attributes });
    await attachments.acquire(volume, signal);
    const driver = drivers.client(volume.driver);
    if (!(await driver.has('STAGE_UNSTAGE_VOLUME', signal))) return;
    const stagingTargetPath = paths.staging(volume);
    const request = {
      volumeId: volume.handle,
      publishContext: await attachments.publishContext(volume, signal),
      stagingTargetPath,
      volumeCapability: await this.#capability(driver, volume, signal),
      secrets: await this.#secret(volume.secrets.stage, signal),
      volumeContext: volume.context,
    };
    // Not before the driver can be asked: without it there is nothing to unstage.
    await mkdir(stagingTargetPath, { recursive: true, mode: DIRECTORY_MODE });
    await driver.stage(request, signal);
  }

  async unstage({ attributes, signal }: MountTarget): Promise<void> {
    const { drivers, attachments, paths } = this.#options;
    const volume = csiVolumeOf({ attributes });
    const path = paths.staging(volume);
    if (await isThere(path)) {
      const driver = drivers.client(volume.driver);
      if (await driver.has('STAGE_UNSTAGE_VOLUME', signal)) await driver.unstage(volume.handle, path, signal);
      await this.#clear(path, signal);
      if (!volume.isBlock) await removeIfEmpty(dirname(path));
    }
    attachments.release(volume);
  }

  async publish(target: PodVolume): Promise<void> {
    const { paths } = this.#options;
    const volume = csiVolumeOf(target);
    const object = await this.driverObject(volume.driver, target.signal);
    const driver = await this.#publish(volume, object, target);
    const { pod, helper, signal } = target;
    if (volume.fsGroup === undefined || !groupIsSetByAgent(volume, object?.spec.fsGroupPolicy)) return;
    if (await driver.has('VOLUME_MOUNT_GROUP', signal)) return;
    const path = paths.target(volume, target.podUid);
    const policy = pod.spec?.securityContext?.fsGroupChangePolicy ?? 'Always';
    await asked(helper, { do: 'set-group', path, group: volume.fsGroup, readOnly: false, policy }, signal);
  }

  /** Of drivers that ask for it: they bring what is mounted up to date. */
  async republish(target: PodVolume): Promise<void> {
    const volume = csiVolumeOf(target);
    const object = await this.driverObject(volume.driver, target.signal);
    if (object?.spec.requiresRepublish) await this.#publish(volume, object, target);
  }

  async #publish(volume: CsiVolume, object: CSIDriver | undefined, target: PodVolume): Promise<CsiNodeClient> {
    const { drivers, attachments, paths } = this.#options;
    const { pod, podUid, signal } = target;
    const driver = drivers.client(volume.driver);
    const mode = volume.isInline ? 'Ephemeral' : 'Persistent';
    const modes = object?.spec.volumeLifecycleModes ?? ['Persistent'];
    if (!modes.includes(mode))
      throw new Error(
        `volume mode "${mode}" not supported by driver ${volume.driver} (only supports ${JSON.stringify(modes)})`,
      );
    const tokens = await this.#tokens(pod, object, signal);
    const inSecrets = object?.spec.serviceAccountTokenInSecrets === true;
    const isStaged = !volume.isInline && (await driver.has('STAGE_UNSTAGE_VOLUME', signal));
    const request = {
      volumeId: volume.handle,
      publishContext: await attachments.publishContext(volume, signal),
      stagingTargetPath: isStaged ? paths.staging(volume) : '',
      targetPath: paths.target(volume, podUid),
      volumeCapability: await this.#capability(driver, volume, signal),
      readonly: volume.isReadOnly,
      secrets: { ...(await this.#secret(volume.secrets.publish, signal)), ...(inSecrets && tokens) },
      volumeContext: {
        ...volume.context,
        ...(object?.spec.podInfoOnMount && podContext(pod, volume)),
        ...(!inSecrets && tokens),
      },
    };
    await this.#mark(volume, podUid);
    await driver.publish(request, signal);
    return driver;
  }

  /** What drivers find is the parent of the target: they make the target itself. */
  async #mark(volume: CsiVolume, podUid: string): Promise<void> {
    const { paths } = this.#options;
    const [target, mark] = [paths.target(volume, podUid), paths.mark(volume, podUid)];
    await mkdir(dirname(target), { recursive: true, mode: DIRECTORY_MODE });
    if (!volume.isBlock) return;
    await mkdir(dirname(mark), { recursive: true, mode: DIRECTORY_MODE });
    try {
      await symlink(target, mark);
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
  }

  async unpublish({ attributes, podUid, signal }: PublishTarget): Promise<void> {
    const { drivers, paths } = this.#options;
    const volume = csiVolumeOf({ attributes });
    const [target, mark] = [paths.target(volume, podUid), paths.mark(volume, podUid)];
    this.#options.tokens.forget(podUid);
    if (!(await isThere(mark))) return;
    await drivers.client(volume.driver).unpublish(volume.handle, target, signal);
    await this.#clear(target, signal);
    if (volume.isBlock) {
      await rm(mark, { force: true });
      await removeIfEmpty(dirname(target));
    } else await removeIfEmpty(mark);
    await removeIfEmpty(dirname(mark), dirname(dirname(mark)), dirname(dirname(dirname(mark))));
  }

  /** Removes what the driver has left of a place: an empty directory or a file, never what is mounted or its contents. */
  async #clear(path: string, signal: AbortSignal): Promise<void> {
    for (const { mountPoint } of await readMounts()) if (mountPoint === path) await unmount(path, signal);
    if ((await readMounts()).some(({ mountPoint }) => mountPoint === path)) throw new Error(`${path} is still mounted`);
    try {
      await rmdir(path);
    } catch (error) {
      if (hasCode(error, 'ENOTDIR')) await rm(path, { force: true });
      else if (!hasCode(error, 'ENOENT')) throw error;
    }
  }

  /** Does nothing when the driver leaves it to its controller. */
  async expand({ attributes, podUid, signal }: PublishTarget, capacityBytes: number): Promise<void> {
    const { drivers, paths } = this.#options;
    const volume = csiVolumeOf({ attributes });
    const driver = drivers.client(volume.driver);
    if (!(await driver.has('EXPAND_VOLUME', signal))) return;
    const isStaged = await driver.has('STAGE_UNSTAGE_VOLUME', signal);
    const request = {
      volumeId: volume.handle,
      volumePath: paths.target(volume, podUid),
      capacityRange: { requiredBytes: capacityBytes },
      stagingTargetPath: isStaged ? paths.staging(volume) : '',
      volumeCapability: await this.#capability(driver, volume, signal),
      secrets: await this.#secret(volume.secrets.expand, signal),
    };
    await driver.expand(request, signal);
  }

  async stats({ attributes, podUid, signal }: PublishTarget): Promise<VolumeUsage | undefined> {
    const { drivers, paths } = this.#options;
    const volume = csiVolumeOf({ attributes });
    const driver = drivers.client(volume.driver);
    if (!(await driver.has('GET_VOLUME_STATS', signal))) return undefined;
    const isStaged = !volume.isInline && (await driver.has('STAGE_UNSTAGE_VOLUME', signal));
    const usage = await driver.usage(
      {
        volumeId: volume.handle,
        volumePath: paths.target(volume, podUid),
        stagingTargetPath: isStaged ? paths.staging(volume) : '',
      },
      signal,
    );
    return usageOf(usage);
  }

  async #capability(driver: CsiNodeClient, volume: CsiVolume, signal: AbortSignal) {
    const [accepts = 'ReadWriteOnce'] = volume.accessModes;
    const mode = accessModeOf(accepts, await driver.has('SINGLE_NODE_MULTI_WRITER', signal));
    const accessMode = { mode };
    if (volume.isBlock) return { accessMode, block: {} };
    const isGroupDrivers = volume.fsGroup !== undefined && (await driver.has('VOLUME_MOUNT_GROUP', signal));
    const volumeMountGroup = isGroupDrivers ? String(volume.fsGroup) : '';
    return { accessMode, mount: { fsType: volume.fsType, mountFlags: volume.mountOptions, volumeMountGroup } };
  }

  async #secret(reference: NamespacedName | undefined, signal: AbortSignal): Promise<StringMap> {
    if (!reference) return {};
    const { namespace, name } = reference;
    const secret = await this.#options.client.get<Secret>(secrets, namespace, name, { signal });
    const decoded = Object.entries(secret.data ?? {}).map(([key, value]) => [
      key,
      Buffer.from(value, 'base64').toString(),
    ]);
    return Object.fromEntries(decoded) as StringMap;
  }

  async #tokens(pod: Pod, object: CSIDriver | undefined, signal: AbortSignal): Promise<StringMap> {
    const requests = object?.spec.tokenRequests ?? [];
    if (requests.length === 0) return {};
    return { [TOKENS]: await serviceAccountTokens(this.#options.tokens, pod, requests, signal) };
  }
}

async function asked(helper: VolumeHelper, request: Parameters<VolumeHelper>[0][number], signal: AbortSignal) {
  const [response] = await helper([request], signal);
  if (response?.error) throw new Error(response.error);
}

/** By its directory: what is mounted there is not touched. */
const isThere = async (path: string): Promise<boolean> => (await namesIn(dirname(path))).includes(basename(path));

/** The directories of a way up; ends at the first in which there is something. */
async function removeIfEmpty(...directories: readonly string[]): Promise<void> {
  try {
    for (const directory of directories) await rmdir(directory);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EBUSY')) throw error;
  }
}
