/**
 * Mounts of NFS exports, one for each pod: the kernel shares what is behind them. No step asks the server in this process, and none asks
 * it twice for what is mounted already.
 */
import { mkdir } from 'node:fs/promises';
import { nfsOptions, nfsSource } from '../../../api/domain/nfs.ts';
import { BETA_MOUNT_OPTIONS } from '../../../api/domain/volume-annotations.ts';
import { own } from '../../../api/machinery/own.ts';
import type { NFSVolumeSource, PersistentVolume } from '../../../api/types/core/v1.gen.ts';
import { mountNfs, readMounts } from '../../host/mounts.ts';
import type { Placement, PodVolume, PublishTarget, VolumeUsage } from '../framework/volume-type.ts';

/** Of a PersistentVolume. The annotation comes first, as upstream. */
export const mountOptionsOf = ({ metadata, spec }: PersistentVolume): readonly string[] =>
  own(metadata?.annotations, BETA_MOUNT_OPTIONS)?.split(',') ?? spec?.mountOptions ?? [];

const DIRECTORY_MODE = 0o750;

/** The attributes of a record that make it one of an export. */
const SOURCE = 'nfsSource';
const OPTIONS = 'nfsOptions';

/** Throws for a server, a path or options that mount.nfs would take for something else. */
export const nfsAttributes = (
  source: NFSVolumeSource,
  mountOptions: readonly string[],
  isReadOnly: boolean,
): Readonly<Record<string, string>> => ({
  [SOURCE]: nfsSource(source),
  [OPTIONS]: nfsOptions(mountOptions, isReadOnly),
});

/** Where the export is mounted for its pod; undefined for the attributes of another kind of volume. */
export const nfsMountPoint = ({ attributes, path }: Placement): string | undefined =>
  attributes[SOURCE] === undefined ? undefined : path;

export async function publishNfs({ attributes, path, isMounted, signal }: PodVolume): Promise<void> {
  // By an attempt that was given up.
  if (isMounted) return;
  await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  await mountNfs(attributes[SOURCE] ?? '', path, attributes[OPTIONS] ?? '', signal);
  if (!(await readMounts()).some(({ mountPoint }) => mountPoint === path))
    throw new Error(`${attributes[SOURCE]} is not mounted although mount.nfs says so`);
}

/** Of the file system on the server, as its clients see it. Throws when the server does not respond. */
export async function nfsUsage({ path, helper, signal }: PublishTarget): Promise<VolumeUsage | undefined> {
  const [response] = await helper([{ do: 'file-system-usage', path }], signal);
  if (response?.error) throw new Error(response.error);
  return response?.usage;
}
