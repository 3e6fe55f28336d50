/**
 * Volumes whose NFS server is away, whoever has mounted them. What is asked of them is asked by helper processes, which may hang
 * instead of the agent.
 */
import { DeadlineError, withDeadline } from '../../client/deadline.ts';
import { isNfs, readMounts } from '../host/mounts.ts';
import { ProgramError } from '../host/run.ts';
import type { VolumeHelper } from '../host/volume-helper/requests.ts';

/** A server that takes longer is away. Others answer within milliseconds, also while they write; the rest is for a host that is short of CPU. */
const RESPONSE_LIMIT_MS = 12_000;

/** Which of these mount points are of NFS, with what is mounted there. */
export async function nfsMountsAt(mountPoints: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (mountPoints.length === 0) return new Map();
  const wanted = new Set(mountPoints);
  const mounts = (await readMounts()).filter((mount) => isNfs(mount) && wanted.has(mount.mountPoint));
  return new Map(mounts.map(({ mountPoint, source }) => [mountPoint, source]));
}

/** Whether the server of an NFS mount answers, be it with an error. */
export async function isResponding(mountPoint: string, helper: VolumeHelper, signal: AbortSignal): Promise<boolean> {
  const limit = { what: 'statfs', limitMs: RESPONSE_LIMIT_MS, signal };
  try {
    await withDeadline(limit, (step) => helper([{ do: 'file-system-usage', path: mountPoint }], step));
    return true;
  } catch (error) {
    if (error instanceof DeadlineError || error instanceof ProgramError) return false;
    throw error;
  }
}
