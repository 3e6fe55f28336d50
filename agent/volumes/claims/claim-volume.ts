/**
 * persistentVolumeClaim: the volume that is bound to a claim, of one of the sources below.
 * https://kubernetes.io/docs/concepts/storage/persistent-volumes/
 */
import { claimOfVolume, notMadeFor, type PodClaim } from '../../../api/domain/pod-claims.ts';
import { matchesTerms } from '../../../api/domain/node-selector.ts';
import type { HostPathType } from '../../host/volume-helper/requests.ts';
import type { CsiClaims } from '../csi/csi-claims.ts';
import { csiVolumeIn } from '../csi/csi-volume.ts';
import { nfsDirectoryAttributes, type NfsDirectories } from '../nfs/nfs-directories.ts';
import { mountOptionsOf, nfsAttributes, nfsMountPoint, nfsUsage, publishNfs } from '../nfs/nfs-mount.ts';
import type { DirectoryMeter } from '../../host/directory-usage.ts';
import type { ClaimSource } from './claim-source.ts';
import type { LocalPaths } from './local-paths.ts';
import type { PodVolume, ResolvedVolume, VolumeType } from '../framework/volume-type.ts';
import type { PersistentVolume, Pod, Volume } from '../../../api/types/core/v1.gen.ts';

export interface ClaimVolumeOptions {
  readonly source: ClaimSource;
  readonly localPaths: Pick<LocalPaths, 'pathOf' | 'make'>;
  readonly nfsDirectories: Pick<NfsDirectories, 'make'>;
  readonly csi: CsiClaims;
  readonly meter: Pick<DirectoryMeter, 'usageOf'>;
  /** `ephemeral`: the claim is made for the pod: https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#generic-ephemeral-volumes */
  readonly field: 'persistentVolumeClaim' | 'ephemeral';
}

export function claimVolume(options: ClaimVolumeOptions): VolumeType {
  const { source, localPaths, nfsDirectories, csi, meter, field } = options;
  async function resolve(
    { name: claimName, isEphemeral }: PodClaim,
    pod: Pod,
    { name, persistentVolumeClaim }: Volume,
    signal: AbortSignal,
  ): Promise<ResolvedVolume> {
    const { namespace = '' } = pod.metadata ?? {};
    const claim = await source.claim(namespace, claimName, signal);
    if (!claim) throw new Error(`persistentvolumeclaim "${claimName}" not found`);
    const why = isEphemeral ? notMadeFor(pod.metadata ?? {}, claim) : undefined;
    if (why !== undefined) throw new Error(why);
    if (claim.metadata?.deletionTimestamp) throw new Error(`PVC ${namespace}/${claimName} is being deleted`);
    const { volumeName } = claim.spec ?? {};
    if (claim.status?.phase !== 'Bound' || !volumeName) throw new Error(`PVC ${namespace}/${claimName} is not bound`);
    const volume = await source.volume(volumeName, signal);
    if (!volume) throw new Error(`persistentvolume "${volumeName}" not found`);
    if (volume.spec?.claimRef?.uid !== claim.metadata?.uid)
      throw new Error(`PV ${volumeName} is not bound to PVC ${namespace}/${claimName}`);
    await checkNode(volume, signal);
    checkMode(volume, pod, name);
    const isReadOnly = persistentVolumeClaim?.readOnly || (volume.spec?.nfs?.readOnly ?? false);
    if (volume.spec?.csi) return csi.resolve(volume, volume.spec.csi, { claim, pod, isReadOnly }, signal);
    const localPath = localPaths.pathOf(volume) === undefined ? undefined : { localPath: volumeName };
    return { attributes: { ...attributesOf(volume, isReadOnly), ...localPath }, ...(isReadOnly && { isReadOnly }) };
  }

  async function checkNode({ metadata, spec }: PersistentVolume, signal: AbortSignal): Promise<void> {
    const terms = spec?.nodeAffinity?.required?.nodeSelectorTerms;
    if (!terms) return;
    const node = await source.node(signal);
    if (!matchesTerms(terms, node))
      throw new Error(`the node affinity of volume ${metadata?.name} does not match node ${node.name}`);
  }

  async function publishHere({ path, pod, attributes, helper, signal }: PodVolume): Promise<void> {
    const { from = '', type = '', setsGroup, localPath, isBlock } = attributes;
    if (localPath !== undefined) await localPaths.make(localPath);
    const checks = type ? [{ do: 'check-host-path', path: from, type: type as HostPathType } as const] : [];
    const bind = isBlock ? [] : [{ do: 'bind-host-path', path: from, target: path } as const];
    const { fsGroup, fsGroupChangePolicy = 'Always' } = pod.spec?.securityContext ?? {};
    const group =
      setsGroup && fsGroup !== undefined
        ? [{ do: 'set-group', path, group: fsGroup, readOnly: false, policy: fsGroupChangePolicy } as const]
        : [];
    for (const request of [...checks, ...bind, ...group]) {
      const [response] = await helper([request], signal);
      if (response?.error) throw new Error(response.error);
    }
  }

  return {
    source: field,
    directory: field === 'ephemeral' ? 'kedge.io~ephemeral-claim' : 'kedge.io~claim',
    agentWritten: false,
    hostPath: (_, place) => {
      const volume = csiVolumeIn(place.attributes);
      if (volume) return volume.isBlock ? undefined : csi.steps.paths.target(volume, place.podUid);
      return place.attributes['isBlock'] ? undefined : place.path;
    },
    devicePath: (place) => {
      const volume = csiVolumeIn(place.attributes);
      if (volume) return volume.isBlock ? csi.steps.paths.target(volume, place.podUid) : undefined;
      return place.attributes['isBlock'] ? place.attributes['from'] : undefined;
    },
    resolve(volume, pod, signal) {
      const claim = claimOfVolume(volume, pod.metadata?.name ?? '');
      if (!claim) throw new Error(`volume "${volume.name}" has no claim`);
      return resolve(claim, pod, volume, signal);
    },
    staging: csi.staging,
    mountPoint: (place) => {
      const volume = csiVolumeIn(place.attributes);
      return volume ? csi.steps.paths.target(volume, place.podUid) : nfsMountPoint(place);
    },
    async publish(target) {
      const { attributes, isMounted, signal } = target;
      if (csiVolumeIn(attributes)) return csi.steps.publish(target);
      if (nfsMountPoint(target) === undefined) return publishHere(target);
      if (!isMounted) await nfsDirectories.make(attributes, signal);
      return publishNfs(target);
    },
    unpublish: (target) => (csiVolumeIn(target.attributes) ? csi.steps.unpublish(target) : target.unmount()),
    expansion: csi.expansion,
    isRefreshed: (attributes) => csiVolumeIn(attributes) !== undefined,
    async refresh(target) {
      if (csiVolumeIn(target.attributes)) await csi.steps.republish(target);
    },
    async stats(target) {
      const { path, attributes, signal } = target;
      if (csiVolumeIn(attributes)) return csi.steps.stats(target);
      if (attributes['isBlock']) return undefined;
      if (nfsMountPoint(target) !== undefined) return nfsUsage(target);
      return meter.usageOf(path, signal);
    },
  };
}

