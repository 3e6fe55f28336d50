/**
 * The keys of service account tokens. `sa.key` signs. `sa-previous.pub` is the key before, whose tokens are valid until it is dropped, and
 * `sa-next.key` one that will sign: servers that share a cluster have it first, so that each verifies what another signs.
 * https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
 */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { KEY_MODE, PkiError, parsePrivateKey, readIfThere, syncFolder, writeAtomically } from './pem-files.ts';

const SIGNING = 'sa.key';
const NEXT = 'sa-next.key';
const PREVIOUS = 'sa-previous.pub';
const PUBLIC_MODE = 0o644;
/** What a server has besides the signing key while there is another. */
export const SERVICE_ACCOUNT_KEY_FILES: readonly string[] = [NEXT, PREVIOUS];

/** The tokens of pods are refreshed within a day, whatever their lifetime (agent/volumes/written/service-account-tokens.ts, and the kubelet). */
export const TOKENS_REFRESHED_MS = 24 * 3600 * 1000;

export type ServiceAccountKeyStep = 'next-service-account-key' | 'service-account-key' | 'drop-service-account-key';

function requireP256(key: KeyObject, path: string): void {
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new PkiError(`${path} must be an ECDSA P-256 key`);
}

async function readKeyAt(path: string): Promise<string | undefined> {
  const there = await readIfThere(path);
  if (there !== undefined) requireP256(parsePrivateKey(there, path), path);
  return there;
}

const publicPem = (pem: string): string => createPublicKey(pem).export({ type: 'spki', format: 'pem' }).toString();

function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** ES256: tokens are 200 bytes shorter than with upstream's customary RSA 2048, and signing is thirty times faster. */
export async function openServiceAccountKey(directory: string, store: string | undefined): Promise<string> {
  const path = join(directory, SIGNING);
  const there = await readKeyAt(path);
  if (there !== undefined) return there;
  if (store !== undefined) {
    throw new PkiError(
      `${path} is missing, but ${store} holds a cluster whose service account tokens it has signed; restore it from a ` +
        `backup, or void all those tokens with a new key: openssl ecparam -name prime256v1 -genkey -noout -out ${path}`,
    );
  }
  const made = newKey();
  await writeAtomically(path, made, KEY_MODE);
  return made;
}

/** Reads the key that signs service account tokens. Throws PkiError when it does not exist. */
export async function readServiceAccountKey(directory: string): Promise<string> {
  const path = join(directory, SIGNING);
  const key = await readKeyAt(path);
  if (key === undefined) throw new PkiError(`${path} is missing: service account tokens cannot be signed on this host`);
  return key;
}

/** PEM of the public keys that tokens are verified by besides the signing one. Throws PkiError. */
export async function readOtherServiceAccountKeys(directory: string): Promise<string[]> {
  const next = await readKeyAt(join(directory, NEXT));
  const previous = await readPrevious(directory);
  return [...(next === undefined ? [] : [publicPem(next)]), ...(previous === undefined ? [] : [previous])];
}

async function readPrevious(directory: string): Promise<string | undefined> {
  const path = join(directory, PREVIOUS);
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch (error) {
    throw new PkiError(`${path} has no valid PEM public key; restore it, or remove it to void the tokens of that key`, {
      cause: error,
    });
  }
  requireP256(key, path);
  return publicPem(text);
}

/** Whether a key is there that has not signed yet. Throws PkiError. */
export const hasNextServiceAccountKey = async (directory: string): Promise<boolean> =>
  (await readIfThere(join(directory, NEXT))) !== undefined;

/** When the key before was replaced on this host, in milliseconds since the epoch; undefined when there is none. */
export async function serviceAccountKeyReplacedAt(directory: string): Promise<number | undefined> {
  try {
    return (await stat(join(directory, PREVIOUS))).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Why the step cannot be: a sentence for the operator; undefined when it can. */
export async function whyNotRotated(directory: string, step: ServiceAccountKeyStep): Promise<string | undefined> {
  const hasPrevious = (await readIfThere(join(directory, PREVIOUS))) !== undefined;
  if (step === 'drop-service-account-key')
    return hasPrevious ? undefined : 'there is no service account key besides the present one';
  if (hasPrevious)
    return 'tokens of the service account key before are still valid: drop it first (kedge certs rotate --drop-service-account-key)';
  return undefined;
}

/** One that is there is kept: it was made before a crash, or is another server's. */
export async function makeNextServiceAccountKey(directory: string): Promise<void> {
  if ((await readKeyAt(join(directory, NEXT))) === undefined)
    await writeAtomically(join(directory, NEXT), newKey(), KEY_MODE);
}

/** Signs with the next key from now on, which is made when there is none. May be repeated after a crash at any moment. */
export async function replaceServiceAccountKey(directory: string): Promise<void> {
  const signing = publicPem(await readServiceAccountKey(directory));
  const previous = await readPrevious(directory);
  // The key has taken its place already.
  if (previous !== undefined && previous !== signing) return;
  await makeNextServiceAccountKey(directory);
  await writeAtomically(join(directory, PREVIOUS), signing, PUBLIC_MODE);
  await rename(join(directory, NEXT), join(directory, SIGNING));
  await syncFolder(directory);
}

/** Its tokens are not valid any longer. */
export async function dropServiceAccountKey(directory: string): Promise<void> {
  await rm(join(directory, PREVIOUS), { force: true });
}
