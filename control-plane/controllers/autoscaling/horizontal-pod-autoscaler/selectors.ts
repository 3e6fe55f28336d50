/** The selectors of the targets of autoscalers: two autoscalers of the same pods would work against each other. */
import type { Labels, Selector } from '../../../../api/machinery/selectors.ts';
import type { PodView } from '../../caches/pod-view.ts';

export class TargetSelectors {
  readonly #byNamespace = new Map<string, Map<string, Selector>>();

  set(namespace: string, name: string, selector: Selector): void {
    const known = this.#byNamespace.get(namespace) ?? new Map<string, Selector>();
    this.#byNamespace.set(namespace, known.set(name, selector));
  }

  delete(namespace: string, name: string): void {
    const known = this.#byNamespace.get(namespace);
    known?.delete(name);
    if (known?.size === 0) this.#byNamespace.delete(namespace);
  }

  /** The names of the autoscalers whose targets have some of the pods of a namespace, sorted. */
  selecting(namespace: string, pods: readonly PodView[]): string[] {
    // The pods of a ReplicaSet share their labels.
    const all: ReadonlySet<Labels> = new Set(pods.map(({ labels }) => labels));
    const known = [...(this.#byNamespace.get(namespace) ?? [])];
    const selecting = known.filter(([, selector]) => [...all].some((labels) => selector.matches(labels)));
    return selecting.map(([name]) => name).sort();
  }
}
