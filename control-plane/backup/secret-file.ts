/** The secret that backups are encrypted with, from a file of its own. */
import { readConfigurationFile } from '../../daemon/configuration-file.ts';
import { KEY_BYTES, type BackupSecret } from './archive/envelope.ts';
import { BackupError } from './backup-error.ts';

const BASE64_KEY = /^[A-Za-z0-9+/]{43}=$/;
const MIN_PASSPHRASE = 12;

/** Throws BackupError, or SettingValueError when a file cannot be read. Undefined when both names are empty. */
export async function readSecret(keyFile: string, passphraseFile: string): Promise<BackupSecret | undefined> {
  if (keyFile !== '' && passphraseFile !== '') throw new BackupError('give a key file or a passphrase file, not both');
  if (keyFile !== '') return { key: await readKey(keyFile) };
  if (passphraseFile === '') return undefined;
  const text = (await readConfigurationFile(passphraseFile, `passphrase file ${passphraseFile}`)).toString();
  const passphrase = text.replace(/\r?\n$/, '');
  if (passphrase.length < MIN_PASSPHRASE)
    throw new BackupError(`the passphrase in ${passphraseFile} must have at least ${MIN_PASSPHRASE} characters`);
  return { passphrase };
}

async function readKey(file: string): Promise<Buffer> {
  const content = await readConfigurationFile(file, `key file ${file}`);
  if (content.length === KEY_BYTES) return content;
  const text = content.toString('latin1').trim();
  if (BASE64_KEY.test(text)) return Buffer.from(text, 'base64');
  throw new BackupError(
    `${file} must have ${KEY_BYTES} random bytes, or these in base64: head -c ${KEY_BYTES} /dev/urandom | base64 > ${file}`,
  );
}
