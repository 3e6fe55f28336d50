/** From what users write to where backups are kept. */
import { BackupError } from '../backup-error.ts';
import type { Destination } from './destination.ts';
import { DirectoryDestination } from './directory.ts';
import { parseS3Url, S3Destination } from './s3.ts';
import { loadS3Settings } from './s3-settings.ts';

export const isS3 = (text: string): boolean => text.startsWith('s3:');

/** The rest of a sentence about what is wrong; undefined when nothing is. */
export function destinationProblem(text: string, s3Config: string): string | undefined {
  if (!isS3(text))
    return text.startsWith('/')
      ? undefined
      : `must be an absolute path or s3://BUCKET/PREFIX, not ${JSON.stringify(text)}`;
  if (!parseS3Url(text)) return `must be s3://BUCKET/PREFIX, not ${JSON.stringify(text)}`;
  return s3Config === '' ? 'needs the settings of S3, in a file that backup-s3-config names' : undefined;
}

/** Throws BackupError, and SettingValueError for a wrong file. @param s3Config file of settings of S3 */
export async function openDestination(text: string, s3Config: string): Promise<Destination> {
  if (!isS3(text)) return new DirectoryDestination(text);
  const url = parseS3Url(text);
  if (!url) throw new BackupError(`${JSON.stringify(text)} is no s3://BUCKET/PREFIX`);
  if (s3Config === '') throw new BackupError(`${text} needs the settings of S3: give --s3-config FILE`);
  return new S3Destination(url.bucket, url.prefix, await loadS3Settings(s3Config));
}
