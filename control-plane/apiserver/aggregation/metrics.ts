/** What `/metrics` says of other API servers, with upstream's names (`kube-aggregator/pkg/controllers/status/metrics`). */
import type { Exposition } from '../../../daemon/metrics/exposition.ts';
import { Counter } from '../../../daemon/metrics/series.ts';

const GAUGE = 'aggregator_unavailable_apiservice';

export class AvailabilityMetrics {
  readonly #available = new Map<string, boolean>();
  readonly #unavailable = new Counter(`${GAUGE}_total`, 'How often APIServices have become unavailable, and why.', [
    'name',
    'reason',
  ]);

  checked(name: string, wasAvailable: boolean, isAvailable: boolean, reason: string): void {
    this.#available.set(name, isAvailable);
    if (wasAvailable && !isAvailable) this.#unavailable.increase(name, reason);
  }

  removed(name: string): void {
    this.#available.delete(name);
  }

  readonly write = (to: Exposition): void => {
    to.family(GAUGE, 'gauge', 'Whether an APIService is unavailable: 1 when it is.');
    for (const [name, isAvailable] of this.#available) to.sample(GAUGE, { name }, isAvailable ? 0 : 1);
    this.#unavailable.write(to);
  };
}
