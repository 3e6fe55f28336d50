/** The probes of one pod's containers, and what they have found. */
import type { Pod } from '../../api/core/pod.ts';
import type { PodRuntime } from '../pods/observed.ts';
import type { RestartOrder } from '../pods/plan.ts';

export class PodProbes {
  readonly started = new Set<string>();
  readonly ready = new Set<string>();
  readonly restartOrders = new Map<string, RestartOrder>();

  follow(_pod: Pod, runtime: PodRuntime, _isEnding: boolean): void {
    for (const { id, state } of runtime.containers) {
      if (state === 'running') {
        this.started.add(id);
        this.ready.add(id);
      } else {
        this.started.delete(id);
        this.ready.delete(id);
      }
    }
  }
}
