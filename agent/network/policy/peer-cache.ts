/** The pods and namespaces of the cluster, which are read only while there are policies that may mean them. */
import type { Labels } from '../../../api/machinery/selectors.ts';
import type { Namespace, Pod } from '../../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { Informer, type InformerHandlers } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { namespaces, pods } from '../../../client/resources.gen.ts';
import { isSamePod, namespaceLabels, podFacts, type PodFacts } from './pod-facts.ts';

export interface PeerCacheOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  /** Something that policies look at has changed. */
  readonly onChange: () => void;
  readonly onForbidden: () => void;
}

export class PeerCache {
  readonly #pods: Informer<Pod, PodFacts>;
  readonly #namespaces: Informer<Namespace, Labels>;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;

  /** Follows them until it is stopped. */
  constructor({ client, logger, onChange, onForbidden }: PeerCacheOptions) {
    const options = { client, logger, onForbidden };
    this.#pods = new Informer({ ...options, resource: pods, select: (pod) => podFacts(pod) });
    this.#namespaces = new Informer({
      ...{ ...options, resource: namespaces, select: namespaceLabels },
      metadataOnly: true,
    });
    this.#pods.addHandlers(whenChanged(isSamePod, onChange));
    this.#namespaces.addHandlers(whenChanged(isSameText, onChange));
    const { signal } = this.#stop;
    this.#running = Promise.all([this.#pods.run(signal), this.#namespaces.run(signal)]).catch((error: unknown) =>
      logger.error({ err: error }, 'failed to follow the pods that network policies are about'),
    );
  }

  /** Rejects when it is stopped before. */
  async hasSynced(): Promise<void> {
    await Promise.all([this.#pods.hasSynced(), this.#namespaces.hasSynced()]);
  }

  /** All pods, those without addresses included. */
  get pods(): Iterable<PodFacts> {
    return this.#pods.values();
  }

  get(namespace: string, name: string): PodFacts | undefined {
    return this.#pods.get(namespace, name);
  }

  /** The labels of each. */
  get namespaces(): ReadonlyMap<string, Labels> {
    return new Map([...this.#namespaces.keys()].map((name) => [name, this.#namespaces.getByKey(name) ?? {}]));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

const isSameText = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

const whenChanged = <S>(isSame: (a: S, b: S) => boolean, onChange: () => void): InformerHandlers<S> => ({
  onAdd: onChange,
  onUpdate: (old, item) => isSame(old, item) || onChange(),
  onDelete: onChange,
});
