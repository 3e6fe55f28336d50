/**
 * Whether the node's service rules keep up with the api-server. Load balancers ask it before they send connections to the node.
 * https://github.com/kubernetes/enhancements/tree/master/keps/sig-network/3836-kube-proxy-improved-ingress-connectivity-reliability
 */
import type { IpFamily } from '../../../../api/domain/address.ts';
import type { Node } from '../../../../api/types/core/v1.gen.ts';

interface FamilyState {
  /** Of the last time that all rules were in force, by the wall clock. */
  syncedAt: Date | undefined;
  /** When the oldest change came that is not in force, by the monotonic clock. */
  pendingSinceMs: number | undefined;
}

/** As kube-proxy writes it. */
export interface HealthReport {
  readonly lastUpdated: string;
  readonly currentTime: string;
  readonly nodeEligible?: boolean;
  readonly healthy: boolean;
  readonly status: Readonly<Partial<Record<IpFamily, { readonly lastUpdated: string; readonly healthy: boolean }>>>;
}

export interface ProxyHealthOptions {
  /** The Node as the api-server has it; undefined while it has none. */
  readonly node: () => Node | undefined;
  /** Monotonic clock, in milliseconds. */
  readonly now?: () => number;
}

/** A change that is not in force after this has failed: kube-proxy's limit with its default `syncPeriod`. */
const LAG_LIMIT_MS = 60_000;
/** Set by the cluster autoscaler on a node that it is about to remove. */
const TO_BE_DELETED = 'ToBeDeletedByClusterAutoscaler';
/** As upstream writes a time that has not come. */
const NEVER = '0001-01-01T00:00:00Z';

export class ProxyHealth {
  readonly #families: ReadonlyMap<IpFamily, FamilyState>;
  readonly #node: () => Node | undefined;
  readonly #now: () => number;

  constructor(families: readonly IpFamily[], { node, now = () => performance.now() }: ProxyHealthOptions) {
    this.#node = node;
    this.#now = now;
    // Rules that are never written lag behind, too.
    const pendingSinceMs = now();
    this.#families = new Map(families.map((family) => [family, { syncedAt: undefined, pendingSinceMs }]));
  }

  /** A change has come for the rules of the family. */
  pending(family: IpFamily): void {
    const state = this.#families.get(family);
    if (state) state.pendingSinceMs ??= this.#now();
  }

  /** All that had come before the sync is in force; `isMorePending`: more has come since. */
  synced(family: IpFamily, isMorePending: boolean): void {
    const state = this.#families.get(family);
    if (!state) return;
    state.syncedAt = new Date();
    state.pendingSinceMs = isMorePending ? this.#now() : undefined;
  }

  /** Whether the rules of all families keep up. */
  get isHealthy(): boolean {
    return [...this.#families.values()].every((state) => this.#keepsUp(state));
  }

  /** Whether load balancers may send connections to the node at all. */
  get isEligible(): boolean {
    const node = this.#node();
    if (!node || node.metadata?.deletionTimestamp) return false;
    return !node.spec?.taints?.some(({ key }) => key === TO_BE_DELETED);
  }

  /** While it is healthy, what is in force is what is wanted now. */
  report(): Omit<HealthReport, 'nodeEligible'> {
    const currentTime = new Date().toISOString();
    const healthy = this.isHealthy;
    const last = Math.max(...[...this.#families.values()].map(({ syncedAt }) => syncedAt?.getTime() ?? 0));
    const status = Object.fromEntries(
      Array.from(this.#families, ([family, state]) => [
        family,
        { lastUpdated: state.syncedAt?.toISOString() ?? NEVER, healthy: this.#keepsUp(state) },
      ]),
    );
    const lastUpdated = healthy ? currentTime : last > 0 ? new Date(last).toISOString() : NEVER;
    return { lastUpdated, currentTime, healthy, status };
  }

  #keepsUp({ pendingSinceMs }: FamilyState): boolean {
    return pendingSinceMs === undefined || this.#now() - pendingSinceMs < LAG_LIMIT_MS;
  }
}
