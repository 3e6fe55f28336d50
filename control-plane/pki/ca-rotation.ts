/**
 * Rotation of the cluster's CAs, and of all certificates that they have signed. It is asked for with a file in the PKI folder, and carried
 * out by the server, the only one that writes there: a CA is replaced when it starts, other certificates also while it runs.
 *
 * A new CA comes with two more files. `ca-previous.crt` is the CA before: both are trusted, and told to nodes and pods, until it is
 * dropped. `ca-cross.crt` is the new CA's key, signed by the CA before, and goes along with every certificate that the server shows: who
 * trusts the CA before only verifies them by it. So nothing has to be told before anything is signed, and nobody has to be restarted.
 * The key of the CA before is not kept. The CAs of the front proxy and of the etcd that Kedge runs have the
 * same files with their own names.
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
import {
  dropServiceAccountKey,
  makeNextServiceAccountKey,
  replaceServiceAccountKey,
  whyNotRotated,
  type ServiceAccountKeyStep,
} from './service-account-keys.ts';

/** By the names of their files. */
export type Authority = 'ca' | 'front-proxy-ca' | 'etcd-ca';
const AUTHORITIES: readonly Authority[] = ['ca', 'front-proxy-ca', 'etcd-ca'];

/**
 * `leaves`: all but the CAs. `ca`: a new CA beside the one before. `drop-ca`: the one before is trusted no longer. Likewise of the CAs
 * of the front proxy and of etcd, and of the key of service account tokens, of which servers that share a cluster have the next one before any signs with it.
 */
export type RotationStep =
  | 'leaves'
  | Authority
  | `drop-${Authority}`
  | 'next-service-account-key'
  | 'service-account-key'
  | 'drop-service-account-key';

const STEPS: ReadonlySet<string> = new Set<RotationStep>([
  'leaves',
  ...AUTHORITIES,
  ...AUTHORITIES.map((authority) => `drop-${authority}` as const),
  ...(['next-service-account-key', 'service-account-key', 'drop-service-account-key'] as const),
]);
const REQUEST = 'rotation';
/** A new CA as a whole, which takes the place of the files beside it; complete when the folder has this name. */
const PREPARED = 'rotation.d';
const UNFINISHED = 'rotation.d.tmp';

/** Of a CA, while the one before is trusted, too. */
const previousOf = (authority: Authority): string => `${authority}-previous.crt`;
const crossOf = (authority: Authority): string => `${authority}-cross.crt`;
/** What a host has besides the CAs while those before are trusted, too. */
export const OVERLAP_FILES: readonly string[] = AUTHORITIES.flatMap((authority) => [
  previousOf(authority),
  crossOf(authority),
]);
/** In the order in which they take their places. The key before its certificate: no server has a CA that it cannot sign with. */
const filesOf = (authority: Authority): readonly string[] => [
  previousOf(authority),
  crossOf(authority),
  `${authority}.key`,
  `${authority}.crt`,
];

const authorityOf = (step: RotationStep): Authority | undefined =>
  AUTHORITIES.find((authority) => step === authority || step === `drop-${authority}`);

/** Asks for a step; what was asked for before and has not been carried out is replaced. Throws PkiError. */
export async function requestRotation(directory: string, step: RotationStep): Promise<void> {
  if ((await readIfThere(join(directory, 'ca.crt'))) === undefined)
    throw new PkiError(
      `${directory} has no CA: certificates are rotated on the host of a server, after its first start`,
    );
  const refusal = await whyRefused(directory, step);
  if (refusal !== undefined) throw new PkiError(refusal);
  await writeAtomically(join(directory, REQUEST), `${step}\n`, KEY_MODE);
}

async function whyRefused(directory: string, step: RotationStep): Promise<string | undefined> {
  const authority = authorityOf(step);
  if (authority === undefined)
    return step === 'leaves' ? undefined : whyNotRotated(directory, step as ServiceAccountKeyStep);
  if (step === 'etcd-ca' && (await readIfThere(join(directory, 'etcd-ca.crt'))) === undefined)
    return 'etcd has no CA here: it is not run by kedge';
  const hasPrevious = await hasPreviousAuthority(directory, authority);
  if (step === authority && hasPrevious)
    return `the CA before the present one is still trusted: drop it first (kedge certs rotate --drop-${authority})`;
  return step !== authority && !hasPrevious ? 'there is no CA besides the present one' : undefined;
}

