/** `/var/log/containers`: a link for every container to the file that it logs to, for log collectors. */
import { mkdir, readdir, readlink, rm, stat, symlink } from 'node:fs/promises';
import path from 'node:path';
import { hasCode } from '../../host/files.ts';
import { truncatedFileName } from './log-paths.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const SUFFIX = '.log';
const DIRECTORY_MODE = 0o755;
/** How much of a pod's name a link keeps at least; its end is cut. */
const SURE_PREFIX = 32;

/** POD_NAMESPACE_CONTAINER-ID.log; a long pod's name is cut, so that no two containers have the same link. */
export const logLinkName = ({ metadata }: Pod, container: string, containerId: string): string =>
  truncatedFileName('', metadata?.name ?? '', `_${metadata?.namespace}_${container}-${containerId}${SUFFIX}`);

export class ContainerLogLinks {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async add(pod: Pod, container: string, containerId: string, logFile: string): Promise<void> {
    const link = path.join(this.#directory, logLinkName(pod, container, containerId));
    try {
      await symlink(logFile, link);
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return;
      if (!hasCode(error, 'ENOENT')) throw error;
      await mkdir(this.#directory, { recursive: true, mode: DIRECTORY_MODE });
      await symlink(logFile, link);
    }
  }

  async remove(pod: Pod, container: string, containerId: string): Promise<void> {
    await rm(path.join(this.#directory, logLinkName(pod, container, containerId)), { force: true });
  }

  /** Removes the links to logs of containers that are gone with their pod: of this one, or of all pods. */
  async removeDangling(pod?: Pod): Promise<void> {
    const prefix = pod?.metadata?.name?.slice(0, SURE_PREFIX) ?? '';
    for (const name of await this.#names()) {
      if (!name.startsWith(prefix)) continue;
      const link = path.join(this.#directory, name);
      if (!(await leadsSomewhere(link))) await rm(link, { force: true });
    }
  }

  async #names(): Promise<string[]> {
    try {
      const entries = await readdir(this.#directory, { withFileTypes: true });
      return entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => name);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return [];
      throw error;
    }
  }
}

/** The file is missing for a moment during rotation; its directory exists as long as the pod. */
async function leadsSomewhere(link: string): Promise<boolean> {
  try {
    await stat(path.dirname(await readlink(link)));
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}
