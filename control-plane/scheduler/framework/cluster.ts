/** What a scheduling cycle sees of the cluster. It is live: what is not synchronous has to copy what it keeps. */
import type { NodeInfo } from './node-info.ts';
import type { PodIndex } from './pod-index.ts';
import type { NamespaceLabels } from './pod-terms.ts';

export interface Cluster {
  readonly nodes: readonly NodeInfo[];
  /** The pods on the nodes, bound or assumed. */
  readonly pods: PodIndex;
  readonly namespaceLabels: NamespaceLabels;
  /** Grows with each change of a namespace's labels. */
  readonly namespacesVersion: number;
}
