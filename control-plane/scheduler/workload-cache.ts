/** The scheduler's cache of Services and of the controllers of pods: their selectors, by which pods are spread by default. */
import { deepEqual } from '../../api/machinery/deep-equal.ts';
import {
  selectorFrom,
  selectorOf,
  type Labels,
  type Requirement,
  type Selector,
} from '../../api/machinery/selectors.ts';
import type { KubeObject } from '../../api/machinery/kind.ts';
import { own } from '../../api/machinery/own.ts';
import type { LabelSelector } from '../../api/types/meta/v1.gen.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { Informer, objectKey, splitKey } from '../../client/informer.ts';
import type { Logger } from '../../client/logger.ts';
import type { Resource } from '../../client/resource.ts';
import { replicaSets, replicationControllers, services, statefulSets } from '../../client/resources.gen.ts';
import type { WorkloadKind, WorkloadMember, Workloads } from './framework/workloads.ts';

/** Selectors of different pods of a namespace that are kept until something in it changes. */
const MAX_KEPT = 1024;

/** The selectors by themselves: what follows the api-server is `WorkloadCache`. */
export class WorkloadSelectors implements Workloads {
  /** By namespace, then by the Service's key. */
  readonly #services = new Map<string, Map<string, Labels>>();
  /** By kind and key. */
  readonly #controllers = new Map<string, Selector>();
  /** By namespace, what the pods with the same labels and controller have in common: labels are shared (`pod-info.ts`). */
  readonly #kept = new Map<string, Map<Labels, Map<string, Selector | undefined>>>();

  /** @param selector of the Service; undefined when it has none, or is gone */
  setService(key: string, selector: Labels | undefined): void {
    const { namespace } = splitKey(key);
    const others = this.#services.get(namespace) ?? new Map<string, Labels>();
    if (deepEqual(others.get(key), selector)) return;
    if (selector) this.#services.set(namespace, others.set(key, selector));
    else if (others.delete(key) && others.size === 0) this.#services.delete(namespace);
    this.#kept.delete(namespace);
  }

  /** @param selector undefined when the controller is gone */
  setController(kind: WorkloadKind, key: string, selector: Selector | undefined): void {
    const id = `${kind} ${key}`;
    if (deepEqual(this.#controllers.get(id)?.requirements, selector?.requirements)) return;
    if (selector) this.#controllers.set(id, selector);
    else this.#controllers.delete(id);
    this.#kept.delete(splitKey(key).namespace);
  }

  selectorFor({ namespace, labels, pending: { workload } }: WorkloadMember): Selector | undefined {
    if (!workload && !this.#services.has(namespace)) return undefined;
    const controller = workload ? `${workload.kind} ${objectKey(namespace, workload.name)}` : '';
    const ofNamespace = this.#kept.get(namespace) ?? new Map<Labels, Map<string, Selector | undefined>>();
    this.#kept.set(namespace, ofNamespace);
    const ofLabels = ofNamespace.get(labels) ?? new Map<string, Selector | undefined>();
    if (ofLabels.has(controller)) return ofLabels.get(controller);
    if (ofNamespace.size + ofLabels.size >= MAX_KEPT) ofNamespace.clear();
    ofNamespace.set(labels, ofLabels);
    const selector = this.#combined(namespace, labels, controller);
    ofLabels.set(controller, selector);
    return selector;
  }

  #combined(namespace: string, labels: Labels, controller: string): Selector | undefined {
    const merged = new Map<string, string>();
    for (const wanted of this.#services.get(namespace)?.values() ?? [])
      if (isSelectedBy(labels, wanted)) for (const [key, value] of Object.entries(wanted)) merged.set(key, value);
    const ofServices = [...merged].map(([key, value]): Requirement => ({ key, operator: '=', values: [value] }));
    const requirements = [...ofServices, ...(this.#controllers.get(controller)?.requirements ?? [])];
    return requirements.length > 0 ? selectorOf(requirements) : undefined;
  }
}

const isSelectedBy = (labels: Labels, wanted: Labels): boolean =>
  Object.entries(wanted).every(([key, value]) => own(labels, key) === value);

export interface WorkloadCacheOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
}

type Runnable = Pick<Informer<KubeObject, unknown>, 'run' | 'hasSynced'>;

interface Controller extends KubeObject {
  readonly spec?: { readonly selector?: LabelSelector | Record<string, string> };
}

export class WorkloadCache extends WorkloadSelectors {
  readonly informers: readonly Runnable[];

  constructor({ client, logger }: WorkloadCacheOptions) {
    super();
    const common = { client, logger };
    const served = new Informer({
      ...common,
      resource: services,
      select: ({ spec }): { readonly selector: Labels | undefined } => ({ selector: spec?.selector }),
    });
    served.addHandlers({
      onAdd: ({ selector }, key) => this.setService(key, selector),
      onUpdate: (_, { selector }, key) => this.setService(key, selector),
      onDelete: (_, key) => this.setService(key, undefined),
    });
    this.informers = [
      served,
      this.#follow('ReplicationController', replicationControllers, common, ({ spec }) =>
        selectorFrom({ matchLabels: spec?.selector ?? {} }),
      ),
      this.#follow('ReplicaSet', replicaSets, common, ({ spec }) => selectorFrom(spec?.selector)),
      this.#follow('StatefulSet', statefulSets, common, ({ spec }) => selectorFrom(spec?.selector)),
    ];
  }

  #follow<T extends Controller>(
    kind: WorkloadKind,
    resource: Resource<T>,
    common: WorkloadCacheOptions,
    select: (object: T) => Selector,
  ): Informer<T, Selector> {
    const informer = new Informer({ ...common, resource, select });
    informer.addHandlers({
      onAdd: (selector, key) => this.setController(kind, key, selector),
      onUpdate: (_, selector, key) => this.setController(kind, key, selector),
      onDelete: (_, key) => this.setController(kind, key, undefined),
    });
    return informer;
  }
}
