/** Whose way each event of a trace is: the packets of a connection, told apart. Pure. */
import { endOf, isTraceTable, whoseOf } from '../netfilter/packet-trace.ts';
import type { TracedHeader, TraceEvent } from '../netfilter/trace-text.ts';

type Direction = 'sent' | 'answer';

/** The way of one packet through the tables of this host. */
export interface Journey {
  readonly direction: Direction;
  /** As it came. */
  readonly header: TracedHeader;
  /** In order; of the trace's own table, only what says where the packet has got. */
  readonly events: readonly TraceEvent[];
}

interface Open extends Journey {
  readonly events: TraceEvent[];
  /** Chains of the trace's own table, through each of which a packet goes once. */
  readonly passed: Set<string>;
}

const NOTHING_KNOWN: TracedHeader = {
  ...{ iif: undefined, oif: undefined, source: undefined, destination: undefined },
  ...{ sourcePort: undefined, port: undefined, flags: new Set(), icmp: undefined },
};

export class Journeys {
  readonly #all: Open[] = [];
  /** By the kernel's number, which is another packet's later. */
  readonly #open = new Map<string, Open>();
  /** What came into the trace's own table last, by number. */
  readonly #headers = new Map<string, TracedHeader>();

  /** In the order in which they began. */
  get all(): readonly Journey[] {
    return this.#all;
  }

  add(event: TraceEvent): void {
    const { id, chain } = event;
    if (!isTraceTable(event.table) || endOf(event)) {
      if (event.kind === 'packet' && !this.#open.has(id)) this.#renumbered(id, event.header);
      this.#open.get(id)?.events.push(event);
      return;
    }
    if (event.kind === 'packet') {
      this.#headers.set(id, event.header);
      if (this.#open.get(id)?.passed.has(chain)) this.#open.delete(id);
    }
    const direction = whoseOf(event);
    if (!direction) return;
    const journey = this.#open.get(id) ?? this.#continued(direction, chain) ?? this.#begun(direction, id);
    journey.passed.add(chain);
    this.#open.set(id, journey);
  }

  /** A packet that this host sends to itself comes in under another number. */
  #continued(direction: Direction, chain: string): Open | undefined {
    const last = this.#all.findLast((each) => each.direction === direction);
    return last?.passed.has(chain) ? undefined : last;
  }

  /** And so does one that a bridge hands to its host, which nothing else tells of. */
  #renumbered(id: string, header: TracedHeader): void {
    const journey = this.#all.findLast((each) => isSamePacket(each, header));
    if (journey) this.#open.set(id, journey);
  }

  #begun(direction: Direction, id: string): Open {
    const header = this.#headers.get(id) ?? NOTHING_KNOWN;
    const journey: Open = { direction, header, events: [], passed: new Set() };
    this.#all.push(journey);
    return journey;
  }
}

/** By the end that no rule has translated so far: the client's. */
function isSamePacket({ direction, header: known }: Journey, header: TracedHeader): boolean {
  if (known.icmp !== header.icmp) return false;
  return direction === 'sent'
    ? known.sourcePort === header.sourcePort && known.source?.text === header.source?.text
    : known.port === header.port && known.destination?.text === header.destination?.text;
}

/** Whether a packet has been dropped, by a rule or by the policy of a chain. */
export const isDropped = ({ events }: Journey): boolean =>
  events.some((event) => event.kind !== 'packet' && event.verdict === 'drop');
