/** Which handler of the container runtime runs a pod: https://kubernetes.io/docs/concepts/containers/runtime-class/ */
import { isNotFound } from '../../../api/machinery/status-error.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { runtimeClasses } from '../../../client/resources.gen.ts';

export class RuntimeHandlers {
  readonly #client: Pick<ApiClient, 'get'>;
  /** The handler of a class is immutable, so the cache is valid while the api-server is unreachable. */
  readonly #known = new Map<string, string>();

  constructor(client: Pick<ApiClient, 'get'>) {
    this.#client = client;
  }

  /** '' is the runtime's default. Throws when there is no such class, or it cannot be read and never was. */
  async of({ spec }: Pod, signal: AbortSignal): Promise<string> {
    const name = spec?.runtimeClassName;
    if (!name) return '';
    try {
      const { handler } = await this.#client.get(runtimeClasses, '', name, { signal });
      this.#known.set(name, handler);
      return handler;
    } catch (error) {
      signal.throwIfAborted();
      if (isNotFound(error)) this.#known.delete(name);
      const known = this.#known.get(name);
      if (known === undefined) throw error;
      return known;
    }
  }
}
