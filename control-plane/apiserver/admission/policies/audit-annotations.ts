import type { AdmissionOrigin } from '../plugin.ts';

/** Upstream's: longer values are cut. */
const MAX_VALUE_BYTES = 10 * 1024;

/** What policies have to say about a request, with all bindings and parameters taken together. */
export class AuditAnnotations {
  readonly #values = new Map<string, Set<string>>();

  add(key: string, value: string): void {
    const values = this.#values.get(key) ?? new Set();
    values.add(cut(value));
    this.#values.set(key, values);
  }

  publish(origin: AdmissionOrigin | undefined): void {
    for (const [key, values] of this.#values) origin?.annotate(key, [...values].join(', '));
  }
}

const cut = (value: string): string =>
  Buffer.byteLength(value) <= MAX_VALUE_BYTES ? value : Buffer.from(value).subarray(0, MAX_VALUE_BYTES).toString();
