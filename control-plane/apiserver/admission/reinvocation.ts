import type { KubeObject } from '../../../api/machinery/kind.ts';

/**
 * What has been called for a request, for the second round of mutation: upstream's `webhookReinvokeContext` and
 * `policyReinvokeContext`. @typeParam K identifies what is called
 */
export class Reinvocation<K> {
  /** Have been called, and want to be again when something has changed since. */
  #invoked = new Set<K>();
  readonly #due = new Set<K>();
  #output: string | undefined;

  /** What has been called so far is to be called again. */
  requireAll(): void {
    for (const key of this.#invoked) this.#due.add(key);
    this.#invoked = new Set();
  }

  /** @param policy its reinvocationPolicy */
  called(key: K, policy: string | undefined): void {
    if (policy === 'IfNeeded') this.#invoked.add(key);
  }

  isDue(key: K): boolean {
    return this.#due.has(key);
  }

  remember(object: KubeObject | undefined): void {
    this.#output = JSON.stringify(object);
  }

  isChanged(object: KubeObject | undefined): boolean {
    return this.#output !== JSON.stringify(object);
  }
}
