/** Makes a backup at a destination, and reads it again before it counts. */
import { rm, stat } from 'node:fs/promises';
import type { BackupSecret } from './archive/envelope.ts';
import { backupName, isOf, type Destination, type StoredBackup } from './destinations/destination.ts';
import type { BackupManifest } from './manifest.ts';
import { BackupError } from './backup-error.ts';
import { verifyBackup } from './verify.ts';
import { writeBackup, type BackupContents } from './write-backup.ts';

export interface SaveOptions {
  readonly contents: BackupContents;
  readonly destination: Destination;
  readonly secret: BackupSecret | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly signal: AbortSignal;
}

export interface SavedBackup {
  readonly name: string;
  readonly bytes: number;
  readonly manifest: BackupManifest;
}

/**
 * Throws BackupError, and what the source throws: then the destination is as it was, as far as it can be told. A destination that takes
 * the file and does not have it is found here, before anything else is removed for it.
 */
export async function saveBackup({ contents, destination, secret, now, signal }: SaveOptions): Promise<SavedBackup> {
  const name = backupName(contents.caHash, now);
  let saved: SavedBackup | undefined;
  await destination.save(
    name,
    async (file) => {
      await writeBackup(file, contents, { secret, now, signal });
      try {
        const { manifest } = await verifyBackup(file, secret);
        saved = { name, manifest, bytes: (await stat(file)).size };
      } catch (error) {
        await rm(file, { force: true });
        throw error;
      }
    },
    signal,
  );
  if (!saved) throw new Error(`${destination.where} has not made ${name}`);
  const { bytes } = saved;
  const isThere = (await destination.list(signal)).some((found) => found.name === name && found.bytes === bytes);
  if (!isThere)
    throw new BackupError(`${destination.where} has taken ${name}, and does not have it with its ${bytes} bytes`);
  return saved;
}

/**
 * Those of a cluster that are more than `keep`: the one that has just been saved, which is never among them, and the newest others. By their
 * names these may be of a time to come: clocks go wrong. Pure.
 */
export function superfluous(
  backups: readonly StoredBackup[],
  caHash: string,
  keep: number,
  saved: string,
): StoredBackup[] {
  const others = backups
    .filter(({ name }) => isOf(caHash, name) && name !== saved)
    .sort((a, b) => b.createdAt - a.createdAt);
  return others.slice(Math.max(0, keep - 1));
}
