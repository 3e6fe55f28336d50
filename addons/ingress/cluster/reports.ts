/** What the leading controller tells users: addresses in the status of Ingresses, and events about what is wrong with them. */
import { INGRESS_NAMESPACE } from '../../../api/domain/ingress-addon.ts';
import { isNotFound } from '../../../api/machinery/status-error.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import type { Ingress, IngressLoadBalancerIngress } from '../../../api/types/networking/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { referenceTo, type EventRecorder } from '../../../client/event-recorder.ts';
import { Informer } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import { ingresses, pods } from '../../../client/resources.gen.ts';
import { WorkQueue } from '../../../client/work-queue.ts';
import type { Model, Problem } from '../model/model.ts';

/** Of the pods of the controller, as the DaemonSet labels them. */
const POD_LABELS = `app.kubernetes.io/name=${INGRESS_NAMESPACE}`;

export interface ReportsOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  /** Addresses for the status, instead of the nodes'. */
  readonly addresses: readonly string[];
  readonly events: EventRecorder;
  readonly ingress: (key: string) => Ingress | undefined;
  /** Called when the addresses may have changed. */
  readonly onAddresses?: () => void;
  readonly logger: Logger;
}

const CONCURRENCY = 4;

interface NodePod {
  readonly addresses: readonly string[];
}

interface Term {
  readonly queue: WorkQueue;
  readonly pods: Informer<Pod, NodePod>;
}

export class Reports {
  readonly #options: ReportsOptions;
  readonly #outage: Outage;
  /** While this controller leads. */
  #term: Term | undefined;
  #served: ReadonlySet<string> = new Set();
  /** What has been told, by Ingress and text. */
  #told = new Set<string>();
  #problems: readonly Problem[] = [];

  constructor(options: ReportsOptions) {
    this.#options = options;
    this.#outage = new Outage(options);
  }

  /** Takes what a new model says. */
  update({ served, problems }: Model): void {
    const gone = [...this.#served].filter((key) => !served.has(key));
    this.#served = served;
    this.#problems = problems;
    if (!this.#term) return;
    this.#tell();
    for (const key of [...served, ...gone]) this.#term.queue.add(key);
  }

  /** Reports while this controller leads. */
  async lead(signal: AbortSignal): Promise<void> {
    const { client, namespace, logger } = this.#options;
    const queue = new WorkQueue({
      concurrency: CONCURRENCY,
      onError: (key, error, retryMs) =>
        this.#outage.failed(error, { ingress: key, retryMs }, 'failed to write status of Ingress'),
    });
    const nodePods = new Informer<Pod, NodePod>({
      ...{ client, resource: pods, namespace, labelSelector: POD_LABELS, logger },
      select: ({ status }) => ({ addresses: isReady(status) ? (status?.hostIPs ?? []).map(({ ip }) => ip) : [] }),
    });
    const all = (): void => {
      this.#options.onAddresses?.();
      for (const key of this.#served) queue.add(key);
    };
    this.#term = { queue, pods: nodePods };
    this.#told = new Set();
    this.#tell();
    nodePods.addHandlers({ onAdd: all, onUpdate: all, onDelete: all, onSynced: all });
    try {
      await Promise.all([nodePods.run(signal), queue.run((key, stop) => this.#write(key, stop), signal)]);
    } finally {
      this.#term = undefined;
    }
  }

  #tell(): void {
    const now = new Set<string>();
    for (const { ingress, reason, message } of this.#problems) {
      const key = `${ingress.namespace}/${ingress.name}`;
      const text = `${key} ${reason} ${message}`;
      now.add(text);
      const object = this.#options.ingress(key);
      if (!object || this.#told.has(text)) continue;
      this.#options.events.event(referenceTo('networking.k8s.io/v1', 'Ingress', object), 'Warning', reason, message);
    }
    // What was mended is told again when it comes back.
    this.#told = now;
  }

  async #write(key: string, signal: AbortSignal): Promise<void> {
    const ingress = this.#options.ingress(key);
    if (!ingress || (this.#options.addresses.length === 0 && !this.#term?.pods.isSynced)) return;
    const addresses = this.#served.has(key) ? this.#addresses() : [];
    const wanted: IngressLoadBalancerIngress[] = addresses.map((ip) => ({ ip }));
    const { namespace = '', name = '' } = ingress.metadata ?? {};
    if (JSON.stringify(ingress.status?.loadBalancer?.ingress ?? []) === JSON.stringify(wanted)) return;
    const patch = { status: { loadBalancer: { ingress: wanted.length > 0 ? wanted : null } } };
    try {
      await this.#options.client.patch(ingresses, namespace, name, patch, { subresource: 'status', signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    this.#outage.ended({}, 'status of Ingresses is written again');
  }

  /** Where the proxy is reached; undefined while that is not known, as this controller does not lead. */
  get addresses(): readonly string[] | undefined {
    if (this.#options.addresses.length === 0 && !this.#term?.pods.isSynced) return undefined;
    return this.#addresses();
  }

  #addresses(): readonly string[] {
    if (this.#options.addresses.length > 0) return this.#options.addresses;
    return [...new Set([...(this.#term?.pods.values() ?? [])].flatMap(({ addresses }) => addresses))].sort();
  }
}

const isReady = (status: Pod['status']): boolean =>
  (status?.conditions ?? []).some(({ type, status: value }) => type === 'Ready' && value === 'True');
