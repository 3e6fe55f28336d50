/** Why a pod could not be scheduled: what each node was rejected for, by which plugins, and the message that says so. */
import { unresolvable, type PluginRejection, type Rejection } from './rejection.ts';

export class Diagnosis {
  /** The plugins whose queueing hints decide when the pod is tried again. */
  readonly rejectedBy = new Set<string>();
  readonly #nodeCount: number;
  readonly #byNode = new Map<string, Rejection>();
  #preFilter: Rejection | undefined;
  /** For the nodes that pre-filter has excluded. */
  #excluded: Rejection | undefined;

  constructor(nodeCount: number) {
    this.#nodeCount = nodeCount;
  }

  /** A plugin has rejected the pod before any node was looked at. */
  preFilterRejected({ plugin, rejection }: PluginRejection): void {
    this.rejectedBy.add(plugin);
    this.#preFilter = rejection;
  }

  /** Plugins have narrowed the nodes, so that most are not filtered. */
  narrowed(plugins: readonly string[]): void {
    for (const plugin of plugins) this.rejectedBy.add(plugin);
    this.#excluded = unresolvable(`node(s) didn't satisfy plugin(s) [${[...plugins].sort().join(' ')}]`);
  }

  nodeRejected(nodeName: string, { plugin, rejection }: PluginRejection): void {
    this.rejectedBy.add(plugin);
    this.#byNode.set(nodeName, rejection);
  }

  /** Why the node was rejected: by a filter, or as all nodes were by pre-filter. */
  rejectionOf(nodeName: string): Rejection | undefined {
    return this.#byNode.get(nodeName) ?? this.#preFilter ?? this.#excluded;
  }

  /**
   * `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.` as upstream's FitError words it.
   * `postFilter` is what post-filter has to say, if anything.
   */
  message(postFilter?: string): string {
    if (this.#nodeCount === 0) return 'no nodes available to schedule pods';
    const said = [`0/${this.#nodeCount} nodes are available:`];
    const reasons = this.#preFilter ? this.#preFilter.reasons.join(', ') : this.#countedReasons();
    if (reasons) said.push(`${reasons}.`);
    if (postFilter) said.push(postFilter);
    return said.join(' ');
  }

  #countedReasons(): string {
    const counts = new Map<string, number>();
    const count = (rejection: Rejection, nodes: number): void => {
      for (const reason of rejection.reasons) counts.set(reason, (counts.get(reason) ?? 0) + nodes);
    };
    for (const rejection of this.#byNode.values()) count(rejection, 1);
    const excluded = this.#nodeCount - this.#byNode.size;
    if (this.#excluded && excluded > 0) count(this.#excluded, excluded);
    return [...counts]
      .map(([reason, nodes]) => `${nodes} ${reason}`)
      .sort()
      .join(', ');
  }
}
