/** What a container mounts of its pod's volumes: whole volumes, or the subPaths of them. */
import { join } from 'node:path';
import { own } from '../../api/machinery/own.ts';
import { bindSubPath } from '../host/volume-helper/sub-path.ts';
import type { VolumeHelper } from '../host/volume-helper/requests.ts';
import { expandWith } from '../../api/domain/expansion.ts';
import type { PublishRecord } from './framework/mount-records.ts';
import type { VolumeRunner } from './framework/volume-runner.ts';
import { VolumeError } from './framework/volume-type.ts';
import type { ContainerDevice, ContainerMount, VolumeImage } from './pod-volumes.ts';
import type { Container, Pod, Volume, VolumeMount } from '../../api/types/core/v1.gen.ts';

const PROPAGATION = { None: 'private', HostToContainer: 'host-to-container', Bidirectional: 'bidirectional' } as const;

/** Where the subPaths of a pod's volumes are bound, below the pod's directory; as the kubelet has it. */
export const SUB_PATHS = 'volume-subpaths';

export interface MountsOptions {
  readonly runner: VolumeRunner;
  /** Of the volumes that are ready, by name. */
  readonly ready: ReadonlyMap<string, PublishRecord>;
  readonly podDirectory: string;
  /** The container's environment, which `subPathExpr` may name. */
  readonly env: Readonly<Record<string, string>>;
  /** Of the image volumes that the container mounts, by volume. */
  readonly images: ReadonlyMap<string, VolumeImage>;
  readonly helper: VolumeHelper;
  readonly signal: AbortSignal;
}

/** Throws VolumeError for a mount that cannot be made. */
export function containerMounts(pod: Pod, container: Container, options: MountsOptions): Promise<ContainerMount[]> {
  const { runner, podDirectory } = options;
  return Promise.all(
    (container.volumeMounts ?? []).map(async (mount, index): Promise<ContainerMount> => {
      const { volume, record } = readyVolume(pod, container, mount.name, options);
      if (mount.recursiveReadOnly === 'Enabled')
        throw new VolumeError(
          `volume "${volume.name}": recursive read-only mounts are not supported yet by this version`,
        );
      const type = runner.typeOf(volume);
      const place = runner.placement(pod.metadata?.uid ?? '', volume.name, type, record);
      const source = type.hostPath(volume, place);
      if (source === undefined)
        throw new VolumeError(`volume ${volume.name} has volumeMode Block, but is specified in volumeMounts`);
      const image = options.images.get(volume.name);
      if (image && !(await mountImage(pod, volume, record, image, options))) return imageMount(mount, image, options);
      const target = join(podDirectory, SUB_PATHS, volume.name, container.name, String(index));
      return {
        containerPath: mount.mountPath,
        hostPath: await bindIfSubPath(mount, type.agentWritten, source, target, options),
        readonly: type.agentWritten || record.isReadOnly === true || (mount.readOnly ?? false),
        propagation: PROPAGATION[mount.mountPropagation ?? 'None'],
      };
    }),
  );
}

/** Resolves to false where the runtime mounts the image by itself. */
const mountImage = (
  pod: Pod,
  volume: Volume,
  record: PublishRecord,
  image: VolumeImage,
  { runner, helper, signal }: MountsOptions,
): Promise<boolean> => runner.mountImage(pod, volume, record, image.id, { helper, mounted: new Set(), signal });

/** A mount that the runtime makes. It looks for the subPath itself. */
function imageMount(mount: VolumeMount, image: VolumeImage, { env }: MountsOptions): ContainerMount {
  const imageSubPath = subPathOf(mount, env);
  if (imageSubPath.startsWith('/') || imageSubPath.split('/').includes('..'))
    throw new VolumeError(`subPath ${JSON.stringify(imageSubPath)} of volumeMount "${mount.name}" leaves the volume`);
  return {
    ...{ containerPath: mount.mountPath, hostPath: '', image, readonly: true },
    ...(imageSubPath !== '' && { imageSubPath }),
    propagation: PROPAGATION[mount.mountPropagation ?? 'None'],
  };
}

/** Empty for the whole volume. Throws VolumeError for an expression that cannot be expanded. */
function subPathOf(mount: VolumeMount, env: Readonly<Record<string, string>>): string {
  try {
    return mount.subPathExpr ? expandSubPath(mount.subPathExpr, env) : (mount.subPath ?? '');
  } catch (error) {
    throw subPathError(mount, error);
  }
}

const subPathError = ({ name }: VolumeMount, error: unknown): VolumeError => {
  const reason = error instanceof Error ? error.message : String(error);
  return new VolumeError(`failed to prepare subPath for volumeMount "${name}": ${reason}`, { cause: error });
};

/** Throws VolumeError for a volume that the pod does not have, or that is not ready. */
function readyVolume(
  pod: Pod,
  container: Container,
  name: string,
  { ready }: Pick<MountsOptions, 'ready'>,
): { readonly volume: Volume; readonly record: PublishRecord } {
  const volume = pod.spec?.volumes?.find((one) => one.name === name);
  if (!volume)
    throw new VolumeError(`container "${container.name}" mounts volume "${name}", which the pod does not have`);
  const record = ready.get(name);
  if (!record) throw new VolumeError(`volume "${name}" is not ready`);
  return { volume, record };
}

/** Throws VolumeError for a device that the container cannot have. */
export function containerDevices(
  pod: Pod,
  container: Container,
  options: Pick<MountsOptions, 'runner' | 'ready'>,
): ContainerDevice[] {
  return (container.volumeDevices ?? []).map(({ name, devicePath }) => {
    const { volume, record } = readyVolume(pod, container, name, options);
    const type = options.runner.typeOf(volume);
    const hostPath = type.devicePath?.(options.runner.placement(pod.metadata?.uid ?? '', name, type, record));
    if (hostPath === undefined)
      throw new VolumeError(`volume ${name} has volumeMode Filesystem, but is specified in volumeDevices`);
    return { containerPath: devicePath, hostPath, permissions: record.isReadOnly ? 'r' : 'mrw' };
  });
}

/** The host path of a mount: the volume itself, or the subPath of it, bound to `target`. */
async function bindIfSubPath(
  mount: VolumeMount,
  isAgentWritten: boolean,
  source: string,
  target: string,
  { env, helper, signal }: MountsOptions,
): Promise<string> {
  const subPath = subPathOf(mount, env);
  if (subPath === '') return source;
  try {
    if (isAgentWritten) await bindSubPath(source, subPath, target, signal);
    else {
      const [response] = await helper([{ do: 'bind-sub-path', volume: source, subPath, target }], signal);
      if (response?.error) throw new Error(response.error);
    }
    return target;
  } catch (error) {
    signal.throwIfAborted();
    throw subPathError(mount, error);
  }
}

/**
 * `subPathExpr`: `$(NAME)` stands for an environment variable of the container, `$$` for a dollar sign. Throws for names
 * that the container does not have or that are empty (the whole volume would be mounted instead of a part of it):
 * https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath-expanded-environment
 */
export function expandSubPath(expression: string, env: Readonly<Record<string, string>>): string {
  const missing = new Set<string>();
  const expanded = expandWith(expression, (name) => {
    const value = own(env, name);
    if (!value) missing.add(name);
    return value ?? '';
  });
  if (missing.size > 0) throw new Error(`missing value for ${[...missing].sort().join(', ')}`);
  return expanded;
}
