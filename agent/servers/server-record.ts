/** The servers that a node knows, on disk: after a restart it needs none of its settings' to be alive. */
import { join } from 'node:path';
import type { Logger } from '../../client/logger.ts';
import { writeFileAtomically } from '../../daemon/atomic-file.ts';
import { readTextIfThere } from '../host/files.ts';
import { serverProblem } from '../join/join-format.ts';

const FILE_MODE = 0o644;

export interface KnownServers {
  /** Of the cluster, without that of the settings. */
  readonly servers: readonly string[];
  /** The one that was in use last. */
  readonly last: string;
}

const isServer = (value: unknown): value is string => typeof value === 'string' && serverProblem(value) === undefined;

/** Undefined for what is none. */
export function parseKnownServers(text: string): KnownServers | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { servers, last } = value as { servers?: unknown; last?: unknown };
  return Array.isArray(servers) && servers.every(isServer) && isServer(last) ? { servers, last } : undefined;
}

export class ServerRecord {
  readonly #file: string;
  readonly #logger: Logger;
  #written: Promise<void> = Promise.resolve();

  /** @param directory of what belongs to the membership in this cluster; removed when the host joins another one. */
  constructor(directory: string, logger: Logger) {
    this.#file = join(directory, 'api-servers.json');
    this.#logger = logger;
  }

  /** Undefined when there is none that can be used. */
  async read(): Promise<KnownServers | undefined> {
    const text = await readTextIfThere(this.#file);
    const known = text === undefined ? undefined : parseKnownServers(text);
    if (text !== undefined && !known)
      this.#logger.warn({ path: this.#file }, 'ignoring an invalid list of api-servers');
    return known;
  }

  /** One after the other, so that the last one stays. A failure is logged: the list is of use after a restart only. */
  write(known: KnownServers): Promise<void> {
    this.#written = this.#written.then(() => this.#write(known));
    return this.#written;
  }

  async #write(known: KnownServers): Promise<void> {
    try {
      await writeFileAtomically(this.#file, `${JSON.stringify(known)}\n`, FILE_MODE);
    } catch (error) {
      this.#logger.warn({ err: error, path: this.#file }, 'failed to save the list of api-servers');
    }
  }
}
