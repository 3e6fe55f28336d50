/** PEM files of the PKI folder: read with actionable errors, written atomically. */
import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomically } from '../../daemon/atomic-file.ts';

export const CERTIFICATE_MODE = 0o644;
export const KEY_MODE = 0o600;

/** A PKI file is unusable; the message names the file and says how to fix it. */
export class PkiError extends Error {
  override readonly name = 'PkiError';
}

/** A certificate with its private key, both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** The file's text; undefined when there is no such file. Throws PkiError. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new PkiError(
      `failed to read ${path}: ${codeOf(error) ?? String(error)}; run this as root (sudo) or as the owner of the file`,
      { cause: error },
    );
  }
}

/** Returns once the file will survive a crash. Throws PkiError. */
export async function writeAtomically(path: string, text: string, mode: number): Promise<void> {
  try {
    await writeFileAtomically(path, text, mode);
  } catch (error) {
    throw new PkiError(`failed to write ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  await syncFolder(dirname(path));
}

/** Returns once the folder's entries will survive a crash. */
export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path);
  await folder.sync();
}

export function parseCertificate(pem: string, path: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new PkiError(`${path} has no valid PEM certificate; restore it from a backup`, { cause: error });
  }
}

export function parsePrivateKey(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new PkiError(`${path} has no valid PEM private key (is it truncated?); restore it from a backup`, {
      cause: error,
    });
  }
}

/** Reads a certificate and its key; undefined when there is no certificate. Throws PkiError. */
export async function readKeyPair(certificatePath: string, keyPath: string): Promise<KeyPair | undefined> {
  const [certificate, key] = await Promise.all([readIfThere(certificatePath), readIfThere(keyPath)]);
  if (certificate === undefined) return undefined;
  if (key === undefined) {
    throw new PkiError(`${keyPath} is missing but ${certificatePath} exists; restore it from a backup`);
  }
  if (!parseCertificate(certificate, certificatePath).checkPrivateKey(parsePrivateKey(key, keyPath))) {
    throw new PkiError(`${keyPath} does not match ${certificatePath}; restore both from the same backup`);
  }
  return { certificate, key };
}

/** A crash in between leaves a missing certificate, never one that does not belong to its key. */
export async function writeKeyPair(certificatePath: string, keyPath: string, pair: KeyPair): Promise<void> {
  await rm(certificatePath, { force: true });
  await syncFolder(dirname(certificatePath));
  await writeAtomically(keyPath, pair.key, KEY_MODE);
  await writeAtomically(certificatePath, pair.certificate, CERTIFICATE_MODE);
}
