/** What a scheduling cycle sees of the cluster. It is live: what is not synchronous has to copy what it keeps. */
import type { DisruptionBudget } from './disruption-budget.ts';
import type { Devices } from './devices.ts';
import type { NodeInfo } from './node-info.ts';
import type { NominatedPods } from './nominated-pods.ts';
import type { PodIndex } from './pod-index.ts';
import type { NamespaceLabels } from './pod-terms.ts';
import type { Storage } from './storage.ts';
import type { Workloads } from './workloads.ts';

export interface Cluster {
  readonly nodes: readonly NodeInfo[];
  /** The pods on the nodes, bound or assumed. */
  readonly pods: PodIndex;
  readonly nominated: NominatedPods;
  readonly budgets: readonly DisruptionBudget[];
  readonly namespaceLabels: NamespaceLabels;
  readonly storage: Storage;
  readonly devices: Devices;
  readonly workloads: Workloads;
  /** Grows with each change of a namespace's labels. */
  readonly namespacesVersion: number;
}
