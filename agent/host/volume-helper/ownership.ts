/** Ownership by fsGroup: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/ */
import { chmodSync, lchownSync, lstatSync, readdirSync, type Stats } from 'node:fs';
import type { VolumeRequest } from './requests.ts';

const READ_WRITE = 0o660;
const READ_ONLY = 0o440;
const SEARCH = 0o110;
const SETGID = 0o2000;
const PERMISSIONS = 0o7777;

/** The mode that lets the group use a file or directory; new entries of a directory go to the group too. */
const modeForGroup = (mode: number, isDirectory: boolean, readOnly: boolean): number =>
  (mode & PERMISSIONS) | (readOnly ? READ_ONLY : READ_WRITE) | (isDirectory ? SEARCH | SETGID : 0);

/** The mode of a volume's entry for the pod's fsGroup (undefined: none). */
export const modeFor = (group: number | undefined, mode: number, isDirectory: boolean, readOnly: boolean): number =>
  group === undefined ? mode : modeForGroup(mode, isDirectory, readOnly);

const isSettled = (stats: Stats, group: number, readOnly: boolean): boolean =>
  stats.gid === group && modeForGroup(stats.mode, true, readOnly) === (stats.mode & PERMISSIONS);

export function setGroup(request: Extract<VolumeRequest, { do: 'set-group' }>): void {
  const { path: root, group, readOnly, policy } = request;
  if (policy === 'OnRootMismatch' && isSettled(lstatSync(root), group, readOnly)) return;
  // The root comes last: a walk that was cut short is then seen as a mismatch and done again.
  const found = [root];
  for (const path of found) {
    if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) found.push(`${path}/${name}`);
  }
  for (const path of found.reverse()) {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (!stats) continue;
    lchownSync(path, stats.uid, group);
    if (!stats.isSymbolicLink()) chmodSync(path, modeForGroup(stats.mode, stats.isDirectory(), readOnly));
  }
}
