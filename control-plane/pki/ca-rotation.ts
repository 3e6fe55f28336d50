/**
 * Rotation of the cluster's CA, and of all certificates that it has signed. It is asked for with a file in the PKI folder, and carried
 * out by the server, the only one that writes there: a CA is replaced when it starts, other certificates also while it runs.
 *
 * The new CA comes with two more files. `ca-previous.crt` is the CA before: both are trusted, and told to nodes and pods, until it is
 * dropped. `ca-cross.crt` is the new CA's key, signed by the CA before, and goes along with every certificate that the server shows: who
 * trusts the CA before only verifies them by it. So nothing has to be told before anything is signed, and nobody has to be restarted.
 * The key of the CA before is not kept.
 */
import { mkdir, open, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { publicKeyHash } from '../../api/domain/public-key-hash.ts';
import {
  CERTIFICATE_MODE,
  KEY_MODE,
  PkiError,
  readIfThere,
  readKeyPair,
  syncFolder,
  writeAtomically,
} from './pem-files.ts';

/** `leaves`: all but the CAs. `ca`: a new CA beside the one before. `drop-ca`: the one before is trusted no longer. */
export type RotationStep = 'leaves' | 'ca' | 'drop-ca';

const STEPS: ReadonlySet<string> = new Set<RotationStep>(['leaves', 'ca', 'drop-ca']);
const REQUEST = 'rotation';
/** A new CA as a whole, which takes the place of the files beside it; complete when the folder has this name. */
const PREPARED = 'rotation.d';
const UNFINISHED = 'rotation.d.tmp';
const PREVIOUS = 'ca-previous.crt';
const CROSS = 'ca-cross.crt';
/** What a host has besides the CA while the one before is trusted, too. */
export const OVERLAP_FILES = [PREVIOUS, CROSS] as const;
/** In the order in which they take their places. The key before its certificate: no server has a CA that it cannot sign with. */
const FILES = [PREVIOUS, CROSS, 'ca.key', 'ca.crt'] as const;

/** Asks for a step; what was asked for before and has not been carried out is replaced. Throws PkiError. */
export async function requestRotation(directory: string, step: RotationStep): Promise<void> {
  if ((await readIfThere(join(directory, 'ca.crt'))) === undefined)
    throw new PkiError(
      `${directory} has no CA: certificates are rotated on the host of a server, after its first start`,
    );
  const hasPrevious = (await readIfThere(join(directory, PREVIOUS))) !== undefined;
  if (step === 'ca' && hasPrevious)
    throw new PkiError('the CA before the present one is still trusted: drop it first (kedge certs rotate --drop-ca)');
  if (step === 'drop-ca' && !hasPrevious) throw new PkiError('there is no CA besides the present one');
  await writeAtomically(join(directory, REQUEST), `${step}\n`, KEY_MODE);
}

/** The step that has been asked for and is not done. Throws PkiError. */
export async function requestedRotation(directory: string): Promise<RotationStep | undefined> {
  const text = (await readIfThere(join(directory, REQUEST)))?.trim();
  if (text === undefined) return undefined;
  if (!STEPS.has(text)) throw new PkiError(`${join(directory, REQUEST)} must have leaves, ca or drop-ca; remove it`);
  return text as RotationStep;
}

/**
 * Brings what was begun to its end, and carries out what is asked for: of that, what concerns the CA only when `mayReplaceCa`. Each step may
 * be repeated, so that the request is removed last. Throws PkiError.
 * @param leaves the files of the certificates that the server signs for itself
 */
export async function carryOutRotation(
  directory: string,
  leaves: readonly string[],
  mayReplaceCa: boolean,
  now: number,
): Promise<void> {
  await rm(join(directory, UNFINISHED), { recursive: true, force: true });
  await replaceByPrepared(directory);
  const step = await requestedRotation(directory);
  if (step === undefined || (step !== 'leaves' && !mayReplaceCa)) return;
  if (step === 'leaves') for (const file of leaves) await rm(join(directory, `${file}.crt`), { force: true });
  else if (step === 'drop-ca') for (const file of [CROSS, PREVIOUS]) await rm(join(directory, file), { force: true });
  // A CA that is there already was made for this request, before a crash.
  else if ((await readIfThere(join(directory, PREVIOUS))) === undefined) {
    await prepare(directory, now);
    await replaceByPrepared(directory);
  }
  await syncFolder(directory);
  await rm(join(directory, REQUEST), { force: true });
  await syncFolder(directory);
}

async function prepare(directory: string, now: number): Promise<void> {
  const before = await readKeyPair(join(directory, 'ca.crt'), join(directory, 'ca.key'));
  // A new cluster gets a new CA anyway.
  if (!before) return;
  const { createAuthority, crossSign } = await import('./signing.ts');
  // Of another name than the one before: who looks for an issuer by its name finds one.
  const made = await createAuthority(`kubernetes-ca-${Math.floor(now / 1000)}`, now);
  const contents = {
    [PREVIOUS]: before.certificate,
    [CROSS]: await crossSign(made.certificate, before, now),
    'ca.key': made.key,
    'ca.crt': made.certificate,
  };
  const folder = join(directory, UNFINISHED);
  await mkdir(folder, { mode: 0o700 });
  for (const file of FILES) {
    await writeFile(join(folder, file), contents[file], { mode: file.endsWith('.key') ? KEY_MODE : CERTIFICATE_MODE });
    await using written = await open(join(folder, file));
    await written.sync();
  }
  await syncFolder(folder);
  await rename(folder, join(directory, PREPARED));
  await syncFolder(directory);
}

async function replaceByPrepared(directory: string): Promise<void> {
  const folder = join(directory, PREPARED);
  const there = new Set(await namesIn(folder));
  if (there.size === 0) return void (await rm(folder, { recursive: true, force: true }));
  for (const file of FILES) if (there.has(file)) await rename(join(folder, file), join(directory, file));
  await syncFolder(directory);
  await rmdir(folder);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export interface Trust {
  /** PEM: the CA that signs, and after it the one before while that is trusted. */
  readonly bundle: string;
  /** PEM: what goes along with certificates of the CA; empty when there is no CA before it. */
  readonly chain: string;
}

/** @param ca PEM */
export async function readTrust(directory: string, ca: string): Promise<Trust> {
  const [previous, chain] = await Promise.all([
    readIfThere(join(directory, PREVIOUS)),
    readIfThere(join(directory, CROSS)),
  ]);
  const isOfCa = chain !== undefined && publicKeyHash(chain) === publicKeyHash(ca);
  return { bundle: `${ca.trim()}\n${previous ?? ''}`, chain: isOfCa ? chain : '' };
}
