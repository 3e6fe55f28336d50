/**
 * How many nodes are looked at for one pod: in a large cluster a part of them, in turn, finds as good a node in a fraction of the time.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/scheduler-perf-tuning/
 */
import { REGION_LABEL, ZONE_LABEL } from '../../../api/domain/topology-labels.ts';
import { own } from '../../../api/machinery/own.ts';
import type { NodeInfo } from './node-info.ts';

/** Upstream's minFeasibleNodesToFind, and the percentage that it computes from the number of nodes. */
const MIN_FEASIBLE = 100;
const MIN_PERCENT = 5;
const adaptivePercent = (nodes: number): number => Math.max(MIN_PERCENT, 50 - Math.floor(nodes / 125));

export class NodeSampling {
  #next = 0;

  /**
   * Looks at nodes until enough of them fit; each call begins where the last one ended.
   * @param percent upstream's percentageOfNodesToScore; 0: as the number of nodes suggests
   */
  findFeasible(nodes: readonly NodeInfo[], fits: (node: NodeInfo) => boolean, percent = 0): NodeInfo[] {
    const { length } = nodes;
    const share = percent || adaptivePercent(length);
    const enough = Math.max(MIN_FEASIBLE, Math.floor((length * share) / 100));
    const start = length > 0 ? this.#next % length : 0;
    const feasible: NodeInfo[] = [];
    let looked = 0;
    for (; looked < length && feasible.length < enough; looked++) {
      const node = nodes[(start + looked) % length];
      if (node && fits(node)) feasible.push(node);
    }
    this.#next = start + looked;
    return feasible;
  }
}

const ZONE_LABELS = [REGION_LABEL, ZONE_LABEL];

export const zoneOf = (labels: Readonly<Record<string, string>>): string =>
  ZONE_LABELS.map((label) => own(labels, label) ?? '').join('/');

/** The nodes of each zone in turn, so that any part of them is of all zones. */
export function interleaved(nodes: Iterable<NodeInfo>): NodeInfo[] {
  const zones = Map.groupBy(nodes, ({ facts }) => zoneOf(facts.labels));
  const longest = Math.max(0, ...[...zones.values()].map(({ length }) => length));
  const order: NodeInfo[] = [];
  for (let turn = 0; turn < longest; turn++) {
    for (const zone of zones.values()) {
      const node = zone[turn];
      if (node) order.push(node);
    }
  }
  return order;
}
