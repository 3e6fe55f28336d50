/** The workers of this host's pods, and lookups in their state for other parts of the agent. */
import path from 'node:path';
import { containerLogPath, podLogDirectory } from '../logs/log-paths.ts';
import { liveSandbox, newestContainer } from './observed.ts';
import type { PodDirectory } from './pod-directory.ts';
import type { PodWorker } from './pod-worker.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

/** Observing takes a few calls of the runtime, of two minutes each at most. */
const LOOK_LIMIT_MS = 5 * 60_000;

export class PodWorkers implements PodDirectory, Iterable<PodWorker> {
  readonly #workers = new Map<string, PodWorker>();

  get(podUid: string): PodWorker | undefined {
    return this.#workers.get(podUid);
  }

  add(worker: PodWorker): void {
    this.#workers.set(worker.pod.metadata?.uid ?? '', worker);
  }

  delete(podUid: string): void {
    this.#workers.delete(podUid);
  }

  [Symbol.iterator](): Iterator<PodWorker> {
    return this.#workers.values();
  }

  list(): readonly Pod[] {
    return [...this].map(({ pod, status }) => ({ ...pod, status }));
  }

  find(namespace: string, name: string): Pod | undefined {
    return this.list().find(({ metadata }) => metadata?.name === name && metadata.namespace === namespace);
  }

  sandboxId(podUid: string): string | undefined {
    return this.get(podUid)?.runtime.sandboxes[0]?.id;
  }

  containerId(podUid: string, containerName: string, previous = false): string | undefined {
    const worker = this.get(podUid);
    if (!worker) return undefined;
    if (!previous) return newestContainer(worker.runtime, containerName)?.id;
    // While a container waits for its next start, the one that has just ended is the previous one.
    const { initContainerStatuses = [], containerStatuses = [] } = worker.status ?? {};
    const status = [...initContainerStatuses, ...containerStatuses].find(({ name }) => name === containerName);
    return status?.lastState?.terminated?.containerID?.replace(/^\w+:\/\//, '');
  }

  /** The pods with a network, and the addresses that they have in it. */
  *addresses(): Iterable<{ readonly pod: Pod; readonly addresses: readonly string[] }> {
    for (const { pod, runtime } of this) {
      const addresses = liveSandbox(runtime)?.ips ?? [];
      if (addresses.length > 0) yield { pod, addresses };
    }
  }

  /** The containers that run. */
  *running(): Iterable<{ readonly podUid: string; readonly name: string; readonly id: string }> {
    for (const { pod, runtime } of this)
      for (const { id, name, state } of runtime.containers)
        if (state === 'running') yield { podUid: pod.metadata?.uid ?? '', name, id };
  }

  /** Pods, as NAMESPACE/NAME, whose workers have been observing for too long. */
  stuck(): string[] {
    const latest = performance.now() - LOOK_LIMIT_MS;
    return [...this]
      .filter(({ observingSince }) => (observingSince ?? Infinity) < latest)
      .map(({ pod: { metadata } }) => `${metadata?.namespace}/${metadata?.name}`);
  }

  /** The content of the pod's volumes is out of date. */
  refreshVolumes(podUid: string): void {
    this.get(podUid)?.refreshVolumes();
  }

  /** The log files that are being written. `root` is `/var/log/pods`. */
  *logs(root: string): Iterable<{ containerId: string; file: string }> {
    for (const { pod, runtime } of this) {
      const directory = podLogDirectory(root, pod);
      for (const { id, name, state, restartCount } of runtime.containers) {
        if (state !== 'running') continue;
        yield { containerId: id, file: path.join(directory, containerLogPath(name, restartCount)) };
      }
    }
  }
}
