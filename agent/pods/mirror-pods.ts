/** Objects in the API that show static pods: created by the agent, and again when somebody deletes them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pod } from '../../api/core/pod.ts';
import { StatusError } from '../../api/machinery/status-error.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { backoffMs } from '../../client/backoff.ts';
import type { Logger } from '../../client/logger.ts';
import { pods } from '../../client/resources.ts';
import { CONFIG_HASH, CONFIG_MIRROR } from './labels.ts';

export interface MirrorPodsOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  readonly nodeName: string;
  /** Undefined before the node has been registered. */
  readonly nodeUid: () => string | undefined;
}

const RETRY = { initialMs: 500, maxMs: 30_000 };

export const isMirror = ({ metadata }: Pod): boolean => metadata?.annotations?.[CONFIG_MIRROR] !== undefined;

const keyOf = ({ metadata }: Pod): string => `${metadata?.namespace}/${metadata?.name}`;

export class MirrorPods {
  readonly #options: MirrorPodsOptions;
  /** Not known until the static pods have been read: what the last agent showed stays until then. */
  #wanted: ReadonlyMap<string, Pod> | undefined;
  readonly #present = new Map<string, Pod>();
  #wake: (() => void) | undefined;
  #isDirty = false;

  constructor(options: MirrorPodsOptions) {
    this.#options = options;
  }

  /** The static pods that are to be shown: these and no others. */
  want(wanted: readonly Pod[]): void {
    this.#wanted = new Map(wanted.map((pod) => [keyOf(pod), pod]));
    this.#changed();
  }

  seen(mirror: Pod): void {
    this.#present.set(keyOf(mirror), mirror);
    this.#changed();
  }

  gone(mirror: Pod): void {
    this.#present.delete(keyOf(mirror));
    this.#changed();
  }

  /** The uid under which the agent runs what a mirror shows. */
  staticUid(mirror: Pod): string {
    return mirror.metadata?.annotations?.[CONFIG_MIRROR] ?? '';
  }

  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      this.#isDirty = false;
      try {
        await this.#reconcile(signal);
        failures = 0;
        await this.#change(signal);
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        this.#options.logger.warn({ err: (error as Error).message }, 'a static pod could not be shown in the API');
        await sleep(backoffMs(RETRY, failures), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #reconcile(signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const wanted = this.#wanted;
    if (!wanted) return;
    for (const [key, mirror] of this.#present) {
      const shows = wanted.get(key)?.metadata?.annotations?.[CONFIG_HASH];
      if (shows === this.staticUid(mirror) && mirror.metadata?.deletionTimestamp === undefined) continue;
      const { namespace = '', name = '', uid } = mirror.metadata ?? {};
      try {
        await client.delete(pods, namespace, name, { gracePeriodSeconds: 0, uid, signal });
      } catch (error) {
        if (!(error instanceof StatusError) || (error.code !== 404 && error.code !== 409)) throw error;
      }
    }
    for (const [key, pod] of wanted) {
      if (this.#present.has(key)) continue;
      try {
        await client.create(pods, this.#mirrorOf(pod), { signal });
      } catch (error) {
        if (!(error instanceof StatusError) || error.code !== 409) throw error;
      }
    }
  }

  #mirrorOf({ metadata, spec }: Pod): Pod {
    const { name, namespace, labels, annotations } = metadata ?? {};
    const { nodeName, nodeUid } = this.#options;
    const uid = nodeUid();
    if (uid === undefined) throw new Error('the node has not been registered yet');
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        namespace,
        labels,
        annotations: { ...annotations, [CONFIG_MIRROR]: annotations?.[CONFIG_HASH] ?? '' },
        // The Node owns its mirrors: they go when it goes, and NodeRestriction insists.
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid, controller: true }],
      },
      spec,
    };
  }

  #changed(): void {
    this.#isDirty = true;
    this.#wake?.();
  }

  #change(signal: AbortSignal): Promise<void> {
    if (this.#isDirty || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        this.#wake = undefined;
        resolve();
      };
      signal.addEventListener('abort', wake, { once: true });
      this.#wake = wake;
    });
  }
}
