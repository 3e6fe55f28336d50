/** What the runtime has told of a pod's containers and sandboxes, until a look at them shows it. */
import type { Told } from './lifecycle-events.ts';
import { isAlive, type PodRuntime } from './observed.ts';

/** The first wait for what was told to show, doubling; given up past the last. */
const FIRST_WAIT_MS = 10;
const LAST_WAIT_MS = 5_000;
/** The reason that the runtime gives for a container of which the kernel has killed a process. */
const OOM_KILLED = 'OOMKilled';

export class ExpectedSigns {
  /** With how long to wait for the next look. */
  readonly #expected = new Map<string, Told & { readonly waitMs: number }>();

  add({ id, sign }: Told): void {
    this.#expected.set(`${sign} ${id}`, { id, sign, waitMs: FIRST_WAIT_MS });
  }

  /** The containers of which the kernel has killed a process, as far as that does not show. */
  *killedByKernel(): Iterable<string> {
    for (const { id, sign } of this.#expected.values()) if (sign === 'oom') yield id;
  }

  /** Forgets what shows; gives the time to look again, in ms since the epoch, when something does not. */
  nextLookAt(runtime: PodRuntime, now: number): number | undefined {
    let nextMs: number | undefined;
    for (const [key, told] of this.#expected) {
      const { waitMs } = told;
      if (shows(runtime, told) || waitMs > LAST_WAIT_MS) {
        this.#expected.delete(key);
      } else {
        this.#expected.set(key, { ...told, waitMs: waitMs * 2 });
        nextMs = Math.min(nextMs ?? waitMs, waitMs);
      }
    }
    return nextMs === undefined ? undefined : now + nextMs;
  }
}

function shows({ containers, sandboxes }: PodRuntime, { id, sign }: Told): boolean {
  const container = containers.find((each) => each.id === id);
  switch (sign) {
    case 'end':
      return !(container && isAlive(container)) && !sandboxes.some((each) => each.id === id && each.ready);
    case 'oom':
      return container === undefined || container.reason === OOM_KILLED;
  }
}
