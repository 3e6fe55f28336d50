/**
 * `/node-packages/SHA256?offset=BYTES`: a package that an administrator of this host has put into a folder of the server, in parts, for nodes
 * that are asked to upgrade to it. A node verifies what it has got by the name, which comes from the request.
 */
import { open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { isPackageName, NODE_PACKAGES_PATH, PACKAGE_PART_BYTES } from '../../../api/domain/node-upgrade.ts';
import { badRequest, noSuchPath } from '../../../api/machinery/status-error.ts';
import type { PathHandler } from '../verbs/handlers.ts';
import { requireGet } from './paths.ts';

/** @param directory where the packages are, each with its name */
export const nodePackagesHandler =
  (directory: string): PathHandler =>
  async (exchange) => {
    const { path: asked, query } = exchange.info;
    if (!asked.startsWith(NODE_PACKAGES_PATH)) return false;
    requireGet(exchange.info);
    const name = asked.slice(NODE_PACKAGES_PATH.length);
    if (!isPackageName(name)) throw noSuchPath();
    const offset = Number(query.get('offset') ?? 0);
    if (!Number.isSafeInteger(offset) || offset < 0) throw badRequest('offset must be a number of bytes');
    await using file = await openIfThere(path.join(directory, name));
    if (!file) throw noSuchPath();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(PACKAGE_PART_BYTES), 0, PACKAGE_PART_BYTES, offset);
    exchange.write(200, 'application/octet-stream', buffer.subarray(0, bytesRead));
    return true;
  };

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
