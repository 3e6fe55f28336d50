/** Steps of a removal: each is tried, whatever became of those before it. */
import type { Logger } from '../client/logger.ts';
import { HostError } from './host/host-error.ts';

export class Attempts {
  readonly #logger: Logger;
  readonly #failures: HostError[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param what in the imperative: `unmount volumes` */
  async make(what: string, action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#logger.error({ err: error }, `failed to ${what}`);
      this.#failures.push(new HostError(`cannot ${what}: ${(error as Error).message}`, { cause: error }));
    }
  }

  /** Throws the first failure. */
  end(): void {
    const [first] = this.#failures;
    if (first) throw first;
  }
}
