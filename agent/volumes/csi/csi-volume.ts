/**
 * What the agent has to know of a volume of a CSI driver, and where the volume is. The paths are the kubelet's: drivers that run in
 * pods mount them from the host under the same names. https://kubernetes-csi.github.io/docs/deploying.html
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { NamespacedName } from '../../../api/domain/volume-secrets.ts';
import type { CSIPersistentVolumeSource, PersistentVolume, Pod, Volume } from '../../../api/types/core/v1.gen.ts';
import type { PublishTarget } from '../framework/volume-type.ts';

/** Kept in the records of mounts, which hold no secrets. */
export interface CsiVolume {
  readonly driver: string;
  readonly handle: string;
  /** The PersistentVolume's; of an inline volume the pod's. */
  readonly name: string;
  /** It lives as long as its pod, which it is defined in. */
  readonly isInline: boolean;
  readonly isBlock: boolean;
  readonly isReadOnly: boolean;
  /** Its driver has a controller that attaches it to the node first. */
  readonly isAttached: boolean;
  readonly fsType: string;
  readonly accessModes: readonly string[];
  readonly mountOptions: readonly string[];
  /** The pod's. */
  readonly fsGroup?: number;
  readonly context: Readonly<Record<string, string>>;
  readonly secrets: {
    readonly stage?: NamespacedName;
    readonly publish?: NamespacedName;
    readonly expand?: NamespacedName;
  };
}

/** The attribute of a record that holds it, as JSON. */
const ATTRIBUTE = 'csi';

export const csiAttributes = (volume: CsiVolume): Readonly<Record<string, string>> => ({
  [ATTRIBUTE]: JSON.stringify(volume),
});

/** Undefined for the attributes of another kind of volume. */
export function csiVolumeIn(attributes: Readonly<Record<string, string>>): CsiVolume | undefined {
  const text = attributes[ATTRIBUTE];
  // The agent's own record, in its own directory.
  return text === undefined ? undefined : (JSON.parse(text) as CsiVolume);
}

/** What becomes a part of a path may not lead elsewhere. */
function segment(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text)) return text;
  throw new Error(`${JSON.stringify(text)} cannot be a part of a path`);
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Which volumes are staged once for all pods of the node. */
export const stageKeyOf = ({ driver, handle }: CsiVolume): string => `${driver}^${handle}`;

export class CsiPaths {
  /** `/var/lib/kubelet`, in drivers' pods too. */
  readonly #root: string;

  constructor(kubeletDirectory: string) {
    this.#root = kubeletDirectory;
  }

  get registrations(): string {
    return join(this.#root, 'plugins_registry');
  }

  get plugins(): string {
    return join(this.#root, 'plugins');
  }

  get pods(): string {
    return join(this.#root, 'pods');
  }

  /** Where volumes of all drivers are staged, and block volumes published. */
  get volumes(): string {
    return join(this.plugins, 'kubernetes.io/csi');
  }

  staging({ isBlock, driver, handle, name }: CsiVolume): string {
    return isBlock
      ? join(this.volumes, 'volumeDevices/staging', segment(name))
      : join(this.volumes, segment(driver), digest(handle), 'globalmount');
  }

  /** Where the driver mounts the volume for a pod. */
  target({ isBlock, name }: CsiVolume, podUid: string): string {
    return isBlock
      ? join(this.volumes, 'volumeDevices/publish', segment(name), segment(podUid))
      : join(this.pods, segment(podUid), 'volumes/kubernetes.io~csi', segment(name), 'mount');
  }

  /**
   * Made before the driver is first asked to publish the volume: without it, the driver knows nothing of it. A directory, or for a block
   * volume the link to its target.
   */
  mark({ isBlock, name }: CsiVolume, podUid: string): string {
    const kind = isBlock ? 'volumeDevices' : 'volumes';
    return join(this.pods, segment(podUid), kind, 'kubernetes.io~csi', segment(name));
  }
}

const referenceIn = (reference: { name?: string; namespace?: string } | undefined): NamespacedName | undefined =>
  reference?.name ? { namespace: reference.namespace ?? '', name: reference.name } : undefined;

/** Whether a container of the pod has the volume as a device. */
export const isDeviceOf = (pod: Pod, volume: string): boolean =>
  [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].some(({ volumeDevices }) =>
    volumeDevices?.some(({ name }) => name === volume),
  );

/** Of a PersistentVolume. `isReadOnly`: for this pod. */
export function persistentCsiVolume(
  { metadata, spec }: PersistentVolume,
  source: CSIPersistentVolumeSource,
  pod: Pod,
  { isReadOnly, isAttached }: Pick<CsiVolume, 'isReadOnly' | 'isAttached'>,
): CsiVolume {
  return {
    driver: source.driver,
    handle: source.volumeHandle,
    name: metadata?.name ?? '',
    isInline: false,
    isBlock: spec?.volumeMode === 'Block',
    ...{ isReadOnly, isAttached },
    fsType: source.fsType ?? '',
    accessModes: [...(spec?.accessModes ?? [])],
    mountOptions: [...(spec?.mountOptions ?? [])],
    fsGroup: pod.spec?.securityContext?.fsGroup,
    context: { ...source.volumeAttributes },
    secrets: {
      stage: referenceIn(source.nodeStageSecretRef),
      publish: referenceIn(source.nodePublishSecretRef),
      expand: referenceIn(source.nodeExpandSecretRef),
    },
  };
}

/** Of a volume that is defined in its pod; undefined when it is another one. */
export function inlineCsiVolume({ name, csi }: Volume, pod: Pod): CsiVolume | undefined {
  if (!csi) return undefined;
  const { uid = '', namespace = '' } = pod.metadata ?? {};
  const secret = csi.nodePublishSecretRef?.name;
  return {
    driver: csi.driver,
    handle: `csi-${digest(uid + name)}`,
    name,
    ...{ isInline: true, isBlock: false, isAttached: false, isReadOnly: csi.readOnly ?? false },
    fsType: csi.fsType ?? '',
    accessModes: ['ReadWriteOnce'],
    mountOptions: [],
    fsGroup: pod.spec?.securityContext?.fsGroup,
    context: { ...csi.volumeAttributes },
    secrets: secret ? { publish: { namespace, name: secret } } : {},
  };
}

/** The volume at a target; throws when its record is of something else. */
export function csiVolumeOf({ attributes }: Pick<PublishTarget, 'attributes'>): CsiVolume {
  const volume = csiVolumeIn(attributes);
  if (volume) return volume;
  throw new Error('the record of the volume does not name its CSI driver');
}
