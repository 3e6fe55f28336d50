/** Limits the long-running requests of each user: watches, logs, connections to pods. */
import type { Exchange } from '../http/exchange.ts';
import { PRIVILEGED_GROUP, type User } from '../http/user.ts';

/** Limit for the weights of a user's long-running requests. A weight of 1 is some 20 KB for as long as the request runs. */
const MAX_LONG_RUNNING = 20_000;
/** Characters of a selector per weight of 1: parsed, they take many times as much memory. */
const SELECTOR_UNIT = 256;

/** A watch of tables buffers its own copy of an object that its client does not read, 1.5 MiB and more. */
const TABLES_WEIGHT = 100;
const WANTS_TABLES = /;\s*as=table/i;

function weightOf(exchange: Exchange): number {
  const { labelSelector, fieldSelector, verb } = exchange.info;
  const tables = verb === 'watch' && WANTS_TABLES.test(exchange.header('accept') ?? '') ? TABLES_WEIGHT : 0;
  return 1 + tables + Math.floor((labelSelector.length + fieldSelector.length) / SELECTOR_UNIT);
}

/** Administrators are never rejected. */
export class LongRunningLimit {
  /** Total weight by user; only users with long-running requests. */
  readonly #weights = new Map<string, number>();

  /** Returns what ends the request; undefined when the user has too many. */
  begin(exchange: Exchange): (() => void) | undefined {
    const { user } = exchange;
    const weight = weightOf(exchange);
    const others = this.#weights.get(user.name) ?? 0;
    if (others + weight > MAX_LONG_RUNNING && !user.groups.includes(PRIVILEGED_GROUP)) return undefined;
    this.#weights.set(user.name, others + weight);
    return () => this.#end(user, weight);
  }

  #end({ name }: User, weight: number): void {
    const left = (this.#weights.get(name) ?? 0) - weight;
    if (left > 0) this.#weights.set(name, left);
    else this.#weights.delete(name);
  }
}
