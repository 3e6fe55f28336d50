/** Informers of kinds that only some pods need: they follow the api-server from the first such pod on, so that other clusters do not pay for them. */
import { once } from 'node:events';
import type { KubeObject } from '../../api/machinery/kind.ts';
import type { Informer } from '../../client/informer.ts';

export interface LazyInformersOptions {
  /** Called once started, before anything is in the caches. */
  readonly listen: () => void;
  /** Everything is in the caches. */
  readonly onSynced: () => void;
}

export class LazyInformers {
  readonly #started = Promise.withResolvers<void>();
  #isSynced = false;

  /** Whether everything is in the caches. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** From now on they are needed. */
  start(): void {
    this.#started.resolve();
  }

  /** Once started, follows the api-server until the signal is aborted; then resolves. */
  async run(
    informers: readonly Pick<Informer<KubeObject>, 'hasSynced' | 'run'>[],
    { listen, onSynced }: LazyInformersOptions,
    signal: AbortSignal,
  ): Promise<void> {
    await Promise.race([this.#started.promise, once(signal, 'abort')]);
    if (signal.aborted) return;
    listen();
    const synced = Promise.all(informers.map((informer) => informer.hasSynced())).then(
      () => {
        this.#isSynced = true;
        onSynced();
      },
      (error: Error) => {
        // Stopped before the first lists were in.
        if (!signal.aborted) throw error;
      },
    );
    await Promise.all([synced, ...informers.map((informer) => informer.run(signal))]);
  }
}
