/**
 * A backend has a fixed number of servers, more than endpoints: an endpoint is put into a free one at run time. Pure.
 */

export interface Slots {
  /** The address of each server; undefined for a free one. */
  readonly addresses: readonly (string | undefined)[];
  /** Where the search for a free one begins: one that was just left may still have connections. */
  readonly next: number;
}

/** How many servers a backend of so many endpoints gets: room for a rolling update. */
export function capacityFor(endpoints: number): number {
  let capacity = 2;
  while (capacity < endpoints * HEADROOM) capacity *= 2;
  return capacity;
}
const HEADROOM = 1.25;

/** The servers of a new configuration. */
export function newSlots(endpoints: readonly string[]): Slots {
  const addresses = Array.from({ length: capacityFor(endpoints.length) }, (_, index) => endpoints[index]);
  return { addresses, next: endpoints.length };
}

/** Moves as few endpoints as possible; undefined when there are more endpoints than servers. */
export function assignSlots(slots: Slots, endpoints: readonly string[]): Slots | undefined {
  const capacity = slots.addresses.length;
  if (endpoints.length > capacity) return undefined;
  const wanted = new Set(endpoints);
  const addresses = slots.addresses.map((address) =>
    address !== undefined && wanted.has(address) ? address : undefined,
  );
  const present = new Set(addresses);
  let { next } = slots;
  for (const endpoint of endpoints) {
    if (present.has(endpoint)) continue;
    // What is free already comes before what has just been left.
    let at = freeFrom(next, addresses, slots.addresses) ?? freeFrom(next, addresses, addresses) ?? 0;
    addresses[at] = endpoint;
    at++;
    next = at % capacity;
  }
  return { addresses, next };
}

function freeFrom(
  start: number,
  now: readonly (string | undefined)[],
  before: readonly (string | undefined)[],
): number | undefined {
  for (let step = 0; step < now.length; step++) {
    const at = (start + step) % now.length;
    if (now[at] === undefined && before[at] === undefined) return at;
  }
  return undefined;
}