/** `name`: of the volume in the pod. With the kubelet's words. */
function checkMode({ spec }: PersistentVolume, pod: Pod, name: string): void {
  const isBlock = spec?.volumeMode === 'Block';
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const used = isBlock ? 'volumeMounts' : 'volumeDevices';
  if (containers.some((container) => container[used]?.some((one) => one.name === name)))
    throw new Error(`volume ${name} has volumeMode ${isBlock ? 'Block' : 'Filesystem'}, but is specified in ${used}`);
}

/** `localPath`: the name of the directory that is made first. `from`: what is bound, or the device. `type`: what it is checked for before. `setsGroup`: whether a pod's fsGroup applies, as upstream has it. */
function attributesOf({ metadata, spec }: PersistentVolume, isReadOnly: boolean): Readonly<Record<string, string>> {
  const isBlock = spec?.volumeMode === 'Block';
  if (spec?.local && isBlock) return { from: spec.local.path, type: 'BlockDevice', isBlock: 'true' };
  if (isBlock) throw new Error(`persistentvolume "${metadata?.name}" is of a source that has no volumeMode Block`);
  if (spec?.hostPath) return { from: spec.hostPath.path, type: spec.hostPath.type ?? '' };
  if (spec?.local) return { from: spec.local.path, type: 'Directory', setsGroup: 'true' };
  if (spec?.nfs) {
    const volume = { metadata, spec };
    return { ...nfsAttributes(spec.nfs, mountOptionsOf(volume), isReadOnly), ...nfsDirectoryAttributes(volume) };
  }
  const source = Object.keys(spec ?? {}).find((key) => SOURCES.has(key)) ?? 'an unknown source';
  throw new Error(`persistentvolume "${metadata?.name}": ${source} volumes are not supported yet by this version`);
}

const SOURCES: ReadonlySet<string> = new Set(['iscsi', 'fc', 'rbd', 'cephfs']);
