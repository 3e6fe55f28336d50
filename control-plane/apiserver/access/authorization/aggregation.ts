import { semanticallyEqual } from '../../../../api/machinery/deep-equal.ts';
import { selectorFrom } from '../../../../api/machinery/selectors.ts';
import { isConflict, isNotFound } from '../../../../api/machinery/status-error.ts';
import { clusterRoles } from '../../../../api/kinds/rbac/cluster-role.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { ClusterRole, PolicyRule } from '../../../../api/types/rbac/v1.gen.ts';

/** The rules of an aggregated role: those of the roles it selects, in the order of their names, without semantic duplicates. */
export function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const selectors = (role.aggregationRule?.clusterRoleSelectors ?? []).map(selectorFrom);
  const rules = new Map<string, PolicyRule>();
  const selected = all
    .filter((one) => one.metadata?.name !== role.metadata?.name)
    .filter((one) => selectors.some((selector) => selector.matches(one.metadata?.labels)))
    .sort((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
  for (const rule of selected.flatMap((one) => one.rules ?? [])) {
    const key = contentOf(rule);
    if (!rules.has(key)) rules.set(key, rule);
  }
  return [...rules.values()];
}

/** The same text for all rules that are semantically equal, however they were written. */
const contentOf = ({ verbs, apiGroups, resources, resourceNames, nonResourceURLs }: PolicyRule): string =>
  JSON.stringify([verbs ?? [], apiGroups ?? [], resources ?? [], resourceNames ?? [], nonResourceURLs ?? []]);

/**
 * Keeps the rules of aggregated ClusterRoles in sync: upstream's clusterrole-aggregation-controller. That one may run beside it, and has
 * to find nothing to do when this one has nothing to do.
 */
export class ClusterRoleAggregation {
  readonly #api: LocalApi;
  readonly #onError: (error: unknown) => void;
  #running: Promise<void> | undefined;
  #again = false;

  constructor(api: LocalApi, onError: (error: unknown) => void) {
    this.#api = api;
    this.#onError = onError;
    api.subscribe(clusterRoles, () => this.#wake());
  }

  /** Resolves when everything known so far is aggregated. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running;
  }

  #wake(): void {
    this.#again = true;
    // Coalesce the changes of this turn.
    this.#running ??= Promise.resolve()
      .then(() => this.#run())
      .catch(this.#onError)
      .finally(() => {
        this.#running = undefined;
      });
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const all = this.#api.list(clusterRoles);
      for (const role of all) {
        if (!role.aggregationRule) continue;
        const rules = aggregatedRules(role, all);
        if (!semanticallyEqual(rules, role.rules)) await this.#update({ ...role, rules });
      }
    }
  }

  async #update(role: ClusterRole): Promise<void> {
    try {
      await this.#api.update(clusterRoles, role);
    } catch (error) {
      // Changed concurrently: that change triggers the next run.
      if (!isConflict(error) && !isNotFound(error)) throw error;
    }
  }
}
