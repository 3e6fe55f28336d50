/**
 * `get` and `list` of ComponentStatuses, which are not stored. Upstream asks the health endpoints of the processes; here the store
 * says whether it is followed, and the scheduler and the controllers are healthy while one of them holds its Lease.
 */
import { leases } from '../../../api/kinds/coordination/lease.ts';
import { notFound } from '../../../api/machinery/status-error.ts';
import type { Lease } from '../../../api/types/coordination/v1.gen.ts';
import type { ComponentStatus } from '../../../api/types/core/v1.gen.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { Entry } from '../storage/cache/entry.ts';
import type { VerbHandler } from './handlers.ts';
import type { ListServer } from './list.ts';
import { sendServed } from './response-writer.ts';
import { parseSelection } from './selection.ts';

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

export class ComponentStatuses {
  readonly #registry: Registry;
  readonly #api: Pick<LocalApi, 'get'>;

  constructor(registry: Registry, api: Pick<LocalApi, 'get'>) {
    this.#registry = registry;
    this.#api = api;
  }

  readonly get: VerbHandler = (request, resource) => {
    const { name } = request.info;
    const entry = this.#entries(resource).find((each) => each.name === name);
    if (!entry) throw notFound(resource.kind, name);
    sendServed(request, resource, 200, entry.bytes);
  };

  list(lists: ListServer): VerbHandler {
    return (request, resource) => {
      const selection = parseSelection(resource, request.info);
      const entries = this.#entries(resource).filter((entry) => selection.matches(entry));
      return lists.send(request, resource, { entries, metadata: {} });
    };
  }

  #entries(resource: ServedResource): Entry[] {
    const now = Date.now();
    const components = HOLDERS.map(([component, lease]) =>
      statusOf(component, leaseProblem(this.#api.get(leases, SYSTEM, lease), now)),
    );
    components.push(statusOf('etcd-0', this.#registry.lag));
    return components.map((component) => {
      const name = component.metadata?.name ?? '';
      const { bytes } = resource.encode(component);
      return { key: name, namespace: '', name, bytes, revision: 0, labels: {}, fields: [] };
    });
  }
}
