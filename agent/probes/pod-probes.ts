/** The probes of one pod's containers, and their results: which containers have started, are ready, or are to be restarted. */
import { isSidecar } from '../../api/domain/pod-lifecycle.ts';
import type { CriClient } from '../cri/client.ts';
import type { AnyContainer } from '../pods/sync/actions.ts';
import { liveSandbox, type ObservedContainer, type PodRuntime } from '../pods/sync/observed.ts';
import { containerOf, type RestartOrder } from '../pods/sync/plan.ts';
import type { PodMetrics } from '../pods/sync/pod-metrics.ts';
import type { RecordEvent } from '../pods/sync/pod-dependencies.ts';
import { podFields } from '../pods/log-fields.ts';
import { report } from '../recorder/report.ts';
import { ProbeLoop } from './probe-loop.ts';
import { runProbe } from './run-probe.ts';
import type { Pod, Probe } from '../../api/types/core/v1.gen.ts';

export interface PodProbesOptions {
  readonly cri: CriClient;
  readonly record: RecordEvent;
  /** For pods on the host's network. */
  readonly hostIPs: readonly string[];
  /** A result has changed. */
  readonly onChange: () => void;
  readonly metrics?: Pick<PodMetrics, 'probed'>;
}

type ProbeKind = 'Liveness' | 'Readiness' | 'Startup';

const OUTCOMES = { success: 'successful', failure: 'failed', unknown: 'unknown' } as const;

export class PodProbes implements Disposable {
  readonly started = new Set<string>();
  readonly ready = new Set<string>();
  readonly restartOrders = new Map<string, RestartOrder>();
  readonly #options: PodProbesOptions;
  /** The loops of each running container, by its id. */
  readonly #loops = new Map<string, Map<ProbeKind, ProbeLoop>>();
  #pod: Pod;

  /** `pod` as the API has it: containers that were ready before a restart of the agent stay ready until a probe fails. */
  constructor(pod: Pod, options: PodProbesOptions) {
    this.#pod = pod;
    this.#options = options;
  }

  /** Probes the running containers only. While the pod terminates only readiness probes continue. */
  follow(pod: Pod, runtime: PodRuntime, isEnding: boolean): void {
    const known = this.#pod;
    this.#pod = pod;
    const podIP = (pod.spec?.hostNetwork ? undefined : liveSandbox(runtime)?.ips[0]) ?? this.#options.hostIPs[0] ?? '';
    const running = new Set<string>();
    for (const observed of runtime.containers) {
      const container = containerOf(pod, observed.name);
      if (observed.state !== 'running' || container === undefined) continue;
      running.add(observed.id);
      if (!this.#loops.has(observed.id)) this.#begin(container, observed, podIP, known);
      if (isEnding) {
        this.#end(observed.id, 'Liveness');
        this.#end(observed.id, 'Startup');
      }
    }
    for (const id of [...this.#loops.keys()]) if (!running.has(id)) this.#forget(id);
  }

  [Symbol.dispose](): void {
    for (const id of [...this.#loops.keys()]) this.#forget(id);
  }

  #begin(container: AnyContainer, observed: ObservedContainer, podIP: string, known: Pod): void {
    const { id } = observed;
    const statuses = [...(known.status?.containerStatuses ?? []), ...(known.status?.initContainerStatuses ?? [])];
    const before = statuses.find(({ containerID }) => containerID?.endsWith(`//${id}`));
    this.#loops.set(id, new Map());
    const isOld = before !== undefined;
    // Init containers have no probes.
    const isInit = !isSidecar(container) && this.#pod.spec?.initContainers?.some(({ name }) => name === container.name);
    const { startupProbe } = container;
    if (isInit || !startupProbe || before?.started) {
      this.#hasStarted(container, observed, podIP, isOld, before?.ready ?? false);
      return;
    }
    this.#loop(container, observed, podIP, 'Startup', startupProbe, isOld, (healthy) => {
      if (healthy) {
        this.#end(id, 'Startup');
        this.#hasStarted(container, observed, podIP, false, false);
        this.#options.onChange();
      } else this.#restart(id, 'startup', startupProbe);
    });
  }

  #hasStarted(
    container: AnyContainer,
    observed: ObservedContainer,
    podIP: string,
    isOld: boolean,
    wasReady: boolean,
  ): void {
    const { id } = observed;
    const { livenessProbe, readinessProbe } = container;
    this.started.add(id);
    if (!readinessProbe || wasReady) this.ready.add(id);
    if (livenessProbe) {
      this.#loop(container, observed, podIP, 'Liveness', livenessProbe, isOld, (healthy) => {
        if (!healthy) this.#restart(id, 'liveness', livenessProbe);
      });
    }
    if (readinessProbe) {
      this.#loop(container, observed, podIP, 'Readiness', readinessProbe, isOld, (healthy) => {
        if (healthy) this.ready.add(id);
        else this.ready.delete(id);
        this.#options.onChange();
      });
    }
  }

  #restart(id: string, probe: RestartOrder['probe'], { terminationGracePeriodSeconds }: Probe): void {
    this.restartOrders.set(id, { probe, graceSeconds: terminationGracePeriodSeconds });
    // It is about to be restarted: the next container of the name is probed anew.
    for (const kind of ['Liveness', 'Startup'] as const) this.#end(id, kind);
    this.#options.onChange();
  }

  #loop(
    container: AnyContainer,
    { id, startedAt }: ObservedContainer,
    podIP: string,
    kind: ProbeKind,
    probe: Probe,
    isOld: boolean,
    decided: (healthy: boolean) => void,
  ): void {
    const { cri, record, metrics } = this.#options;
    const loop = new ProbeLoop({
      probe,
      startedAt,
      isOld,
      isEager: kind !== 'Liveness',
      run: async (signal) => {
        const result = await runProbe(probe, { container, containerId: id, podIP }, cri, signal);
        metrics?.probed(this.#pod, container.name, kind, OUTCOMES[result.is]);
        return result;
      },
      decided: (healthy) => {
        report({ kind: 'probe', container: container.name, probe: kind, healthy }, podFields(this.#pod));
        decided(healthy);
      },
      observed: (result) => {
        if (result.is === 'success') {
          record(this.#pod, 'Warning', 'ProbeWarning', `${kind} probe warning: ${result.warning}`, container.name);
        } else {
          const verb = result.is === 'failure' ? 'failed' : 'errored';
          record(this.#pod, 'Warning', 'Unhealthy', `${kind} probe ${verb}: ${result.output}`, container.name);
        }
      },
    });
    this.#loops.get(id)?.set(kind, loop);
  }

  #end(id: string, kind: ProbeKind): void {
    this.#loops.get(id)?.get(kind)?.[Symbol.dispose]();
    this.#loops.get(id)?.delete(kind);
  }

  #forget(id: string): void {
    for (const loop of this.#loops.get(id)?.values() ?? []) loop[Symbol.dispose]();
    this.#loops.delete(id);
    this.started.delete(id);
    this.ready.delete(id);
    this.restartOrders.delete(id);
  }
}
