/** The certificates and keys in a folder of a daemon, for people who look after them. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

export interface CertificateFile {
  /** `apiserver`, for a file of that name without its extension. */
  readonly name: string;
  readonly file: string;
  readonly subject: string;
  readonly issuer: string;
  /** Milliseconds since the epoch. */
  readonly validFromMs: number;
  readonly validToMs: number;
}

/** A key that no certificate is of. */
export interface KeyFile {
  readonly name: string;
  readonly file: string;
  readonly key: string;
}

export interface UnreadableFile {
  readonly name: string;
  readonly file: string;
  readonly error: string;
}

const EXTENSIONS: ReadonlySet<string> = new Set(['.crt', '.pem']);
/** The keys that sign no certificates. */
const LONE_KEYS: ReadonlySet<string> = new Set(['sa.key', 'sa-next.key']);
const BEGIN = '-----BEGIN CERTIFICATE-----';

const nameIn = (distinguishedName: string): string => distinguishedName.split('\n').join(', ');

/** In the order of their files; empty when there is no such folder. A file with several certificates is one entry for each. */
export async function readCertificateFiles(directory: string): Promise<(CertificateFile | KeyFile | UnreadableFile)[]> {
  const found: (CertificateFile | KeyFile | UnreadableFile)[] = [];
  for (const entry of (await namesIn(directory)).sort()) {
    const file = path.join(directory, entry);
    const { name, ext } = path.parse(entry);
    if (!EXTENSIONS.has(ext) && !LONE_KEYS.has(entry)) continue;
    try {
      const text = await readFile(file, 'utf8');
      if (LONE_KEYS.has(entry)) found.push({ name, file, key: createPrivateKey(text).asymmetricKeyType ?? 'unknown' });
      else found.push(...certificatesIn(text).map((certificate) => ({ name, file, ...certificate })));
    } catch (error) {
      found.push({ name, file, error: (error as Error).message });
    }
  }
  return found;
}

/** Those of a chain are intermediates of the first. Throws an Error for a text without one, or with one that cannot be read. */
function certificatesIn(text: string): Omit<CertificateFile, 'name' | 'file'>[] {
  const parts = text.split(BEGIN).slice(1);
  if (parts.length === 0) throw new Error('it has no certificate');
  return parts.map((part) => {
    const { subject, issuer, validFromDate, validToDate } = new X509Certificate(BEGIN + part);
    return {
      ...{ subject: nameIn(subject), issuer: nameIn(issuer) },
      ...{ validFromMs: validFromDate.getTime(), validToMs: validToDate.getTime() },
    };
  });
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
