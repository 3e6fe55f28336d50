/** Does to pods what scheduler and agents would, as far as controllers see it, when the test says so. */
import { pods } from '../../../api/kinds/core/pod.ts';
import { isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { Informer } from '../../../client/informer.ts';
import type { Binding, Pod, PodStatus } from '../../../api/types/core/v1.gen.ts';
import { silent } from '../apiserver/server.ts';

export interface PodDriverOptions {
  readonly client: ApiClient;
  /** Whether the pod becomes ready; asked whenever it has changed. */
  readonly becomesReady?: (pod: Pod) => boolean;
}

export class PodDriver implements AsyncDisposable {
  readonly failures: unknown[] = [];
  readonly #options: PodDriverOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #pods: Informer<Pod>;

  constructor(options: PodDriverOptions) {
    this.#options = options;
    this.#pods = new Informer<Pod>({ client: options.client, logger: silent, resource: pods });
    this.#pods.addHandlers({ onAdd: (pod) => this.#look(pod), onUpdate: (_, pod) => this.#look(pod) });
    this.#running = this.#pods.run(this.#stop.signal);
  }

  /** Looks at all pods again, after the test has changed its mind. */
  again(): void {
    for (const pod of this.#pods.values()) this.#look(pod);
  }

  /** Resolves when the pod has that status. */
  report(pod: Pod, status: PodStatus): Promise<void> {
    return this.#patchStatus(pod, { status });
  }

  ready(pod: Pod, status: 'True' | 'False' = 'True'): Promise<void> {
    return this.report(pod, runningStatus(status));
  }

  async #patchStatus({ metadata }: Pod, body: Pick<Pod, 'metadata' | 'status'>): Promise<void> {
    const options = { type: 'strategic', subresource: 'status' } as const;
    await this.#options.client.patch(pods, metadata?.namespace ?? '', metadata?.name ?? '', body, options);
  }

  #look(pod: Pod): void {
    const { namespace = '', name = '', uid, deletionTimestamp } = pod.metadata ?? {};
    const { client, becomesReady = () => true } = this.#options;
    if (deletionTimestamp) {
      this.#attempt(client.delete(pods, namespace, name, { uid, gracePeriodSeconds: 0 }));
    } else if (!pod.spec?.nodeName) {
      const terms = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
      const node = terms?.[0]?.matchFields?.[0]?.values?.[0] ?? 'n1';
      const binding: Binding = { metadata: { namespace, name, uid }, target: { kind: 'Node', name: node } };
      this.#attempt(client.createSubresource(pods, namespace, name, 'binding', binding));
    } else if ((pod.status?.phase ?? 'Pending') === 'Pending' && becomesReady(pod)) {
      // What the test has reported meanwhile stays: the pod is looked at again.
      const { resourceVersion } = pod.metadata ?? {};
      this.#attempt(this.#patchStatus(pod, { metadata: { resourceVersion }, status: runningStatus('True') }));
    }
  }

  #attempt(request: Promise<unknown>): void {
    request.catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error) && !this.#stop.signal.aborted) this.failures.push(error);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the test is over'));
    await this.#running;
  }
}

const runningStatus = (ready: 'True' | 'False'): PodStatus => ({
  phase: 'Running',
  conditions: [{ type: 'Ready', status: ready, lastTransitionTime: timeOf(Date.now()) }],
});
