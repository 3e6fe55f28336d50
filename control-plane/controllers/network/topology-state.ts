/** What the controller of endpoints remembers for Services that ask for hints by their topology mode. */
import { isDeepStrictEqual } from 'node:util';
import { referenceTo, type EventRecorder } from '../../../client/event-recorder.ts';
import type { InformerHandlers } from '../../../client/informer.ts';
import type { Service } from '../../../api/types/core/v1.gen.ts';
import { readyStatus, type NodeView } from '../caches/node-view.ts';
import type { KeyQueue } from '../framework/watch.ts';
import type { TopologyOutcome } from './endpoint-slice-plan.ts';
import { zoneShares, type ZoneShares } from './topology-hints.ts';

export class TopologyState {
  readonly #nodes: () => Iterable<NodeView>;
  readonly #events: Pick<EventRecorder, 'event'>;
  /** By Service that asks for hints, what was last said of each address type. */
  readonly #told = new Map<string, readonly TopologyOutcome[]>();
  #shares: { readonly known: ZoneShares | undefined } | undefined;

  constructor(nodes: () => Iterable<NodeView>, events: Pick<EventRecorder, 'event'>) {
    this.#nodes = nodes;
    this.#events = events;
  }

  get shares(): ZoneShares | undefined {
    return (this.#shares ??= { known: zoneShares(this.#nodes()) }).known;
  }

  /** Wakes the controller for these Services when the CPU of a zone changes, but not for the heartbeats of nodes. */
  nodeHandlers(queue: KeyQueue): InformerHandlers<NodeView> {
    const changed = (): void => {
      const before = this.#shares;
      this.#shares = undefined;
      if (this.#told.size === 0 || (before && isDeepStrictEqual(before.known, this.shares))) return;
      for (const key of this.#told.keys()) queue.add(key);
    };
    return {
      onAdd: changed,
      onUpdate: (old, node) => {
        if (concernsShares(old, node)) changed();
      },
      onDelete: changed,
    };
  }

  /** Tells of hints that there are now, or are no more. */
  report(key: string, service: Service, outcomes: readonly TopologyOutcome[] | undefined): void {
    const before = this.#told.get(key);
    if (outcomes) this.#told.set(key, outcomes);
    else this.#told.delete(key);
    if (!outcomes) {
      if (before) this.#tell(service, 'Topology Aware Hints has been disabled', true);
      return;
    }
    for (const { addressType, problem } of outcomes) {
      const known = before?.find((each) => each.addressType === addressType);
      if (known && known.problem === problem) continue;
      const what = problem ?? 'Topology Aware Hints has been enabled';
      this.#tell(service, `${what}, addressType: ${addressType}`, problem !== undefined);
    }
  }

  forget(key: string): void {
    this.#told.delete(key);
  }

  #tell(service: Service, message: string, isDisabled: boolean): void {
    const reason = isDisabled ? 'TopologyAwareHintsDisabled' : 'TopologyAwareHintsEnabled';
    this.#events.event(referenceTo('v1', 'Service', service), isDisabled ? 'Warning' : 'Normal', reason, message);
  }
}

/** Whether the node counts for its zone otherwise than before. */
const concernsShares = (old: NodeView, node: NodeView): boolean =>
  old.cpuMillis !== node.cpuMillis ||
  readyStatus(old) !== readyStatus(node) ||
  !isDeepStrictEqual(old.labels, node.labels);
