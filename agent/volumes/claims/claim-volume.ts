/**
 * persistentVolumeClaim: the volume that is bound to a claim, of one of the sources below.
 * https://kubernetes.io/docs/concepts/storage/persistent-volumes/
 */
import { claimOfVolume, notMadeFor, type PodClaim } from '../../../api/domain/pod-claims.ts';
import { matchesTerms, type SelectableNode } from '../../../api/domain/node-selector.ts';
import type { HostPathType } from '../../host/volume-helper/requests.ts';
import type { LocalPaths } from './local-paths.ts';
import type { ResolvedVolume, VolumeType } from '../framework/volume-type.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../../api/types/core/v1.gen.ts';

/** What of the API a node reads of claims: what its own pods use, and no more. */
export interface ClaimSource {
  /** Undefined when there is none of that name. */
  claim(namespace: string, name: string, signal: AbortSignal): Promise<PersistentVolumeClaim | undefined>;
  volume(name: string, signal: AbortSignal): Promise<PersistentVolume | undefined>;
  /** This node, with the labels that it has in the API. */
  node(signal: AbortSignal): Promise<SelectableNode>;
}

export interface ClaimVolumeOptions {
  readonly source: ClaimSource;
  readonly localPaths: Pick<LocalPaths, 'pathOf' | 'make'>;
  /** `ephemeral`: the claim is made for the pod: https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#generic-ephemeral-volumes */
  readonly field: 'persistentVolumeClaim' | 'ephemeral';
}

export function claimVolume({ source, localPaths, field }: ClaimVolumeOptions): VolumeType {
  async function resolve(
    { name: claimName, isEphemeral }: PodClaim,
    pod: Pod,
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
    const localPath = localPaths.pathOf(volume) === undefined ? undefined : { localPath: volumeName };
    return { attributes: { ...attributesOf(volume), ...localPath } };
  }

  async function checkNode({ metadata, spec }: PersistentVolume, signal: AbortSignal): Promise<void> {
    const terms = spec?.nodeAffinity?.required?.nodeSelectorTerms;
    if (!terms) return;
    const node = await source.node(signal);
    if (!matchesTerms(terms, node))
      throw new Error(`the node affinity of volume ${metadata?.name} does not match node ${node.name}`);
  }

  return {
    source: field,
    directory: field === 'ephemeral' ? 'kedge.io~ephemeral-claim' : 'kedge.io~claim',
    agentWritten: false,
    hostPath: (_, path) => path,
    resolve(volume, pod, signal) {
      const claim = claimOfVolume(volume, pod.metadata?.name ?? '');
      if (!claim) throw new Error(`volume "${volume.name}" has no claim`);
      return resolve(claim, pod, signal);
    },
    async publish({ path, pod, attributes, helper, signal }) {
      const { from = '', type = '', setsGroup, localPath } = attributes;
      if (localPath !== undefined) await localPaths.make(localPath);
      const checks = type ? [{ do: 'check-host-path', path: from, type: type as HostPathType } as const] : [];
      const bind = { do: 'bind-host-path', path: from, target: path } as const;
      const { fsGroup, fsGroupChangePolicy = 'Always' } = pod.spec?.securityContext ?? {};
      const group =
        setsGroup && fsGroup !== undefined
          ? [{ do: 'set-group', path, group: fsGroup, readOnly: false, policy: fsGroupChangePolicy } as const]
          : [];
      for (const request of [...checks, bind, ...group]) {
        const [response] = await helper([request], signal);
        if (response?.error) throw new Error(response.error);
      }
    },
    unpublish: ({ unmount }) => unmount(),
    async stats({ path, helper, signal }) {
      const [response] = await helper([{ do: 'measure', path }], signal);
      const { bytes, inodes } = response ?? {};
      return bytes === undefined || inodes === undefined ? undefined : { bytes, inodes };
    },
  };
}

/** `localPath`: the name of the directory that is made first. `from`: what is bound. `type`: what it is checked for before. `setsGroup`: whether a pod's fsGroup applies, as upstream has it. */
function attributesOf({ metadata, spec }: PersistentVolume): Readonly<Record<string, string>> {
  if (spec?.volumeMode === 'Block') throw new Error('volumeMode Block is not supported yet by this version');
  if (spec?.hostPath) return { from: spec.hostPath.path, type: spec.hostPath.type ?? '' };
  if (spec?.local) return { from: spec.local.path, type: 'Directory', setsGroup: 'true' };
  const source = Object.keys(spec ?? {}).find((key) => SOURCES.has(key)) ?? 'an unknown source';
  throw new Error(`persistentvolume "${metadata?.name}": ${source} volumes are not supported yet by this version`);
}

const SOURCES: ReadonlySet<string> = new Set(['nfs', 'csi', 'iscsi', 'fc', 'rbd', 'cephfs']);
