/** Packages on the host of a server that nodes upgrade to: `kedge upgrade nodes` puts them there, and the api-server serves them. */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { isPackageName } from '../api/domain/node-upgrade.ts';
import type { ServerConfig } from './config.ts';

const DIRECTORY_MODE = 0o755;
const FILE_MODE = 0o644;
/** What a command that was killed has left is removed by the next one. */
const INCOMING = '.incoming';

/** The folder, in which each package has its SHA-256 as its name. */
export const nodePackages = ({ dataDir }: Pick<ServerConfig, 'dataDir'>): string => path.join(dataDir, 'node-packages');

/**
 * Offers a package instead of those before: nodes are not asked for any other. It is there when this resolves, also after a crash. One caller at a
 * time in the cluster, which the Lease of `kedge upgrade nodes` sees to.
 * @param sha256 of the file, hexadecimal
 */
export async function offerPackage(directory: string, file: string, sha256: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
  for (const name of await readdir(directory)) if (name.startsWith(INCOMING)) await rm(path.join(directory, name));
  const incoming = path.join(directory, `${INCOMING}${randomUUID()}`);
  await copyFile(file, incoming, constants.COPYFILE_EXCL);
  await chmod(incoming, FILE_MODE);
  await syncPath(incoming);
  await rename(incoming, path.join(directory, sha256));
  for (const name of await readdir(directory))
    if (isPackageName(name) && name !== sha256) await rm(path.join(directory, name));
  await syncPath(directory);
}

async function syncPath(file: string): Promise<void> {
  await using handle = await open(file);
  await handle.sync();
}
