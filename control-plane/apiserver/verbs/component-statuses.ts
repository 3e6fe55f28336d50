/**
 * ComponentStatuses, which are not stored. Upstream asks the health endpoints of the processes; here the store
 * says whether it is followed, and the scheduler and the controllers are healthy while one of them holds its Lease.
 */
import { componentStatuses } from '../../../api/kinds/core/component-status.ts';
import { leases } from '../../../api/kinds/coordination/lease.ts';
import { notFound } from '../../../api/machinery/status-error.ts';
import type { Lease } from '../../../api/types/coordination/v1.gen.ts';
import type { ComponentStatus } from '../../../api/types/core/v1.gen.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { ComputedObjects } from './computed-objects.ts';

const SYSTEM = 'kube-system';
/** What holds a Lease, as upstream names the component. */
const HOLDERS = [
  ['controller-manager', 'kube-controller-manager'],
  ['scheduler', 'kube-scheduler'],
] as const;

function statusOf(name: string, problem: string | undefined): ComponentStatus {
  const health = problem === undefined ? { status: 'True', message: 'ok' } : { status: 'False', error: problem };
  return { metadata: { name }, conditions: [{ type: 'Healthy', ...health }] };
}

/** Why nobody holds the Lease at this time; undefined when somebody does. */
export function leaseProblem(lease: Lease | undefined, now: number): string | undefined {
  const { holderIdentity, renewTime, leaseDurationSeconds = 0 } = lease?.spec ?? {};
  if (!holderIdentity || !renewTime) return 'its Lease is not held';
  return Date.parse(renewTime) + leaseDurationSeconds * 1000 < now ? 'its Lease has expired' : undefined;
}

export class ComponentStatuses implements ComputedObjects {
  readonly kind = componentStatuses;
  readonly #registry: Pick<Registry, 'lag'>;
  readonly #api: Pick<LocalApi, 'get'>;

  constructor(registry: Pick<Registry, 'lag'>, api: Pick<LocalApi, 'get'>) {
    this.#registry = registry;
    this.#api = api;
  }

  get(_namespace: string, name: string): ComponentStatus {
    const found = this.list().find(({ metadata }) => metadata?.name === name);
    if (!found) throw notFound(this.kind, name);
    return found;
  }

  list(): ComponentStatus[] {
    const now = Date.now();
    const components = HOLDERS.map(([component, lease]) =>
      statusOf(component, leaseProblem(this.#api.get(leases, SYSTEM, lease), now)),
    );
    return [...components, statusOf('etcd-0', this.#registry.lag)];
  }
}
