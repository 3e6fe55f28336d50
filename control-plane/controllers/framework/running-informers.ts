/** Informers that start and stop while a controller runs, because the kinds that it follows come and go. */
interface Startable {
  run(signal: AbortSignal): Promise<void>;
}

interface Running<I> {
  readonly informer: I;
  readonly stop: AbortController;
}

export class RunningInformers<I extends Startable> {
  readonly #signal: AbortSignal;
  readonly #byId = new Map<string, Running<I>>();
  readonly #runs = new Set<Promise<void>>();
  readonly #failure = Promise.withResolvers<never>();

  /** All stop when the signal is aborted. */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
    // Handled by `stopped`, which may be called later.
    this.#failure.promise.catch(() => undefined);
  }

  get(id: string): I | undefined {
    return this.#byId.get(id)?.informer;
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  all(): I[] {
    return [...this.#byId.values()].map(({ informer }) => informer);
  }

  ids(): string[] {
    return [...this.#byId.keys()];
  }

  start(id: string, informer: I): void {
    const stop = new AbortController();
    this.#byId.set(id, { informer, stop });
    const run = informer
      .run(AbortSignal.any([this.#signal, stop.signal]))
      .catch(this.#failure.reject)
      .finally(() => this.#runs.delete(run));
    this.#runs.add(run);
  }

  stopAllBut(ids: ReadonlySet<string>): void {
    for (const [id, { stop }] of this.#byId) {
      if (ids.has(id)) continue;
      stop.abort(new Error(`${id} is not followed any more`));
      this.#byId.delete(id);
    }
  }

  /** Resolves when every informer has stopped, after the signal is aborted. Rejects as soon as one fails. */
  async stopped(): Promise<void> {
    const aborted = new Promise<void>((resolve) =>
      this.#signal.addEventListener('abort', () => resolve(), { once: true }),
    );
    if (!this.#signal.aborted) await Promise.race([aborted, this.#failure.promise]);
    await Promise.all(this.#runs);
  }
}
