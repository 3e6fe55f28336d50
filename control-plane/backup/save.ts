/** Makes a backup at a destination, and reads it again before it counts. */
import { rm, stat } from 'node:fs/promises';
import type { BackupSecret } from './archive/envelope.ts';
import { backupName, isOf, type Destination, type StoredBackup } from './destinations/destination.ts';
import type { BackupManifest } from './manifest.ts';
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

/** Throws BackupError, and what the source throws: then the destination is as it was. */
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
  return saved;
}

/** Those of a cluster that are more than the newest `keep`, which is at least 1. Pure. */
export function superfluous(backups: readonly StoredBackup[], caHash: string, keep: number): StoredBackup[] {
  const own = backups.filter(({ name }) => isOf(caHash, name)).sort((a, b) => b.createdAt - a.createdAt);
  return own.slice(Math.max(1, keep));
}
