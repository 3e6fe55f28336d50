/** Counts by node, and by the value of each topology label that somebody has asked for: kept with each change, never counted anew. */
import { own } from '../../../api/machinery/own.ts';
import type { Labels } from '../../../api/machinery/selectors.ts';

/** The labels of a node; undefined when it is not known. */
export type LabelsOf = (nodeName: string) => Labels | undefined;

/** Topology labels that are counted by; pods name them as they like, one of them fewer. */
const MAX_KEYS = 128;

export class TopologyCounts {
  #total = 0;
  readonly #labelsOf: LabelsOf;
  readonly #byNode = new Map<string, number>();
  /** By topology key, then by its value; no count is 0. */
  readonly #byKey = new Map<string, Map<string, number>>();

  constructor(labelsOf: LabelsOf) {
    this.#labelsOf = labelsOf;
  }

  /** Over all nodes, with the topology label or without. */
  get total(): number {
    return this.#total;
  }

  onNode(nodeName: string): number {
    return this.#byNode.get(nodeName) ?? 0;
  }

  /** By the values of a topology label: live until many others have been asked for. Nodes without the label are not counted. */
  byValue(key: string): ReadonlyMap<string, number> {
    const known = this.#byKey.get(key);
    if (known) return known;
    const [oldest] = this.#byKey.keys();
    if (oldest !== undefined && this.#byKey.size >= MAX_KEYS) this.#byKey.delete(oldest);
    const counts = new Map<string, number>();
    for (const [node, count] of this.#byNode) change(counts, own(this.#labelsOf(node), key), count);
    this.#byKey.set(key, counts);
    return counts;
  }

  add(nodeName: string, by: number): void {
    this.#total += by;
    change(this.#byNode, nodeName, by);
    const labels = this.#labelsOf(nodeName);
    for (const [key, counts] of this.#byKey) change(counts, own(labels, key), by);
  }

  /** The node's labels have changed. */
  relabel(nodeName: string, old: Labels, now: Labels): void {
    const count = this.#byNode.get(nodeName);
    if (count === undefined) return;
    for (const [key, counts] of this.#byKey) {
      const [before, after] = [own(old, key), own(now, key)];
      if (before === after) continue;
      change(counts, before, -count);
      change(counts, after, count);
    }
  }
}

/** Changes a count; one that becomes 0 is removed. */
export function change(counts: Map<string, number>, at: string | undefined, by: number): void {
  if (at === undefined) return;
  const count = (counts.get(at) ?? 0) + by;
  if (count === 0) counts.delete(at);
  else counts.set(at, count);
}
