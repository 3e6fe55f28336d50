/** Pods out of a folder of manifests: run without the api-server, shown there by mirror pods. */
import { createHash } from 'node:crypto';
import { watch } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import type { Pod } from '../../api/core/pod.ts';
import type { Logger } from '../../client/logger.ts';
import { hasCode } from '../host/files.ts';
import { CONFIG_HASH, CONFIG_SEEN, CONFIG_SOURCE } from './labels.ts';

export interface StaticPodsOptions {
  readonly directory: string;
  readonly nodeName: string;
  readonly logger: Logger;
}

/** An editor writes a file in several steps. */
const SETTLE_MS = 100;
/** In case the folder's events do not come (some network file systems): kubelet's `fileCheckFrequency`, less often. */
const REREAD_MS = 60_000;

export class StaticPods {
  readonly #options: StaticPodsOptions;
  readonly #seen = new Map<string, string>();

  constructor(options: StaticPodsOptions) {
    this.#options = options;
  }

  /** Hands over all pods of the folder at first and after each change, until told to stop. */
  async run(wanted: (pods: readonly Pod[]) => void, signal: AbortSignal): Promise<void> {
    const { directory } = this.#options;
    await mkdir(directory, { recursive: true });
    let changed = Promise.withResolvers<void>();
    const watcher = watch(directory, { signal }, () => changed.resolve());
    // The folder was removed: the rereading finds it again.
    watcher.on('error', () => changed.resolve());
    while (!signal.aborted) {
      wanted(await this.#read());
      const limit = new AbortController();
      await Promise.race([
        changed.promise,
        sleep(REREAD_MS, undefined, { signal: AbortSignal.any([signal, limit.signal]) }).catch(() => undefined),
      ]);
      limit.abort();
      changed = Promise.withResolvers<void>();
      await sleep(SETTLE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #read(): Promise<Pod[]> {
    const { directory, logger } = this.#options;
    const found: Pod[] = [];
    for (const name of await filesIn(directory)) {
      const file = path.join(directory, name);
      try {
        const pod = await this.#podOf(await readFile(file, 'utf8'), file);
        if (!found.some(({ metadata }) => metadata?.uid === pod.metadata?.uid)) found.push(pod);
      } catch (error) {
        logger.warn({ file, err: (error as Error).message }, 'not a pod');
      }
    }
    return found;
  }

  async #podOf(text: string, file: string): Promise<Pod> {
    const { nodeName } = this.#options;
    // The schemas take 13 MB: they are loaded where there is a manifest to read.
    const { pods } = await import('../../api/core/pod.ts');
    const object = parse(text) as Pod | null;
    if (object?.kind !== 'Pod' || object.apiVersion !== 'v1') throw new Error('expected a v1 Pod');
    if (!object.metadata?.name || !object.spec?.containers?.length)
      throw new Error('a name and containers are required');
    const uid = createHash('md5').update(`${nodeName}\0${file}\0${text}`).digest('hex');
    const seen = this.#seen.get(uid) ?? new Date().toISOString();
    this.#seen.set(uid, seen);
    const pod: Pod = {
      ...object,
      metadata: {
        ...object.metadata,
        uid,
        name: `${object.metadata.name}-${nodeName.toLowerCase()}`,
        namespace: object.metadata.namespace ?? 'default',
        annotations: {
          ...object.metadata.annotations,
          [CONFIG_HASH]: uid,
          [CONFIG_SEEN]: seen,
          [CONFIG_SOURCE]: 'file',
        },
      },
      spec: {
        ...object.spec,
        nodeName,
        // Static pods stay whatever taints come.
        tolerations: [...(object.spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }],
      },
    };
    delete pod.status;
    pods.applyDefaults(pod);
    return pod;
  }
}

async function filesIn(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
