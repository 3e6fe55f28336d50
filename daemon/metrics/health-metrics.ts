/** `/metrics/slis`: the results of health checks, as upstream's components have them (component-base `metrics/prometheus/slis`). */
import { Exposition } from './exposition.ts';
import { Counter } from './series.ts';

export type HealthEndpoint = 'healthz' | 'livez' | 'readyz';

export class HealthMetrics {
  readonly #last = new Map<string, { readonly labels: Readonly<Record<string, string>>; readonly passed: boolean }>();
  readonly #checks = new Counter('kubernetes_healthchecks_total', 'Health checks that were made, by their result.', [
    ...['name', 'type', 'status'],
  ]);

  checked(type: HealthEndpoint, name: string, passed: boolean): void {
    this.#last.set(`${type}/${name}`, { labels: { name, type }, passed });
    this.#checks.increase(name, type, passed ? 'success' : 'error');
  }

  text(): string {
    const to = new Exposition();
    to.family('kubernetes_healthcheck', 'gauge', 'The last result of a health check: 1 when it has passed.');
    for (const { labels, passed } of this.#last.values()) to.sample('kubernetes_healthcheck', labels, passed ? 1 : 0);
    this.#checks.write(to);
    return to.toString();
  }
}
