/** The files of a server that a backup has besides the objects: keys and certificates, and settings. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { own } from '../../api/machinery/own.ts';
import { publicKeyHash } from '../../api/domain/public-key-hash.ts';
import { readConfigurationFile } from '../../daemon/configuration-file.ts';
import type { ServerConfig } from '../config.ts';
import { FILE_SETTINGS, type FileSetting } from '../file-settings.ts';
import { readAuthority } from '../pki/cluster-pki.ts';
import { isFilePart } from './parts.ts';
import type { BackupFile } from './write-backup.ts';

/** Its keys are for values in the store: they are kept apart from these. */
const KEPT_APART = 'encryptionProviderConfig';

export interface ServerFiles {
  /** `sha256:` and hex digits. */
  readonly caHash: string;
  readonly files: readonly BackupFile[];
  /** Files of settings that are not in it. */
  readonly missing: readonly string[];
}

/**
 * Throws PkiError when there is no CA, SettingValueError when a file cannot be read.
 * @param settingsFile of `--config`, if any
 * @param isEncrypted whether the backup will be: only then keys are in it that values of the same backup are encrypted with
 */
export async function serverFiles(
  config: Pick<ServerConfig, 'dataDir' | FileSetting>,
  settingsFile: string | undefined,
  isEncrypted: boolean,
): Promise<ServerFiles> {
  const directory = path.join(config.dataDir, 'pki');
  const caHash = publicKeyHash((await readAuthority(directory)).certificate);
  const files: BackupFile[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const name = `pki/${entry.name}`;
    if (!entry.isFile() || !isFilePart(name) || !/\.(crt|key|pub)$/.test(entry.name)) continue;
    files.push({ name, content: await readConfigurationFile(path.join(directory, entry.name), name) });
  }
  const missing: string[] = [];
  const wanted = new Map<string, string>();
  if (settingsFile) wanted.set('config', settingsFile);
  for (const name of FILE_SETTINGS) {
    const file = own(config, name) ?? '';
    if (file === '') continue;
    if (name === KEPT_APART && !isEncrypted) missing.push(file);
    else wanted.set(name, file);
  }
  for (const [setting, file] of wanted) {
    // Two settings may have files of the same name.
    const name = `settings/${setting}-${path
      .basename(file)
      .replace(/[^A-Za-z0-9._-]/g, '_')
      .slice(-50)}`;
    files.push({ name, content: await readConfigurationFile(file, `${setting} ${file}`) });
  }
  return { caHash, files, missing };
}