/** Whether the CA before the present one is still trusted. Throws PkiError. */
export const hasPreviousAuthority = async (directory: string, authority: Authority): Promise<boolean> =>
  (await readIfThere(join(directory, previousOf(authority)))) !== undefined;

/** The step that has been asked for and is not done. Throws PkiError. */
export async function requestedRotation(directory: string): Promise<RotationStep | undefined> {
  const text = (await readIfThere(join(directory, REQUEST)))?.trim();
  if (text === undefined) return undefined;
  if (!STEPS.has(text))
    throw new PkiError(`${join(directory, REQUEST)} must have one of ${[...STEPS].join(', ')}; remove it`);
  return text as RotationStep;
}

/**
 * Brings what was begun to its end, and carries out what is asked for: of that, what other parts of the server have to hear of only when
 * `mayReplaceCa`. Each step may be repeated, so that the request is removed last. Throws PkiError.
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
  await carryOut(directory, step, leaves, now);
  await syncFolder(directory);
  await rm(join(directory, REQUEST), { force: true });
  await syncFolder(directory);
}

async function carryOut(directory: string, step: RotationStep, leaves: readonly string[], now: number): Promise<void> {
  switch (step) {
    case 'leaves':
      for (const file of leaves) await rm(join(directory, `${file}.crt`), { force: true });
      return;
    case 'ca':
    case 'front-proxy-ca':
    case 'etcd-ca':
      // A CA that is there already was made for this request, before a crash.
      if (await hasPreviousAuthority(directory, step)) return;
      await prepare(directory, step, now);
      return replaceByPrepared(directory);
    case 'drop-ca':
      return dropPrevious(directory, 'ca');
    case 'drop-front-proxy-ca':
      return dropPrevious(directory, 'front-proxy-ca');
    case 'drop-etcd-ca':
      return dropPrevious(directory, 'etcd-ca');
    case 'next-service-account-key':
      return makeNextServiceAccountKey(directory);
    case 'service-account-key':
      return replaceServiceAccountKey(directory);
    case 'drop-service-account-key':
      return dropServiceAccountKey(directory);
  }
}

async function dropPrevious(directory: string, authority: Authority): Promise<void> {
  for (const file of [crossOf(authority), previousOf(authority)]) await rm(join(directory, file), { force: true });
}

async function prepare(directory: string, authority: Authority, now: number): Promise<void> {
  const before = await readKeyPair(join(directory, `${authority}.crt`), join(directory, `${authority}.key`));
  // A new cluster gets a new CA anyway.
  if (!before) return;
  const { createAuthority, crossSign } = await import('./signing.ts');
  // Of another name than the one before: who looks for an issuer by its name finds one.
  const commonName = `${authority === 'ca' ? 'kubernetes-ca' : authority}-${Math.floor(now / 1000)}`;
  const made = await createAuthority(commonName, now);
  const contents = new Map([
    [previousOf(authority), before.certificate],
    [crossOf(authority), await crossSign(made.certificate, before, now)],
    [`${authority}.key`, made.key],
    [`${authority}.crt`, made.certificate],
  ]);
  const folder = join(directory, UNFINISHED);
  await mkdir(folder, { mode: 0o700 });
  for (const [file, text] of contents) {
    await writeFile(join(folder, file), text, { mode: file.endsWith('.key') ? KEY_MODE : CERTIFICATE_MODE });
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
  for (const file of AUTHORITIES.flatMap(filesOf))
    if (there.has(file)) await rename(join(folder, file), join(directory, file));
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
export async function readTrust(directory: string, ca: string, authority: Authority = 'ca'): Promise<Trust> {
  const [previous, chain] = await Promise.all([
    readIfThere(join(directory, previousOf(authority))),
    readIfThere(join(directory, crossOf(authority))),
  ]);
  const isOfCa = chain !== undefined && publicKeyHash(chain) === publicKeyHash(ca);
  return { bundle: `${ca.trim()}\n${previous ?? ''}`, chain: isOfCa ? chain : '' };
}
