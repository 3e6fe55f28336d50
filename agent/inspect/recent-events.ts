/** The Events that this agent has recorded last: what `kedge events` shows, with or without an api-server. */
import type { EventOccurrence } from '../../client/event-recorder.ts';

/** One row: repeated Events are counted, as in the API. Times are in ms since the epoch. */
export interface RecentEvent {
  readonly firstAt: number;
  readonly lastAt: number;
  readonly count: number;
  readonly type: string;
  readonly reason: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** The part of the object, such as `spec.containers{web}`. */
  readonly fieldPath: string;
  readonly message: string;
}

const MAX_EVENTS = 1000;
/** Of the API's Events, too. */
const MAX_MESSAGE_CHARS = 1024;

export class RecentEvents {
  readonly #events = new Map<string, RecentEvent>();

  add({ regarding, type, reason, message, at }: EventOccurrence): void {
    const { kind = '', namespace = '', name = '', fieldPath = '' } = regarding;
    const text = message.slice(0, MAX_MESSAGE_CHARS);
    const key = [kind, namespace, name, fieldPath, type, reason, text].join('\0');
    const before = this.#events.get(key);
    this.#events.delete(key);
    this.#events.set(key, {
      ...{ type, reason, kind, namespace, name, fieldPath, message: text },
      ...{ firstAt: before?.firstAt ?? at, lastAt: at, count: (before?.count ?? 0) + 1 },
    });
    if (this.#events.size <= MAX_EVENTS) return;
    for (const oldest of this.#events.keys()) {
      this.#events.delete(oldest);
      return;
    }
  }

  /** The one that happened last comes last. */
  list(): readonly RecentEvent[] {
    return [...this.#events.values()];
  }
}
