/** Events of a pod's containers and sandboxes that the CRI does not show yet. */
import type { RuntimeEvent } from './lifecycle-events.ts';
import { isAlive, type PodRuntime } from './observed.ts';

/** The first wait for an event to show, doubling; dropped past the last. */
const FIRST_WAIT_MS = 10;
const LAST_WAIT_MS = 5_000;
/** The runtime's reason for a container in which the kernel has killed a process. */
const OOM_KILLED = 'OOMKilled';

export class PendingEvents {
  /** With how long to wait for the next observation. */
  readonly #events = new Map<string, RuntimeEvent & { readonly waitMs: number }>();

  add({ id, type }: RuntimeEvent): void {
    this.#events.set(`${type} ${id}`, { id, type, waitMs: FIRST_WAIT_MS });
  }

  /** The containers in which the kernel has killed a process, unless they show it. */
  *killedByKernel(): Iterable<string> {
    for (const { id, type } of this.#events.values()) if (type === 'oom') yield id;
  }

  /** Drops the events that show; returns the time to observe again, in ms since the epoch, when some do not. */
  nextAt(runtime: PodRuntime, now: number): number | undefined {
    let nextMs: number | undefined;
    for (const [key, event] of this.#events) {
      const { waitMs } = event;
      if (shows(runtime, event) || waitMs > LAST_WAIT_MS) {
        this.#events.delete(key);
      } else {
        this.#events.set(key, { ...event, waitMs: waitMs * 2 });
        nextMs = Math.min(nextMs ?? waitMs, waitMs);
      }
    }
    return nextMs === undefined ? undefined : now + nextMs;
  }
}

function shows({ containers, sandboxes }: PodRuntime, { id, type }: RuntimeEvent): boolean {
  const container = containers.find((each) => each.id === id);
  switch (type) {
    case 'exit':
      return !(container && isAlive(container)) && !sandboxes.some((each) => each.id === id && each.ready);
    case 'oom':
      return container === undefined || container.reason === OOM_KILLED;
  }
}
