/**
 * A local cache of one configMap or secret: listed by its name, then watched. One that does not
 * exist may be created later, and is watched the same way.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { isGone, StatusError } from '../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { backoffMs } from '../../../client/backoff.ts';
import { ConnectionError } from '../../../client/connection-error.ts';
import { WATCH_SILENCE_LIMIT_MS } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import type { Resource } from '../../../client/resource.ts';

export interface FollowOptions<T extends KubeObject> {
  readonly client: ApiClient;
  readonly resource: Resource<T>;
  readonly namespace: string;
  readonly name: string;
  readonly logger: Logger;
  /** Called when the object has changed since the last read. */
  readonly onChange: () => void;
}

const RETRY = { initialMs: 1000, maxMs: 60_000 };

export class FollowedObject<T extends KubeObject & { immutable?: boolean }> {
  readonly #options: FollowOptions<T>;
  readonly #stopped = new AbortController();
  /** `undefined` before the first read and after the object was deleted. */
  #value: T | undefined;
  #reading: Promise<T | undefined> | undefined;

  constructor(options: FollowOptions<T>) {
    this.#options = options;
  }

  /** Undefined when it does not exist, which is never cached. Throws the api-server's error otherwise. */
  read(signal: AbortSignal): Promise<T | undefined> {
    signal.throwIfAborted();
    if (this.#value) return Promise.resolve(this.#value);
    this.#reading ??= this.#get().finally(() => (this.#reading = undefined));
    return Promise.race([this.#reading, rejectOnAbort(signal)]);
  }

  async #get(): Promise<T | undefined> {
    const { signal } = this.#stopped;
    const { value, resourceVersion } = await this.#fetch(signal);
    // The watch may have delivered a newer one in the meantime.
    if (this.#following) return this.#value ?? value;
    this.#value = value;
    if (!value?.immutable) {
      this.#following = true;
      void this.#follow(resourceVersion, signal).finally(() => (this.#following = false));
    }
    return value;
  }
  #following = false;

  /** The list's resourceVersion is current; that of an object that seldom changes may be too old to watch from. */
  async #fetch(signal: AbortSignal): Promise<{ value: T | undefined; resourceVersion: string }> {
    const { client, resource, namespace, name } = this.#options;
    const list = await client.list(resource, { namespace, fieldSelector: `metadata.name=${name}`, signal });
    return { value: list.items[0], resourceVersion: list.metadata.resourceVersion ?? '' };
  }

  #take(value: T | undefined): void {
    if (value?.metadata?.resourceVersion === this.#value?.metadata?.resourceVersion) return;
    this.#value = value;
    this.#options.onChange();
  }

  async #follow(from: string, signal: AbortSignal): Promise<void> {
    const { client, resource, namespace, name, logger } = this.#options;
    const outage = new Outage({ logger });
    const about = { resource: resource.plural, namespace, name };
    let resourceVersion = from;
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (!resourceVersion) {
          const found = await this.#fetch(signal);
          this.#take(found.value);
          if (found.value?.immutable) return;
          resourceVersion = found.resourceVersion;
        }
        await client.watch(
          resource,
          {
            namespace,
            fieldSelector: `metadata.name=${name}`,
            resourceVersion,
            allowWatchBookmarks: true,
            silenceLimitMs: WATCH_SILENCE_LIMIT_MS,
            signal,
          },
          ({ type, object }) => {
            failures = 0;
            outage.ended(about, 'watch recovered');
            resourceVersion = object.metadata?.resourceVersion ?? '';
            if (type !== 'BOOKMARK') this.#take(type === 'DELETED' ? undefined : object);
          },
        );
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof StatusError) && !(error instanceof ConnectionError)) throw error;
        if (error instanceof StatusError) resourceVersion = '';
        if (isGone(error) && failures++ === 0) continue;
        const retryMs = Math.round(backoffMs(RETRY, ++failures));
        outage.failed(error, { ...about, retryMs }, 'watch failed, retrying');
        await delay(retryMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#stopped.abort(new Error('no longer used by a pod on this node'));
  }
}

const rejectOnAbort = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
