/** Annotations of this host's Node whose values change while the agent runs: written until the Node has them, also when it is created anew. */
import { setTimeout as delay } from 'node:timers/promises';
import { own } from '../../api/machinery/own.ts';
import type { Node } from '../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { backoffMs } from '../../client/backoff.ts';
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import { nodes } from '../../client/resources.gen.ts';

const RETRY = { initialMs: 200, maxMs: 30_000 };

export interface OwnAnnotationsOptions {
  readonly client: Pick<ApiClient, 'patch'>;
  readonly nodeName: string;
  readonly logger: Logger;
}

export class OwnAnnotations {
  readonly #options: OwnAnnotationsOptions;
  readonly #wanted = new Map<string, string>();
  #node: Node | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(options: OwnAnnotationsOptions) {
    this.#options = options;
  }

  set(name: string, value: string): void {
    this.#wanted.set(name, value);
    this.#wake.resolve();
  }

  /** The Node as the api-server has it. */
  readonly see = (node: Node): void => {
    this.#node = node;
    if (this.#missing().length > 0) this.#wake.resolve();
  };

  #missing(): (readonly [string, string])[] {
    const there = this.#node?.metadata?.annotations;
    return [...this.#wanted].filter(([name, value]) => own(there, name) !== value);
  }

  /** Until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, nodeName, logger } = this.#options;
    const outage = new Outage({ logger });
    signal.addEventListener('abort', () => this.#wake.resolve(), { once: true });
    for (let failures = 0; !signal.aborted;) {
      const missing = this.#node ? this.#missing() : [];
      if (missing.length === 0) {
        await this.#wake.promise;
        this.#wake = Promise.withResolvers();
        continue;
      }
      try {
        const changes = { metadata: { annotations: Object.fromEntries(missing) } };
        this.#node = await client.patch<Node>(nodes, '', nodeName, changes, { signal });
        outage.ended({ node: nodeName }, 'annotations of the node are written again');
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        outage.failed(error, { node: nodeName }, 'failed to write annotations of the node');
        await delay(backoffMs(RETRY, ++failures), undefined, { signal }).catch(() => undefined);
      }
    }
  }
}
